//! A series that begins to exist is shown at 0 for a while, so that `increase()` sees its first increment.
//!
//! That time is the process's own and only runs while somebody can see the series: no step of the machine's clock, no
//! suspend and no slow disk cuts it short. It is saved as it passes, and so is its end before a value is shown: what
//! has been shown is never taken back, not by a crash nor by a longer `metrics.new_series_hold`.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::result::Seconds;

/// When a series was certainly at 0, in Unix time: the end of the last poll before the one that it began with, or the
/// beginning of that one where it was the first. None where an earlier version has begun the series, or where no clock
/// was right.
pub(in crate::record) type Start = Option<NonZeroU32>;

/// How a series has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SavedBeginning", into = "SavedBeginning")]
pub(in crate::record) struct Beginning {
    /// It never moves: whoever sees a later one takes the counter for one that was reset.
    pub start: Start,
    pub hold: Hold,
}

/// The same as it is saved. Format version 2 has the first two, which say nothing of the start.
#[derive(Serialize, Deserialize)]
enum SavedBeginning {
    Over,
    On { seen_for: u32 },
    OverSince { start: NonZeroU32 },
    OnSince { start: NonZeroU32, seen_for: u32 },
}

impl From<Beginning> for SavedBeginning {
    fn from(Beginning { start, hold }: Beginning) -> Self {
        match (start, hold) {
            (None, Hold::Over) => Self::Over,
            (None, Hold::On { seen_for, .. }) => Self::On { seen_for },
            (Some(start), Hold::Over) => Self::OverSince { start },
            (Some(start), Hold::On { seen_for, .. }) => Self::OnSince { start, seen_for },
        }
    }
}

impl From<SavedBeginning> for Beginning {
    fn from(saved: SavedBeginning) -> Self {
        let on = |seen_for| Hold::On {
            seen_for,
            noted: None,
        };
        let (start, hold) = match saved {
            SavedBeginning::Over => (None, Hold::Over),
            SavedBeginning::On { seen_for } => (None, on(seen_for)),
            SavedBeginning::OverSince { start } => (Some(start), Hold::Over),
            SavedBeginning::OnSince { start, seen_for } => (Some(start), on(seen_for)),
        };
        Self { start, hold }
    }
}

impl Beginning {
    /// That of a series which is held at 0 first.
    pub(in crate::record) fn held(start: Start) -> Self {
        Self {
            start,
            hold: Hold::NEW,
        }
    }

    /// That of a series which is shown as it is.
    pub(in crate::record) fn shown(start: Start) -> Self {
        Self {
            start,
            hold: Hold::Over,
        }
    }

    /// A start that lies ahead is of a clock that was wrong: it is none, for good. Where it were only hidden until its
    /// time has come, it would then be behind the first increment. Returns whether there is anything to save.
    pub(super) fn forget_start_after(&mut self, wall: Seconds) -> bool {
        let is_ahead = self.start.is_some_and(|start| start.get() > wall);
        if is_ahead {
            self.start = None;
        }
        is_ahead
    }
}

/// Whether a series is still shown at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::record) enum Hold {
    /// Its value is shown.
    Over,
    /// It is shown at 0.
    On {
        /// So long, in milliseconds.
        seen_for: u32,
        /// When that was noted, by the process's own time in milliseconds; none before a picture has had the series.
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
    /// Since when, and whether it is still shown at 0.
    pub beginning: Beginning,
}

/// No counter that goes up by one gets there: 300,000 years of a thousand results a second.
pub(in crate::record) const MOST: u64 = 1 << 53;

impl Counter {
    /// Whether it is one that this program has saved.
    pub(in crate::record) fn is_sound(&self) -> bool {
        self.value <= MOST
    }

    /// At 0.
    pub(in crate::record) fn new(beginning: Beginning) -> Self {
        Self { value: 0, beginning }
    }

    /// What is shown of it.
    pub(in crate::record) fn shown(self) -> u64 {
        if self.beginning.hold.is_on() {
            0
        } else {
            self.value
        }
    }

    /// One more, up to the largest number that there is.
    pub(in crate::record) fn increment(&mut self) {
        self.value = self.value.saturating_add(1);
    }
}

/// Something that is done to every beginning; it says which ones are to be saved.
pub(super) type OnBeginning<'a> = &'a mut dyn FnMut(&mut Beginning) -> bool;

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
        let saved = postcard::to_stdvec(&Beginning { start: None, hold }).unwrap();
        let Beginning { mut hold, .. } = postcard::from_bytes(&saved).unwrap();
        assert_eq!(hold.seen(SECOND, SECOND * 90), Some(SECOND * 51));
        assert!(hold.pass(51_000, 90_000) && !hold.is_on());
        assert!(!hold.pass(52_000, 1_000_000), "a longer hold takes nothing back");
    }

    #[test]
    fn where_nothing_is_held_what_is_new_is_shown_at_once() {
        let mut hold = Hold::NEW;
        assert!(hold.pass(0, 0) && !hold.is_on());
    }

    /// As the last program of format version 2 has saved it, and as it is saved now.
    #[test]
    fn what_was_saved_without_a_start_has_none() {
        let on = |seen_for| Hold::On {
            seen_for,
            noted: None,
        };
        let start = NonZeroU32::new(300);
        for (bytes, start, hold) in [
            (&[0][..], None, Hold::Over),
            (&[1, 0xc8, 1], None, on(200)),
            (&[2, 0xac, 2], start, Hold::Over),
            (&[3, 0xac, 2, 0xc8, 1], start, on(200)),
        ] {
            let beginning = Beginning { start, hold };
            assert_eq!(postcard::to_stdvec(&beginning).unwrap(), bytes);
            assert_eq!(postcard::from_bytes::<Beginning>(bytes).unwrap(), beginning);
        }
        for damaged in [&[4][..], &[2, 0], &[3, 0, 1], &[2, 0xff, 0xff, 0xff, 0xff, 0xff]] {
            assert!(postcard::from_bytes::<Beginning>(damaged).is_err(), "{damaged:?}");
        }
    }

    #[test]
    fn a_start_ahead_of_the_clock_is_forgotten() {
        let mut beginning = Beginning::held(NonZeroU32::new(300));
        assert!(!beginning.forget_start_after(300));
        assert_eq!(beginning.start, NonZeroU32::new(300));
        assert!(beginning.forget_start_after(299));
        assert_eq!(beginning.start, None);
    }
}
