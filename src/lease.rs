//! Until when a replica that leads may show what it has, and ask for more.
//!
//! By a clock that goes on while the machine is suspended, as that of the database does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// By so much a lease ends here before it ends at the server: what their clocks may differ in meanwhile.
const MARGIN: Duration = Duration::from_secs(2);

/// A lease; clones are the same. It is not held before it is extended.
#[derive(Debug, Clone, Default)]
pub struct Lease(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// In nanoseconds of [`now`].
    until: AtomicU64,
    /// Whatever is told of later: it is not held again.
    is_over: AtomicBool,
}

/// How long the machine has been up, suspended or not.
pub fn now() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanoseconds)
}

impl Lease {
    /// What was asked at that time, by [`now`], has been answered: whoever has answered waits for so long at least.
    pub fn answered(&self, asked: Duration, length: Duration) {
        self.extend((asked + length).saturating_sub(MARGIN));
    }

    /// It is held until then at least.
    pub fn extend(&self, until: Duration) {
        let until = u64::try_from(until.as_nanos()).unwrap_or(u64::MAX);
        self.0.until.fetch_max(until, Ordering::AcqRel);
    }

    /// It is held no longer, for good.
    pub fn end(&self) {
        self.0.is_over.store(true, Ordering::Release);
    }

    /// How long it is held from now on, unless it is extended; nothing where it is not held.
    pub fn left(&self) -> Duration {
        self.left_at(now())
    }

    /// The same, at that time.
    pub fn left_at(&self, now: Duration) -> Duration {
        if self.0.is_over.load(Ordering::Acquire) {
            return Duration::ZERO;
        }
        let until = Duration::from_nanos(self.0.until.load(Ordering::Acquire));
        until.saturating_sub(now)
    }

    /// Whether it is held.
    pub fn is_held(&self) -> bool {
        self.is_held_at(now())
    }

    /// Whether it is held at that time.
    pub fn is_held_at(&self, now: Duration) -> bool {
        !self.left_at(now).is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn it_is_held_until_its_end_and_never_again() {
        let lease = Lease::default();
        assert!(!lease.is_held(), "before it is extended");
        lease.extend(now().saturating_sub(Duration::from_nanos(1)));
        assert!(!lease.is_held(), "in the past");
        lease.extend(now() + HOUR);
        lease.extend(now() + HOUR / 2);
        assert!(lease.left() > HOUR / 2, "what is told late shortens nothing");
        let same = lease.clone();
        same.end();
        lease.extend(now() + 2 * HOUR);
        assert!(!lease.is_held() && lease.left().is_zero());
    }
}
