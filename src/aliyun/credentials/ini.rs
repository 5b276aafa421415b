//! INI files, as far as profiles need them: the keys of one section.
//!
//! Which sections and keys a file has is what Python's `configparser` says, since the official packages read these
//! files with it: a section's name is what stands in the brackets, whatever follows them; a line that is indented more
//! than its key goes on with that key's value; `[DEFAULT]` is part of every section; a key or section that occurs twice
//! is a mistake. Kinder is this: what is wrong in a section that nobody asked for does not matter, as long as it is
//! clear where the sections begin.
//!
//! Crates were tried: `rust-ini` takes text behind the bracket, as in `[default]a=1`, for a key of its own and reports an
//! extra section that is empty, and `configparser` puts keys before the first section into `default`, lets duplicates
//! win, and knows no `[DEFAULT]`. `tests/data/configparser.json` is what Python says of many odd files.

use std::collections::BTreeMap;

/// Whose keys every section has.
const COMMON: &str = "DEFAULT";

/// The keys of a section, in lower case, with their values.
pub(super) type Section = BTreeMap<String, String>;

/// What is wrong with a file, and in which line; the first is 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) line: usize,
    pub(super) what: &'static str,
}

/// The keys and values of a section, those that it has in common with all included. Nothing where there is none.
pub(super) fn section(text: &str, name: &str) -> Result<Option<Section>, Mistake> {
    let mut reader = Reader {
        name,
        place: Place::BeforeAll,
        found: None,
        common: Section::new(),
        key: None,
        indentation: 0,
    };
    for (index, line) in lines(text).enumerate() {
        reader.line(line).map_err(|what| Mistake {
            line: index + 1,
            what,
        })?;
    }
    let Reader {
        found, mut common, ..
    } = reader;
    let section = found.map(|own| {
        common.extend(own);
        common
            .into_iter()
            .map(|(key, value)| (key, value.trim_end_matches(is_space).to_owned()))
            .collect()
    });
    Ok(section)
}

/// In which section a line is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    BeforeAll,
    Asked,
    Common,
    Other,
}

struct Reader<'a> {
    name: &'a str,
    place: Place,
    found: Option<Section>,
    common: Section,
    /// The key that a line may go on with; empty in a section that nobody asked for.
    key: Option<String>,
    indentation: usize,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let content = strip(line);
        if content.starts_with(['#', ';']) {
            return Ok(());
        }
        if content.is_empty() {
            self.go_on("");
            return Ok(());
        }
        let indentation = line.chars().take_while(|c| is_space(*c)).count();
        if self.key.is_some() && indentation > self.indentation {
            self.go_on(content);
            return Ok(());
        }
        self.indentation = indentation;
        if let Some(rest) = content.strip_prefix('[') {
            return match rest.rfind(']') {
                Some(end) if end > 0 => self.begin(&rest[..end]),
                // The keys below it would be another section's.
                _ => Err("begins like a section, but is none"),
            };
        }
        let split = content
            .split_once(['=', ':'])
            .map(|(key, value)| (strip(key), strip(value)))
            .filter(|(key, _)| !key.is_empty());
        match (self.place, split) {
            (Place::BeforeAll, _) => Err("stands before the first [section]"),
            (Place::Other, Some(_)) => {
                self.key = Some(String::new());
                Ok(())
            }
            (Place::Other, None) => Ok(()),
            (_, None) => Err("is neither [section] nor key = value"),
            (_, Some((key, value))) => self.set(key.to_lowercase(), value),
        }
    }

    fn begin(&mut self, name: &str) -> Result<(), &'static str> {
        self.key = None;
        self.place = match name {
            COMMON => Place::Common,
            _ if name == self.name => Place::Asked,
            _ => Place::Other,
        };
        if self.place == Place::Asked {
            if self.found.is_some() {
                return Err("begins a section that is there already");
            }
            self.found = Some(Section::new());
        }
        Ok(())
    }

    fn set(&mut self, key: String, value: &str) -> Result<(), &'static str> {
        self.key = Some(key.clone());
        match self.values().map(|values| values.insert(key, value.to_owned())) {
            Some(Some(_)) => Err("has a key that is there already"),
            _ => Ok(()),
        }
    }

    /// Goes on with the value of the last key.
    fn go_on(&mut self, content: &str) {
        let Some(key) = self.key.clone() else {
            return;
        };
        if let Some(value) = self.values().and_then(|values| values.get_mut(&key)) {
            value.push('\n');
            value.push_str(content);
        }
    }

    fn values(&mut self) -> Option<&mut Section> {
        match self.place {
            Place::Asked => self.found.as_mut(),
            Place::Common => Some(&mut self.common),
            Place::BeforeAll | Place::Other => None,
        }
    }
}

/// Lines end as in Python's text files: with `\n`, `\r\n` or `\r`.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .flat_map(|line| line.split('\r'))
}

fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Python's `str.isspace`.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        text: String,
        section: String,
        /// What Python says of a file that it takes; `{"none": true}` where the section is not there.
        says: Option<Section>,
        refused: bool,
        /// Of a file that it refuses: what it says where it is told not to be strict.
        lenient: Option<Section>,
    }

    #[test]
    fn sections_and_keys_are_what_configparser_says() {
        let cases = include_str!("../../../tests/data/configparser.json");
        let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
        assert!(cases.len() > 1000);
        let mut kinder = 0;
        for case in &cases {
            let ours = section(&case.text, &case.section);
            if !case.refused {
                assert_eq!(ours, Ok(case.says.clone()), "{:?}", case.text);
            } else if let Ok(ours) = ours {
                kinder += 1;
                assert_eq!(ours, case.lenient, "{:?}", case.text);
            }
        }
        let refused = cases.iter().filter(|case| case.refused).count();
        assert!(0 < kinder && kinder < refused, "{kinder} of {refused}");
    }

    #[test]
    fn mistakes_have_their_line_where_they_matter() {
        let of = |text: &str| section(text, "default").map_err(|mistake| (mistake.line, mistake.what));
        for (text, line, what) in [
            ("a=1\n[default]\n", 1, "before the first"),
            ("[default]\na=1\na=2\n", 3, "there already"),
            ("[default]\n[x]\n[default]\n", 3, "there already"),
            ("[default]\n\nbare\n", 3, "neither"),
            ("[DEFAULT]\nbare\n[default]\n", 2, "neither"),
            ("[default]\n=1\n", 2, "neither"),
            ("[x]\na=1\n[default\nb=2\n", 3, "begins like"),
        ] {
            let (found, why) = of(text).unwrap_err();
            assert!(found == line && why.contains(what), "{text:?}: {found} {why}");
        }
        let of_one = Section::from([("b".to_owned(), "2".to_owned())]);
        for text in [
            "[x]\nbare\n[default]\nb=2\n",
            "[x]\na=1\na=2\n[x]\n[default]\nb=2\n",
        ] {
            assert_eq!(of(text), Ok(Some(of_one.clone())), "{text:?}");
        }
    }
}
