//! A series that begins to exist is shown at 0 for a while, so that `increase()` sees its first increment.
//!
//! That time is the process's own and only runs while somebody can see the series: no step of the machine's clock, no
//! suspend and no slow disk cuts it short. It is saved as it passes, and so is its end before a value is shown: what
//! has been shown is never taken back, not by a crash nor by a longer `metrics.new_series_hold`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Record;
use super::saved::Key;

/// Whether a series is still shown at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Hold {
    /// Its value is shown.
    Over,
    /// It is shown at 0.
    On {
        /// So long, in milliseconds.
        seen_for: u32,
        /// When that was noted, by the process's own time in milliseconds; none before a picture has had the series.
        #[serde(skip)]
        noted: Option<u64>,
    },
}

impl Hold {
    /// That of a new series.
    pub(super) const NEW: Self = Self::On {
        seen_for: 0,
        noted: None,
    };

    /// Whether the series is shown at 0.
    pub(super) fn is_on(self) -> bool {
        self != Self::Over
    }

    /// Time passes. Returns whether there is anything to save.
    fn pass(&mut self, steady: u64, hold: u32) -> bool {
        let Self::On { seen_for, noted } = self else {
            return false;
        };
        let Some(since) = *noted else { return false };
        *noted = Some(steady);
        let passed = u32::try_from(steady.saturating_sub(since)).unwrap_or(u32::MAX);
        *seen_for = seen_for.saturating_add(passed);
        if *seen_for >= hold {
            *self = Self::Over;
        }
        true
    }

    /// A picture has the series. Returns when its time at 0 will be over.
    pub(super) fn seen(&mut self, steady: Duration, hold: Duration) -> Option<Duration> {
        let Self::On { seen_for, noted } = self else {
            return None;
        };
        let since = *noted.get_or_insert(milliseconds(steady));
        let left = hold.saturating_sub(Duration::from_millis(u64::from(*seen_for)));
        Some(Duration::from_millis(since) + left)
    }
}

impl Record {
    /// Lets the time pass for series that are held at 0. Returns whether one is to show its value from now on: that
    /// must be saved before it is.
    pub fn release(&mut self, steady: Duration) -> bool {
        let hold = self.settings.new_series_hold.saturating_mul(1000);
        let steady = milliseconds(steady);
        let mut passed = Vec::new();
        let mut released = false;
        self.each_hold(|key, series| {
            if series.pass(steady, hold) {
                passed.push(key);
                released |= !series.is_on();
            }
        });
        self.unsaved.extend(passed);
        released
    }

    /// A picture shows them from now on. Returns when the first of them will be over.
    pub(super) fn see_holds(&mut self, steady: Duration) -> Option<Duration> {
        let hold = Duration::from_secs(u64::from(self.settings.new_series_hold));
        let mut next: Option<Duration> = None;
        self.each_hold(|_, series| {
            let over = series.seen(steady, hold);
            next = next.into_iter().chain(over).min();
        });
        next
    }

    fn each_hold(&mut self, mut each: impl FnMut(Key, &mut Hold)) {
        for (combination, total) in &mut self.totals {
            each(Key::Total(*combination), &mut total.counter.hold);
        }
        for (status, durations) in &mut self.durations {
            each(Key::Durations(*status), &mut durations.hold);
        }
        for ((finished, error_code), counter) in &mut self.deliveries {
            each(Key::Delivery(*finished, *error_code), &mut counter.hold);
        }
        let commands = self
            .commands
            .iter_mut()
            .flat_map(|commands| commands.series.iter_mut());
        for (number, series) in commands {
            for hold in series.holds() {
                each(Key::CommandSeries(number), hold);
            }
        }
    }
}

fn milliseconds(steady: Duration) -> u64 {
    u64::try_from(steady.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn time_at_0_is_time_in_which_it_could_be_seen() {
        let mut hold = Hold::NEW;
        assert!(!hold.pass(50_000, 90_000), "no picture has it yet");
        assert_eq!(hold.seen(SECOND * 60, SECOND * 90), Some(SECOND * 150));
        assert!(hold.pass(100_000, 90_000));
        assert_eq!(
            hold,
            Hold::On {
                seen_for: 40_000,
                noted: Some(100_000)
            }
        );
        // A crash, and a start after any time, whatever the clock says.
        let mut hold: Hold = postcard::from_bytes(&postcard::to_stdvec(&hold).unwrap()).unwrap();
        assert_eq!(hold.seen(SECOND, SECOND * 90), Some(SECOND * 51));
        assert!(hold.pass(51_000, 90_000) && !hold.is_on());
        assert!(!hold.pass(52_000, 1_000_000), "a longer hold takes nothing back");
    }
}
