//! How fast one scope may ask for one action.

use std::time::Duration;

use tokio::time::Instant;

use crate::token_bucket::TokenBucket;

/// Which share of the bucket a request may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// All of it: polls.
    Poll,
    /// Not the last half, which is left to polls: sweeps, which go on for long.
    Sweep,
}

/// A bucket that starts full.
#[derive(Debug)]
pub(crate) struct Limit(TokenBucket);

impl Limit {
    /// A full bucket; `per_second` is above 0 and `burst` at least 1.
    pub(crate) fn new(per_second: f64, burst: u32) -> Self {
        let interval = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX);
        Self(TokenBucket::new(interval, burst.max(1), Instant::now()))
    }

    /// Waits for a token and takes it.
    pub(crate) async fn take(&self, priority: Priority) {
        let least = match priority {
            Priority::Poll => 1.0,
            Priority::Sweep => (self.0.burst() / 2.0).max(1.0),
        };
        while let Err(wait) = self.0.take(least, Instant::now()) {
            // A little more than the gap, so that rounding does not make the waiter come back for nothing.
            tokio::time::sleep(wait.saturating_add(Duration::from_millis(1))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_the_rate() {
        let limit = Limit::new(2.0, 10);
        let start = Instant::now();
        for _ in 0..10 {
            limit.take(Priority::Poll).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..4 {
            limit.take(Priority::Poll).await;
        }
        let elapsed = start.elapsed().as_secs_f64();
        assert!((2.0..2.1).contains(&elapsed), "{elapsed}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sweep_leaves_half_to_polls() {
        let limit = Limit::new(1.0, 10);
        let start = Instant::now();
        for _ in 0..6 {
            limit.take(Priority::Sweep).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..4 {
            limit.take(Priority::Poll).await;
        }
        assert_eq!(
            start.elapsed(),
            Duration::ZERO,
            "a poll need not wait behind a sweep"
        );
        limit.take(Priority::Sweep).await;
        assert!(start.elapsed().as_secs_f64() >= 5.0);
    }
    #[tokio::test(start_paused = true)]
    async fn a_rate_of_next_to_nothing_is_waited_for() {
        let limit = Limit::new(f64::MIN_POSITIVE, 1);
        limit.take(Priority::Poll).await;
        let year = Duration::from_secs(365 * 24 * 3600);
        assert!(
            tokio::time::timeout(year, limit.take(Priority::Poll))
                .await
                .is_err()
        );
    }
}
