//! The newest results that did not succeed, for a person to look at.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ShownFailure;
use super::label::Combination;
use crate::result::{Identity, Ids, Seconds};

/// So many are kept of each scope.
pub const MAX_FAILURES: usize = 1000;

/// A settled result that is not Success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// Of the result; with its run for one of a schedule.
    pub identity: Identity,
    /// Its time.
    pub time: Seconds,
    /// Where to look.
    pub ids: Ids,
    /// Its newest state.
    pub combination: Combination,
}

/// A bounded set of failures, by time.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// The upper half of a key is the time, the lower a number that tells equal times apart.
    by_time: BTreeMap<u64, Kept>,
    next: u32,
    /// All of them, made anew when they have changed.
    shown: Option<Arc<[Arc<ShownFailure>]>>,
}

/// A failure, and what a picture shares of it with those before.
#[derive(Debug)]
struct Kept {
    failure: Failure,
    shown: Option<Arc<ShownFailure>>,
}

impl Failures {
    /// Adds one and says which keys have changed: the new one, and the one that had to go.
    pub(super) fn add(&mut self, failure: Failure) -> impl Iterator<Item = u64> {
        let key = u64::from(failure.time) << 32 | u64::from(self.next);
        self.next = self.next.wrapping_add(1);
        self.insert(key, failure);
        let gone = (self.by_time.len() > MAX_FAILURES)
            .then(|| self.by_time.pop_first())
            .flatten();
        [Some(key), gone.map(|(key, _)| key)].into_iter().flatten()
    }

    /// Takes out the failure with that identity, if it is here.
    pub(super) fn remove(&mut self, identity: &Identity) -> Option<u64> {
        let key = self
            .by_time
            .iter()
            .find(|(_, kept)| kept.failure.identity == *identity)
            .map(|(key, _)| *key)?;
        self.by_time.remove(&key);
        self.shown = None;
        Some(key)
    }

    /// By key.
    pub(super) fn get(&self, key: u64) -> Option<&Failure> {
        self.by_time.get(&key).map(|kept| &kept.failure)
    }

    /// Puts a saved one back.
    pub(super) fn restore(&mut self, key: u64, failure: Failure) {
        self.next = self.next.max((key as u32).wrapping_add(1));
        self.insert(key, failure);
    }

    fn insert(&mut self, key: u64, failure: Failure) {
        let kept = Kept { failure, shown: None };
        self.by_time.insert(key, kept);
        self.shown = None;
    }

    /// All of them as `show` shows them, the newest first. What was shown before is shared.
    pub(super) fn shown(&mut self, show: impl Fn(&Failure) -> ShownFailure) -> Arc<[Arc<ShownFailure>]> {
        let shown = self.shown.get_or_insert_with(|| {
            let newest_first = self.by_time.values_mut().rev();
            newest_first
                .map(|Kept { failure, shown }| {
                    Arc::clone(shown.get_or_insert_with(|| Arc::new(show(failure))))
                })
                .collect()
        });
        Arc::clone(shown)
    }

    /// Commands have other names now: all are to be shown anew.
    pub(super) fn forget_shown(&mut self) {
        self.shown = None;
        for kept in self.by_time.values_mut() {
            kept.shown = None;
        }
    }
}
