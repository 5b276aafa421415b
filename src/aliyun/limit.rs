//! A token bucket: how fast one scope may ask for one action.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Which share of the bucket a request may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// All of it: polls.
    Poll,
    /// Not the last half, which is left to polls: sweeps, which go on for long.
    Sweep,
}

/// A bucket that starts full, holds `burst` tokens and gains `per_second`.
#[derive(Debug)]
pub struct Limit {
    per_second: f64,
    burst: f64,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Limit {
    /// A full bucket; `per_second` is above 0 and `burst` at least 1.
    pub fn new(per_second: f64, burst: u32) -> Self {
        let burst = f64::from(burst.max(1));
        let bucket = Bucket {
            tokens: burst,
            at: Instant::now(),
        };
        Self {
            per_second,
            burst,
            bucket: Mutex::new(bucket),
        }
    }

    /// Waits for a token and takes it.
    pub async fn take(&self, priority: Priority) {
        while let Err(wait) = self.try_take(priority, Instant::now()) {
            tokio::time::sleep(wait).await;
        }
    }

    fn try_take(&self, priority: Priority, now: Instant) -> Result<(), Duration> {
        let mut bucket = self.lock();
        let elapsed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + elapsed * self.per_second).min(self.burst);
        bucket.at = now;
        let needed = match priority {
            Priority::Poll => 1.0,
            Priority::Sweep => (self.burst / 2.0).max(1.0),
        };
        if bucket.tokens >= needed {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        // A little more than the gap, so that rounding does not make the waiter come back for nothing.
        Err(Duration::from_secs_f64(
            (needed - bucket.tokens) / self.per_second + 0.001,
        ))
    }

    fn lock(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
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
}
