//! A series that begins to exist is shown at 0 for a while, so that `increase()` sees its first increment.
//!
//! That time is the process's own and only runs while somebody can see the series: no step of the machine's clock, no
//! suspend and no slow disk cuts it short. It is saved as it passes, and so is its end before a value is shown: what
//! has been shown is never taken back, not by a crash nor by a longer `metrics.new_series_hold`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Whether a series is still shown at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::record) enum Hold {
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
    pub(in crate::record) const NEW: Self = Self::On {
        seen_for: 0,
        noted: None,
    };

    /// Whether the series is shown at 0.
    pub(in crate::record) fn is_on(self) -> bool {
        self != Self::Over
    }

    /// Time passes. Returns whether there is anything to save.
    pub(super) fn pass(&mut self, steady: u64, hold: u32) -> bool {
        let Self::On { seen_for, noted } = self else {
            return false;
        };
        let Some(since) = *noted else {
            // Where nothing is held at 0, what is new is shown at once.
            let is_over = hold == 0;
            if is_over {
                *self = Self::Over;
            }
            return is_over;
        };
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

/// A counter that never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::record) struct Counter {
    /// How many.
    pub value: u64,
    /// Whether it is still shown at 0.
    pub hold: Hold,
}

/// No counter that goes up by one gets there: 300,000 years of a thousand results a second.
pub(in crate::record) const MOST: u64 = 1 << 53;

impl Counter {
    /// Whether it is one that this program has saved.
    pub(in crate::record) fn is_sound(&self) -> bool {
        self.value <= MOST
    }

    /// At 0.
    pub(in crate::record) fn new(hold: Hold) -> Self {
        Self { value: 0, hold }
    }

    /// What is shown of it.
    pub(in crate::record) fn shown(self) -> u64 {
        if self.hold.is_on() { 0 } else { self.value }
    }

    /// One more, up to the largest number that there is.
    pub(in crate::record) fn increment(&mut self) {
        self.value = self.value.saturating_add(1);
    }
}

/// Something that is done to every hold; it says which ones are to be saved.
pub(super) type OnHold<'a> = &'a mut dyn FnMut(&mut Hold) -> bool;

pub(super) fn milliseconds(steady: Duration) -> u64 {
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

    #[test]
    fn where_nothing_is_held_what_is_new_is_shown_at_once() {
        let mut hold = Hold::NEW;
        assert!(hold.pass(0, 0) && !hold.is_on());
    }
}
