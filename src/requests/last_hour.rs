//! How many requests were sent in the last hour, minute by minute.

use crate::result::Seconds;

/// Minutes that are held: the hour, the one under way included.
const HELD: usize = 60;

/// Requests of an hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LastHour {
    /// Requests sent, tries again included.
    pub requests: u64,
    /// Those that the API answered with throttling.
    pub throttled: u64,
}

/// A ring of minutes: bounded, however long the process runs and however much it sends.
#[derive(Debug)]
pub(super) struct Minutes {
    /// By the number of the minute, modulo their count.
    ring: [Minute; HELD],
}

#[derive(Debug, Clone, Copy, Default)]
struct Minute {
    /// Since the epoch.
    number: u32,
    requests: u32,
    throttled: u32,
}

impl Default for Minutes {
    fn default() -> Self {
        Self {
            ring: [Minute::default(); HELD],
        }
    }
}

impl Minutes {
    /// Counts a request that was answered at `now`.
    pub(super) fn record(&mut self, throttled: bool, now: Seconds) {
        let number = now / 60;
        let minute = &mut self.ring[number as usize % HELD];
        // It holds a minute of an earlier hour, or of a later one by a clock that has been set back.
        if minute.number != number {
            *minute = Minute {
                number,
                ..Minute::default()
            };
        }
        minute.requests = minute.requests.saturating_add(1);
        minute.throttled = minute.throttled.saturating_add(u32::from(throttled));
    }

    /// The sum of the minute of `now` and the 59 before it.
    pub(super) fn last_hour(&self, now: Seconds) -> LastHour {
        let this = now / 60;
        let held = self
            .ring
            .iter()
            .filter(|minute| minute.number <= this && this - minute.number < HELD as u32);
        held.fold(LastHour::default(), |sum, minute| LastHour {
            requests: sum.requests + u64::from(minute.requests),
            throttled: sum.throttled + u64::from(minute.throttled),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Seconds = 3600;

    #[test]
    fn an_hour_is_sixty_minutes_and_older_ones_make_room() {
        let mut minutes = Minutes::default();
        let start = 1000 * HOUR;
        for minute in 0..180 {
            minutes.record(minute % 3 == 0, start + minute * 60);
            minutes.record(false, start + minute * 60 + 59);
        }
        let last = start + 179 * 60 + 59;
        let hour = |requests, throttled| LastHour { requests, throttled };
        assert_eq!(minutes.last_hour(last), hour(120, 20));
        assert_eq!(minutes.last_hour(last + HOUR / 2), hour(60, 10));
        assert_eq!(minutes.last_hour(last + HOUR), hour(0, 0));
    }

    #[test]
    fn a_clock_that_is_set_back_costs_the_future_and_nothing_else() {
        let mut minutes = Minutes::default();
        minutes.record(true, 50 * HOUR);
        assert_eq!(minutes.last_hour(49 * HOUR), LastHour::default());
        minutes.record(false, 49 * HOUR);
        assert_eq!(minutes.last_hour(49 * HOUR).requests, 1);
        assert_eq!(minutes.last_hour(50 * HOUR).requests, 0);
    }
}
