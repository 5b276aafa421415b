//! Counts of the requests that were sent, by account, region and action.
//!
//! Not a `CounterVec`: its label values are hashed without a separator, so that two scopes could share a series.

mod action;
mod failure;
mod last_hour;
mod queue;
mod tally;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use prometheus::{HistogramOpts, HistogramVec, Registry};

pub use action::Action;
pub use failure::{Failure, Reason};
pub use last_hour::LastHour;
pub use queue::QueueReason;
pub use tally::{Moment, ShownTally, Tally};

use crate::result::Seconds;
use crate::scope::Scope;

/// All tallies of the process. They outlive their scopes, since a counter must not start over at a reload.
#[derive(Debug)]
pub struct Requests {
    duration: HistogramVec,
    by_scope: Mutex<BTreeMap<Scope, Arc<Tally>>>,
    /// How many there are.
    count: AtomicUsize,
    /// `metrics.new_series_hold`, in milliseconds.
    hold: AtomicU64,
    /// The process's own time is since then.
    started: Instant,
    /// When they were last 0 again.
    began_anew: Mutex<Option<SystemTime>>,
}

impl Requests {
    /// Registers the histogram of durations.
    ///
    /// # Errors
    /// When `registry` has it already.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let options = HistogramOpts::new(
            "cloud_assistant_exporter_api_request_duration_seconds",
            "How long a request to the Alibaba Cloud API took, by action.",
        )
        .buckets(vec![0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0]);
        let duration = HistogramVec::new(options, &["action"])?;
        for action in Action::ALL {
            duration.with_label_values(&[action.as_str()]);
        }
        registry.register(Box::new(duration.clone()))?;
        Ok(Self {
            duration,
            by_scope: Mutex::default(),
            count: AtomicUsize::new(0),
            hold: AtomicU64::new(0),
            started: Instant::now(),
            began_anew: Mutex::default(),
        })
    }

    /// The tally of a scope, made at its first use.
    pub fn tally(&self, account: &str, region_id: &str) -> Arc<Tally> {
        let mut tallies = self.by_scope.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Tally::new(self.duration.clone()));
        let tally = tallies.entry(Scope::new(account, region_id)).or_insert_with(new);
        let tally = Arc::clone(tally);
        self.count.store(tallies.len(), Ordering::Release);
        tally
    }

    /// Counts from 0 again from `now` on, since another replica may have counted meanwhile. Whoever holds a tally goes on
    /// with one that nobody sees.
    pub fn begin_anew(&self, now: SystemTime) {
        *self.began_anew.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        let mut tallies = self.by_scope.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.clear();
        self.count.store(0, Ordering::Release);
        self.duration.reset();
        for action in Action::ALL {
            self.duration.with_label_values(&[action.as_str()]);
        }
    }

    /// Since when they count, if that is not since the process began.
    pub fn began_anew(&self) -> Option<SystemTime> {
        *self.began_anew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many tallies there are; while anything is polled they only become more.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// `metrics.new_series_hold` is this from now on.
    pub fn set_hold(&self, hold: Duration) {
        let hold = u64::try_from(hold.as_millis()).unwrap_or(u64::MAX);
        self.hold.store(hold, Ordering::Relaxed);
    }

    /// Now, for what is shown.
    pub fn moment(&self) -> Moment {
        Moment {
            now: self.started.elapsed(),
            hold: Duration::from_millis(self.hold.load(Ordering::Relaxed)),
        }
    }

    /// When the process's own time will be this.
    pub fn instant(&self, time: Duration) -> Option<Instant> {
        self.started.checked_add(time)
    }

    /// What a scope has sent in the hour before `now`; nothing where it has no tally yet.
    pub fn last_hour(&self, scope: &Scope, now: Seconds) -> LastHour {
        let tally = self.find(scope);
        tally.map(|tally| tally.last_hour(now)).unwrap_or_default()
    }

    /// The tally of a scope, where there is one.
    pub fn find(&self, scope: &Scope) -> Option<Arc<Tally>> {
        let tallies = self.by_scope.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.get(scope).map(Arc::clone)
    }
}
