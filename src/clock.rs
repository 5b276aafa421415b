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
        Now {
            wall: timestamp::seconds(SystemTime::now()),
            steady: self.origin.elapsed(),
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
    /// The instant at which the process's own time is `steady`, if the machine's clock does not step until then.
    ///
    /// A request that the API has answered was signed with the right time, or it would have been refused (it allows
    /// 15 minutes): what came with it is dated from there, and not by a clock that may have stepped since.
    #[must_use]
    pub fn until(self, steady: Duration) -> Self {
        let passed = steady.saturating_sub(self.steady).as_secs();
        let passed = Seconds::try_from(passed).unwrap_or(Seconds::MAX);
        Self {
            wall: self.wall.saturating_add(passed),
            steady,
        }
    }
}
