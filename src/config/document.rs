//! The configuration as it was written: a tree of texts, each with its place.
//!
//! The file is read into this tree, the environment is laid over it, and [`fields`](super::fields) reads values out of
//! it. Scalars stay the texts they are in the file, whatever YAML would make of them: an account named `0123` or a
//! tag with the value `no` means those letters. That, the place of every value whichever way it came, and one set of
//! messages are why the tree is our own instead of a merge of typed values.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::error::Place;
use crate::shown::{cut, shown};
use crate::yaml;

/// A value and where it was written. It may hold a secret, so it has no `Debug`.
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) kind: Kind,
}

/// What a value looks like.
pub(super) enum Kind {
    /// Nothing behind the key, or `null`: for a single value the same as a key that is not there.
    Null,
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; no key occurs twice.
    Mapping(Vec<Entry>),
}

/// A key of a mapping with its value.
pub(super) struct Entry {
    pub(super) key: String,
    /// Where the key stands, which is not always the line of its value.
    pub(super) place: Place,
    pub(super) node: Node,
}

/// Whether a key of the top level is there for the anchors in it, and means nothing else.
pub(super) fn is_anchorage(key: &str) -> bool {
    key.starts_with("x-")
}

/// A text is not YAML: the line where known, and a message without any of the file's content.
pub(super) struct SyntaxError {
    pub(super) place: Place,
    pub(super) message: String,
}

// === impl Node ===

impl Node {
    /// Reads a YAML text. An empty one is `Null`.
    pub(super) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let raw: Spanned<Raw> = serde_saphyr::from_str_with_options(text, yaml::reading())
            .map_err(|error| syntax_error(&error))?;
        Ok(Self::from_raw(raw, text))
    }

    /// An empty document, for when there is no file.
    pub(super) fn empty() -> Self {
        Self {
            place: Place::File,
            kind: Kind::Mapping(Vec::new()),
        }
    }

    /// Whether anything is configured; what is no mapping at all is another mistake.
    pub(super) fn has_keys(&self) -> bool {
        match &self.kind {
            Kind::Null => false,
            Kind::Mapping(entries) => entries.iter().any(|entry| !is_anchorage(&entry.key)),
            Kind::Text(_) | Kind::List(_) => true,
        }
    }

    /// Puts the value of an environment variable at a path of lower-case keys and list indices, in place of what is
    /// there. The message of the error says which step of the path cannot be taken.
    pub(super) fn set(&mut self, path: &[String], variable: &str, value: String) -> Result<(), String> {
        let place = Place::Variable(variable.to_owned());
        let Some((step, rest)) = path.split_first() else {
            *self = Self {
                place,
                kind: Kind::Text(value),
            };
            return Ok(());
        };
        if step == "tags" {
            return Err(String::from(
                "tags can only be set in the file, since their keys keep their letter case",
            ));
        }
        if let (Kind::Null, Ok(0)) = (&self.kind, step.parse::<usize>()) {
            self.kind = Kind::List(Vec::new());
        } else if matches!(self.kind, Kind::Null) {
            self.kind = Kind::Mapping(Vec::new());
        }
        match &mut self.kind {
            Kind::List(nodes) => {
                let length = nodes.len();
                let index = step
                    .parse::<usize>()
                    .ok()
                    .filter(|index| *index <= length)
                    .ok_or_else(|| {
                        format!("{} is not a number from 0 to {length} of this list", shown(step))
                    })?;
                if index == length {
                    nodes.push(Self {
                        place,
                        kind: Kind::Null,
                    });
                }
                nodes[index].set(rest, variable, value)
            }
            Kind::Mapping(entries) => {
                let index = match entries.iter().position(|entry| entry.key == *step) {
                    Some(index) => index,
                    None => {
                        let node = Self {
                            place: place.clone(),
                            kind: Kind::Null,
                        };
                        entries.push(Entry {
                            key: step.clone(),
                            place,
                            node,
                        });
                        entries.len() - 1
                    }
                };
                entries[index].node.set(rest, variable, value)
            }
            Kind::Text(_) | Kind::Null => {
                Err(format!("there is no key {} below a single value", shown(step)))
            }
        }
    }

    fn from_raw(raw: Spanned<Raw>, text: &str) -> Self {
        let kind = match raw.value {
            Raw::Null => Kind::Null,
            Raw::Text(text) => Kind::Text(text),
            Raw::Plain(fallback) => Kind::Text(source(raw.defined, text).map_or(fallback, str::to_owned)),
            Raw::List(nodes) => {
                Kind::List(nodes.into_iter().map(|node| Self::from_raw(node, text)).collect())
            }
            Raw::Mapping(entries) => Kind::Mapping(
                entries
                    .into_iter()
                    .map(|(key, node)| Entry {
                        place: Place::Line(key.referenced.line()),
                        key: key.value,
                        node: Self::from_raw(node, text),
                    })
                    .collect(),
            ),
        };
        Self {
            place: Place::Line(raw.referenced.line()),
            kind,
        }
    }
}

/// What a plain scalar says in the file.
fn source(location: Location, text: &str) -> Option<&str> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let length = usize::try_from(location.span().byte_len()?).ok()?;
    text.get(start..start.checked_add(length)?).map(str::trim)
}

/// Texts of the parser are its own fixed sentences or names of keys. Those made of values belong to typed reading,
/// which the tree does without, and are replaced.
fn syntax_error(error: &serde_saphyr::Error) -> SyntaxError {
    use serde_saphyr::Error;

    let place = yaml::location(error).map_or(Place::File, |location| Place::Line(location.line()));
    let message = yaml::refusal(error).unwrap_or_else(|| match yaml::cause(error) {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!(
                "the key {} occurs twice in this mapping; remove one of them",
                shown(key)
            )
        }
        Error::UnknownAnchor { .. } => String::from(
            "no anchor of this name was defined above; a value that begins with * must be in quotes",
        ),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            String::from("the alias stands within its own anchor")
        }
        Error::MultipleDocuments { .. } => {
            String::from("the file holds more than one document; remove the line --- and what follows")
        }
        Error::ExternalMessage { msg, .. } => format!("this is not valid YAML: {}", cut(msg)),
        _ => String::from(
            "this is not valid YAML; check its indentation, and put values with special characters in quotes",
        ),
    });
    SyntaxError { place, message }
}

// === impl Raw ===

/// A value as the parser hands it over, without its place.
enum Raw {
    Null,
    Text(String),
    /// A scalar that the parser took for a number or a truth value; what it says is in the file, and this is what
    /// stands for it should that not be found.
    Plain(String),
    List(Vec<Spanned<Self>>),
    Mapping(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element()? {
            nodes.push(node);
        }
        Ok(Raw::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = items.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Mapping(entries))
    }
}
