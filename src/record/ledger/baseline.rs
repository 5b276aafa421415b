//! Rules 2 and 9: what was settled before the exporter looked is known, and not counted.

use serde::{Deserialize, Serialize};

use crate::record::findings::Dated;
use crate::result::Seconds;

/// A clock that is further off than this is refused by the API. Rule 2: what ended longer than this before the baseline
/// began, and only a later look shows, is not counted.
pub(super) const CLOCK_TOLERANCE: Seconds = 15 * 60;

/// When everything was looked at, and what a look can still bring that is no news.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::record) struct Baseline {
    /// The filter of the last baseline; none before there was one.
    pub looked_with: Option<u64>,
    /// When the last baseline began: rule 2. 0 where it was version 1's, which has not saved it.
    pub began: Seconds,
    /// When a poll was last recorded.
    pub recorded_at: Seconds,
    /// When a sweep was last recorded.
    pub swept_at: Seconds,
    /// The oldest settled one-time result that the last sweep listed; none where it listed none.
    pub oldest_listed: Option<Seconds>,
    /// Time of the newest result that was forgotten: what is as old and listed again has been known.
    pub forgotten_until: Seconds,
}

impl Baseline {
    /// What ended before this, and only a later look shows, is not counted.
    pub(super) fn old_before(&self) -> Seconds {
        let baseline = self.began.saturating_sub(CLOCK_TOLERANCE);
        baseline.max(self.forgotten_until.saturating_add(1))
    }

    /// Up to when what a look has missed that began then is no news.
    pub(in crate::record) fn known_before(began: Seconds) -> Seconds {
        began.saturating_sub(CLOCK_TOLERANCE).saturating_sub(1)
    }

    /// Whether it shows that something has been forgotten, and so listed.
    pub(super) fn has_forgotten(&self) -> bool {
        self.began > 0 && self.forgotten_until > 0
    }

    /// Whether a result that only a later look shows is from before. One without a time of its own was forgotten with
    /// the time of its nearest neighbour.
    pub(super) fn is_old(&self, dated: Dated) -> bool {
        let began_before = |time: Seconds| time < self.began.saturating_sub(CLOCK_TOLERANCE);
        let is_forgotten = |time: Seconds| time <= self.forgotten_until;
        dated.at_most().is_some_and(began_before) || dated.time().is_some_and(is_forgotten)
    }

    /// Rule 8: a sweep has listed settled one-time results, of which this is the oldest. Returns before when something
    /// must have been for the list to have lost it at its old end; neither an empty list nor one without such results
    /// makes anything old.
    pub(super) fn swept(&mut self, oldest: Option<Seconds>) -> Seconds {
        let both = self.oldest_listed.zip(oldest);
        self.oldest_listed = oldest;
        both.map_or(0, |(one, other)| one.min(other))
    }
}
