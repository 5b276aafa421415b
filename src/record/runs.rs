//! Rule 9: runs of schedules, each known and counted by its number.

use std::time::Duration;

use super::Record;
use super::apply::Pass;
use super::findings::{Dated, History, times};
use super::saved::Key;
use super::schedule::Schedule;
use super::settled::How;
use super::slots::{Entry, Flags, Slot};
use crate::result::{Identity, Ids, Row, Seconds};

impl Record {
    /// What a history shows. The runs of its page that are not known are counted; a run shown open is not known.
    pub(super) fn history(&mut self, pass: &mut Pass, history: &History, began: Duration) {
        pass.brought.clear();
        let times = times(&history.rows, pass.now);
        for (row, dated) in history.rows.iter().zip(times) {
            let Some(slot) = self.slots.find(&row.identity) else {
                continue;
            };
            // A run's number is not the Repeats of the row.
            self.note_schedule(pass, slot, row.ids.as_deref(), None);
            self.tie(slot, row, pass.now);
            let run = row.run();
            let identity = row.identity.of_run(run);
            if row.status.is_open() {
                // Of two rows for one run, one settled, the settled one is right.
                if pass.first_look
                    && !pass.settled_runs.contains(&identity)
                    && let Some(schedule) = self.schedules.get_mut(&slot)
                {
                    schedule.reopen(run);
                    self.unsaved.insert(Key::Schedule(slot));
                }
                continue;
            }
            if pass.first_look {
                pass.settled_runs.insert(identity);
            }
            match self.slots.find(&identity) {
                Some(held) => {
                    self.learn(slot, run, dated.own().unwrap_or_default());
                    let labelled = self.label(row);
                    self.changed(pass, held, row, labelled, dated.own());
                    self.delivery(pass, held, row, true);
                }
                None => self.first_of_run(pass, slot, row, (identity, dated), history.thorough),
            }
        }
        let pauses = self.settings.pauses;
        for (identity, sought) in &history.asked {
            if let Some(slot) = self.slots.find(identity)
                && let Some(schedule) = self.schedules.get_mut(&slot)
            {
                let brought = pass.brought.contains_key(&slot);
                schedule.asked(*sought, brought, began, pauses);
            }
        }
    }

    /// A settled run that is not held: it may be known by its number.
    fn first_of_run(
        &mut self,
        pass: &mut Pass,
        slot: Slot,
        row: &Row,
        (identity, dated): (Identity, Dated),
        thorough: bool,
    ) {
        let run = row.run();
        let time = dated.time().unwrap_or(pass.now);
        let Some(schedule) = self.schedules.get(&slot) else {
            return;
        };
        if schedule.knows(run) {
            return;
        }
        *pass.brought.entry(slot).or_default() += 1;
        let is_old = dated.own().is_some_and(|own| own < schedule.old_before);
        pass.applied.late += u64::from(thorough && schedule.is_past(run) && !pass.first_look);
        self.learn(slot, run, time);
        if pass.under_way.contains(&slot) {
            // It had settled by the time the history was read: rule 2.
            return;
        }
        let how = if is_old { How::Old } else { How::Counted };
        let labelled = self.label(row);
        let held = self.window.holds(time).then(|| {
            self.hold_run(Entry {
                identity,
                time,
                combination: labelled.combination,
                flags: Flags::RUN.with(Flags::KNOWN),
            })
        });
        if let Some(held) = held {
            self.tie(held, row, pass.now);
        }
        self.settled(pass, row, identity, labelled, time, how);
        match held {
            Some(held) => self.delivery(pass, held, row, how == How::Counted),
            None if how == How::Counted => self.count_delivery(row),
            None => {}
        }
    }

    /// The row of a schedule has settled, and its histories are read.
    ///
    /// It is its last run; where that is known from the history, it keeps the outcome that it has there.
    pub(super) fn schedule_ended(&mut self, pass: &mut Pass, slot: Slot, row: &Row, dated: Dated) {
        let Some(entry) = self.slots.get(slot).copied() else {
            return;
        };
        let Some(schedule) = self.schedules.get(&slot) else {
            return;
        };
        let run = row.run();
        let knows = schedule.knows(run);
        let is_old = dated.own().is_some_and(|own| own < schedule.old_before);
        let held = self.slots.find(&row.identity.of_run(run)).is_some();
        let was_settled = !entry.is_open();
        let first_seen = self.open.get(&slot).map_or(entry.time, |open| open.first_seen);
        let time = dated
            .time()
            .unwrap_or(if was_settled { entry.time } else { first_seen });
        let labelled = self.label(row);
        self.closed(slot);
        if knows && was_settled && !held && !entry.flags.has(Flags::HIDDEN) {
            let finished = Some(time).filter(|_| row.times.finished.is_some());
            self.changed(pass, slot, row, labelled, finished);
            return;
        }
        let hidden = knows && (held || (was_settled && entry.flags.has(Flags::HIDDEN)));
        if was_settled && hidden && entry.combination == labelled.combination {
            return;
        }
        self.change(slot, |entry| {
            entry.time = time;
            entry.combination = labelled.combination;
            entry.flags.set(Flags::HIDDEN, hidden);
            entry.flags.set(Flags::KNOWN, true);
        });
        let how = match (knows, is_old) {
            (true, _) => How::Again,
            (false, true) => How::Old,
            (false, false) => How::Counted,
        };
        if !hidden {
            self.settled(pass, row, row.identity, labelled, time, how);
        }
        if knows {
            return;
        }
        self.learn(slot, run, time);
        if let Some(schedule) = self.schedules.get_mut(&slot)
            && !pass.read.contains(&entry.identity)
        {
            // The runs before it are still to be found.
            schedule.seek_missing();
        }
        if how == How::Counted {
            self.count_delivery(row);
        }
    }

    /// Rows that belong to schedules, though they do not show it. Those that are settled show no ids to ask with.
    pub(super) fn mark_scheduled(&mut self, scheduled: &[Identity]) {
        for identity in scheduled {
            if let Some(slot) = self.slots.find(identity)
                && let Some(open) = self.open.get(&slot)
                && !self.schedules.contains_key(&slot)
            {
                let ids = open.ids.clone();
                self.become_schedule(slot, ids, 0);
            }
        }
    }

    /// Makes the row of a schedule one, where it is not yet, and moves its Repeats.
    pub(super) fn note_schedule(&mut self, pass: &Pass, slot: Slot, ids: Option<&Ids>, repeats: Option<u32>) {
        // A row that does not say has not moved.
        let repeats = repeats.filter(|repeats| *repeats > 0);
        if !self.schedules.contains_key(&slot) {
            let ids = ids.or_else(|| self.open.get(&slot).map(|open| &open.ids));
            let Some(ids) = ids.cloned() else { return };
            self.become_schedule(slot, ids, repeats.unwrap_or_default());
        }
        if let Some(schedule) = self.schedules.get_mut(&slot)
            && let Some(repeats) = repeats
            && repeats != schedule.shown
        {
            schedule.has_moved(repeats);
            schedule.last_run = schedule.last_run.max(pass.now);
            self.unsaved.insert(Key::Schedule(slot));
        }
    }

    fn become_schedule(&mut self, slot: Slot, ids: Ids, repeats: u32) {
        let Some(entry) = self.slots.get(slot).copied() else {
            return;
        };
        let is_known = entry.flags.has(Flags::KNOWN);
        if is_known && !entry.is_open() && repeats > 1 {
            self.part_first_run(slot, entry);
        }
        let mut schedule = Schedule::new(ids, repeats, u32::from(is_known));
        schedule.old_before = self.old_before();
        schedule.last_run = entry.time;
        schedule.known_until = if is_known { entry.time } else { 0 };
        self.schedules.insert(slot, schedule);
        self.unsaved.insert(Key::Schedule(slot));
    }

    /// What looked like a one-time result moves on to its next run: the first one is held by itself from now on.
    fn part_first_run(&mut self, slot: Slot, entry: Entry) {
        self.change(slot, |entry| entry.flags.set(Flags::HIDDEN, true));
        let identity = entry.identity.of_run(1);
        if self.window.holds(entry.time) && !entry.flags.has(Flags::HIDDEN) {
            let run = self.hold_run(Entry {
                identity,
                flags: entry.flags.with(Flags::RUN),
                ..entry
            });
            self.tie_as(run, slot);
        }
    }

    /// Holds a run by itself, once.
    fn hold_run(&mut self, entry: Entry) -> Slot {
        if let Some(held) = self.slots.find(&entry.identity) {
            return held;
        }
        let slot = self.slots.insert(entry);
        self.window.add(entry.combination, &entry);
        self.runs.insert((entry.time, slot));
        self.unsaved.insert(Key::Entry(slot));
        slot
    }

    fn learn(&mut self, slot: Slot, run: u32, time: Seconds) {
        if let Some(schedule) = self.schedules.get_mut(&slot)
            && !schedule.knows(run)
        {
            schedule.learn(run);
            schedule.last_run = schedule.last_run.max(time);
            schedule.known_until = schedule.known_until.max(time);
            self.unsaved.insert(Key::Schedule(slot));
        }
    }
}
