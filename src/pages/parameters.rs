//! The query of a request: names and values, each name once.

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::bounded::MAX_TEXT;
use crate::form;

/// What stays as it is in a query that we write.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The parameters that nobody has taken yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    values: BTreeMap<String, String>,
}

/// A parameter that cannot be what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadParameter {
    /// Its name, cut where it is long.
    pub(super) name: String,
    /// What was expected.
    pub(super) message: String,
}

impl Parameters {
    /// Reads `application/x-www-form-urlencoded`, as forms send it.
    pub(super) fn read(query: Option<&str>) -> Result<Self, BadParameter> {
        let mut values = BTreeMap::new();
        for (name, value) in form::pairs(query.unwrap_or_default()) {
            let value = value.unwrap_or_default();
            let name = decode(name).ok_or_else(|| BadParameter::new(name, "expected UTF-8"))?;
            let value = decode(value).ok_or_else(|| BadParameter::new(&name, "expected UTF-8"))?;
            if value.len() > MAX_TEXT {
                let message = format!("expected at most {MAX_TEXT} bytes");
                return Err(BadParameter::new(&name, message));
            }
            if values.contains_key(&name) {
                return Err(BadParameter::new(&name, "expected once"));
            }
            values.insert(name, value);
        }
        Ok(Self { values })
    }

    /// Takes a text; one that is empty is none, since forms send every field.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.values.remove(name).filter(|value| !value.is_empty())
    }

    /// A text that is not taken yet.
    pub(super) fn peek(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Takes a whole number.
    pub(super) fn number(
        &mut self,
        name: &'static str,
        allowed: std::ops::RangeInclusive<usize>,
    ) -> Result<Option<usize>, BadParameter> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        // Not `+5`, which a number may otherwise begin with.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text
            .parse()
            .ok()
            .filter(|number| digits && allowed.contains(number));
        number.map(Some).ok_or_else(|| {
            let (least, most) = allowed.into_inner();
            BadParameter::new(name, format!("expected a whole number from {least} to {most}"))
        })
    }

    /// Nothing may be left: a filter with a misspelt name would otherwise find everything.
    pub(super) fn finish(self, known: &[&str]) -> Result<(), BadParameter> {
        match self.values.into_keys().next() {
            None => Ok(()),
            Some(name) => {
                let message = match known {
                    [] => "unknown parameter; none is taken here".to_owned(),
                    known => format!("unknown parameter; expected one of {}", known.join(", ")),
                };
                Err(BadParameter::new(&name, message))
            }
        }
    }
}

impl BadParameter {
    /// Of a parameter that is not what was expected.
    pub(super) fn new(name: &str, message: impl Into<String>) -> Self {
        Self {
            name: name.chars().take(64).collect(),
            message: message.into(),
        }
    }
}

impl fmt::Display for BadParameter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.name, self.message)
    }
}

/// Writes a query, without the question mark.
pub(super) fn encode<'a>(pairs: impl IntoIterator<Item = (&'static str, &'a str)>) -> String {
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={}", encode_text(value)))
        .collect();
    pairs.join("&")
}

/// A path with a query, and without a question mark where nothing is asked.
pub(super) fn address<'a>(path: &str, pairs: impl IntoIterator<Item = (&'static str, &'a str)>) -> String {
    let query = encode(pairs);
    match query.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{query}"),
    }
}

/// A text as one part of a path or a query.
pub(super) fn encode_text(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, IN_QUERY)
}

fn decode(text: &str) -> Option<String> {
    String::from_utf8(form::decoded(text).into_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_browsers_send_them() {
        let query = "region_id=cn-hangzhou&error_code=a%26b+%C3%A4&command_id=&x";
        let mut parameters = Parameters::read(Some(query)).unwrap();
        assert_eq!(parameters.text("region_id").as_deref(), Some("cn-hangzhou"));
        assert_eq!(parameters.text("error_code").as_deref(), Some("a&b ä"));
        assert_eq!(parameters.text("command_id"), None);
        let left = parameters.finish(&["limit"]).unwrap_err();
        assert_eq!(left.to_string(), "x: unknown parameter; expected one of limit");
        assert_eq!(Parameters::read(None), Parameters::read(Some("&")));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let value = "ä&=+% \"<";
        let query = encode([("command_id", value)]);
        let mut parameters = Parameters::read(Some(&query)).unwrap();
        assert_eq!(parameters.text("command_id").as_deref(), Some(value));
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        for (query, refused) in [
            ("a=%ff", "a: expected UTF-8"),
            ("a=1&a=1", "a: expected once"),
            (&format!("a={}", "x".repeat(513)), "a: expected at most 512 bytes"),
        ] {
            assert_eq!(Parameters::read(Some(query)).unwrap_err().to_string(), refused);
        }
        for text in ["0", "1001", "-1", "%2B5", "x", "1.0", "99999999999999999999"] {
            let mut parameters = Parameters::read(Some(&format!("limit={text}"))).unwrap();
            let bad = parameters.number("limit", 1..=1000).unwrap_err();
            assert_eq!(bad.message, "expected a whole number from 1 to 1000", "{text}");
        }
    }
}
