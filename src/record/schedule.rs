//! Which runs of a schedule's row are known.

use serde::{Deserialize, Serialize};

use crate::result::Ids;

/// More gaps than this in the numbers of runs are not kept; the lowest then count as known.
const MAX_GAPS: usize = 64;

/// A row of a scheduled invocation: one instance, whose runs are counted one by one from its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// For asking for the history.
    pub ids: Ids,
    /// Repeats as the row shows it.
    pub shown: u32,
    /// The number of the highest settled run that is known.
    highest: u32,
    /// Inclusive ranges of run numbers below `highest` that are not known, ascending.
    gaps: Vec<(u32, u32)>,
    /// Why the history is asked for although Repeats has not moved.
    pub again: Again,
}

/// Why a history is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Again {
    /// It is not.
    #[default]
    No,
    /// From this run on, a run was shown open.
    From(u32),
    /// Numbers are missing, and each sweep has it looked once whether they have come.
    Sweep,
}

impl Schedule {
    /// A schedule's row that shows `shown` runs, of which those up to `highest` are known.
    pub fn new(ids: Ids, shown: u32, highest: u32) -> Self {
        Self {
            ids,
            shown,
            highest,
            gaps: Vec::new(),
            again: Again::No,
        }
    }

    /// Whether a run is known: counted, or settled before the first look.
    pub fn knows(&self, run: u32) -> bool {
        run <= self.highest
            && !self
                .gaps
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&run))
    }

    /// A run has settled.
    pub fn learn(&mut self, run: u32) {
        if run > self.highest {
            if run > self.highest + 1 {
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
        }
    }

    /// The history is to be read down to the lowest run that is missing among the known ones.
    pub fn ask_for_gaps(&mut self) {
        if let Some((first, _)) = self.gaps.first() {
            self.again = Again::From(*first);
        }
    }

    /// Whether the history has, or may have, runs that are not known.
    pub fn is_behind(&self) -> bool {
        self.shown > self.highest || self.again != Again::No
    }

    /// How many runs a reading of the history may find.
    pub fn unknown(&self) -> u64 {
        let lowest = self.lowest_wanted();
        let gaps: u64 = self
            .gaps
            .iter()
            .filter(|(_, last)| *last >= lowest)
            .map(|(first, last)| u64::from(last - (*first).max(lowest)) + 1)
            .sum();
        gaps + u64::from(self.shown.saturating_sub(self.highest))
    }

    /// The lowest run that a reading of the history is to find; it may stop below.
    pub fn lowest_wanted(&self) -> u32 {
        match (self.again, self.gaps.first()) {
            (Again::From(run), _) => run,
            (Again::Sweep, Some((first, _))) => *first,
            (Again::No | Again::Sweep, _) => self.highest + 1,
        }
    }

    /// Whether a later run is known.
    pub fn is_past(&self, run: u32) -> bool {
        run < self.highest
    }

    /// Whether numbers are missing among the known ones.
    pub fn has_gaps(&self) -> bool {
        !self.gaps.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn schedule(highest: u32) -> Schedule {
        let ids = Ids {
            invoke_id: "t".into(),
            instance_id: "i".into(),
            container_id: "".into(),
            command_id: "".into(),
        };
        Schedule::new(ids, highest, highest)
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
        assert!(!schedule.has_gaps());
    }

    #[test]
    fn a_run_that_is_open_at_the_first_look_is_not_known() {
        let mut schedule = schedule(5);
        schedule.reopen(5);
        schedule.reopen(3);
        assert!(!schedule.knows(5) && !schedule.knows(3) && schedule.knows(4));
        assert!(schedule.is_behind());
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
