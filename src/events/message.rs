//! What an event says: which account and region it is of, and whether it is one that matters.
//!
//! Four shapes are known: CloudEvents as EventBridge sends them, one or a list; CloudMonitor's webhook, as JSON or as a
//! form; CloudMonitor's own shape, as it writes to queues; and a few keys that a rule or a script writes itself. What is
//! in an event beyond this is not looked at.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::aliyun::answer::{self, Answer, Entry, object, object_of, whole};
use crate::form;

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
                "account" => about.account = bounded(value.into()),
                "region_id" => about.region_id = bounded(value.into()),
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
        Some(b'{') => vec![whole(body).map_or(Message::Unreadable, message)],
        Some(b'[') => list(body).unwrap_or_else(|| vec![Message::Unreadable]),
        Some(_) => vec![of_form(body)],
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

/// A list of events, those that are none last; none where it is no list, or too long.
fn list(body: &[u8]) -> Option<Vec<Message>> {
    let answer: Answer<'_, Wire<'_>> = Answer::read(body, &[]).ok()?;
    let odd = (0..answer.odd).map(|_| Message::Unreadable);
    Some(answer.entries.into_iter().map(message).chain(odd).collect())
}

/// CloudMonitor's form: its fields are the keys of its JSON, with JSON in them.
fn of_form(body: &[u8]) -> Message {
    let Ok(body) = str::from_utf8(body) else {
        return Message::Unreadable;
    };
    let (mut alert, mut user_id) = (None, None);
    for (name, value) in pairs(body) {
        match &*name {
            "alert" => match whole(value.as_bytes()) {
                Ok(read) => alert = Some(Said::in_alert(read)),
                Err(_) => return Message::Unreadable,
            },
            "userId" => user_id = bounded(value.into()),
            _ => {}
        }
    }
    match alert {
        None => Message::Unreadable,
        Some(alert) => {
            let account = user_id.or(alert.account);
            Said { account, ..alert }.message()
        }
    }
}

/// The pairs of a query or a form.
fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let decoded = |text| String::from_utf8_lossy(&form::decoded(text)).into_owned();
    form::pairs(text).filter_map(move |(name, value)| Some((decoded(name), decoded(value?))))
}

object_of! {
    /// The keys of all shapes.
    struct Wire {
        /// CloudEvents.
        kind: b"type",
        aliyunaccountid: b"aliyunaccountid",
        aliyunregionid: b"aliyunregionid",
        /// CloudMonitor's own shape.
        name: b"name",
        user_id: b"userId",
        region: b"regionId",
        /// CloudMonitor's webhook.
        alert: b"alert",
        /// A rule's own text.
        account: b"account",
        region_id: b"region_id",
    }
}

impl<'a> Entry<'a> for Wire<'a> {
    const MOST: usize = MOST;
    const WHAT: &'static str = "events";
}

object_of! {
    struct Alert {
        event_name: b"eventName",
        user_id: b"userId",
        meta: b"meta",
    }
}

object_of! {
    struct Meta {
        event: b"sysEventMeta",
    }
}

object_of! {
    struct EventMeta {
        region_id: b"regionId",
    }
}

/// What the keys say, whichever they are.
#[derive(Default)]
struct Said {
    kind: Option<String>,
    account: Option<String>,
    region_id: Option<String>,
}

fn message(wire: Wire<'_>) -> Message {
    let alert = within(wire.alert).map_or_else(Said::default, Said::in_alert);
    let said = Said {
        kind: text(wire.kind).or(alert.kind).or_else(|| text(wire.name)),
        account: text(wire.aliyunaccountid)
            .or_else(|| text(wire.user_id))
            .or(alert.account)
            .or_else(|| text(wire.account)),
        region_id: text(wire.aliyunregionid)
            .or(alert.region_id)
            .or_else(|| text(wire.region))
            .or_else(|| text(wire.region_id)),
    };
    said.message()
}

impl Said {
    fn in_alert(alert: Alert<'_>) -> Self {
        let meta: Option<Meta<'_>> = within(alert.meta);
        let event: Option<EventMeta<'_>> = meta.and_then(|meta| within(meta.event));
        Self {
            kind: text(alert.event_name),
            account: text(alert.user_id),
            region_id: event.and_then(|event| text(event.region_id)),
        }
    }

    fn message(self) -> Message {
        let about = About {
            account: self.account,
            region_id: self.region_id,
        };
        match self.kind {
            Some(kind) if kind.ends_with(TASK_COMPLETED) => Message::Hint(about),
            Some(_) => Message::Foreign,
            None if about.is_empty() => Message::Unreadable,
            None => Message::Hint(about),
        }
    }
}

/// An object inside of another; where something else stands in its place it says nothing.
fn within<'a, T: answer::Object<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    raw.map(|raw| object(raw.get().as_bytes()))
}

/// A text, or a number that is meant as one; nothing where something else stands.
fn text(raw: Option<&RawValue>) -> Option<String> {
    match raw?.get().parse::<u64>() {
        Ok(number) => Some(number.to_string()),
        Err(_) => bounded(answer::text(raw)?),
    }
}

fn bounded(text: Cow<'_, str>) -> Option<String> {
    (1..=LONGEST_TEXT)
        .contains(&text.len())
        .then(|| text.into_owned())
}

#[cfg(test)]
mod tests;
