//! Which runs of a schedule's row are known.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::record::findings::Sought;
use crate::record::looks::{Looked, Looks, Pauses};
use crate::result::{Ids, Row, Seconds};

/// More gaps than this in the numbers of runs are not kept; the lowest then count as known.
const MAX_GAPS: usize = 64;

/// A row of a scheduled invocation: one instance, whose runs are counted one by one from its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// For asking for the history.
    pub ids: Ids,
    /// Repeats as the row shows it now.
    pub shown: u32,
    /// The number of the highest settled run that is known.
    highest: u32,
    /// Inclusive ranges of run numbers below `highest` that are not known, ascending.
    pub(in crate::record) gaps: Vec<(u32, u32)>,
    /// When its last run was, as far as can be told: a schedule's row is as old as that.
    pub last_run: Seconds,
    /// When the last run was that is known.
    pub known_until: Seconds,
    /// Runs from before are not counted: they ended before the baseline, or before the row was forgotten.
    pub old_before: Seconds,
    /// The looks for runs up to the one that Repeats shows.
    #[serde(skip)]
    newest: Looks,
    /// The looks for runs that are missing among the known ones.
    #[serde(skip)]
    missing: Looks,
}

impl Schedule {
    /// A schedule's row that shows `shown` runs, of which those up to `highest` are known.
    pub fn new(ids: Ids, shown: u32, highest: u32) -> Self {
        Self {
            ids,
            shown,
            highest,
            gaps: Vec::new(),
            last_run: 0,
            known_until: 0,
            old_before: 0,
            newest: Looks::default(),
            missing: Looks::default(),
        }
    }

    /// One that an earlier version of the program has saved: `known` has the highest run and the gaps below it.
    pub(in crate::record) fn of_saved(
        ids: Ids,
        shown: u32,
        (highest, gaps): (u32, Vec<(u32, u32)>),
        last_run: Seconds,
    ) -> Self {
        Self {
            gaps,
            last_run,
            known_until: last_run,
            ..Self::new(ids, shown, highest)
        }
    }

    /// Whether it is one that this program has made: numbers in order, gaps apart and below the highest run.
    pub(in crate::record) fn is_sound(&self) -> bool {
        let in_order = self.gaps.iter().all(|(first, last)| 0 < *first && first <= last);
        let apart = self.gaps.is_sorted_by(|one, other| one.1 < other.0);
        let below = self.gaps.last().is_none_or(|(_, last)| *last < self.highest);
        in_order && apart && below && self.gaps.len() <= MAX_GAPS
    }

    /// The row as the baseline shows it.
    ///
    /// Rule 9: runs up to its Repeats are known by number, but for one that may be under way: it is asked for until
    /// it has settled.
    pub fn at_baseline(ids: Ids, row: &Row) -> Self {
        let known = match row.status.is_open() {
            true if row.is_under_way() => row.repeats.saturating_sub(1),
            true => row.repeats,
            false => row.run(),
        };
        Self::new(ids, row.repeats, known)
    }

    /// Whether a run is known: counted, or settled before the baseline.
    pub fn knows(&self, run: u32) -> bool {
        run <= self.highest
            && !self
                .gaps
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&run))
    }

    /// Whether a run that is not known, with that time of its own, is from before.
    pub(super) fn is_old(&self, own: Option<Seconds>) -> bool {
        own.is_some_and(|own| own < self.old_before)
    }

    /// A run has settled.
    pub fn learn(&mut self, run: u32) {
        if run > self.highest {
            if run - self.highest > 1 {
                self.gaps.push((self.highest + 1, run - 1));
            }
            self.highest = run;
        } else if let Some(place) = self
            .gaps
            .iter()
            .position(|(first, last)| (*first..=*last).contains(&run))
        {
            let (first, last) = self.gaps.remove(place);
            if run < last {
                self.gaps.insert(place, (run + 1, last));
            }
            if first < run {
                self.gaps.insert(place, (first, run - 1));
            }
        }
        if self.gaps.len() > MAX_GAPS {
            self.gaps.remove(0);
        }
    }

    /// A run that was taken for known by its number is still open.
    pub fn reopen(&mut self, run: u32) {
        if self.knows(run) && run > 0 {
            if run == self.highest {
                self.highest -= 1;
            } else {
                self.gaps.push((run, run));
                self.gaps.sort_unstable();
            }
            // A gap at the top is none: what is above the highest known run is unknown anyway.
            while let Some((first, last)) = self.gaps.last().copied()
                && last >= self.highest
            {
                self.gaps.pop();
                self.highest = first - 1;
            }
            if self.gaps.len() > MAX_GAPS {
                self.gaps.remove(0);
            }
        }
    }

    /// The row shows another number of runs, or another status: what it has a history of may be there now.
    pub fn has_moved(&mut self, repeats: u32) {
        self.shown = repeats;
        self.newest = Looks::default();
    }

    /// The runs before the last are to be found soon.
    pub fn seek_missing(&mut self) {
        self.missing = Looks::default();
    }

    /// Whether the history has, or may have, such runs that are not known, and it is time to ask.
    pub fn seeks(&self, sought: Sought, steady: Duration, pauses: Pauses) -> bool {
        match sought {
            Sought::Newest => self.shown > 0 && !self.knows(self.shown) && self.newest.is_due(steady, pauses),
            Sought::Missing => !self.gaps.is_empty() && self.missing.is_due(steady, pauses),
        }
    }

    /// The history was asked at `steady` for such runs.
    pub fn asked(&mut self, sought: Sought, looked: Looked, steady: Duration, pauses: Pauses) {
        let looks = match sought {
            Sought::Newest => &mut self.newest,
            Sought::Missing => &mut self.missing,
        };
        looks.looked(looked, steady, pauses);
    }

    /// How many runs a reading of the history may find.
    pub fn unknown(&self, sought: Sought) -> u64 {
        match sought {
            Sought::Newest => u64::from(self.shown.saturating_sub(self.lowest(sought))) + 1,
            Sought::Missing => self
                .gaps
                .iter()
                .map(|(first, last)| u64::from(last - first) + 1)
                .sum(),
        }
    }

    /// The lowest run that a reading of the history is to find; it may stop below.
    pub fn lowest(&self, sought: Sought) -> u32 {
        let gap = match sought {
            Sought::Missing => self.gaps.first(),
            Sought::Newest => self
                .gaps
                .iter()
                .find(|(first, last)| (*first..=*last).contains(&self.shown)),
        };
        gap.map_or_else(|| self.highest.saturating_add(1), |(first, _)| *first)
    }

    /// How far down the history of its instance a reading goes, in runs, where it keeps its order.
    pub fn depth(&self, sought: Sought) -> u64 {
        match sought {
            Sought::Newest => self.unknown(sought),
            Sought::Missing => u64::from(self.highest.saturating_sub(self.lowest(sought))) + 2,
        }
    }

    /// Whether such runs have been looked for since the row moved, in vain.
    pub fn was_in_vain(&self, sought: Sought) -> bool {
        match sought {
            Sought::Newest => self.newest.was_in_vain(),
            Sought::Missing => self.missing.was_in_vain(),
        }
    }

    /// Whether the next look is to read the whole history, as a sweep reads a whole list: the others trust its order.
    pub fn is_thorough(&self, sought: Sought, pauses: Pauses) -> bool {
        match sought {
            Sought::Newest => self.newest.is_patient(pauses),
            Sought::Missing => self.missing.is_patient(pauses),
        }
    }

    /// The highest run that a reading of the history is to find: later ones are news of their own.
    pub fn highest_sought(&self, sought: Sought) -> u32 {
        match sought {
            Sought::Newest => self.shown.max(self.lowest(sought)),
            Sought::Missing => self.gaps.last().map_or(0, |(_, last)| *last),
        }
    }

    /// Whether a later run is known.
    pub fn is_past(&self, run: u32) -> bool {
        run < self.highest
    }
}

#[cfg(test)]
pub(in crate::record) mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const PAUSES: Pauses = Pauses {
        least: Duration::from_secs(60),
        most: Duration::from_secs(6 * 3600),
    };

    pub(in crate::record) fn schedule(highest: u32) -> Schedule {
        Schedule::new(Ids::of_test("t", "i"), highest, highest)
    }

    #[test]
    fn numbers_may_be_missing_and_come_later() {
        let mut schedule = schedule(3);
        schedule.learn(7);
        assert!(schedule.knows(2) && schedule.knows(7));
        assert!(!schedule.knows(4) && !schedule.knows(6) && !schedule.knows(8));
        schedule.learn(5);
        assert!(schedule.knows(5) && !schedule.knows(4) && !schedule.knows(6));
        schedule.learn(4);
        schedule.learn(6);
        assert!(schedule.gaps.is_empty());
    }

    #[test]
    fn a_run_that_is_open_at_the_baseline_is_not_known() {
        let mut schedule = schedule(5);
        schedule.reopen(5);
        schedule.reopen(3);
        assert!(!schedule.knows(5) && !schedule.knows(3) && schedule.knows(4));
        assert!(schedule.seeks(Sought::Newest, Duration::ZERO, PAUSES));
        assert!(schedule.seeks(Sought::Missing, Duration::ZERO, PAUSES));
    }

    #[test]
    fn pauses_between_looks_in_vain_grow() {
        let mut schedule = schedule(5);
        schedule.shown = 6;
        let mut at: Vec<u64> = Vec::new();
        for minute in 0..1000 {
            let steady = Duration::from_secs(minute * 60);
            if schedule.seeks(Sought::Newest, steady, PAUSES) {
                at.push(minute);
                schedule.asked(Sought::Newest, Looked::Partly, steady, PAUSES);
            }
        }
        assert_eq!(at, [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 871]);
        schedule.has_moved(6);
        assert!(schedule.seeks(Sought::Newest, Duration::from_secs(60_000), PAUSES));
        schedule.learn(6);
        assert!(!schedule.seeks(Sought::Newest, Duration::from_secs(60_000), PAUSES));
    }

    #[test]
    fn a_number_that_jumps_and_comes_back_is_no_news() {
        let mut schedule = schedule(5);
        schedule.has_moved(1_000_000);
        assert!(schedule.seeks(Sought::Newest, Duration::ZERO, PAUSES));
        schedule.has_moved(5);
        assert!(!schedule.seeks(Sought::Newest, Duration::ZERO, PAUSES));
        schedule.has_moved(0);
        assert!(!schedule.seeks(Sought::Newest, Duration::ZERO, PAUSES));
        // A history that shows such a number once.
        schedule.learn(1_000_000);
        schedule.has_moved(6);
        assert!(schedule.seeks(Sought::Newest, Duration::ZERO, PAUSES));
        assert_eq!(
            (schedule.lowest(Sought::Newest), schedule.unknown(Sought::Newest)),
            (6, 1)
        );
    }

    proptest! {
        #[test]
        fn knows_what_it_learnt(start in 0u32..5, runs in prop::collection::vec(1u32..60, 0..60)) {
            let mut schedule = schedule(start);
            let mut model: BTreeSet<u32> = (1..=start).collect();
            for run in runs {
                schedule.learn(run);
                model.insert(run);
                for candidate in 1..62 {
                    prop_assert_eq!(schedule.knows(candidate), model.contains(&candidate));
                }
            }
        }
    }
}
