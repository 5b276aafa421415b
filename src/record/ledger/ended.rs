//! Rule 9: the row of a schedule that has settled shows the last run.

use super::Ledger;
use super::applying::Applying;
use crate::record::fact::How;
use crate::record::findings::Dated;
use crate::record::identities::{Entry, EntryId, Flags, Kind};
use crate::result::{Row, Seconds};

/// What is known of the run that the settled row of a schedule shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastRun {
    /// Nothing: it is seen for the first time.
    New(How),
    /// Its number.
    Numbered,
    /// What the row has shown of it.
    OfRow,
    /// Its outcome, from the history or held by itself: the row is in no gauge.
    Apart,
}

impl Ledger {
    /// The row of a schedule has settled, and its histories are read.
    ///
    /// It is its last run; where that is known from the history, it keeps the outcome that it has there.
    pub(super) fn schedule_ended(&mut self, at: &mut Applying<'_>, id: EntryId, row: Row, dated: Dated) {
        let Some(entry) = self.identities.get(id).copied() else {
            return;
        };
        let Some(last_run) = self.last_run(id, &entry, &row, dated) else {
            return;
        };
        // That of a row that has not run is not asked for.
        let waits = row.repeats > 0 && !at.histories_read.contains(&row.identity);
        if matches!(last_run, LastRun::New(_)) && waits {
            // What the row shows is the end of the schedule; only the history can say how the run ended.
            self.ended.insert(id, (row, dated));
            return;
        }
        let row = &row;
        let time = dated.time().unwrap_or_else(|| self.first_seen(id, &entry));
        let labelled = at.labels.of_row(row);
        self.open.remove(id);
        let how = match last_run {
            LastRun::OfRow => {
                let own = dated.own().filter(|_| row.times.finished.is_some());
                self.changed(at, id, row, labelled, own);
                return;
            }
            LastRun::Apart if !entry.is_open() && entry.labels == labelled.labels => return,
            LastRun::Apart | LastRun::Numbered => How::Again,
            LastRun::New(how) => how,
        };
        let is_apart = last_run == LastRun::Apart;
        self.change(at, id, |entry| {
            entry.time = time;
            entry.labels = labelled.labels;
            entry.flags.set(Flags::HIDDEN, is_apart);
            entry.flags.set(Flags::KNOWN, true);
            entry.flags.set(Flags::UNDATED, dated.own().is_none());
        });
        if !is_apart {
            self.settled(at, row, row.identity, labelled, (time, dated.own()), how);
        }
        if let LastRun::New(_) = last_run {
            self.learn_last(at, id, row.run(), time);
            if how == How::Counted {
                self.delivered(at, row.identity, row);
            }
        }
    }

    /// The rows that have settled: those that this poll shows, and those that have waited for their history.
    pub(super) fn all_ended(&mut self, at: &mut Applying<'_>) -> Vec<(EntryId, Row, Dated)> {
        let shown = std::mem::take(&mut at.ended);
        for (id, ..) in &shown {
            self.ended.remove(id);
        }
        let read = |row: &Row| at.histories_read.contains(&row.identity);
        let waited = self.ended.extract_if(.., |_, (row, _)| read(row));
        let waited = waited.map(|(id, (row, dated))| (id, row, dated));
        waited.chain(shown).collect()
    }

    fn last_run(&self, id: EntryId, entry: &Entry, row: &Row, dated: Dated) -> Option<LastRun> {
        let schedule = self.schedules.get(id)?;
        let run = row.run();
        if !schedule.knows(run) {
            return Some(LastRun::New(How::of_new(schedule.is_old(dated.own()))));
        }
        let is_held = self.find(&row.identity.of_run(run)).is_some();
        Some(match entry.kind() {
            _ if is_held => LastRun::Apart,
            Kind::Followed | Kind::GivenUp => LastRun::Numbered,
            Kind::Aside => LastRun::Apart,
            Kind::Settled => LastRun::OfRow,
        })
    }

    fn learn_last(&mut self, at: &Applying<'_>, id: EntryId, run: u32, time: Seconds) {
        self.learn(id, run, time);
        let identity = self.identities.get(id).map(|entry| entry.identity);
        if identity.is_some_and(|identity| !at.histories_read.contains(&identity))
            && let Some(schedule) = self.schedules.change_unsaved(id)
        {
            // The runs before it are still to be found.
            schedule.seek_missing();
        }
    }
}
