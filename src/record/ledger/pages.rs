//! The list's pages, and answers to questions about what is open.

use std::collections::HashSet;

use super::Ledger;
use super::applying::Applying;
use super::baseline::CLOCK_TOLERANCE;
use crate::record::fact::Fact;
use crate::record::findings::{Answer, Findings, times};
use crate::record::identities::EntryId;

impl Ledger {
    /// Runs of schedules that the window has not shown for long are held no more: their numbers are known. They are held
    /// for longer than the window shows them, since the machine's clock may be ahead, and is then set right.
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
            let mut is_newer_known = false;
            match self.find(&row.identity) {
                Some(id) if newer.contains(&id) => {
                    at.listed.insert(id);
                    is_newer_known = true;
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
                // A poll may have seen since where it stands.
                let before = open.listed.filter(|_| is_newer_known);
                open.listed = before.or_else(|| Some(self.depth.place(place)));
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

#[cfg(test)]
mod tests {
    use crate::clock::Now;
    use crate::record::{Findings, Record, Settings, Sweep};
    use crate::result::{KnownStatus, Row, Status};

    #[test]
    fn a_row_is_where_the_newest_page_has_shown_it() {
        let open = Row::numbered(1, Status::Known(KnownStatus::Running));
        let settled = |number| Row::numbered(number, Status::Known(KnownStatus::Success));
        let sweep = |pages: Vec<Row>, newer| Findings {
            sweep: Some(Sweep { front: 0, newer }),
            pages,
            ..Findings::default()
        };
        let mut record = Record::new(Settings::default());
        let listed = vec![open.clone(), settled(2), settled(3)];
        record.apply(sweep(listed, Default::default()), Now::default());
        let depth = |record: &Record| record.open().next().and_then(|(.., depth)| depth);
        assert_eq!(depth(&record), Some(0));
        // A sweep has read it further down, before a poll has seen it at the front.
        let read = vec![settled(2), settled(3), open.clone()];
        record.apply(sweep(read.clone(), [open.identity].into()), Now::default());
        assert_eq!(depth(&record), Some(0));
        record.apply(sweep(read.clone(), Default::default()), Now::default());
        assert_eq!(depth(&record), Some(2));
        // After a restart, where only a question has shown it since the sweep has read it.
        let mut restarted = Record::new(Settings::default());
        for change in record.take_changes() {
            restarted.restore(change.key, &change.value.unwrap()).unwrap();
        }
        restarted.restored(0).unwrap();
        assert_eq!(depth(&restarted), None);
        restarted.apply(sweep(read, [open.identity].into()), Now::default());
        assert_eq!(depth(&restarted), Some(2));
    }
}
