//! Rows of the list: one that is new, one that is known, and what has changed of it.

use super::Ledger;
use super::applying::Applying;
use super::baseline::CLOCK_TOLERANCE;
use super::open::Open;
use crate::record::fact::{Changed, Details, Fact, How, Settled};
use crate::record::findings::{Dated, duration, started};
use crate::record::identities::{Entry, EntryId, Flags, Kind};
use crate::record::labels::Labelled;
use crate::result::{Identity, Ids, Row, Seconds};

/// What a row says of its result.
#[derive(Clone, Copy)]
enum State<'a> {
    /// It is still to settle, and can be asked about.
    Open(&'a Ids),
    Settled,
}

impl<'a> State<'a> {
    /// None for an open row without ids: nothing could be asked about it, so that it is not followed.
    fn of(row: &'a Row) -> Option<Self> {
        match (row.status.is_open(), row.ids.as_deref()) {
            (true, ids) => ids.map(Self::Open),
            (false, _) => Some(Self::Settled),
        }
    }
}

impl Ledger {
    /// A row that no page has shown before.
    pub(super) fn add_row(&mut self, at: &mut Applying<'_>, row: &Row, dated: Dated) {
        let Some(state) = State::of(row) else { return };
        let schedule = row.ids.as_deref().filter(|_| row.scheduled);
        let mut schedule = schedule.map(|ids| self.begun(ids.clone(), row, false));
        let (time, ended, held) = match state {
            State::Open(_) => (at.now, false, false),
            // Until its history is read, the row of an ended schedule is in no gauge. Neither is one whose run is held.
            State::Settled => (
                dated.time().unwrap_or(at.now),
                schedule.is_some() && !at.is_baseline,
                self.find(&row.identity.of_run(row.run())).is_some(),
            ),
        };
        let labelled = at.labels.of_row(row);
        let mut flags = Flags::default();
        flags.set(Flags::KNOWN, matches!(state, State::Settled));
        flags.set(Flags::HIDDEN, ended || held);
        flags.set(Flags::UNDATED, dated.own().is_none());
        let entry = Entry {
            identity: row.identity,
            time,
            labels: labelled.labels,
            flags,
        };
        let id = self.hold(at, entry);
        self.shown(at, id, row);
        at.listed.insert(id);
        if let Some(schedule) = &mut schedule {
            schedule.old_before = self.baseline.old_before();
            schedule.last_run = if row.repeats > 0 { at.now } else { 0 };
            if at.is_baseline && schedule.last_run > 0 {
                // Its runs have times of the API's clock.
                schedule.known_until = schedule.last_run.saturating_add(CLOCK_TOLERANCE);
            }
            if at.is_baseline && row.is_under_way() {
                at.under_way.insert(id);
            }
        }
        if let Some(schedule) = schedule {
            self.schedules.insert(id, schedule);
        }
        match state {
            State::Open(ids) => {
                let old_before = match at.is_baseline {
                    true => 0,
                    false => self.baseline.forgotten_until.saturating_add(1),
                };
                self.opened(id, ids, row, (at.now, old_before), at.now);
            }
            State::Settled if ended => at.ended.push((id, row.clone(), dated)),
            State::Settled => {
                let how = match (at.is_baseline, held) {
                    (true, _) => How::Baseline,
                    (false, true) => How::Again,
                    (false, false) => How::of_new(self.baseline.is_old(dated)),
                };
                self.settled(at, row, row.identity, labelled, (time, dated.own()), how);
                self.delivery(at, id, row, how == How::Counted);
                return;
            }
        }
        self.delivery(at, id, row, !at.is_baseline);
    }

    /// A row that is known.
    pub(super) fn update_row(&mut self, at: &mut Applying<'_>, id: EntryId, row: &Row, dated: Dated) {
        at.listed.insert(id);
        let Some(state) = State::of(row) else { return };
        if self.is_of_schedule(id, row) {
            self.note_schedule(at, id, row.ids.as_deref(), Some(row.repeats));
        }
        self.shown(at, id, row);
        let Some(entry) = self.identities.get(id).copied() else {
            return;
        };
        let labelled = at.labels.of_row(row);
        if entry.flags.has(Flags::MISSED) {
            self.change(at, id, |entry| entry.flags.set(Flags::MISSED, false));
        }
        if entry.labels.status != labelled.labels.status
            && let Some(schedule) = self.schedules.change_unsaved(id)
        {
            schedule.has_moved(schedule.shown);
        }
        match state {
            State::Open(ids) => self.shown_open(at, id, (row, ids), &entry, labelled),
            State::Settled if self.schedules.contains(id) => at.ended.push((id, row.clone(), dated)),
            State::Settled if entry.is_open() => {
                let time = dated.time().unwrap_or_else(|| self.first_seen(id, &entry));
                let old_before = self.open.get(id).map_or(0, |open| open.old_before);
                self.change(at, id, |entry| {
                    entry.time = time;
                    entry.labels = labelled.labels;
                    entry.flags.set(Flags::KNOWN, true);
                    entry.flags.set(Flags::HIDDEN, false);
                    entry.flags.set(Flags::UNDATED, dated.own().is_none());
                });
                self.open.remove(id);
                let how = match entry.flags.has(Flags::KNOWN) {
                    true => How::Again,
                    false => How::of_new(dated.own().is_some_and(|own| own < old_before)),
                };
                self.settled(at, row, row.identity, labelled, (time, dated.own()), how);
                self.delivery(at, id, row, how != How::Old && !at.is_baseline);
                return;
            }
            State::Settled => self.changed(at, id, row, labelled, dated.own()),
        }
        self.delivery(at, id, row, !at.is_baseline);
    }

    fn shown_open(
        &mut self,
        at: &mut Applying<'_>,
        id: EntryId,
        (row, ids): (&Row, &Ids),
        before: &Entry,
        labelled: Labelled,
    ) {
        // What waits for its history is no longer so.
        self.ended.remove(&id);
        let is_hidden = matches!(before.kind(), Kind::GivenUp | Kind::Aside);
        if before.labels != labelled.labels || is_hidden {
            self.change(at, id, |entry| {
                entry.labels = labelled.labels;
                entry.flags.set(Flags::HIDDEN, false);
            });
            let how = match before.kind() {
                // Rule 7: it is shown open again, and will not be counted again.
                Kind::Settled => Some(Changed::Reopened),
                Kind::Aside => Some(Changed::Unhidden),
                Kind::Followed | Kind::GivenUp => None,
            };
            if let Some(how) = how {
                at.tell(&Fact::Changed { id, before, how }, &self.identities);
            }
        }
        let Some(open) = self.open.change_unsaved(id) else {
            // One that had been given up was first seen before.
            let first_seen = if before.is_open() { before.time } else { at.now };
            self.opened(id, ids, row, (first_seen, 0), at.now);
            return;
        };
        (open.missing_since, open.is_filtered) = (None, false);
        let started = started(row, at.now).or(open.started);
        if open.started != started
            && let Some(open) = self.open.change(id)
        {
            open.started = started;
        }
    }

    /// Rule 7: a settled result that has changed keeps its one count, and the gauges show its newest state.
    pub(super) fn changed(
        &mut self,
        at: &mut Applying<'_>,
        id: EntryId,
        row: &Row,
        labelled: Labelled,
        own: Option<Seconds>,
    ) {
        let Some(before) = self.identities.get(id).copied() else {
            return;
        };
        let how = match before.labels == labelled.labels {
            true if own.is_none_or(|time| time == before.time) => return,
            true => Changed::Retimed,
            false if at.labels.texts().has_unfolded(before.labels, labelled.labels) => Changed::Unfolded,
            false => Changed::Relabelled,
        };
        let time = own.unwrap_or(before.time);
        if before.flags.has(Flags::RUN) {
            self.runs.remove(&(before.time, id));
            self.runs.insert((time, id));
        }
        self.change(at, id, |entry| {
            entry.time = time;
            entry.labels = labelled.labels;
            if own.is_some() {
                entry.flags.set(Flags::UNDATED, false);
            }
        });
        let before = &before;
        at.tell(&Fact::Changed { id, before, how }, &self.identities);
        self.settled(at, row, before.identity, labelled, (time, own), How::Again);
    }

    fn opened(
        &mut self,
        id: EntryId,
        ids: &Ids,
        row: &Row,
        (first_seen, old_before): (Seconds, Seconds),
        now: Seconds,
    ) {
        let open = Open::new(ids.clone(), first_seen, started(row, now));
        self.open.insert(id, Open { old_before, ..open });
    }

    /// When an open result was first seen.
    pub(super) fn first_seen(&self, id: EntryId, entry: &Entry) -> Seconds {
        self.open.get(id).map_or(entry.time, |open| open.first_seen)
    }

    /// A row shows a held result.
    pub(super) fn shown(&self, at: &mut Applying<'_>, id: EntryId, row: &Row) {
        let Some(command) = row.command.as_deref() else {
            return;
        };
        let has_run = row.repeats > 0 && self.is_of_schedule(id, row);
        let run_began = started(row, at.now).filter(|_| has_run);
        let shown = Fact::Shown {
            id,
            command,
            run_began,
        };
        at.tell(&shown, &self.identities);
    }

    /// A result is seen settled, at a time that may be its own.
    pub(super) fn settled(
        &self,
        at: &mut Applying<'_>,
        row: &Row,
        identity: Identity,
        labelled: Labelled,
        (time, own_time): (Seconds, Option<Seconds>),
        how: How,
    ) {
        // A run of a history comes without ids of its own where it succeeded.
        let of_schedule = || self.schedule(&row.identity).map(|schedule| &schedule.ids);
        let settled = Settled {
            identity,
            ids: row.ids.as_deref().or_else(of_schedule),
            command: row.command.as_deref(),
            labelled,
            time,
            own_time,
            duration: duration(row, at.now),
            dropped: row.dropped,
            details: Details {
                run: match row.scheduled || identity != row.identity {
                    true => row.run(),
                    false => 0,
                },
                error_info: row.error_info.as_deref().unwrap_or_default(),
                delivery: row.delivery.as_deref(),
            },
            how,
        };
        at.tell(&Fact::Settled(&settled), &self.identities);
    }

    /// The end of a delivery is known from now on, and counts unless it is from before the baseline.
    pub(super) fn delivery(&mut self, at: &mut Applying<'_>, id: EntryId, row: &Row, counts: bool) {
        let entry = self.identities.get(id);
        let is_known = entry.is_some_and(|entry| entry.flags.has(Flags::DELIVERED));
        let identity = entry.map_or(row.identity, |entry| entry.identity);
        // The row of a schedule shows the delivery of a run, which the run's own row counts.
        if is_known || row.delivery.is_none() || self.schedules.contains(id) {
            return;
        }
        self.change(at, id, |entry| entry.flags.set(Flags::DELIVERED, true));
        if counts && !at.is_baseline {
            self.delivered(at, identity, row);
        }
    }

    /// The delivery that a row shows, if it does, counts.
    pub(super) fn delivered(&self, at: &mut Applying<'_>, identity: Identity, row: &Row) {
        let Some(delivery) = &row.delivery else { return };
        let (error_code, folded) = at.labels.error_code(&delivery.error_code);
        let delivered = Fact::Delivered {
            identity,
            delivery,
            error_code,
            folded,
        };
        at.tell(&delivered, &self.identities);
    }
}
