//! What an event says: which account and region it is of, and whether it is one that matters.
//!
//! Four shapes are known: CloudEvents as EventBridge sends them, one or a list; CloudMonitor's webhook, as JSON or as a
//! form; CloudMonitor's own shape, as it writes to queues; and a few keys that a rule or a script writes itself. What is
//! in an event beyond this is not looked at.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// What the type of an event that matters ends with: EventBridge has a prefix before it, CloudMonitor none.
const TASK_COMPLETED: &str = "CloudAssistant:TaskCompleted";

/// Events in one list; a longer one is no list of events.
const MOST: usize = 1000;

/// Longer than any id, and than any name of an account.
const LONGEST_TEXT: usize = 512;

/// What one event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// It is time to look.
    Hint(About),
    /// Something else has happened.
    Foreign,
    /// It is no event.
    Unreadable,
}

/// Which scopes an event is about; what it does not name is every one.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct About {
    /// The number of the account, or its configured name.
    pub(super) account: Option<String>,
    /// RegionId.
    pub(super) region_id: Option<String>,
}

impl About {
    /// What a query names: `account` and `region_id`.
    pub(super) fn of_query(query: Option<&str>) -> Self {
        let mut about = Self::default();
        for (name, value) in pairs(query.unwrap_or_default()) {
            match &*name {
                "account" => about.account = text(value),
                "region_id" => about.region_id = text(value),
                _ => {}
            }
        }
        about
    }

    /// This, and where it names nothing the other.
    fn or(self, other: Self) -> Self {
        Self {
            account: self.account.or(other.account),
            region_id: self.region_id.or(other.region_id),
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Reads a body. What `query` names goes before what it says itself: whoever has set the address up knows.
pub(super) fn read(body: &[u8], query: &About) -> Vec<Message> {
    let body = body.trim_ascii();
    let mut messages = match body.first() {
        None => vec![Message::Hint(About::default())],
        Some(b'{') => {
            vec![serde_json::from_slice(body).map_or(Message::Unreadable, |wire: Wire| wire.message())]
        }
        Some(b'[') => list(body).unwrap_or_else(|| vec![Message::Unreadable]),
        Some(_) => vec![form(body)],
    };
    for message in &mut messages {
        match message {
            Message::Hint(about) => *about = query.clone().or(std::mem::take(about)),
            // The body of a rule may be any text, where its address says the rest.
            Message::Unreadable if !query.is_empty() => *message = Message::Hint(query.clone()),
            Message::Unreadable | Message::Foreign => {}
        }
    }
    messages
}

/// A list of events; none where it is none, or too long.
fn list(body: &[u8]) -> Option<Vec<Message>> {
    struct Messages;

    impl<'de> Visitor<'de> for Messages {
        type Value = Vec<Message>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list of events")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut messages = Vec::new();
            while let Some(wire) = list.next_element::<Wire>()? {
                if messages.len() == MOST {
                    return Err(serde::de::Error::custom("too many"));
                }
                messages.push(wire.message());
            }
            Ok(messages)
        }
    }

    impl<'de> DeserializeSeed<'de> for Messages {
        type Value = Vec<Message>;

        fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
            from.deserialize_seq(self)
        }
    }

    let mut from = serde_json::Deserializer::from_slice(body);
    let messages = Messages.deserialize(&mut from).ok()?;
    from.end().ok()?;
    Some(messages)
}

/// CloudMonitor's form: its fields are the keys of its JSON, with JSON in them.
fn form(body: &[u8]) -> Message {
    let Ok(body) = str::from_utf8(body) else {
        return Message::Unreadable;
    };
    let mut wire = Wire::default();
    for (name, value) in pairs(body) {
        match &*name {
            "alert" => match serde_json::from_str(&value) {
                Ok(alert) => wire.alert = Some(alert),
                Err(_) => return Message::Unreadable,
            },
            "userId" => wire.user_id = Text(text(value)),
            _ => {}
        }
    }
    match wire.alert {
        Some(_) => wire.message(),
        None => Message::Unreadable,
    }
}

/// The pairs of a query or a form.
fn pairs(text: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    fn decoded(text: &str) -> Cow<'_, str> {
        let spaced = match text.contains('+') {
            true => Cow::Owned(text.replace('+', " ")),
            false => Cow::Borrowed(text),
        };
        match spaced {
            Cow::Borrowed(text) => percent_decode_str(text).decode_utf8_lossy(),
            Cow::Owned(text) => Cow::Owned(percent_decode_str(&text).decode_utf8_lossy().into_owned()),
        }
    }
    text.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((decoded(name), decoded(value)))
    })
}

fn text(text: Cow<'_, str>) -> Option<String> {
    (1..=LONGEST_TEXT)
        .contains(&text.len())
        .then(|| text.into_owned())
}

/// The keys of all shapes.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    /// CloudEvents.
    r#type: Text,
    aliyunaccountid: Text,
    aliyunregionid: Text,
    /// CloudMonitor's own shape.
    name: Text,
    #[serde(rename = "userId")]
    user_id: Text,
    #[serde(rename = "regionId")]
    region: Text,
    /// CloudMonitor's webhook.
    alert: Option<Alert>,
    /// A rule's own text.
    account: Text,
    region_id: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Alert {
    #[serde(rename = "eventName")]
    event_name: Text,
    #[serde(rename = "userId")]
    user_id: Text,
    meta: Meta,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Meta {
    #[serde(rename = "sysEventMeta")]
    event: EventMeta,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct EventMeta {
    #[serde(rename = "regionId")]
    region_id: Text,
}

impl Wire {
    fn message(self) -> Message {
        let alert = self.alert.unwrap_or_default();
        let kind = self.r#type.or(alert.event_name).or(self.name);
        let about = About {
            account: self
                .aliyunaccountid
                .or(self.user_id)
                .or(alert.user_id)
                .or(self.account)
                .0,
            region_id: self
                .aliyunregionid
                .or(alert.meta.event.region_id)
                .or(self.region)
                .or(self.region_id)
                .0,
        };
        match kind.0 {
            Some(kind) if kind.ends_with(TASK_COMPLETED) => Message::Hint(about),
            Some(_) => Message::Foreign,
            None if about.is_empty() => Message::Unreadable,
            None => Message::Hint(about),
        }
    }
}

/// A text, or a number that is meant as one; nothing where something else stands.
#[derive(Default)]
struct Text(Option<String>);

impl Text {
    fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Text;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("anything")
            }

            fn visit_str<E>(self, value: &str) -> Result<Text, E> {
                Ok(Text(text(Cow::Borrowed(value))))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Text, E> {
                Ok(Text(Some(value.to_string())))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_unit<E>(self) -> Result<Text, E> {
                Ok(Text(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Text, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text(None))
            }
        }

        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests;
