//! Rows of the list: one that is new, one that is known, and what has changed of it.

use super::apply::Pass;
use super::findings::{Dated, started};
use super::label::{Combination, Folded};
use super::saved::Key;
use super::schedule::Schedule;
use super::settled::How;
use super::slots::{Entry, Flags, Slot};
use super::{Open, Record};
use crate::result::{Ids, Row, Seconds};
use std::sync::Arc;

/// A row's labels.
#[derive(Clone, Copy)]
pub(super) struct Labelled {
    pub combination: Combination,
    pub folded: Folded,
}

impl Record {
    /// A row that no page has shown before.
    pub(super) fn first(&mut self, pass: &mut Pass, row: &Row, dated: Dated) {
        let is_open = row.status.is_open();
        if is_open && row.ids.is_none() {
            // It could not be asked about.
            return;
        }
        let labelled = self.label(row);
        let time = dated.time().filter(|_| !is_open).unwrap_or(pass.now);
        let mut flags = Flags::default();
        flags.set(Flags::KNOWN, !is_open);
        // Until its history is read, the row of an ended schedule is in no gauge. Neither is one whose run is held.
        let of_schedule = row.scheduled && row.ids.is_some();
        let ended = of_schedule && !is_open && !pass.first_look;
        let held = !is_open && self.slots.find(&row.identity.of_run(row.run())).is_some();
        flags.set(Flags::HIDDEN, ended || held);
        let entry = Entry {
            identity: row.identity,
            time,
            combination: labelled.combination,
            flags,
        };
        let slot = self.slots.insert(entry);
        self.window.add(entry.combination, &entry);
        self.unsaved.insert(Key::Entry(slot));
        self.tie(slot, row, pass.now);
        pass.seen.insert(slot);
        if is_open && let Some(ids) = &row.ids {
            let old_before = match pass.first_look {
                true => 0,
                false => self.head.forgotten_until.saturating_add(1),
            };
            self.opened(slot, ids, row, (pass.now, old_before), pass.now);
        }
        if of_schedule && let Some(ids) = &row.ids {
            self.schedule_found(pass, slot, ids, row);
        }
        if ended {
            pass.ended.push((slot, row.clone(), dated));
        } else if !is_open {
            let how = match (pass.first_look, held) {
                (true, _) => How::Baseline,
                (false, true) => How::Again,
                (false, false) if dated.own().is_some_and(|own| own < self.old_before()) => How::Old,
                (false, false) => How::Counted,
            };
            self.settled(pass, row, row.identity, labelled, time, how);
            self.delivery(pass, slot, row, how == How::Counted);
            return;
        }
        self.delivery(pass, slot, row, !pass.first_look);
    }

    fn schedule_found(&mut self, pass: &mut Pass, slot: Slot, ids: &Ids, row: &Row) {
        let mut schedule = if pass.first_look {
            if row.is_under_way() {
                pass.under_way.insert(slot);
            }
            Schedule::at_baseline(ids.clone(), row)
        } else {
            Schedule::new(ids.clone(), row.repeats, 0)
        };
        schedule.old_before = self.old_before();
        schedule.last_run = if row.repeats > 0 { pass.now } else { 0 };
        if pass.first_look {
            schedule.known_until = schedule.last_run;
        }
        self.schedules.insert(slot, schedule);
        self.unsaved.insert(Key::Schedule(slot));
    }

    /// A row that is known.
    pub(super) fn again(&mut self, pass: &mut Pass, slot: Slot, row: &Row, dated: Dated) {
        pass.seen.insert(slot);
        if row.scheduled || self.schedules.contains_key(&slot) {
            self.note_schedule(pass, slot, row.ids.as_deref(), Some(row.repeats));
        }
        self.tie(slot, row, pass.now);
        let Some(entry) = self.slots.get(slot).copied() else {
            return;
        };
        let labelled = self.label(row);
        let is_open = row.status.is_open();
        if entry.flags.has(Flags::MISSED) {
            self.change(slot, |entry| entry.flags.set(Flags::MISSED, false));
        }
        if entry.combination.status != labelled.combination.status
            && let Some(schedule) = self.schedules.get_mut(&slot)
        {
            schedule.has_moved(schedule.shown);
        }
        if is_open {
            self.shown_open(pass, slot, row, &entry, labelled);
        } else if self.schedules.contains_key(&slot) {
            pass.ended.push((slot, row.clone(), dated));
        } else if entry.is_open() {
            let open = self.open.get(&slot);
            let first_seen = open.map_or(entry.time, |open| open.first_seen);
            let old_before = open.map_or(0, |open| open.old_before);
            let time = dated.time().unwrap_or(first_seen);
            self.change(slot, |entry| {
                entry.time = time;
                entry.combination = labelled.combination;
                entry.flags.set(Flags::KNOWN, true);
                entry.flags.set(Flags::HIDDEN, false);
            });
            self.closed(slot);
            let how = match entry.flags.has(Flags::KNOWN) {
                true => How::Again,
                false if dated.own().is_some_and(|own| own < old_before) => How::Old,
                false => How::Counted,
            };
            self.settled(pass, row, row.identity, labelled, time, how);
            self.delivery(pass, slot, row, how != How::Old);
            return;
        } else {
            self.changed(pass, slot, row, labelled, dated.own());
        }
        self.delivery(pass, slot, row, !pass.first_look);
    }

    fn shown_open(&mut self, pass: &mut Pass, slot: Slot, row: &Row, entry: &Entry, labelled: Labelled) {
        let Some(ids) = &row.ids else { return };
        if !entry.is_open() && !entry.flags.has(Flags::HIDDEN) {
            // Rule 7: it shows open again; it is shown so, and will not be counted again.
            pass.applied.reclassified += 1;
            self.forget_failure(&entry.identity);
        }
        if entry.combination != labelled.combination || entry.flags.has(Flags::HIDDEN) {
            self.change(slot, |entry| {
                entry.combination = labelled.combination;
                entry.flags.set(Flags::HIDDEN, false);
            });
            self.renew_newest(slot, entry);
        }
        let now = pass.now;
        match self.open.get_mut(&slot) {
            None => {
                // One that had been given up was first seen before.
                let first_seen = if entry.is_open() { entry.time } else { now };
                self.opened(slot, ids, row, (first_seen, 0), now);
            }
            Some(open) => {
                open.missing_since = None;
                let started = started(row, now).or(open.started);
                if open.started != started {
                    open.started = started;
                    self.unsaved.insert(Key::Open(slot));
                }
            }
        }
    }

    /// Rule 7: a settled result that has changed keeps its one count, and the gauges show its newest state.
    pub(super) fn changed(
        &mut self,
        pass: &mut Pass,
        slot: Slot,
        row: &Row,
        labelled: Labelled,
        time: Option<Seconds>,
    ) {
        let Some(entry) = self.slots.get(slot).copied() else {
            return;
        };
        let same = entry.combination == labelled.combination;
        if same && time.is_none_or(|time| time == entry.time) {
            return;
        }
        let time = time.unwrap_or(entry.time);
        if entry.flags.has(Flags::RUN) {
            self.runs.remove(&(entry.time, slot));
            self.runs.insert((time, slot));
        }
        self.change(slot, |entry| {
            entry.time = time;
            entry.combination = labelled.combination;
        });
        self.forget_failure(&entry.identity);
        self.renew_newest(slot, &entry);
        self.settled(pass, row, entry.identity, labelled, time, How::Again);
        pass.applied.reclassified += u64::from(!same);
    }

    fn opened(
        &mut self,
        slot: Slot,
        ids: &Ids,
        row: &Row,
        (first_seen, old_before): (Seconds, Seconds),
        now: Seconds,
    ) {
        let open = Open {
            ids: ids.clone(),
            first_seen,
            started: started(row, now),
            old_before,
            missing_since: None,
            listed_at: None,
        };
        self.open.insert(slot, open);
        self.unsaved.insert(Key::Open(slot));
    }

    pub(super) fn closed(&mut self, slot: Slot) {
        if self.open.remove(&slot).is_some() {
            self.unsaved.insert(Key::Open(slot));
        }
    }

    /// What is known of a held result changes: gauges follow, and it is to be saved.
    pub(super) fn change(&mut self, slot: Slot, change: impl FnOnce(&mut Entry)) {
        let Some(before) = self.slots.get(slot).copied() else {
            return;
        };
        let mut after = before;
        change(&mut after);
        self.window.remove(before.combination, &before);
        self.window.add(after.combination, &after);
        if let Some(commands) = &mut self.commands {
            commands.leaves(slot, &before);
            commands.enters(slot, &after);
        }
        self.slots.update(slot, |entry| *entry = after);
        self.unsaved.insert(Key::Entry(slot));
    }

    pub(super) fn label(&mut self, row: &Row) -> Labelled {
        let mut new = Vec::new();
        let (combination, folded) =
            Arc::make_mut(&mut self.labels).combination(row, self.settings.bounds(), &mut new);
        self.unsaved.extend(new.into_iter().map(Key::Label));
        Labelled { combination, folded }
    }
}
