//! Durations in buckets whose bounds grow by a constant factor: a native histogram of Prometheus, of schema 3.
//!
//! Exact, like the buckets that are configured: durations are whole seconds, of which 257 buckets hold all there are. It
//! is there from when `metrics.native_histograms` was first set, and goes on whether or not that is still so: where it
//! is shown again nothing has gone back, which a server would take for a reset.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// The bounds between two powers of two, as parts of the higher one's distance: 2^(1/8) to 2^(7/8).
const BETWEEN: [f64; 7] = [
    1.090_507_732_665_257_7,
    1.189_207_115_002_721,
    1.296_839_554_651_009_6,
    std::f64::consts::SQRT_2,
    1.542_210_825_407_940_7,
    1.681_792_830_507_429,
    1.834_008_086_409_342_4,
];

/// That of the longest duration that there is.
const MOST_INDEX: u16 = 256;

/// How many durations are in each bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::record) struct Native {
    /// Those of no second.
    zero: u64,
    /// By index: a bucket has what is above 2^((index − 1) / 8) seconds, and at most 2^(index / 8). None is empty.
    buckets: BTreeMap<u16, u64>,
}

/// The same as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownNative {
    /// Durations of no second.
    pub zero: u64,
    /// Index and count of each bucket that is not empty, ascending.
    pub buckets: Vec<(u16, u64)>,
}

impl Native {
    /// Of so many durations that were counted before, and of how many are at most each bound, in milliseconds: each is
    /// where it was at most, and those above every bound are just there.
    pub(super) fn of(at_most: impl Iterator<Item = (u64, u64)>, all: u64) -> Self {
        let mut native = Self::default();
        let (mut before, mut above) = (0, 0_u32);
        for (bound, at_most) in at_most {
            // Durations are whole seconds.
            let longest = u32::try_from(bound / 1000).unwrap_or(u32::MAX);
            native.add(longest, at_most - before);
            (before, above) = (at_most, longest.saturating_add(1));
        }
        native.add(above, all - before);
        native
    }

    /// Adds a duration.
    pub(super) fn observe(&mut self, seconds: u32) {
        self.add(seconds, 1);
    }

    fn add(&mut self, seconds: u32, count: u64) {
        if count == 0 {
            return;
        }
        let bucket = match NonZeroU32::new(seconds) {
            Some(seconds) => self.buckets.entry(index(seconds)).or_default(),
            None => &mut self.zero,
        };
        *bucket = bucket.saturating_add(count);
    }

    /// Whether it is what this program has saved beside a histogram of so many durations.
    pub(super) fn is_sound(&self, count: u64) -> bool {
        let counts = self.buckets.values().copied();
        let all = counts.clone().try_fold(self.zero, u64::checked_add);
        all == Some(count)
            && counts.min().is_none_or(|least| least > 0)
            && self.buckets.keys().all(|index| *index <= MOST_INDEX)
    }

    pub(super) fn shown(&self) -> ShownNative {
        ShownNative {
            zero: self.zero,
            buckets: self
                .buckets
                .iter()
                .map(|(index, count)| (*index, *count))
                .collect(),
        }
    }
}

/// The bucket of a duration.
fn index(seconds: NonZeroU32) -> u16 {
    let octave = seconds.ilog2();
    let power = f64::from(1_u32 << octave);
    let seconds = f64::from(seconds.get());
    let place = match seconds > power {
        true => 1 + BETWEEN.partition_point(|bound| bound * power < seconds),
        false => 0,
    };
    8 * octave as u16 + place as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index_of(seconds: u32) -> u16 {
        index(NonZeroU32::new(seconds).unwrap())
    }

    /// Whether a ≤ 2^(index / 8), in whole numbers: a^8 ≤ 2^index.
    fn is_at_most(seconds: u32, index: u16) -> bool {
        let squared = u128::from(seconds).pow(2);
        // The eighth power has up to 256 bits.
        let (fourth, shift) = (squared * squared, u32::from(index));
        match shift.checked_sub(127) {
            None => fourth
                .checked_mul(fourth)
                .is_some_and(|eighth| eighth <= 1 << shift),
            // Both sides halved: a^4 against 2^(index / 2), rounded by whether index is odd.
            Some(_) if shift.is_multiple_of(2) => {
                fourth <= 1_u128.checked_shl(shift / 2).unwrap_or(u128::MAX)
            }
            Some(_) => (fourth as f64) <= 2_f64.powf(f64::from(shift) / 2.0),
        }
    }

    #[test]
    fn a_bucket_has_what_is_above_the_one_before_and_at_most_its_bound() {
        let around = |bound: u32| bound.saturating_sub(2)..=bound.saturating_add(2);
        let powers = (0..32).flat_map(|power| around(1 << power));
        let bounds = (0..=256).flat_map(|index| around(2_f64.powf(f64::from(index) / 8.0) as u32));
        let all = (1..100_000).chain(powers).chain(bounds).chain([u32::MAX]);
        for seconds in all.filter(|seconds| *seconds > 0) {
            let index = index_of(seconds);
            assert!(is_at_most(seconds, index), "{seconds} is above bucket {index}");
            assert!(
                index == 0 || !is_at_most(seconds, index - 1),
                "{seconds} is below bucket {index}"
            );
        }
        assert_eq!([1, 2, 3, 4, 60, 86_400].map(index_of), [0, 8, 13, 16, 48, 132]);
        assert_eq!(index_of(u32::MAX), MOST_INDEX);
    }

    #[test]
    fn what_was_there_before_is_where_it_was_at_most() {
        // Two of no second, one of one, two up to a minute, and two above.
        let native = Native::of([(500, 2), (1500, 3), (64_000, 5)].into_iter(), 7);
        let expected = [(0, 1), (48, 2), (49, 2)];
        assert_eq!(native.shown().zero, 2);
        assert_eq!(native.shown().buckets, expected);
        assert!(native.is_sound(7));
        assert!(Native::of([(1000, 0)].into_iter(), 0).is_sound(0));
    }

    #[test]
    fn what_nobody_has_saved_is_not_sound() {
        let native = |zero, buckets: &[(u16, u64)]| Native {
            zero,
            buckets: buckets.iter().copied().collect(),
        };
        for (native, is_sound) in [
            (native(2, &[(0, 3), (256, 2)]), true),
            (native(3, &[(0, 3), (256, 2)]), false),
            (native(2, &[(0, 3), (257, 2)]), false),
            (native(7, &[(0, 0)]), false),
            (native(8, &[(0, u64::MAX)]), false),
        ] {
            assert_eq!(native.is_sound(7), is_sound, "{native:?}");
        }
    }
}
