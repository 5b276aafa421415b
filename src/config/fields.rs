//! Reads values out of the tree, and reports what is wrong with them by key and place.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::document::{Entry, Kind, Node, is_anchorage};
use super::error::{Place, Problems};
use crate::duration;
use crate::secret::Secret;
use crate::shown::{cut, shown};

/// A file with more of them is not a configuration of ours, and nobody reads of all.
const SHOWN_UNKNOWN_KEYS: usize = 10;

/// What is said of a value that some program should have replaced.
const UNEXPANDED: &str = "has the form ${…}, which nothing here expands; give the value itself, or the variable that is \
                          named like the key; secrets also in a file, with …_file";

/// A value of the tree with its path.
#[derive(Clone)]
pub(super) struct Value<'a> {
    /// Such as `accounts[0].regions[1]`; empty for the whole document.
    pub(super) path: String,
    node: &'a Node,
    problems: &'a Problems,
}

/// The keys of one mapping. Each key that is asked for is a known one; what is left over is reported at the end.
pub(super) struct Fields<'a> {
    /// The path of the mapping itself.
    path: String,
    place: Place,
    entries: &'a [Entry],
    problems: &'a Problems,
    known: Vec<&'static str>,
    accepted: Vec<&'static str>,
}

/// Whether a text is nothing but one or several `${…}`.
fn is_reference(text: &str) -> bool {
    let text = text.trim();
    text.starts_with("${") && text.ends_with('}')
}

// === impl Value ===

impl<'a> Value<'a> {
    pub(super) fn root(node: &'a Node, problems: &'a Problems) -> Self {
        Self {
            path: String::new(),
            node,
            problems,
        }
    }

    /// Reports that this value is wrong.
    pub(super) fn report(&self, message: impl Into<String>) {
        self.problems
            .report(self.node.place.clone(), self.path.as_str(), message);
    }

    /// Reports that the value of a key of this mapping is wrong, at the place of the mapping where the key is absent.
    pub(super) fn report_at(&self, key: &str, message: impl Into<String>) {
        let entries: &[Entry] = if let Kind::Mapping(entries) = &self.node.kind {
            entries
        } else {
            &[]
        };
        let entry = entries.iter().find(|entry| entry.key == key);
        let place = entry.map_or(&self.node.place, |entry| &entry.node.place);
        self.problems
            .report(place.clone(), format!("{}.{key}", self.path), message);
    }

    /// What `read` makes of the value, or nothing and a report.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Self) -> Result<T, String>) -> Option<T> {
        read(self).map_err(|message| self.report(message)).ok()
    }

    /// Reads a mapping by its keys, and reports those that `read` did not ask for.
    pub(super) fn mapping<T>(&self, read: impl FnOnce(&mut Fields<'a>) -> T) -> Option<T> {
        let Kind::Mapping(entries) = &self.node.kind else {
            self.report(format!("expected keys and values, found {}", self.found()));
            return None;
        };
        let mut fields = Fields {
            path: self.path.clone(),
            place: self.node.place.clone(),
            entries,
            problems: self.problems,
            known: Vec::new(),
            accepted: Vec::new(),
        };
        let result = read(&mut fields);
        fields.report_unknown();
        Some(result)
    }

    /// The keys and texts of a mapping whose keys are the user's own.
    pub(super) fn texts(&self) -> Vec<(String, Self)> {
        let Kind::Mapping(entries) = &self.node.kind else {
            self.report(format!("expected keys and values, found {}", self.found()));
            return Vec::new();
        };
        entries
            .iter()
            .map(|entry| {
                let path = format!("{}.{}", self.path, cut(&entry.key));
                (
                    entry.key.clone(),
                    Self {
                        path,
                        node: &entry.node,
                        problems: self.problems,
                    },
                )
            })
            .collect()
    }

    /// The values of a list. A list in an environment variable is written with commas.
    pub(super) fn list(&self) -> Option<Vec<Self>> {
        match &self.node.kind {
            Kind::List(nodes) => Some(
                nodes
                    .iter()
                    .enumerate()
                    .map(|(index, node)| Self {
                        path: format!("{}[{index}]", self.path),
                        node,
                        problems: self.problems,
                    })
                    .collect(),
            ),
            _ => {
                self.report(format!("expected a list such as [a, b], found {}", self.found()));
                None
            }
        }
    }

    /// A list of texts that need no place of their own, from the file or split at the commas of a variable.
    pub(super) fn items(&self) -> Option<Vec<Item<'a>>> {
        match &self.node.kind {
            Kind::Text(text) if matches!(self.node.place, Place::Variable(_)) => Some(
                text.split(',')
                    .map(str::trim)
                    .filter(|text| !text.is_empty())
                    .map(|text| Item {
                        value: self.clone(),
                        text: text.to_owned(),
                    })
                    .collect(),
            ),
            _ => Some(
                self.list()?
                    .into_iter()
                    .filter_map(|value| {
                        let text = value.read(Value::text)?;
                        Some(Item { value, text })
                    })
                    .collect(),
            ),
        }
    }

    /// A text that stands for itself. One with `${…}` in it was written for a program that would have replaced that.
    pub(super) fn text(&self) -> Result<String, String> {
        let text = self.verbatim()?;
        match text.split_once("${") {
            Some((_, rest)) if rest.contains('}') => Err(String::from(UNEXPANDED)),
            _ => Ok(text),
        }
    }

    /// A text in which `${…}` can have a meaning, such as RAM's, unless it is nothing else.
    pub(super) fn verbatim(&self) -> Result<String, String> {
        match &self.node.kind {
            Kind::Text(text) if is_reference(text) => Err(String::from(UNEXPANDED)),
            Kind::Text(text) => Ok(text.clone()),
            _ => Err(format!("expected a single value, found {}", self.found())),
        }
    }

    /// Such a text, or an empty one where nothing is written.
    pub(super) fn verbatim_or_nothing(&self) -> Result<String, String> {
        match &self.node.kind {
            Kind::Null => Ok(String::new()),
            _ => self.verbatim(),
        }
    }

    /// A text that is not empty.
    pub(super) fn some_text(&self) -> Result<String, String> {
        match self.text()? {
            text if text.is_empty() => Err(String::from("must not be empty")),
            text => Ok(text),
        }
    }

    /// A text that no message shows.
    pub(super) fn secret(&self) -> Result<Secret, String> {
        match self.verbatim()? {
            text if text.is_empty() => Err(String::from("must not be empty")),
            text => Ok(Secret::new(text)),
        }
    }

    pub(super) fn integer(&self, range: RangeInclusive<u32>) -> Result<u32, String> {
        let text = self.text()?;
        text.parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                format!(
                    "expected a whole number from {} to {}, found {}",
                    range.start(),
                    range.end(),
                    shown(&text)
                )
            })
    }

    pub(super) fn boolean(&self) -> Result<bool, String> {
        let text = self.text()?;
        text.parse()
            .map_err(|_| format!("expected true or false, found {}", shown(&text)))
    }

    pub(super) fn duration(&self) -> Result<Duration, String> {
        let text = self.text()?;
        duration::parse(&text).map_err(|error| format!("{} {error}", shown(&text)))
    }

    /// A duration that must not be 0.
    pub(super) fn positive_duration(&self) -> Result<Duration, String> {
        match self.duration()? {
            Duration::ZERO => Err(String::from("must be longer than 0")),
            duration => Ok(duration),
        }
    }

    /// What stands here, without showing it: it may be a secret in the wrong place.
    fn found(&self) -> &'static str {
        match self.node.kind {
            Kind::Null => "nothing",
            Kind::Text(_) => "a single value",
            Kind::List(_) => "a list",
            Kind::Mapping(_) => "keys and values",
        }
    }
}

/// A text of a list, with the value to report it by.
pub(super) struct Item<'a> {
    pub(super) value: Value<'a>,
    pub(super) text: String,
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// The value of a key; nothing where it is absent or null.
    pub(super) fn value(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.known.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        if matches!(entry.node.kind, Kind::Null) {
            return None;
        }
        Some(Value {
            path: self.path_of(key),
            node: &entry.node,
            problems: self.problems,
        })
    }

    /// The list or the mapping of a key; nothing where it is absent. One with nothing behind it is no empty one: it is
    /// what is left when somebody's editor was at work.
    pub(super) fn part(&mut self, key: &'static str) -> Option<Value<'a>> {
        let value = self.value(key);
        let is_there = self.entries.iter().any(|entry| entry.key == key);
        if value.is_none() && is_there {
            self.report_value(
                key,
                "has nothing behind it; write what belongs there, or remove the key",
            );
        }
        value
    }

    /// What `read` makes of the value of a key; nothing where it is absent, or wrong and reported.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value<'a>) -> Result<T, String>,
    ) -> Option<T> {
        self.value(key)?.read(read)
    }

    /// Replaces a default where the key is there.
    pub(super) fn set<T>(
        &mut self,
        target: &mut T,
        key: &'static str,
        read: impl FnOnce(&Value<'a>) -> Result<T, String>,
    ) {
        if let Some(value) = self.read(key, read) {
            *target = value;
        }
    }

    /// As [`Fields::read`], and reports a key that is absent, with what it is for.
    pub(super) fn require<T>(
        &mut self,
        key: &'static str,
        purpose: &str,
        read: impl FnOnce(&Value<'a>) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.value(key);
        if value.is_none() {
            self.report_missing(key, purpose);
        }
        value?.read(read)
    }

    /// Reports that a key is absent.
    pub(super) fn report_missing(&self, key: &str, purpose: &str) {
        self.problems.report(
            self.place.clone(),
            self.path_of(key),
            format!("is missing: {purpose}"),
        );
    }

    /// Reports that the value of a key does not go with something else.
    pub(super) fn report_value(&self, key: &str, message: impl Into<String>) {
        let place = self
            .entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| entry.node.place.clone());
        self.problems.report(
            place.unwrap_or_else(|| self.place.clone()),
            self.path_of(key),
            message,
        );
    }

    /// The keys that are there, known or not.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.entries.iter().map(|entry| entry.key.as_str())
    }

    /// Keeps keys from being reported as unknown, without naming them among those that were expected.
    pub(super) fn accept(&mut self, keys: &[&'static str]) {
        self.accepted.extend_from_slice(keys);
    }

    fn path_of(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    fn report_unknown(&self) {
        let is_top = self.path.is_empty();
        let unknown: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|entry| {
                let key = entry.key.as_str();
                let is_known = self.known.contains(&key) || self.accepted.contains(&key);
                !(is_known || is_top && is_anchorage(key))
            })
            .collect();
        let known = self.known.join(", ");
        for (index, entry) in unknown.iter().enumerate().take(SHOWN_UNKNOWN_KEYS + 1) {
            let place = match entry.node.place {
                Place::Variable(_) => entry.node.place.clone(),
                _ => entry.place.clone(),
            };
            let (key, message) = if index < SHOWN_UNKNOWN_KEYS {
                let message = format!("unknown key; expected one of: {known}");
                (self.path_of(&cut(&entry.key)), message)
            } else {
                let more = unknown.len() - SHOWN_UNKNOWN_KEYS;
                (
                    self.path.clone(),
                    format!("{more} more unknown keys from here on"),
                )
            };
            self.problems.report(place, key, message);
        }
    }
}
