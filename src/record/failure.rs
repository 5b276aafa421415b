//! The newest results that did not succeed, for a person to look at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
    by_time: BTreeMap<u64, Failure>,
    next: u32,
}

impl Failures {
    /// Adds one and says which keys have changed: the new one, and the one that had to go.
    pub(super) fn add(&mut self, failure: Failure) -> impl Iterator<Item = u64> {
        let key = u64::from(failure.time) << 32 | u64::from(self.next);
        self.next = self.next.wrapping_add(1);
        self.by_time.insert(key, failure);
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
            .find(|(_, failure)| failure.identity == *identity)
            .map(|(key, _)| *key)?;
        self.by_time.remove(&key);
        Some(key)
    }

    /// By key.
    pub(super) fn get(&self, key: u64) -> Option<&Failure> {
        self.by_time.get(&key)
    }

    /// Puts a saved one back.
    pub(super) fn restore(&mut self, key: u64, failure: Failure) {
        self.next = self.next.max((key as u32).wrapping_add(1));
        self.by_time.insert(key, failure);
    }

    /// The newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Failure> {
        self.by_time.values().rev()
    }
}
