//! Rule 9: runs of schedules, each known and counted by its number.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::Ledger;
use super::applying::Applying;
use super::schedule::Schedule;
use crate::record::fact::{Fact, How};
use crate::record::findings::{Dated, History, Sought, times};
use crate::record::identities::{Entry, EntryId, Flags};
use crate::record::looks::Looked;
use crate::result::{Identity, Ids, Row, Seconds};

impl Ledger {
    /// What a history shows. The runs of its page that are not known are counted; a run shown open is not known.
    pub(super) fn history(&mut self, at: &mut Applying<'_>, history: &History, began: Duration) {
        let mut brought: HashSet<(EntryId, Sought)> = HashSet::new();
        let asked = history.asked.iter().filter_map(|(identity, _)| {
            let id = self.find(identity)?;
            Some((id, self.schedules.get(id)?.highest_sought(Sought::Missing)))
        });
        // Up to which run each row may miss some; what is later is no find of a look for those.
        let missing: HashMap<EntryId, u32> = asked.collect();
        // What only such a look finds is late, as what only a sweep finds.
        let seeks_missing = history.asked.iter().any(|(_, sought)| *sought == Sought::Missing);
        let times = times(&history.rows, at.now);
        for (row, dated) in history.rows.iter().zip(times) {
            let Some(id) = self.find(&row.identity) else {
                continue;
            };
            // A run's number is not the Repeats of the row.
            self.note_schedule(at, id, row.ids.as_deref(), None);
            self.shown(at, id, row);
            let run = row.run();
            let identity = row.identity.of_run(run);
            if row.status.is_open() {
                // Of two rows for one run, one settled, the settled one is right.
                if at.is_baseline
                    && !at.settled_runs.contains(&identity)
                    && let Some(schedule) = self.schedules.change(id)
                {
                    schedule.reopen(run);
                }
                continue;
            }
            if at.is_baseline {
                at.settled_runs.insert(identity);
            }
            match self.find(&identity) {
                Some(held) => {
                    self.learn(id, run, dated.own().unwrap_or_default());
                    let labelled = at.labels.of_row(row);
                    self.changed(at, held, row, labelled, dated.own());
                    self.delivery(at, held, row, true);
                }
                None if self.add_run(at, id, row, (identity, dated), seeks_missing) => {
                    brought.insert((id, Sought::Newest));
                    if missing.get(&id).is_some_and(|highest| run <= *highest) {
                        brought.insert((id, Sought::Missing));
                    }
                }
                None => {}
            }
        }
        for (identity, sought) in &history.asked {
            if let Some(id) = self.find(identity)
                && let Some(schedule) = self.schedules.change_unsaved(id)
            {
                let looked = match history.thorough {
                    _ if brought.contains(&(id, *sought)) => Looked::Found,
                    true => Looked::Thoroughly,
                    false => Looked::Partly,
                };
                schedule.asked(*sought, looked, began, self.pauses);
            }
        }
    }

    /// A settled run that is not held. Returns whether it was not known by its number either.
    fn add_run(
        &mut self,
        at: &mut Applying<'_>,
        id: EntryId,
        row: &Row,
        (identity, dated): (Identity, Dated),
        seeks_missing: bool,
    ) -> bool {
        let run = row.run();
        let time = dated.time().unwrap_or(at.now);
        let schedule = self.schedules.get(id).filter(|schedule| !schedule.knows(run));
        let Some(schedule) = schedule else {
            return false;
        };
        let how = How::of_new(schedule.is_old(dated.own()));
        if seeks_missing && schedule.is_past(run) && !at.is_baseline {
            at.tell(&Fact::Late, &self.identities);
        }
        self.learn(id, run, time);
        if at.under_way.contains(&id) {
            // It had settled by the time the history was read: rule 2.
            return true;
        }
        let labelled = at.labels.of_row(row);
        let mut flags = Flags::RUN.with(Flags::KNOWN);
        flags.set(Flags::UNDATED, dated.own().is_none());
        let held = at.is_recent(time).then(|| {
            let entry = Entry {
                identity,
                time,
                labels: labelled.labels,
                flags,
            };
            self.hold_run(at, entry)
        });
        if let Some(held) = held {
            self.shown(at, held, row);
        }
        self.settled(at, row, identity, labelled, (time, dated.own()), how);
        match held {
            Some(held) => self.delivery(at, held, row, how == How::Counted),
            None if how == How::Counted => self.delivered(at, identity, row),
            None => {}
        }
        true
    }

    /// Rows that belong to schedules, though they do not show it. Those that are settled show no ids to ask with.
    pub(super) fn mark_scheduled(&mut self, at: &mut Applying<'_>, scheduled: &[Identity]) {
        for identity in scheduled {
            if let Some(id) = self.find(identity)
                && let Some(open) = self.open.get(id)
                && !self.schedules.contains(id)
            {
                let ids = open.ids.clone();
                self.become_schedule(at, id, ids, 0);
            }
        }
    }

    /// Makes the row of a schedule one, where it is not yet, and moves its Repeats.
    pub(super) fn note_schedule(
        &mut self,
        at: &mut Applying<'_>,
        id: EntryId,
        ids: Option<&Ids>,
        repeats: Option<u32>,
    ) {
        // A row that does not say has not moved.
        let repeats = repeats.filter(|repeats| *repeats > 0);
        if !self.schedules.contains(id) {
            let ids = ids.or_else(|| self.open.get(id).map(|open| &open.ids));
            let Some(ids) = ids.cloned() else { return };
            self.become_schedule(at, id, ids, repeats.unwrap_or_default());
        }
        if let Some(repeats) = repeats
            && self
                .schedules
                .get(id)
                .is_some_and(|schedule| schedule.shown != repeats)
            && let Some(schedule) = self.schedules.change(id)
        {
            schedule.has_moved(repeats);
            schedule.last_run = schedule.last_run.max(at.now);
        }
    }

    fn become_schedule(&mut self, at: &mut Applying<'_>, id: EntryId, ids: Ids, repeats: u32) {
        let Some(entry) = self.identities.get(id).copied() else {
            return;
        };
        let is_known = entry.flags.has(Flags::KNOWN);
        if is_known && !entry.is_open() && repeats > 1 {
            self.part_first_run(at, id, entry);
        }
        let mut schedule = Schedule::new(ids, repeats, u32::from(is_known));
        schedule.old_before = self.baseline.old_before();
        schedule.last_run = entry.time;
        schedule.known_until = if is_known { entry.time } else { 0 };
        self.schedules.insert(id, schedule);
    }

    /// What looked like a one-time result moves on to its next run: the first one is held by itself from now on.
    fn part_first_run(&mut self, at: &mut Applying<'_>, row: EntryId, entry: Entry) {
        self.change(at, row, |entry| entry.flags.set(Flags::HIDDEN, true));
        let is_held = at.is_recent(entry.time) && !entry.flags.has(Flags::HIDDEN);
        let run = is_held.then(|| {
            let first = Entry {
                identity: entry.identity.of_run(1),
                flags: entry.flags.with(Flags::RUN),
                ..entry
            };
            self.hold_run(at, first)
        });
        at.tell(&Fact::Parted { row, run }, &self.identities);
    }

    /// Holds a run by itself, once.
    fn hold_run(&mut self, at: &mut Applying<'_>, entry: Entry) -> EntryId {
        if let Some(held) = self.find(&entry.identity) {
            return held;
        }
        let id = self.hold(at, entry);
        self.runs.insert((entry.time, id));
        id
    }

    /// A run is known by its number from now on.
    pub(super) fn learn(&mut self, id: EntryId, run: u32, time: Seconds) {
        let knows = |schedule: &Schedule| schedule.knows(run);
        if self.schedules.get(id).is_none_or(knows) {
            return;
        }
        if let Some(schedule) = self.schedules.change(id) {
            schedule.learn(run);
            schedule.last_run = schedule.last_run.max(time);
            schedule.known_until = schedule.known_until.max(time);
        }
    }
}
