//! A token bucket: how many may come at once, and how soon one more after that.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A bucket that starts full, and gains a token per interval.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    /// Seconds.
    interval: f64,
    burst: f64,
    /// Tokens, and when there were so many. Locked for a few additions at a time.
    level: Mutex<(f64, Instant)>,
}

impl TokenBucket {
    /// A full bucket; `interval` is not zero. One that holds none refuses everything.
    pub(crate) fn new(interval: Duration, burst: u32, now: Instant) -> Self {
        Self {
            interval: interval.as_secs_f64(),
            burst: f64::from(burst),
            level: Mutex::new((f64::from(burst), now)),
        }
    }

    /// Takes a token where there are at least `least`, or says in how long there are.
    pub(crate) fn take(&self, least: f64, now: Instant) -> Result<(), Duration> {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, since) = *level;
        let gained = now.saturating_duration_since(since).as_secs_f64() / self.interval;
        let tokens = (tokens + gained).min(self.burst);
        let is_enough = tokens >= least;
        *level = (if is_enough { tokens - 1.0 } else { tokens }, now);
        match is_enough {
            true => Ok(()),
            false => {
                Err(Duration::try_from_secs_f64((least - tokens) * self.interval).unwrap_or(Duration::MAX))
            }
        }
    }

    /// How many it holds at most.
    pub(crate) fn burst(&self) -> f64 {
        self.burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_per_interval() {
        let start = Instant::now();
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        let bucket = TokenBucket::new(Duration::from_secs(1), 2, start);
        let times = [0, 0, 0, 900, 1100, 1200, 9000, 9000, 9000];
        let admitted: Vec<_> = times
            .map(|time| bucket.take(1.0, after(time)).is_ok())
            .into_iter()
            .collect();
        assert_eq!(
            admitted,
            [true, true, false, false, true, false, true, true, false]
        );
        let none = TokenBucket::new(Duration::from_secs(1), 0, start);
        assert!(none.take(1.0, after(99_000)).is_err());
        let rare = TokenBucket::new(Duration::MAX, 0, start);
        assert_eq!(rare.take(9.0, start), Err(Duration::MAX), "no such duration");
    }
}
