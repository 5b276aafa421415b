//! What can be seen of the exporter at one instant: immutable, and swapped whole.

mod events;
mod leadership;
mod outcomes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

pub use events::{EventsView, Outcome, QueueFailed, QueueView, ScopeEvents, Source};
pub use leadership::{Leader, Leadership, Led, Replica, Role, Standby};
pub use outcomes::Outcomes;

use crate::record::Counts;
use crate::requests::{Failure, Reason};
use crate::result::Seconds;
use crate::scope::Scope;

/// Everything.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Each scope that is polled.
    pub scopes: BTreeMap<Scope, Arc<ScopeView>>,
    /// How many failures the pictures of all of them have.
    pub failures: usize,
    /// Each account, by name.
    pub accounts: Arc<Accounts>,
    /// What has been received of events.
    pub events: Arc<EventsView>,
    /// Why the configuration was not taken when it was last read, if it was not.
    pub refused_reload: Option<Arc<RefusedReload>>,
}

/// A configuration that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedReload {
    /// When.
    pub at: Seconds,
    /// What is wrong with it.
    pub reason: String,
}

/// Accounts by their names.
pub type Accounts = BTreeMap<Arc<str>, Arc<AccountView>>;

/// One account.
#[derive(Debug, Clone)]
pub struct AccountView {
    /// Its credentials.
    pub credentials: CredentialsView,
    /// How many regions DescribeRegions has named; none where the regions are configured, or not known yet.
    pub discovered: Option<usize>,
    /// Whether the regions are known, or it has been tried to find them.
    pub is_ready: bool,
    /// Why the regions could not be had, if the last try failed.
    pub error: Option<Failed>,
    /// Where links to its console lead; none for the documented place.
    pub console: Option<Arc<str>>,
    /// Discovered regions whose API does not know Cloud Assistant.
    pub set_aside: Vec<Arc<str>>,
}

/// The credentials of an account, without any secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CredentialsView {
    /// When those that are held stop working; none where they last, or where there are none.
    pub expiry: Option<SystemTime>,
    /// How often they could not be had or renewed.
    pub refresh_failures: u64,
}

/// One scope.
#[derive(Debug, Clone)]
pub struct ScopeView {
    /// Which.
    pub scope: Scope,
    /// What its results add up to; none before the baseline.
    pub counts: Option<Arc<Counts>>,
    /// How the last poll ended; none before one has.
    pub last_poll: Option<LastPoll>,
    /// End of the last successful poll, of an earlier process too.
    pub last_success: Option<Seconds>,
    /// What has been done for it since the process began.
    pub work: Work,
    /// `poll.interval`.
    pub interval: Option<Duration>,
    /// The last failure, if no poll has succeeded since.
    pub error: Option<Failed>,
    /// When the next poll begins.
    pub next_poll: Option<Seconds>,
    /// How far a baseline or a sweep has come.
    pub progress: Option<Progress>,
}

/// Counts of the exporter's own work for a scope. They start at 0 with the process, and not with a poller: a reload
/// that restarts one takes nothing back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Polls that ended.
    pub polls: u64,
    /// Those that succeeded, sweeps among them.
    pub successes: u64,
    /// Those that failed, by the place of their reason in [`Reason::ALL`].
    pub failures: [u64; Reason::ALL.len()],
    /// Polls that began before their time because of events.
    pub event_polls: u64,
    /// Sweeps that were completed.
    pub sweeps: u64,
    /// Rows without ids.
    pub skipped_rows: u64,
    /// How the last polls and sweeps have ended.
    pub outcomes: Outcomes,
}

/// The end of a poll.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LastPoll {
    /// Whether it succeeded.
    pub up: bool,
    /// How long it took.
    pub took: Duration,
}

/// A failed poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// When.
    pub at: Seconds,
    /// The label.
    pub reason: Reason,
    /// For a person.
    pub what: String,
    /// Code of the API's answer.
    pub code: Option<String>,
    /// Of the API's answer; what Alibaba Cloud's support asks for.
    pub request_id: Option<String>,
}

impl Failed {
    /// A request that failed at `at`.
    pub fn new(at: Seconds, failure: impl Into<Failure>) -> Self {
        let Failure {
            reason,
            what,
            code,
            request_id,
        } = failure.into();
        Self {
            at,
            reason,
            what,
            code,
            request_id,
        }
    }
}

/// A long scan under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Whether it is the baseline, which users know as the first look.
    pub is_baseline: bool,
    /// Rows read so far.
    pub rows: usize,
    /// How many there were the last time, where there was one.
    pub of: Option<usize>,
}

impl ScopeView {
    /// What its results add up to, once one was listed: before, none of it is shown in metrics.
    pub fn listed(&self) -> Option<&Counts> {
        self.counts.as_deref().filter(|counts| counts.has_listed)
    }

    /// How many failures its picture has.
    pub fn failures(&self) -> usize {
        self.counts.as_ref().map_or(0, |counts| counts.failures().len())
    }

    /// A scope of which nothing is known yet.
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            counts: None,
            last_poll: None,
            last_success: None,
            work: Work::default(),
            interval: None,
            error: None,
            next_poll: None,
            progress: None,
        }
    }
}

/// Where pollers put their views and readers take the whole.
#[derive(Debug, Clone)]
pub struct Board {
    view: watch::Sender<Arc<View>>,
    leadership: Leadership,
}

impl Board {
    /// An empty board.
    pub fn new() -> Self {
        Self {
            view: watch::Sender::new(Arc::default()),
            leadership: Leadership::default(),
        }
    }

    /// An empty board of one replica among several.
    pub fn of_replica() -> Self {
        Self {
            leadership: Leadership::of_replica(),
            ..Self::new()
        }
    }

    /// Whether what is on it may be shown.
    pub fn leadership(&self) -> &Leadership {
        &self.leadership
    }

    /// Takes everything down that is of polls.
    pub fn clear(&self) {
        self.view.send_modify(|view| {
            *view = Arc::new(View {
                refused_reload: view.refused_reload.clone(),
                ..View::default()
            });
        });
    }

    /// Puts up the newest view of a scope.
    pub fn publish(&self, scope: ScopeView) {
        self.view.send_modify(|view| {
            let view = Arc::make_mut(view);
            view.failures += scope.failures();
            let before = view.scopes.insert(scope.scope.clone(), Arc::new(scope));
            view.failures -= before.map_or(0, |before| before.failures());
        });
    }

    /// Puts up the accounts.
    pub fn publish_accounts(&self, accounts: Accounts) {
        let accounts = Arc::new(accounts);
        self.view
            .send_modify(|view| Arc::make_mut(view).accounts = accounts);
    }

    /// Puts up whether the configuration was taken when it was last read.
    pub fn publish_reload(&self, refused: Option<RefusedReload>) {
        self.view
            .send_modify(|view| Arc::make_mut(view).refused_reload = refused.map(Arc::new));
    }

    /// Takes a scope down, and hands over what was last seen of it.
    pub fn remove(&self, scope: &Scope) -> Option<Arc<ScopeView>> {
        let mut removed = None;
        self.view.send_modify(|view| {
            let view = Arc::make_mut(view);
            removed = view.scopes.remove(scope);
            view.failures -= removed.as_ref().map_or(0, |removed| removed.failures());
        });
        removed
    }

    /// The whole as it is now.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// To be told of changes.
    pub fn subscribe(&self) -> watch::Receiver<Arc<View>> {
        self.view.subscribe()
    }
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}
