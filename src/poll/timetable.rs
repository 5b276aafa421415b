//! When the polls of a scope begin: the first soon after the start, the others spread over the interval.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use crate::scope::Scope;

/// Of first requests: what an instant with hundreds of answers takes in memory would be kept for good.
pub const APART: Duration = Duration::from_millis(5);

/// When pollers that start begin: one after another, however many start together.
#[derive(Debug, Clone, Copy)]
pub struct FirstPolls {
    next: Instant,
}

impl FirstPolls {
    /// The first poll may begin at `now`.
    pub fn new(now: Instant) -> Self {
        Self { next: now }
    }

    /// When that of a poller begins which starts at `now`.
    pub fn next(&mut self, now: Instant) -> Instant {
        let at = self.next.max(now);
        self.next = at + APART;
        at
    }
}

/// The instants at which one scope is polled.
#[derive(Debug, Clone, Copy)]
pub struct Timetable {
    anchor: Instant,
    interval: Duration,
}

impl Timetable {
    /// The timetable of a scope that starts at `now`. Each scope has a place of its own in the interval, so that
    /// hundreds of them do not ask at once.
    pub fn new(scope: &Scope, interval: Duration, now: Instant) -> Self {
        Self {
            anchor: now + interval.mul_f64(place(scope)),
            interval,
        }
    }

    /// The first instant after `now`. Those that have passed are skipped, however many.
    pub fn next(&self, now: Instant) -> Instant {
        let Some(since) = now.checked_duration_since(self.anchor) else {
            return self.anchor;
        };
        let passed = since.as_nanos() / self.interval.as_nanos().max(1) + 1;
        self.anchor
            + self
                .interval
                .saturating_mul(u32::try_from(passed).unwrap_or(u32::MAX))
    }
}

/// Where a scope stands among all, from 0 to 1: the same in every process.
pub(super) fn place(scope: &Scope) -> f64 {
    let mut hasher = DefaultHasher::new();
    scope.hash(&mut hasher);
    hasher.finish() as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_that_start_together_begin_one_after_another() {
        let start = Instant::now();
        let mut first_polls = FirstPolls::new(start);
        let begun: Vec<Instant> = (0..3).map(|_| first_polls.next(start)).collect();
        assert_eq!(begun, [start, start + APART, start + APART * 2]);
        let later = start + Duration::from_secs(1);
        assert_eq!(
            first_polls.next(later),
            later,
            "nobody waits for those that have begun"
        );
    }

    #[tokio::test]
    async fn missed_instants_are_skipped() {
        let start = Instant::now();
        let interval = Duration::from_secs(60);
        let timetable = Timetable::new(&Scope::new("a", "r"), interval, start);
        let first = timetable.next(start);
        assert!(first >= start && first <= start + interval);
        assert_eq!(timetable.next(first), first + interval);
        assert_eq!(
            timetable.next(first + interval * 3 + Duration::from_secs(1)),
            first + interval * 4
        );
    }

    #[tokio::test]
    async fn scopes_are_spread() {
        let start = Instant::now();
        let interval = Duration::from_secs(60);
        let mut tenths = [0; 10];
        for n in 0..600 {
            let timetable = Timetable::new(&Scope::new("a", &format!("r{n}")), interval, start);
            let place = (timetable.next(start) - start).as_secs_f64() / 6.0;
            tenths[(place as usize).min(9)] += 1;
        }
        assert!(tenths.iter().all(|count| (30..90).contains(count)), "{tenths:?}");
    }
}
