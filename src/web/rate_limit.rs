//! `rate_limit`: how often anybody may ask.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A bucket of tokens that starts full and gains one per interval; a request takes one, or is refused.
#[derive(Debug)]
pub(super) struct RateLimit {
    interval: Duration,
    burst: u32,
    bucket: Mutex<(f64, Instant)>,
}

impl RateLimit {
    /// With `burst` 0 everything is refused, as upstream. `interval` is not zero.
    pub(super) fn new(interval: Duration, burst: u32, now: Instant) -> Self {
        Self {
            interval,
            burst,
            bucket: Mutex::new((f64::from(burst), now)),
        }
    }

    /// Whether a request may pass at `now`.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, since) = *bucket;
        let gained = now.saturating_duration_since(since).as_secs_f64() / self.interval.as_secs_f64();
        let tokens = (tokens + gained).min(f64::from(self.burst));
        let admitted = tokens >= 1.0;
        *bucket = (if admitted { tokens - 1.0 } else { tokens }, now);
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_per_interval() {
        let start = Instant::now();
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        let limit = RateLimit::new(Duration::from_secs(1), 2, start);
        let times = [0, 0, 0, 900, 1100, 1200, 9000, 9000, 9000];
        let admitted: Vec<_> = times.map(|time| limit.admits(after(time))).into_iter().collect();
        assert_eq!(
            admitted,
            [true, true, false, false, true, false, true, true, false]
        );
        assert!(!RateLimit::new(Duration::from_secs(1), 0, start).admits(after(99_000)));
    }
}
