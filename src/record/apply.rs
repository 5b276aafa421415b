//! What one poll found becomes part of the record.

use std::collections::HashSet;
use std::sync::Arc;

use super::failure::Failure;
use super::findings::{Answer, Findings, History, Trouble, duration, started, times};
use super::label::{Combination, Folded, StatusNumber};
use super::news::News;
use super::saved::Key;
use super::schedule::{Again, Schedule};
use super::slots::{Entry, Flags, Slot};
use super::totals::{Counter, Durations, Exemplar, Total};
use super::{Open, Record};
use crate::result::{Identity, Ids, KnownStatus, Row, Seconds};

/// What a poll changed, for the log.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Results that were counted.
    pub counted: u64,
    /// Results that were settled before the first look.
    pub baseline: u64,
    /// Open results that were given up.
    pub lost: u64,
    /// Results that only a sweep found.
    pub late: u64,
    /// Settled results that had changed.
    pub reclassified: u64,
    /// Identities forgotten.
    pub forgotten: u64,
    /// Why commands are labelled by their CommandIds from now on.
    pub nameless: Option<Trouble>,
    /// The counted results themselves, as far as [`Record::tell`] has asked for them.
    pub news: News,
}

/// What holds for all rows of one call of [`Record::apply`].
struct Pass {
    now: Seconds,
    first_look: bool,
    /// What this poll has seen.
    seen: HashSet<Slot>,
    /// Rows of schedules that this first look has shown with a run under way.
    under_way: HashSet<Slot>,
    /// Rows whose histories this poll has read.
    read: HashSet<Identity>,
    /// Rows of schedules that have settled; they wait until the histories are read.
    ended: Vec<(Slot, Row, Option<Seconds>)>,
    applied: Applied,
}

/// A row's labels.
#[derive(Clone, Copy)]
struct Labelled {
    combination: Combination,
    folded: Folded,
}

impl Record {
    /// Records what one complete poll found. `now` is its end, by the wall clock.
    pub fn apply(&mut self, findings: Findings, now: Seconds) -> Applied {
        let first_look = self.needs_first_look();
        let mut pass = Pass {
            now,
            first_look,
            seen: HashSet::new(),
            under_way: HashSet::new(),
            read: findings
                .histories
                .iter()
                .flat_map(|history| &history.asked)
                .copied()
                .collect(),
            ended: Vec::new(),
            applied: Applied::default(),
        };
        self.advance(now);
        pass.applied.nameless = self.learn_names(&findings.naming, now);
        let touched = match findings.sweep {
            Some(_) => self.touched.take().unwrap_or_default(),
            None => HashSet::new(),
        };
        self.pages(&mut pass, &findings, &touched);
        for answer in &findings.answers {
            self.answer(&mut pass, answer);
        }
        for history in &findings.histories {
            self.history(&mut pass, history);
        }
        for (slot, row, time) in std::mem::take(&mut pass.ended) {
            self.schedule_ended(&mut pass, slot, &row, time);
        }
        if findings.sweep.is_some() {
            self.forget_unlisted(&mut pass, &touched);
            self.forget_unlisted_commands();
            self.head.looked_with = Some(self.settings.filter);
            self.head.swept_at = now;
        } else if let Some(touched) = &mut self.touched {
            touched.extend(&pass.seen);
        }
        self.head.recorded_at = now;
        self.head.shown_at = self.head.shown_at.max(now);
        self.head.lost += pass.applied.lost;
        self.head.late += pass.applied.late;
        self.head.reclassified += pass.applied.reclassified;
        self.unsaved.insert(Key::Head);
        pass.applied
    }

    /// Time passes: settled results leave the window, and runs of schedules the record.
    fn advance(&mut self, now: Seconds) {
        let held = self.slots.iter().map(|(_, entry)| (entry.combination, entry));
        self.window.advance(now, held);
        if let Some(commands) = &mut self.commands {
            commands.advance(now, &self.slots);
        }
        while let Some((time, slot)) = self.runs.first().copied() {
            if self.window.holds(time) {
                break;
            }
            self.runs.remove(&(time, slot));
            self.remove(slot);
        }
    }

    fn pages(&mut self, pass: &mut Pass, findings: &Findings, touched: &HashSet<Slot>) {
        let new = findings
            .pages
            .iter()
            .filter(|row| !self.knows(&row.identity))
            .count();
        self.listed += new as i64;
        let times = times(&findings.pages, pass.now);
        for (place, (row, time)) in findings.pages.iter().zip(times).enumerate() {
            match self.slots.find(&row.identity) {
                // A poll has seen it since this sweep's page was read.
                Some(slot) if touched.contains(&slot) => {
                    pass.seen.insert(slot);
                }
                Some(slot) => self.again(pass, slot, row, time),
                None => {
                    let only_by_sweep = findings.sweep.is_some_and(|sweep| place >= sweep.front);
                    pass.applied.late += u64::from(only_by_sweep && !pass.first_look);
                    self.first(pass, row, time.0);
                }
            }
            if let Some(open) = self
                .slots
                .find(&row.identity)
                .and_then(|slot| self.open.get_mut(&slot))
            {
                open.listed_at = Some(self.listed - place as i64);
            }
        }
    }

    /// Rule 5: an answer updates what a page has shown before, and nothing else. Rule 6: what was asked for and is
    /// not there twice in a row is lost.
    fn answer(&mut self, pass: &mut Pass, answer: &Answer) {
        let times = times(&answer.rows, pass.now);
        for (row, time) in answer.rows.iter().zip(times) {
            if let Some(slot) = self.slots.find(&row.identity) {
                self.again(pass, slot, row, time);
            }
        }
        for identity in &answer.asked {
            if let Some(slot) = self.slots.find(identity)
                && !pass.seen.contains(&slot)
            {
                self.miss(pass, slot);
            }
        }
    }

    /// A row that no page has shown before.
    fn first(&mut self, pass: &mut Pass, row: &Row, time: Option<Seconds>) {
        let labelled = self.label(row);
        let is_open = row.status.is_open();
        let time = time.filter(|_| !is_open).unwrap_or(pass.now);
        let mut flags = Flags::default();
        flags.set(Flags::KNOWN, !is_open);
        // Until its history is read, the row of an ended schedule is in no gauge.
        let ended = row.scheduled && !is_open && !pass.first_look;
        flags.set(Flags::HIDDEN, ended);
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
            self.opened(slot, ids, row, pass.now);
        }
        if row.scheduled
            && let Some(ids) = &row.ids
        {
            // Rule 9: runs up to the Repeats that the first look shows are known by number, but for one that may be
            // under way: it is asked for until it has settled, also where this poll could not have the history.
            let known = match (pass.first_look, is_open) {
                (true, true) if row.is_under_way() => {
                    pass.under_way.insert(slot);
                    row.repeats.saturating_sub(1)
                }
                (true, true) => row.repeats,
                (true, false) => row.run(),
                (false, _) => 0,
            };
            self.schedules
                .insert(slot, Schedule::new((**ids).clone(), row.repeats, known));
            self.unsaved.insert(Key::Schedule(slot));
        }
        if ended {
            pass.ended.push((slot, row.clone(), Some(time)));
        } else if !is_open {
            self.settled(pass, row, row.identity, labelled, time, !pass.first_look);
        }
        self.delivery(pass, slot, row);
    }

    /// A row that is known.
    fn again(&mut self, pass: &mut Pass, slot: Slot, row: &Row, (time, own): (Option<Seconds>, bool)) {
        pass.seen.insert(slot);
        if row.scheduled || self.schedules.contains_key(&slot) {
            self.note_schedule(slot, row.ids.as_deref(), row.repeats);
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
        if is_open {
            self.shown_open(pass, slot, row, &entry, labelled);
        } else if self.schedules.contains_key(&slot) {
            pass.ended.push((slot, row.clone(), time));
        } else if entry.is_open() {
            let first_seen = self.open.get(&slot).map_or(pass.now, |open| open.first_seen);
            let time = time.unwrap_or(first_seen);
            self.change(slot, |entry| {
                entry.time = time;
                entry.combination = labelled.combination;
                entry.flags.set(Flags::KNOWN, true);
            });
            self.closed(slot);
            self.settled(
                pass,
                row,
                row.identity,
                labelled,
                time,
                !entry.flags.has(Flags::KNOWN),
            );
        } else {
            self.changed(pass, slot, row, labelled, time.filter(|_| own));
        }
        self.delivery(pass, slot, row);
    }

    fn shown_open(&mut self, pass: &mut Pass, slot: Slot, row: &Row, entry: &Entry, labelled: Labelled) {
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
        let Some(ids) = &row.ids else { return };
        let now = pass.now;
        match self.open.get_mut(&slot) {
            None => self.opened(slot, ids, row, now),
            Some(open) => {
                let started = started(row, now).or(open.started);
                if open.missed != 0 || open.started != started {
                    open.missed = 0;
                    open.started = started;
                    self.unsaved.insert(Key::Open(slot));
                }
            }
        }
    }

    /// Rule 7: a settled result that has changed keeps its one count, and the gauges show its newest state.
    fn changed(&mut self, pass: &mut Pass, slot: Slot, row: &Row, labelled: Labelled, time: Option<Seconds>) {
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
        self.settled(pass, row, entry.identity, labelled, time, false);
        pass.applied.baseline -= u64::from(pass.first_look);
        pass.applied.reclassified += u64::from(!same);
    }

    /// The row of a schedule has settled, and its histories are read.
    ///
    /// Rule 9: it is its last run; where that is known from the history, it keeps the outcome that it has there.
    fn schedule_ended(&mut self, pass: &mut Pass, slot: Slot, row: &Row, time: Option<Seconds>) {
        let Some(entry) = self.slots.get(slot).copied() else {
            return;
        };
        let run = row.run();
        let held = self.slots.find(&row.identity.of_run(run)).is_some();
        let knows = self
            .schedules
            .get(&slot)
            .is_some_and(|schedule| schedule.knows(run));
        let was_settled = !entry.is_open();
        let first_seen = self.open.get(&slot).map_or(pass.now, |open| open.first_seen);
        let time = time.unwrap_or(if was_settled { entry.time } else { first_seen });
        let labelled = self.label(row);
        self.closed(slot);
        if knows && was_settled && !held && !entry.flags.has(Flags::HIDDEN) {
            self.changed(
                pass,
                slot,
                row,
                labelled,
                Some(time).filter(|_| row.times.finished.is_some()),
            );
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
        if !hidden {
            self.settled(pass, row, row.identity, labelled, time, !knows);
        }
        if !knows && let Some(schedule) = self.schedules.get_mut(&slot) {
            schedule.learn(run);
            if !pass.read.contains(&entry.identity) {
                // The runs before it are still to be found.
                schedule.ask_for_gaps();
            }
            self.unsaved.insert(Key::Schedule(slot));
            self.count_delivery(row, pass.now);
        }
    }

    fn history(&mut self, pass: &mut Pass, history: &History) {
        let times = times(&history.rows, pass.now);
        // The lowest run of each row that was shown open.
        let mut lowest_open: Vec<(Slot, u32)> = Vec::new();
        for (row, (time, own)) in history.rows.iter().zip(times) {
            let Some(slot) = self.slots.find(&row.identity) else {
                continue;
            };
            // A run's number is not the Repeats of the row.
            self.note_schedule(slot, row.ids.as_deref(), 0);
            self.tie(slot, row, pass.now);
            let run = row.run();
            if row.status.is_open() {
                let Some(schedule) = self.schedules.get_mut(&slot) else {
                    continue;
                };
                if pass.first_look {
                    schedule.reopen(run);
                }
                if row.repeats > 0 && !schedule.knows(run) {
                    lowest_open.push((slot, run));
                }
                continue;
            }
            let identity = row.identity.of_run(run);
            match self.slots.find(&identity) {
                Some(held) => {
                    let labelled = self.label(row);
                    self.changed(pass, held, row, labelled, time.filter(|_| own));
                    self.delivery(pass, held, row);
                }
                None => self.first_of_run(pass, slot, row, identity, time.unwrap_or(pass.now)),
            }
        }
        for identity in &history.asked {
            let Some(slot) = self.slots.find(identity) else {
                continue;
            };
            let Some(schedule) = self.schedules.get_mut(&slot) else {
                continue;
            };
            let open = lowest_open
                .iter()
                .filter(|(row, _)| *row == slot)
                .map(|(_, run)| *run)
                .min();
            let again = open.map_or(Again::No, Again::From);
            if schedule.again != again {
                schedule.again = again;
                self.unsaved.insert(Key::Schedule(slot));
            }
        }
    }

    /// A settled run that is not held: it may be known by its number.
    fn first_of_run(&mut self, pass: &mut Pass, slot: Slot, row: &Row, identity: Identity, time: Seconds) {
        let run = row.run();
        let Some(schedule) = self.schedules.get_mut(&slot) else {
            return;
        };
        if schedule.knows(run) {
            return;
        }
        if pass.under_way.contains(&slot) {
            // It had settled by the time the history was read: rule 2.
            schedule.learn(run);
            return;
        }
        pass.applied.late += u64::from(schedule.again == Again::Sweep && schedule.is_past(run));
        schedule.learn(run);
        self.unsaved.insert(Key::Schedule(slot));
        let labelled = self.label(row);
        if self.window.holds(time) {
            let flags = Flags::RUN.with(Flags::KNOWN);
            let run_slot = self.hold_run(Entry {
                identity,
                time,
                combination: labelled.combination,
                flags,
            });
            self.tie(run_slot, row, pass.now);
            self.settled(pass, row, identity, labelled, time, true);
            self.delivery(pass, run_slot, row);
        } else {
            self.settled(pass, row, identity, labelled, time, true);
            self.count_delivery(row, pass.now);
        }
    }

    /// Makes the row of a schedule one, where it is not yet, and moves its Repeats.
    fn note_schedule(&mut self, slot: Slot, ids: Option<&Ids>, repeats: u32) {
        let Some(entry) = self.slots.get(slot).copied() else {
            return;
        };
        let ids = ids
            .or_else(|| self.open.get(&slot).map(|open| &open.ids))
            .cloned();
        let schedule = match (self.schedules.get_mut(&slot), ids) {
            (Some(schedule), _) => schedule,
            (None, Some(ids)) => {
                let known = u32::from(entry.flags.has(Flags::KNOWN));
                if known == 1 && !entry.is_open() && repeats > 1 {
                    self.part_first_run(slot, entry);
                }
                self.unsaved.insert(Key::Schedule(slot));
                self.schedules
                    .entry(slot)
                    .or_insert_with(|| Schedule::new(ids, repeats, known))
            }
            (None, None) => return,
        };
        if repeats > schedule.shown {
            schedule.shown = repeats;
            self.unsaved.insert(Key::Schedule(slot));
        }
    }

    /// What looked like a one-time result moves on to its next run: the first one is held by itself from now on.
    fn part_first_run(&mut self, slot: Slot, entry: Entry) {
        self.change(slot, |entry| entry.flags.set(Flags::HIDDEN, true));
        if self.window.holds(entry.time) {
            let identity = entry.identity.of_run(1);
            let run = self.hold_run(Entry {
                identity,
                flags: entry.flags.with(Flags::RUN),
                ..entry
            });
            self.tie_as(run, slot);
        }
    }

    fn hold_run(&mut self, entry: Entry) -> Slot {
        let slot = self.slots.insert(entry);
        self.window.add(entry.combination, &entry);
        self.runs.insert((entry.time, slot));
        self.unsaved.insert(Key::Entry(slot));
        slot
    }

    /// A result is seen settled: rule 1 counts it, once; rule 2 only knows what was settled before the first look.
    fn settled(
        &mut self,
        pass: &mut Pass,
        row: &Row,
        identity: Identity,
        labelled: Labelled,
        time: Seconds,
        counts: bool,
    ) {
        let Labelled { combination, folded } = labelled;
        let newest = self.head.newest.entry(combination.status).or_default();
        *newest = time.max(*newest);
        let of_command = (combination.status, time);
        self.command_settled(row, identity, of_command, counts, pass.now);
        let failed = combination.status != StatusNumber::of(KnownStatus::Success);
        if failed && let Some(ids) = &row.ids {
            let failure = Failure {
                identity,
                time,
                ids: (**ids).clone(),
                combination,
            };
            self.unsaved.extend(self.failures.add(failure).map(Key::Failure));
        }
        if !counts {
            pass.applied.baseline += u64::from(pass.first_look);
            return;
        }
        pass.applied.counted += 1;
        self.note_news(&mut pass.applied.news, row, combination, time);
        let since = pass.now;
        let total = self.totals.entry(combination).or_insert_with(|| Total {
            counter: Counter { value: 0, since },
            exemplar: None,
        });
        total.counter.value += 1;
        if failed
            && let Some(ids) = &row.ids
            && total
                .exemplar
                .as_ref()
                .is_none_or(|exemplar| exemplar.time <= time)
        {
            let Ids {
                invoke_id,
                instance_id,
                ..
            } = (**ids).clone();
            total.exemplar = Some(Exemplar {
                time,
                invoke_id,
                instance_id,
            });
        }
        self.unsaved.insert(Key::Total(combination));
        if let Some(seconds) = duration(row, pass.now) {
            let buckets = &self.settings.duration_buckets;
            self.durations
                .entry(combination.status)
                .or_insert_with(|| Durations::new(buckets, since))
                .observe(seconds);
            self.unsaved.insert(Key::Durations(combination.status));
        }
        self.head.dropped_bytes += row.dropped;
        for (sum, folded) in
            self.head
                .overflow
                .iter_mut()
                .zip([folded.status, folded.error_code, folded.exit_code])
        {
            *sum += u64::from(folded);
        }
    }

    /// Counts the end of a delivery once; one that had ended before the first look is known and not counted.
    fn delivery(&mut self, pass: &Pass, slot: Slot, row: &Row) {
        let delivered = self
            .slots
            .get(slot)
            .is_some_and(|entry| entry.flags.has(Flags::DELIVERED));
        // The row of a schedule shows the delivery of a run, which the run's own row counts.
        if delivered || row.delivery.is_none() || self.schedules.contains_key(&slot) {
            return;
        }
        self.change(slot, |entry| entry.flags.set(Flags::DELIVERED, true));
        if !pass.first_look {
            self.count_delivery(row, pass.now);
        }
    }

    fn count_delivery(&mut self, row: &Row, now: Seconds) {
        let Some(delivery) = &row.delivery else { return };
        let mut new = Vec::new();
        let (error_code, folded) = Arc::make_mut(&mut self.labels).error_code(
            &delivery.error_code,
            self.settings.bounds(),
            &mut new,
        );
        self.unsaved.extend(new.into_iter().map(Key::Label));
        self.head.overflow[1] += u64::from(folded);
        let key = (delivery.finished, error_code);
        self.deliveries
            .entry(key)
            .or_insert(Counter { value: 0, since: now })
            .value += 1;
        self.unsaved.insert(Key::Delivery(key.0, key.1));
    }

    /// Rule 6 for what is open, rule 8 for what is settled: not listed by two complete sweeps in a row.
    fn forget_unlisted(&mut self, pass: &mut Pass, touched: &HashSet<Slot>) {
        let unlisted: Vec<(Slot, Entry)> = self
            .slots
            .iter()
            .filter(|(slot, entry)| {
                !entry.flags.has(Flags::RUN) && !pass.seen.contains(slot) && !touched.contains(slot)
            })
            .map(|(slot, entry)| (slot, *entry))
            .collect();
        for (slot, entry) in unlisted {
            if entry.is_open() {
                self.miss(pass, slot);
            } else if entry.flags.has(Flags::MISSED) {
                self.remove(slot);
                pass.applied.forgotten += 1;
            } else {
                self.change(slot, |entry| entry.flags.set(Flags::MISSED, true));
            }
        }
        for (slot, schedule) in &mut self.schedules {
            if schedule.has_gaps() && schedule.again == Again::No {
                schedule.again = Again::Sweep;
                self.unsaved.insert(Key::Schedule(*slot));
            }
        }
    }

    /// An open result is not listed although it should be.
    fn miss(&mut self, pass: &mut Pass, slot: Slot) {
        let Some(open) = self.open.get_mut(&slot) else {
            return;
        };
        open.missed += 1;
        self.unsaved.insert(Key::Open(slot));
        if open.missed >= 2 {
            self.remove(slot);
            pass.applied.lost += 1;
        }
    }

    fn opened(&mut self, slot: Slot, ids: &Ids, row: &Row, now: Seconds) {
        let started = started(row, now);
        let open = Open {
            ids: ids.clone(),
            first_seen: now,
            started,
            missed: 0,
            listed_at: None,
        };
        self.open.insert(slot, open);
        self.unsaved.insert(Key::Open(slot));
    }

    fn closed(&mut self, slot: Slot) {
        if self.open.remove(&slot).is_some() {
            self.unsaved.insert(Key::Open(slot));
        }
    }

    fn remove(&mut self, slot: Slot) {
        let Some(entry) = self.slots.get(slot).copied() else {
            return;
        };
        self.window.remove(entry.combination, &entry);
        if let Some(commands) = &mut self.commands {
            commands.leaves(slot, &entry);
            commands.forget(slot, &mut self.unsaved);
        }
        self.slots.remove(slot);
        self.unsaved.insert(Key::Entry(slot));
        self.closed(slot);
        if self.schedules.remove(&slot).is_some() {
            self.unsaved.insert(Key::Schedule(slot));
        }
    }

    fn change(&mut self, slot: Slot, change: impl FnOnce(&mut Entry)) {
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

    fn forget_failure(&mut self, identity: &Identity) {
        self.unsaved
            .extend(self.failures.remove(identity).map(Key::Failure));
    }

    /// A settled result has left its status; if it was the newest with it, another one is now.
    fn renew_newest(&mut self, slot: Slot, before: &Entry) {
        self.renew_newest_of_command(slot, before);
        let status = before.combination.status;
        if status.is_open() || self.head.newest.get(&status) != Some(&before.time) {
            return;
        }
        let newest = self
            .slots
            .iter()
            .map(|(_, entry)| entry)
            .filter(|entry| entry.combination.status == status && !entry.flags.has(Flags::HIDDEN))
            .map(|entry| entry.time)
            .max();
        match newest {
            Some(time) => self.head.newest.insert(status, time),
            None => self.head.newest.remove(&status),
        };
    }

    fn label(&mut self, row: &Row) -> Labelled {
        let mut new = Vec::new();
        let (combination, folded) =
            Arc::make_mut(&mut self.labels).combination(row, self.settings.bounds(), &mut new);
        self.unsaved.extend(new.into_iter().map(Key::Label));
        Labelled { combination, folded }
    }
}
