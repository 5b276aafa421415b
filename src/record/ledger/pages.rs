//! The list's pages, and answers to questions about what is open.

use std::collections::HashSet;

use super::Ledger;
use super::applying::Applying;
use crate::record::fact::Fact;
use crate::record::findings::{Answer, Findings, times};
use crate::record::identities::EntryId;
use crate::result::Seconds;

/// Runs of schedules are held for so many seconds longer than the window shows them: the machine's clock may be so far
/// ahead before the API refuses it, and is then set right.
const CLOCK_TOLERANCE: Seconds = 15 * 60;

impl Ledger {
    /// Runs of schedules that the window has not shown for long are held no more: their numbers are known.
    pub(super) fn forget_runs(&mut self, at: &mut Applying<'_>) {
        let tolerance = CLOCK_TOLERANCE.min(self.window);
        let kept_from = at.now.saturating_sub(self.window).saturating_sub(tolerance);
        while let Some((time, id)) = self.runs.first().copied().filter(|(time, _)| *time < kept_from) {
            self.runs.remove(&(time, id));
            self.remove(at, id);
        }
    }

    /// The pages of the list; of `newer`, polls have shown more than these, which a sweep has read.
    pub(super) fn pages(&mut self, at: &mut Applying<'_>, findings: &Findings, newer: &HashSet<EntryId>) {
        let rows = findings.pages.iter();
        let new = rows.filter(|row| self.find(&row.identity).is_none());
        self.depth.sink(new.count());
        let times = times(&findings.pages, at.now);
        for (place, (row, dated)) in findings.pages.iter().zip(times).enumerate() {
            match self.find(&row.identity) {
                Some(id) if newer.contains(&id) => {
                    at.listed.insert(id);
                }
                Some(id) => self.update_row(at, id, row, dated),
                None => {
                    let only_by_sweep = findings.sweep.as_ref().is_some_and(|sweep| place >= sweep.front);
                    if only_by_sweep && !at.is_baseline {
                        at.tell(&Fact::Late, &self.identities);
                    }
                    self.add_row(at, row, dated);
                }
            }
            if let Some(id) = self.find(&row.identity)
                && let Some(open) = self.open.change_unsaved(id)
            {
                open.listed = Some(self.depth.place(place));
            }
        }
    }

    /// Rule 5: an answer updates what a page has shown before, and nothing else. Rule 6: what was asked for and is
    /// not there is missed.
    pub(super) fn answer(&mut self, at: &mut Applying<'_>, answer: &Answer) {
        let times = times(&answer.rows, at.now);
        for (row, dated) in answer.rows.iter().zip(times) {
            if let Some(id) = self.find(&row.identity) {
                self.update_row(at, id, row, dated);
            }
        }
        for identity in &answer.asked {
            if let Some(id) = self.find(identity)
                && !at.listed.contains(&id)
            {
                self.miss(at, id);
            }
        }
    }
}
