//! How every answer of the API is read: what is usable is taken, and what is odd costs its own entry.
//!
//! Events are read the same way.
//!
//! An answer is one object, or one list, perhaps with a NextToken beside it. The way to the list must be there; the list's elements
//! may be anything. Of an object only those members are kept that somebody asks for, as they stand in the text, so
//! that each is read by itself: a number out of any range or a broken escape in one of them costs neither the
//! object nor its neighbours. A list ends the reading at the first element above its bound, before it takes memory.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use serde_json::value::RawValue;

/// Why an answer is not the documented one. Never with words of the answer, which may be anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undocumented {
    /// Not JSON, or JSON without the list.
    #[error("an answer that is not the documented JSON, at line {line} column {column}")]
    Json {
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// A list that is longer than the API's can be.
    #[error("an answer with more than {most} {what}")]
    TooMany {
        /// What it lists.
        what: &'static str,
        /// How many may be.
        most: usize,
    },
    /// The list goes on, but how is not said in a way that can be used.
    #[error("an answer whose NextToken is neither a text nor a number")]
    Token,
}

impl From<serde_json::Error> for Undocumented {
    fn from(error: serde_json::Error) -> Self {
        Self::Json {
            line: error.line(),
            column: error.column(),
        }
    }
}

/// An object, of which those members are kept that somebody asks for. Made by [`object_of`].
pub(crate) trait Object<'a>: Default {
    /// Where the member of that name is kept; `None` where it is of no use. Of several the last counts.
    fn place(&mut self, name: &[u8]) -> Option<&mut Option<&'a RawValue>>;
}

/// Makes a struct an [`Object`]: its fields, each with the names that its member may have.
macro_rules! object_of {
    ($(#[$about:meta])* $seen:vis struct $name:ident {
        $($(#[$what:meta])* $field:ident: $($key:literal)|+,)+
    }) => {
        $(#[$about])*
        #[derive(Default)]
        $seen struct $name<'a> {
            $($(#[$what])* $field: Option<&'a serde_json::value::RawValue>,)+
        }

        impl<'a> $crate::aliyun::answer::Object<'a> for $name<'a> {
            fn place(&mut self, name: &[u8]) -> Option<&mut Option<&'a serde_json::value::RawValue>> {
                Some(match name {
                    $($($key)|+ => &mut self.$field,)+
                    _ => return None,
                })
            }
        }
    };
}

pub(crate) use object_of;

/// An object that is an element of a list.
pub(crate) trait Entry<'a>: Object<'a> {
    /// The most of them that one list has: well above what the API documents, which may grow.
    const MOST: usize;
    /// What they are, for a person.
    const WHAT: &'static str;
}

/// A list with what stands beside it.
pub(crate) struct Answer<'a, T> {
    /// Its elements that are objects.
    pub(crate) entries: Vec<T>,
    /// How many are something else.
    pub(crate) odd: u64,
    token: Option<&'a RawValue>,
    found: bool,
    too_many: bool,
    /// Looks at each element before it is read: for lists that hold numbers or strings that cannot be.
    wary: bool,
}

impl<'a, T: Entry<'a>> Answer<'a, T> {
    /// Reads the list at the end of `path`, and a NextToken on the way to it.
    pub(crate) fn read(body: &'a [u8], path: &[&str]) -> Result<Self, Undocumented> {
        let json = || serde_json::Deserializer::from_slice(body);
        Self::read_from(json(), path, false).or_else(|error| Self::read_again(error, json(), path))
    }

    /// Reads the list within a member, as [`Self::read`].
    pub(super) fn read_within(raw: &'a RawValue, path: &[&str]) -> Result<Self, Undocumented> {
        let json = || serde_json::Deserializer::from_str(raw.get());
        Self::read_from(json(), path, false).or_else(|error| Self::read_again(error, json(), path))
    }

    fn read_again<R: serde_json::de::Read<'a>>(
        error: Undocumented,
        json: serde_json::Deserializer<R>,
        path: &[&str],
    ) -> Result<Self, Undocumented> {
        match error {
            Undocumented::Json { .. } => Self::read_from(json, path, true),
            error => Err(error),
        }
    }

    fn read_from<R: serde_json::de::Read<'a>>(
        mut json: serde_json::Deserializer<R>,
        path: &[&str],
        wary: bool,
    ) -> Result<Self, Undocumented> {
        let mut answer = Self {
            entries: Vec::new(),
            odd: 0,
            token: None,
            found: false,
            too_many: false,
            wary,
        };
        let walk = Walk {
            path,
            answer: &mut answer,
        };
        match walk.deserialize(&mut json).and_then(|()| json.end()) {
            Ok(()) => Ok(answer),
            Err(_) if answer.too_many => Err(Undocumented::TooMany {
                what: T::WHAT,
                most: T::MOST,
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// NextToken; absent at the end of the list.
    ///
    /// A token that cannot be used is not taken for the end: what is not listed is given up.
    pub(super) fn next_token(&self) -> Result<Option<String>, Undocumented> {
        match self.token {
            None => Ok(None),
            Some(raw) if raw.get() == "null" => Ok(None),
            Some(raw) => match text_or_number(raw) {
                Some(token) => Ok(Some(token.into_owned()).filter(|token| !token.is_empty())),
                None => Err(Undocumented::Token),
            },
        }
    }
}

/// One step on the way to the list.
struct Walk<'w, 'p, 'a, T> {
    path: &'p [&'p str],
    answer: &'w mut Answer<'a, T>,
}

impl<'de, T: Entry<'de>> DeserializeSeed<'de> for Walk<'_, '_, 'de, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.path {
            [] => deserializer.deserialize_seq(self),
            _ => deserializer.deserialize_map(self),
        }
    }
}

impl<'de, T: Entry<'de>> Visitor<'de> for Walk<'_, '_, 'de, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the way to a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let [step, path @ ..] = self.path else {
            return Err(A::Error::custom("a list"));
        };
        while let Some(name) = map.next_key_seed(StepSeed(step))? {
            match name {
                Step::On => map.next_value_seed(Walk {
                    path,
                    answer: &mut *self.answer,
                })?,
                Step::Token => self.answer.token = Some(map.next_value()?),
                Step::Aside => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        match self.answer.found {
            true => Ok(()),
            false => Err(A::Error::custom("no list")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let answer = self.answer;
        if std::mem::replace(&mut answer.found, true) {
            return Err(A::Error::custom("two lists"));
        }
        for _ in 0..T::MOST {
            let mut entry = T::default();
            let is_object = match answer.wary {
                false => list.next_element_seed(Members(&mut entry))?,
                true => {
                    let raw = list.next_element::<&RawValue>()?;
                    raw.map(|raw| fill(&mut entry, raw.get().as_bytes()))
                }
            };
            match is_object {
                None => return Ok(()),
                Some(true) => answer.entries.push(entry),
                Some(false) => answer.odd += 1,
            }
        }
        // The seed fails where there is one more, unread.
        answer.too_many = true;
        list.next_element_seed(OneMore)?;
        answer.too_many = false;
        Ok(())
    }
}

/// What stands under a name.
enum Step {
    On,
    Token,
    Aside,
}

struct StepSeed<'p>(&'p str);

impl<'de> DeserializeSeed<'de> for StepSeed<'_> {
    type Value = Step;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Step, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for StepSeed<'_> {
    type Value = Step;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_bytes<E: de::Error>(self, name: &[u8]) -> Result<Step, E> {
        Ok(match name {
            name if name == self.0.as_bytes() => Step::On,
            b"NextToken" => Step::Token,
            _ => Step::Aside,
        })
    }
}

struct OneMore;

impl<'de> DeserializeSeed<'de> for OneMore {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        Err(D::Error::custom("one more than there may be"))
    }
}

/// Reads the members of an object into their places; `false` for what is no object.
///
/// What was read before an error stays read.
struct Members<'m, T>(&'m mut T);

impl<'de, T: Object<'de>> DeserializeSeed<'de> for Members<'_, T> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Object<'de>> Visitor<'de> for Members<'_, T> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(place) = map.next_key_seed(PlaceSeed(&mut *self.0))? {
            match place {
                Some(place) => *place = Some(map.next_value::<&'de RawValue>()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(true)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E: de::Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }
}

/// Reads a name, which is not copied, and gives the place of what follows.
struct PlaceSeed<'m, T>(&'m mut T);

impl<'m, 'de: 'm, T: Object<'de>> DeserializeSeed<'de> for PlaceSeed<'m, T> {
    type Value = Option<&'m mut Option<&'de RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        // Bytes, for a name may be as broken as any text.
        deserializer.deserialize_bytes(self)
    }
}

impl<'m, 'de: 'm, T: Object<'de>> Visitor<'de> for PlaceSeed<'m, T> {
    type Value = Option<&'m mut Option<&'de RawValue>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_bytes<E: de::Error>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.place(name))
    }
}

/// Reads one object by itself. Of a text that is cut off or broken, what comes before that.
pub(crate) fn object<'a, T: Object<'a>>(body: &'a [u8]) -> T {
    let mut entry = T::default();
    fill(&mut entry, body);
    entry
}

/// Reads a text that is one object, and JSON to its end; or the line and the column, from 1, where it is not.
pub(crate) fn whole<'a, T: Object<'a>>(body: &'a [u8]) -> Result<T, (usize, usize)> {
    serde_json::from_slice::<IgnoredAny>(body).map_err(|error| (error.line(), error.column()))?;
    let mut entry = T::default();
    match fill(&mut entry, body.trim_ascii_start()) {
        true => Ok(entry),
        false => Err((1, 1)),
    }
}

/// Whether it was an object, as far as it could be read.
fn fill<'a, T: Object<'a>>(entry: &mut T, body: &'a [u8]) -> bool {
    // What is wrong behind the members is of no use to who asks for them.
    let _ = Members(entry).deserialize(&mut serde_json::Deserializer::from_slice(body));
    body.starts_with(b"{")
}

/// A string, where there is one.
pub(crate) fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let raw = raw?.get();
    let inside = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside));
    }
    serde_json::from_str::<Text<'_>>(raw).ok().map(|text| text.0)
}

/// A string, or a number as it is written.
pub(super) fn text_or_number(raw: &RawValue) -> Option<Cow<'_, str>> {
    let is_number = raw
        .get()
        .starts_with(|first: char| first == '-' || first.is_ascii_digit());
    match is_number {
        true => Some(Cow::Borrowed(raw.get())),
        false => text(Some(raw)),
    }
}

#[cfg(test)]
mod tests;
