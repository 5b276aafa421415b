//! Whether it is working: the state of each scope, and of the whole.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::requests::LastHour;
use crate::requests::Requests;
use crate::result::{Seconds, Status};
use crate::scope::Scope;
use crate::timestamp;
use crate::view::{QueueFailed, ScopeView, View};

/// Everything that a page is made of, at one instant.
#[derive(Debug)]
pub(super) struct Overview<'a> {
    pub(super) view: &'a View,
    /// The wall clock.
    pub(super) now: Seconds,
    /// When the process began.
    pub(super) started: Seconds,
    pub(super) uptime: Duration,
    pub(super) health: Health,
    /// What is wrong or missing, for a person.
    pub(super) remarks: Vec<String>,
    pub(super) requests: BTreeMap<&'a Scope, LastHour>,
}

/// The whole in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// Every scope's last poll succeeded.
    Ok,
    /// Nothing is wrong, but not every scope has been looked at.
    Starting,
    /// Something has failed.
    Degraded,
    /// The process is about to end.
    Stopping,
}

/// How a scope is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// The last poll failed.
    Down,
    /// Everything is being read for the first time.
    FirstLook,
    /// The first poll of this process has not ended.
    Waiting,
    /// The last poll succeeded.
    Up,
}

/// What a status means, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Success,
    Open,
    Failure,
}

impl<'a> Overview<'a> {
    /// The overview of a view at `now`.
    pub(super) fn new(
        view: &'a View,
        requests: &Requests,
        started: SystemTime,
        now: SystemTime,
        stopping: bool,
    ) -> Self {
        let uptime = now.duration_since(started).unwrap_or_default();
        let (started, now) = (timestamp::seconds(started), timestamp::seconds(now));
        let requests = view
            .scopes
            .keys()
            .map(|scope| (scope, requests.last_hour(scope, now)))
            .collect();
        let (health, remarks) = health(view, stopping);
        Self {
            view,
            now,
            started,
            uptime,
            health,
            remarks,
            requests,
        }
    }

    /// What a scope has sent in the last hour.
    pub(super) fn last_hour(&self, scope: &Scope) -> LastHour {
        self.requests.get(scope).copied().unwrap_or_default()
    }

    /// When the last event for a scope came.
    pub(super) fn last_event(&self, scope: &Scope) -> Option<Seconds> {
        self.view.events.scopes.get(scope)?.last
    }

    /// Why the queue of a scope's events cannot be read, if it has one that cannot.
    pub(super) fn queue_error(&self, scope: &Scope) -> Option<&QueueFailed> {
        self.view.events.scopes.get(scope)?.queue.as_ref()?.error.as_ref()
    }

    /// Results in the window by InvocationStatus, of all scopes; known statuses at 0 included.
    pub(super) fn recent(&self) -> BTreeMap<&'a str, u64> {
        let mut sums = BTreeMap::new();
        for scope in self.view.scopes.values() {
            for (status, count) in recent(scope) {
                *sums.entry(status).or_insert(0) += count;
            }
        }
        sums
    }
}

/// Results of a scope in the window by InvocationStatus.
pub(super) fn recent(scope: &ScopeView) -> BTreeMap<&str, u64> {
    let mut sums = BTreeMap::new();
    for total in scope.counts.iter().flat_map(|counts| counts.recent()) {
        *sums.entry(total.invocation_status).or_insert(0) += total.value;
    }
    sums
}

impl Health {
    /// Its name in the API.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Starting => "starting",
            Self::Degraded => "degraded",
            Self::Stopping => "stopping",
        }
    }
}

impl State {
    /// The state of a scope.
    pub(super) fn of(scope: &ScopeView) -> Self {
        match (scope.last_poll, &scope.progress) {
            (Some(last), _) if last.up => Self::Up,
            (Some(_), _) => Self::Down,
            (None, Some(progress)) if progress.is_baseline => Self::FirstLook,
            (None, _) => Self::Waiting,
        }
    }

    /// Its name in the API.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::FirstLook => "first_look",
            Self::Waiting => "waiting",
            Self::Up => "up",
        }
    }
}

impl Kind {
    /// The kind of an InvocationStatus.
    pub(super) fn of(invocation_status: &str) -> Self {
        if invocation_status == "Success" {
            Self::Success
        } else if Status::parse(invocation_status).is_open() {
            Self::Open
        } else {
            Self::Failure
        }
    }
}

fn health(view: &View, stopping: bool) -> (Health, Vec<String>) {
    if stopping {
        return (Health::Stopping, vec!["The exporter is stopping.".to_owned()]);
    }
    let states: Vec<State> = view.scopes.values().map(|scope| State::of(scope)).collect();
    let all = states.len();
    let count = |state| states.iter().filter(|other| **other == state).count();
    let (down, looking, waiting) = (count(State::Down), count(State::FirstLook), count(State::Waiting));
    let undiscovered: Vec<&str> = view
        .accounts
        .iter()
        .filter(|(_, account)| account.error.is_some())
        .map(|(name, _)| &**name)
        .collect();
    let unready = view.accounts.values().any(|account| !account.is_ready);
    let mut remarks = Vec::new();
    if down > 0 {
        remarks.push(format!("{} down.", of_all(down, all)));
    }
    remarks.extend(
        undiscovered
            .iter()
            .map(|name| format!("The regions of account {name} could not be discovered.")),
    );
    if looking > 0 {
        remarks.push(format!("{} being read for the first time.", of_all(looking, all)));
    }
    if waiting > 0 {
        remarks.push(format!("{} waiting for a first poll.", of_all(waiting, all)));
    }
    if unready {
        remarks.push("Regions are being discovered.".to_owned());
    }
    if all == 0 && !unready && undiscovered.is_empty() {
        remarks.push("No region is polled.".to_owned());
    }
    let health = if down > 0 || !undiscovered.is_empty() {
        Health::Degraded
    } else if looking > 0 || waiting > 0 || unready || view.accounts.is_empty() || all == 0 {
        Health::Starting
    } else {
        remarks.push(match all {
            1 => "The last poll succeeded.".to_owned(),
            all => format!("The last poll of all {all} regions succeeded."),
        });
        Health::Ok
    };
    (health, remarks)
}

fn of_all(some: usize, all: usize) -> String {
    match (some, all) {
        (1, 1) => "The only region is".to_owned(),
        (some, all) if some == all => format!("All {all} regions are"),
        (1, all) => format!("1 of {all} regions is"),
        (some, all) => format!("{some} of {all} regions are"),
    }
}
