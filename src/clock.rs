//! An instant by two clocks: counting takes it as a value, and never reads a clock itself.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::result::Seconds;
use crate::timestamp;

/// One instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// By the machine's clock, which may step forward or back.
    pub wall: Seconds,
    /// By the process's own time, which only goes forward; from an origin that is the same for one record.
    pub steady: Duration,
}

/// What both clocks say at one moment, whatever the origin.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The machine's clock.
    pub wall: SystemTime,
    steady: Instant,
}

impl Moment {
    /// This one.
    pub fn now() -> Self {
        Self {
            wall: SystemTime::now(),
            steady: Instant::now(),
        }
    }
}

/// What a poller reads the time from.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose own time begins now.
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// The time.
    pub fn now(&self) -> Now {
        self.at(Moment::now())
    }

    /// The time at a moment.
    pub fn at(&self, moment: Moment) -> Now {
        Now {
            wall: timestamp::seconds(moment.wall),
            steady: moment.steady.saturating_duration_since(self.origin),
        }
    }

    /// When the process's own time is that.
    pub fn instant(&self, steady: Duration) -> Instant {
        self.origin + steady
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Now {
    /// The instant at which the process's own time is `steady`, if the machine's clock does not step between both.
    ///
    /// A request that the API has answered was signed with the right time, or it would have been refused (it allows
    /// 15 minutes): what came with it is dated from there, and not by a clock that may have stepped before or since.
    #[must_use]
    pub fn at(self, steady: Duration) -> Self {
        let seconds = |duration: Duration| Seconds::try_from(duration.as_secs()).unwrap_or(Seconds::MAX);
        let (later, earlier) = (
            seconds(steady.saturating_sub(self.steady)),
            seconds(self.steady.saturating_sub(steady)),
        );
        Self {
            wall: self.wall.saturating_add(later).saturating_sub(earlier),
            steady,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_dates_what_was_before_it_and_what_comes_after() {
        let seconds = Duration::from_secs;
        let signed = Now {
            wall: 1_700_000_000,
            steady: seconds(100),
        };
        for (steady, wall) in [(40, 1_699_999_940), (100, 1_700_000_000), (160, 1_700_000_060)] {
            let steady = seconds(steady);
            assert_eq!(signed.at(steady), Now { wall, steady });
        }
        let (origin, least) = (Now::default(), signed.at(Duration::ZERO));
        assert_eq!(origin.at(Duration::MAX).wall, Seconds::MAX);
        assert_eq!((least.wall, least.at(signed.steady)), (1_699_999_900, signed));
    }
}
