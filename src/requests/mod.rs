//! Counts of the requests that were sent, by account, region and action.
//!
//! Not a `CounterVec`: its label values are hashed without a separator, so that two scopes could share a series.

mod action;
mod failure;
mod last_hour;
mod queue;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, Registry};

pub use action::Action;
pub use failure::{Failure, Reason};
pub use last_hour::LastHour;
pub use queue::QueueReason;

use crate::result::Seconds;
use crate::scope::Scope;
use last_hour::Minutes;

/// The requests of one scope; of an account where the region is `""`.
#[derive(Debug)]
pub struct Tally {
    sent: [AtomicU64; Action::ALL.len()],
    failed: [[AtomicU64; Reason::ALL.len()]; Action::ALL.len()],
    duration: HistogramVec,
    /// Locked for a few additions at a time.
    minutes: Mutex<Minutes>,
}

impl Tally {
    /// Counts one request that was sent and how it ended, by the wall clock's `now`.
    pub fn record(&self, action: Action, took: Duration, failure: Option<Reason>, now: Seconds) {
        self.sent[action as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(reason) = failure {
            self.failed[action as usize][reason as usize].fetch_add(1, Ordering::Relaxed);
        }
        self.duration
            .with_label_values(&[action.as_str()])
            .observe(took.as_secs_f64());
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        minutes.record(failure == Some(Reason::Throttled), now);
    }

    /// Requests sent, tries again included.
    pub fn sent(&self, action: Action) -> u64 {
        self.sent[action as usize].load(Ordering::Relaxed)
    }

    /// Those that failed for `reason`.
    pub fn failed(&self, action: Action, reason: Reason) -> u64 {
        self.failed[action as usize][reason as usize].load(Ordering::Relaxed)
    }

    /// What was sent in the hour before `now`.
    pub fn last_hour(&self, now: Seconds) -> LastHour {
        let minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        minutes.last_hour(now)
    }
}

/// All tallies of the process. They outlive their scopes, since a counter must not start over at a reload.
#[derive(Debug)]
pub struct Requests {
    duration: HistogramVec,
    by_scope: Mutex<BTreeMap<Scope, Arc<Tally>>>,
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
        })
    }

    /// The tally of a scope, made at its first use.
    pub fn tally(&self, account: &str, region_id: &str) -> Arc<Tally> {
        let mut tallies = self.by_scope.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = tallies.entry(Scope::new(account, region_id)).or_insert_with(|| {
            Arc::new(Tally {
                sent: Default::default(),
                failed: Default::default(),
                duration: self.duration.clone(),
                minutes: Mutex::default(),
            })
        });
        Arc::clone(tally)
    }

    /// What a scope has sent in the hour before `now`; nothing where it has no tally yet.
    pub fn last_hour(&self, scope: &Scope, now: Seconds) -> LastHour {
        let tally = {
            let tallies = self.by_scope.lock().unwrap_or_else(PoisonError::into_inner);
            tallies.get(scope).map(Arc::clone)
        };
        tally.map(|tally| tally.last_hour(now)).unwrap_or_default()
    }

    /// Every tally with its scope, in their order.
    pub fn all(&self) -> Vec<(Scope, Arc<Tally>)> {
        let tallies = self.by_scope.lock().unwrap_or_else(PoisonError::into_inner);
        tallies
            .iter()
            .map(|(scope, tally)| (scope.clone(), Arc::clone(tally)))
            .collect()
    }
}
