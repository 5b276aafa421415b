//! What the API asks for by `x-acs-retry-after`: to be left alone for a while. Each pause belongs to an account, a
//! region and an action, holds up no other, and outlives a reload.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::client::Action;
use crate::scope::Scope;

/// The pauses of all accounts; clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pauses {
    scopes: Arc<Mutex<BTreeMap<Scope, Arc<ScopePauses>>>>,
}

/// The pauses of an account in one region, by action.
pub(crate) type ScopePauses = [Pause; Action::ALL.len()];

impl Pauses {
    /// Those of an account in a region; the region is `""` for actions that have none.
    pub(crate) fn of(&self, account: &str, region_id: &str) -> Arc<ScopePauses> {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(scopes.entry(Scope::new(account, region_id)).or_default())
    }
}

/// Nothing is sent before its end.
#[derive(Debug, Default)]
pub struct Pause(Mutex<Option<Instant>>);

impl Pause {
    /// Nothing is sent for so long from now on.
    pub fn begin(&self, duration: Duration) {
        let end = Instant::now() + duration;
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(until.map_or(end, |before| before.max(end)));
    }

    /// How long it goes on.
    pub fn left(&self) -> Duration {
        let until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }

    /// Waits for its end, however often it is put off.
    pub async fn over(&self) {
        loop {
            let left = self.left();
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_counts() {
        let pause = Pause::default();
        pause.begin(Duration::from_secs(7));
        pause.begin(Duration::from_secs(3));
        let start = Instant::now();
        pause.over().await;
        assert!(start.elapsed() >= Duration::from_secs(7));
        assert_eq!(pause.left(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_of_its_account_region_and_action() {
        let pauses = Pauses::default();
        let action = |action: Action| action as usize;
        pauses.of("a", "r")[action(Action::DescribeInvocations)].begin(Duration::from_secs(60));
        assert!(
            !pauses.of("a", "r")[action(Action::DescribeInvocations)]
                .left()
                .is_zero()
        );
        for other in [pauses.of("a", "s"), pauses.of("b", "r")] {
            assert!(other.iter().all(|pause| pause.left().is_zero()));
        }
        assert!(
            pauses.of("a", "r")[action(Action::DescribeInvocationResults)]
                .left()
                .is_zero()
        );
    }
}
