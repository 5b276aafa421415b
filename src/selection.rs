//! Which commands have series of their own: what the operator's selectors say of one.

use std::fmt;

use regex_lite::Regex;

use crate::fingerprint::Fingerprint;

/// So many selectors fit a [`SelectorSet`].
pub const MAX_SELECTORS: usize = 64;

/// A set of selectors, by their places in the selection.
pub type SelectorSet = u64;

/// All selectors; a command that one of them takes is selected.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    selectors: Vec<Selector>,
}

/// One selector: everything that is given must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// CommandName, the whole of it.
    pub name: Option<NamePattern>,
    /// CommandId.
    pub id: Option<Box<str>>,
    /// A tag that the invocation has.
    pub tag: Option<Tag>,
}

/// A tag of an invocation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tag {
    /// TagKey.
    pub key: Box<str>,
    /// TagValue.
    pub value: Box<str>,
}

/// A regular expression that must match the whole of a name.
#[derive(Clone)]
pub struct NamePattern {
    text: Box<str>,
    regex: Regex,
}

// === impl NamePattern ===

impl NamePattern {
    /// Reads a regular expression.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, regex_lite::Error> {
        // By itself first, so that an unbalanced one cannot pass for the sake of the group around it.
        Regex::new(text)?;
        Ok(Self {
            text: text.into(),
            regex: Regex::new(&format!("^(?:{text})$"))?,
        })
    }

    fn takes(&self, name: &str) -> bool {
        self.regex.is_match(name)
    }
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for NamePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(formatter)
    }
}

// === impl Selector ===

impl Selector {
    /// A number that differs between selectors.
    fn fingerprint(&self) -> u64 {
        let tag = self.tag.as_ref();
        Fingerprint::default()
            .with(self.name.as_ref().map(|name| &*name.text))
            .with(self.id.as_deref())
            .with(tag.map(|tag| &*tag.key))
            .with(tag.map(|tag| &*tag.value))
            .finish()
    }

    /// Whether a series can be told to be selected by its label alone.
    fn takes_label(&self, label: &str) -> bool {
        match self {
            Self {
                name: Some(name),
                id: None,
                tag: None,
            } => name.takes(label),
            Self {
                name: None,
                id: Some(id),
                tag: None,
            } => **id == *label,
            _ => false,
        }
    }
}

// === impl Selection ===

impl Selection {
    /// Of the first [`MAX_SELECTORS`] selectors; the configuration allows no more.
    pub fn new(mut selectors: Vec<Selector>) -> Self {
        selectors.truncate(MAX_SELECTORS);
        Self { selectors }
    }

    /// Whether nothing is selected.
    pub fn is_empty(&self) -> bool {
        self.selectors.is_empty()
    }

    /// Whether an invocation's tags matter.
    pub fn looks_at_tags(&self) -> bool {
        self.selectors.iter().any(|selector| selector.tag.is_some())
    }

    /// The selectors that ask for this tag.
    pub fn with_tag(&self, key: &str, value: &str) -> SelectorSet {
        self.places(|selector| {
            selector
                .tag
                .as_ref()
                .is_some_and(|tag| *tag.key == *key && *tag.value == *value)
        })
    }

    /// The selectors that take a command, given those whose tag its invocation has. A name that is not known speaks
    /// against none.
    pub fn choose(&self, id: &str, tagged: SelectorSet, name: Option<&str>) -> SelectorSet {
        let by_tag = tagged | self.places(|selector| selector.tag.is_none());
        by_tag
            & self.places(|selector| {
                let by_id = selector.id.as_ref().is_none_or(|wanted| **wanted == *id);
                let by_name = selector
                    .name
                    .as_ref()
                    .zip(name)
                    .is_none_or(|(pattern, name)| pattern.takes(name));
                by_id && by_name
            })
    }

    /// The fingerprints of some selectors.
    pub fn fingerprints(&self, chosen: SelectorSet) -> impl Iterator<Item = u64> {
        self.selectors
            .iter()
            .enumerate()
            .filter(move |(place, _)| chosen >> place & 1 == 1)
            .map(|(_, selector)| selector.fingerprint())
    }

    /// Of all selectors together.
    pub fn fingerprint(&self) -> u64 {
        let numbers = self
            .selectors
            .iter()
            .map(|selector| selector.fingerprint().to_string());
        numbers
            .fold(Fingerprint::default(), |all, number| all.with(Some(&number)))
            .finish()
    }

    /// Whether a series that selectors with these fingerprints have begun is still selected.
    pub fn keeps(&self, label: &str, mut began: impl Iterator<Item = u64>) -> bool {
        began.any(|fingerprint| {
            self.selectors
                .iter()
                .any(|selector| selector.fingerprint() == fingerprint)
        }) || self.selectors.iter().any(|selector| selector.takes_label(label))
    }

    fn places(&self, holds: impl Fn(&Selector) -> bool) -> SelectorSet {
        self.selectors
            .iter()
            .enumerate()
            .filter(|(_, selector)| holds(selector))
            .fold(0, |places, (place, _)| places | 1 << place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection() -> Selection {
        let name = |text: &str| Some(NamePattern::parse(text).unwrap());
        let tag = Some(Tag {
            key: "team".into(),
            value: "data".into(),
        });
        let selector = |name, id: Option<&str>, tag| Selector {
            name,
            id: id.map(Into::into),
            tag,
        };
        Selection::new(vec![
            selector(name("backup|nightly-.*"), None, None),
            selector(None, Some("c-1"), None),
            selector(None, None, tag.clone()),
            selector(name("a.c"), None, tag),
        ])
    }

    #[test]
    fn everything_in_a_selector_must_hold_and_one_selector_is_enough() {
        let selection = selection();
        let tagged = selection.with_tag("team", "data");
        assert_eq!((tagged, selection.with_tag("team", "web")), (0b1100, 0));
        for (id, tags, name, expected) in [
            ("c-9", 0, Some("backup"), 0b0001),
            ("c-9", 0, Some("backup-2"), 0),
            ("c-9", 0, Some("my nightly-x"), 0),
            ("c-9", 0, Some("nightly-x"), 0b0001),
            ("c-1", 0, Some("x"), 0b0010),
            ("c-9", tagged, Some("x"), 0b0100),
            ("c-9", tagged, Some("abc"), 0b1100),
            ("c-9", 0, None, 0b0001),
            ("c-1", tagged, None, 0b1111),
        ] {
            assert_eq!(
                selection.choose(id, tags, name),
                expected,
                "{id} {tags:b} {name:?}"
            );
        }
    }

    #[test]
    fn an_unbalanced_pattern_does_not_pass() {
        assert!(NamePattern::parse("a)(b").is_err());
        assert!(NamePattern::parse("[").is_err());
    }

    #[test]
    fn a_series_stays_while_its_selector_or_one_for_its_label_does() {
        let selection = selection();
        let began: Vec<u64> = selection.fingerprints(0b0100).collect();
        assert!(selection.keeps("whatever", began.into_iter()));
        assert!(!selection.keeps("whatever", [7].into_iter()));
        assert!(selection.keeps("backup", [7].into_iter()));
        assert!(selection.keeps("c-1", std::iter::empty()));
    }
}
