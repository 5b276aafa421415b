//! What a result adds to the counters when it is seen settled, and its delivery when that has ended.

use std::sync::Arc;

use super::Record;
use super::apply::Pass;
use super::failure::Failure;
use super::findings::duration;
use super::hold::Hold;
use super::label::{Combination, StatusNumber};
use super::rows::Labelled;
use super::saved::Key;
use super::slots::{Entry, Flags, Slot};
use super::totals::{Counter, Durations, Exemplar, Total};
use crate::result::{Identity, Ids, KnownStatus, Row, Seconds};

/// Rule 2: what ended longer than this before the first look began, and only a later look shows, is not counted.
/// A clock that is further off than this is refused by the API.
const BEFORE_THE_BASELINE: Seconds = 15 * 60;

/// Why a settled result is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// For the first time: it counts.
    Counted,
    /// By the first look.
    Baseline,
    /// It ended before the first look, or before it was forgotten, and only a later look shows it.
    Old,
    /// It had counted, or was known.
    Again,
}

impl Record {
    /// What ended before this, and only a later look shows, is not counted.
    pub(super) fn old_before(&self) -> Seconds {
        let baseline = self.head.baseline_began.saturating_sub(BEFORE_THE_BASELINE);
        baseline.max(self.head.forgotten_until.saturating_add(1))
    }

    /// A result is seen settled: rule 1 counts it, once; rule 2 only knows what was settled before the first look.
    pub(super) fn settled(
        &mut self,
        pass: &mut Pass,
        row: &Row,
        identity: Identity,
        labelled: Labelled,
        time: Seconds,
        how: How,
    ) {
        let Labelled { combination, folded } = labelled;
        let newest = self.head.newest.entry(combination.status).or_default();
        *newest = time.max(*newest);
        let counts = how == How::Counted;
        self.command_settled(row, identity, (combination.status, time), counts, pass.now);
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
        match how {
            How::Counted => pass.applied.counted += 1,
            How::Baseline => pass.applied.baseline += 1,
            How::Old => pass.applied.old += 1,
            How::Again => {}
        }
        if !counts {
            return;
        }
        self.note_news(&mut pass.applied.news, row, combination, time);
        self.add_to_total(row, combination, time);
        if let Some(seconds) = duration(row, pass.now) {
            // The histogram of a known status is there at 0 from the start.
            let hold = match self.labels.is_zero_status(combination.status) {
                true => Hold::Over,
                false => Hold::NEW,
            };
            let buckets = &self.settings.duration_buckets;
            self.durations
                .entry(combination.status)
                .or_insert_with(|| Durations::new(buckets, hold))
                .observe(seconds);
            self.unsaved.insert(Key::Durations(combination.status));
        }
        self.head.dropped_bytes = self.head.dropped_bytes.saturating_add(row.dropped);
        let overflow = [folded.status, folded.error_code, folded.exit_code];
        for (sum, folded) in self.head.overflow.iter_mut().zip(overflow) {
            *sum = sum.saturating_add(u64::from(folded));
        }
    }

    fn add_to_total(&mut self, row: &Row, combination: Combination, time: Seconds) {
        let hold = match self.labels.is_zero(combination) {
            true => Hold::Over,
            false => Hold::NEW,
        };
        let total = self.totals.entry(combination).or_insert_with(|| Total {
            counter: Counter::new(hold),
            exemplar: None,
        });
        total.counter.increment();
        let newest = total.exemplar.as_ref().is_none_or(|newest| newest.time <= time);
        if newest
            && combination.status != StatusNumber::of(KnownStatus::Success)
            && let Some(ids) = &row.ids
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
    }

    /// Counts the end of a delivery once, unless it is known and not counted.
    pub(super) fn delivery(&mut self, pass: &Pass, slot: Slot, row: &Row, counts: bool) {
        let delivered = self
            .slots
            .get(slot)
            .is_some_and(|entry| entry.flags.has(Flags::DELIVERED));
        // The row of a schedule shows the delivery of a run, which the run's own row counts.
        if delivered || row.delivery.is_none() || self.schedules.contains_key(&slot) {
            return;
        }
        self.change(slot, |entry| entry.flags.set(Flags::DELIVERED, true));
        if counts && !pass.first_look {
            self.count_delivery(row);
        }
    }

    pub(super) fn count_delivery(&mut self, row: &Row) {
        let Some(delivery) = &row.delivery else { return };
        let mut new = Vec::new();
        let (error_code, folded) = Arc::make_mut(&mut self.labels).error_code(
            &delivery.error_code,
            self.settings.bounds(),
            &mut new,
        );
        self.unsaved.extend(new.into_iter().map(Key::Label));
        self.head.overflow[1] = self.head.overflow[1].saturating_add(u64::from(folded));
        // Those without a code are there at 0 from the start.
        let hold = if error_code == 0 { Hold::Over } else { Hold::NEW };
        let key = (delivery.finished, error_code);
        let counter = self.deliveries.entry(key).or_insert_with(|| Counter::new(hold));
        counter.increment();
        self.unsaved.insert(Key::Delivery(key.0, key.1));
    }

    pub(super) fn forget_failure(&mut self, identity: &Identity) {
        self.unsaved
            .extend(self.failures.remove(identity).map(Key::Failure));
    }

    /// A settled result has left its status; if it was the newest with it, another one is now.
    pub(super) fn renew_newest(&mut self, slot: Slot, before: &Entry) {
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
}
