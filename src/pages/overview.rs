//! Whether it is working: the state of each scope, and of the whole.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::requests::LastHour;
use crate::requests::Requests;
use crate::result::{Seconds, StatusKind};
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
    requests: &'a Requests,
    pub(super) states: States,
    /// Results in the window by InvocationStatus, of all scopes; known statuses at 0 included.
    pub(super) recent: BTreeMap<&'a str, u64>,
    /// Which part of those has failed.
    pub(super) share: Share,
}

/// How many scopes are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct States {
    pub(super) down: usize,
    pub(super) stale: usize,
    pub(super) first_look: usize,
    pub(super) waiting: usize,
    pub(super) up: usize,
}

/// How results of the window have ended, as the alerts take it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// Those that could not be run, or did not end well.
    pub(super) failed: u64,
    /// All but those that were cancelled or terminated: that is somebody's decision. What is open has not ended.
    pub(super) of: u64,
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
    /// Its data is older than three intervals, whatever its last poll said.
    Stale,
    /// Everything is being read for the first time.
    FirstLook,
    /// The first poll of this process has not ended.
    Waiting,
    /// The last poll succeeded.
    Up,
}

/// So many intervals old data may be.
const INTERVALS: u32 = 3;

impl<'a> Overview<'a> {
    /// The overview of a view at `now`.
    pub(super) fn new(
        view: &'a View,
        requests: &'a Requests,
        started: SystemTime,
        now: SystemTime,
        stopping: bool,
    ) -> Self {
        let uptime = now.duration_since(started).unwrap_or_default();
        let (started, now) = (timestamp::seconds(started), timestamp::seconds(now));
        let mut sums = BTreeMap::new();
        for (status, count) in view.scopes.values().flat_map(|scope| by_status(scope)) {
            *sums.entry(status).or_insert(0) += count;
        }
        let states = States::of(view, now);
        let (health, remarks) = health(view, states, stopping);
        Self {
            states,
            view,
            now,
            started,
            uptime,
            health,
            remarks,
            requests,
            share: Share::of(sums.iter().map(|(status, count)| (*status, *count))),
            recent: sums,
        }
    }

    /// What a scope has sent in the last hour.
    pub(super) fn last_hour(&self, scope: &Scope) -> LastHour {
        self.requests.last_hour(scope, self.now)
    }

    /// The state of a scope.
    pub(super) fn state(&self, scope: &ScopeView) -> State {
        State::of(scope, self.now)
    }

    /// When the last event for a scope came.
    pub(super) fn last_event(&self, scope: &Scope) -> Option<Seconds> {
        self.view.events.scopes.get(scope)?.last
    }

    /// Why the queue of a scope's events cannot be read, if it has one that cannot.
    pub(super) fn queue_error(&self, scope: &Scope) -> Option<&QueueFailed> {
        self.view.events.scopes.get(scope)?.queue.as_ref()?.error.as_ref()
    }
}

/// Results of a scope in the window by InvocationStatus, which may come several times.
fn by_status(scope: &ScopeView) -> impl Iterator<Item = (&str, u64)> {
    let totals = scope.counts.iter().flat_map(|counts| counts.recent());
    totals.map(|total| (total.invocation_status, total.value))
}

/// Results of a scope in the window by InvocationStatus.
pub(super) fn recent(scope: &ScopeView) -> BTreeMap<&str, u64> {
    let mut sums = BTreeMap::new();
    for (status, count) in by_status(scope) {
        *sums.entry(status).or_insert(0) += count;
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

impl States {
    fn of(view: &View, now: Seconds) -> Self {
        let mut states = Self::default();
        for scope in view.scopes.values() {
            *match State::of(scope, now) {
                State::Down => &mut states.down,
                State::Stale => &mut states.stale,
                State::FirstLook => &mut states.first_look,
                State::Waiting => &mut states.waiting,
                State::Up => &mut states.up,
            } += 1;
        }
        states
    }

    /// How many there are.
    pub(super) fn all(self) -> usize {
        self.down + self.stale + self.first_look + self.waiting + self.up
    }

    /// Each state and how many are in it, problems first.
    pub(super) fn each(self) -> [(State, usize); 5] {
        [
            (State::Down, self.down),
            (State::Stale, self.stale),
            (State::FirstLook, self.first_look),
            (State::Waiting, self.waiting),
            (State::Up, self.up),
        ]
    }
}

impl Share {
    /// Of results by InvocationStatus.
    fn of<'a>(results: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let mut share = Self::default();
        for (status, count) in results {
            match StatusKind::of_text(status) {
                StatusKind::Failure => {
                    share.failed += count;
                    share.of += count;
                }
                StatusKind::Success | StatusKind::Unknown => share.of += count,
                StatusKind::Open | StatusKind::Ended => {}
            }
        }
        share
    }

    /// Of the results of a scope in the window.
    pub(super) fn of_scope(scope: &ScopeView) -> Self {
        Self::of(by_status(scope))
    }

    /// Whether it is as bad as the alerts about failures take it: above a tenth.
    pub(super) fn is_high(self) -> bool {
        self.failed.saturating_mul(10) > self.of
    }
}

impl State {
    /// The state of a scope at `now`.
    pub(super) fn of(scope: &ScopeView, now: Seconds) -> Self {
        let is_stale = || Self::behind_since(scope).is_some_and(|since| now > since);
        match (scope.last_poll, &scope.progress) {
            (Some(last), _) if !last.up => Self::Down,
            (None, Some(progress)) if progress.is_baseline => Self::FirstLook,
            _ if is_stale() => Self::Stale,
            (Some(_), _) => Self::Up,
            (None, _) => Self::Waiting,
        }
    }

    /// From when on the data of a scope is too old: that of a poll which has succeeded, or should have begun.
    fn behind_since(scope: &ScopeView) -> Option<Seconds> {
        let interval = scope.interval?.as_secs_f64().ceil() as Seconds;
        let from = match scope.last_poll {
            Some(_) => scope.last_success,
            None => scope.next_poll,
        };
        Some(from?.saturating_add(interval.saturating_mul(INTERVALS)))
    }

    /// Its name in the API.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Stale => "stale",
            Self::FirstLook => "first_look",
            Self::Waiting => "waiting",
            Self::Up => "up",
        }
    }
}

fn health(view: &View, states: States, stopping: bool) -> (Health, Vec<String>) {
    if stopping {
        return (Health::Stopping, vec!["The exporter is stopping.".to_owned()]);
    }
    let all = states.all();
    let (down, stale, looking, waiting) = (states.down, states.stale, states.first_look, states.waiting);
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
    if stale > 0 {
        remarks.push(format!(
            "The data of {} older than three intervals.",
            of_all(stale, all).to_lowercase()
        ));
    }
    if view.refused_reload.is_some() {
        remarks.push(
            "The configuration was not taken when it was last read; the one before is in force.".to_owned(),
        );
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
    let health = if down > 0 || stale > 0 || !undiscovered.is_empty() || view.refused_reload.is_some() {
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
