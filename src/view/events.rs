//! What has been received of events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Board;
use crate::requests::QueueReason;
use crate::result::Seconds;
use crate::scope::Scope;

/// Events so far, and the scopes that they can hurry.
#[derive(Debug, Clone, Default)]
pub struct EventsView {
    /// Whether events of every account are taken over HTTP.
    pub http: bool,
    /// The accounts whose events are taken from queues.
    pub queues: BTreeSet<Arc<str>>,
    /// By source and outcome, each by its place in `ALL`.
    pub received: [[u64; Outcome::ALL.len()]; Source::ALL.len()],
    /// Scopes that an event was for, or that have a queue.
    pub scopes: BTreeMap<Scope, ScopeEvents>,
}

/// The events of one scope.
#[derive(Debug, Clone, Default)]
pub struct ScopeEvents {
    /// When the last one came.
    pub last: Option<Seconds>,
    /// Its queue; none where it has none.
    pub queue: Option<QueueView>,
}

/// A queue that events are taken from.
#[derive(Debug, Clone, Default)]
pub struct QueueView {
    /// Requests to it that have failed, by the place of their reason.
    pub failures: [u64; QueueReason::ALL.len()],
    /// The last failure, if no request has succeeded since.
    pub error: Option<QueueFailed>,
}

/// A request to a queue that has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFailed {
    /// When.
    pub at: Seconds,
    /// The label.
    pub reason: QueueReason,
    /// For a person.
    pub what: String,
}

/// The way that an event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// `POST /api/v1/events`.
    Http,
    /// A queue.
    Queue,
}

/// What an event came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It is time to look.
    Hint,
    /// Something else has happened.
    Ignored,
    /// Its account or region is not polled.
    Unknown,
    /// It is no event.
    Unreadable,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Http, Self::Queue];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Queue => "queue",
        }
    }
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hint, Self::Ignored, Self::Unknown, Self::Unreadable];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hint => "hint",
            Self::Ignored => "ignored",
            Self::Unknown => "unknown",
            Self::Unreadable => "unreadable",
        }
    }
}

impl EventsView {
    /// Whether events are taken this way, or have been: nothing is shown of the others.
    pub fn is_shown(&self, source: Source) -> bool {
        let is_open = match source {
            Source::Http => self.http,
            Source::Queue => !self.queues.is_empty(),
        };
        is_open || self.received[source as usize] != [0; Outcome::ALL.len()]
    }

    /// Whether the account of a scope has a source of events: only there they are missed where none come.
    pub fn has_source(&self, scope: &Scope) -> bool {
        self.http || self.queues.contains(&scope.account)
    }

    /// Something has come, and these scopes are to be looked at.
    pub fn received(
        &mut self,
        source: Source,
        outcomes: [u64; Outcome::ALL.len()],
        hinted: impl IntoIterator<Item = Scope>,
        now: Seconds,
    ) {
        for (sum, count) in self.received[source as usize].iter_mut().zip(outcomes) {
            *sum += count;
        }
        for scope in hinted {
            self.scopes.entry(scope).or_default().last = Some(now);
        }
    }

    /// Whether any way is open.
    pub fn is_on(&self) -> bool {
        self.http || !self.queues.is_empty()
    }
}

impl Board {
    /// Changes what is shown of events.
    pub fn change_events(&self, change: impl FnOnce(&mut EventsView)) {
        self.view
            .send_modify(|view| change(Arc::make_mut(&mut Arc::make_mut(view).events)));
    }
}
