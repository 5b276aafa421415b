//! What the API no longer lists: rule 6 for what is open, rule 8 for what is settled.

use std::collections::HashSet;
use std::time::Duration;

use super::Record;
use super::apply::Pass;
use super::findings::times;
use super::saved::Key;
use super::slots::{Entry, Flags, Slot};
use crate::result::{Row, Seconds};

/// Rule 6: two looks that miss an open result are so far apart, or they may be one trouble of the API's.
const LOOKS_APART: Duration = Duration::from_secs(10 * 60);

/// Rule 8: nothing is held for longer that is not listed; the API keeps four weeks.
const LONGEST: Seconds = 35 * 86_400;

impl Record {
    /// An open result is not listed although it should be.
    pub(super) fn miss(&mut self, pass: &mut Pass, slot: Slot) {
        pass.missed.insert(slot);
        let Some(open) = self.open.get_mut(&slot) else {
            return;
        };
        let since = *open.missing_since.get_or_insert(pass.steady);
        if pass.steady.saturating_sub(since) >= LOOKS_APART {
            // Given up, but not forgotten: were it listed again, it must not count anew.
            self.change(slot, |entry| entry.flags.set(Flags::HIDDEN, true));
            self.closed(slot);
            pass.applied.lost += 1;
        }
    }

    /// After a sweep, whose pages are `listed`: what it and the one before did not list is forgotten, where it is
    /// older than all that they list. Lists lose rows at their old end; anywhere else it is trouble of the API's.
    pub(super) fn forget_unlisted(&mut self, pass: &mut Pass, listed: &[Row], touched: &HashSet<Slot>) {
        let oldest = listed
            .iter()
            .zip(times(listed, pass.now))
            .filter(|(row, _)| !row.scheduled && !row.status.is_open())
            .filter_map(|(_, dated)| dated.time())
            .min();
        // Neither an empty list nor one without such results makes anything old.
        let both = self.head.oldest_listed.zip(oldest);
        let older_than = both.map_or(0, |(one, other)| one.min(other));
        self.head.oldest_listed = oldest;
        let unlisted: Vec<(Slot, Entry)> = self
            .slots
            .iter()
            .filter(|(slot, entry)| {
                !entry.flags.has(Flags::RUN) && !pass.seen.contains(slot) && !touched.contains(slot)
            })
            .map(|(slot, entry)| (slot, *entry))
            .collect();
        for (slot, entry) in unlisted {
            if self.open.contains_key(&slot) {
                self.miss(pass, slot);
                continue;
            }
            if !entry.flags.has(Flags::MISSED) {
                self.change(slot, |entry| entry.flags.set(Flags::MISSED, true));
                continue;
            }
            let time = self.age(slot, &entry);
            if time < older_than || time.saturating_add(LONGEST) < pass.now {
                // What is forgotten had been known up to then: were it listed again, it must not count anew.
                let known_until = match self.schedules.get(&slot) {
                    Some(schedule) => schedule.known_until,
                    None if entry.flags.has(Flags::KNOWN) => entry.time,
                    None => 0,
                };
                self.head.forgotten_until = self.head.forgotten_until.max(known_until.min(pass.now));
                self.remove(slot);
                pass.applied.forgotten += 1;
            }
        }
    }

    /// A schedule's row is as old as its last run.
    fn age(&self, slot: Slot, entry: &Entry) -> Seconds {
        let last_run = self.schedules.get(&slot).map_or(0, |schedule| schedule.last_run);
        entry.time.max(last_run)
    }

    pub(super) fn remove(&mut self, slot: Slot) {
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
}
