//! What the API no longer lists: rule 6 for what is open, rule 8 for what is settled.

use std::collections::HashSet;
use std::time::Duration;

use super::Ledger;
use super::applying::Applying;
use crate::record::fact::Fact;
use crate::record::findings::times;
use crate::record::identities::{Entry, EntryId, Flags};
use crate::result::{Row, Seconds};

/// Rule 6: two looks that miss an open result are so far apart, or they may be one trouble of the API's.
const LOOKS_APART: Duration = Duration::from_secs(10 * 60);

/// Rule 8: nothing is held for longer that is not listed; the API keeps four weeks.
const LONGEST: Seconds = 35 * 86_400;

impl Ledger {
    /// An open result is not listed although it should be.
    pub(super) fn miss(&mut self, at: &mut Applying<'_>, id: EntryId) {
        let Some(open) = self.open.change_unsaved(id) else {
            return;
        };
        let since = *open.missing_since.get_or_insert(at.steady);
        let is_filtered = open.is_filtered;
        if at.steady.saturating_sub(since) >= LOOKS_APART {
            // Given up, but not forgotten: were it listed again, it must not count anew.
            self.change(at, id, |entry| entry.flags.set(Flags::HIDDEN, true));
            self.open.remove(id);
            if !is_filtered {
                at.tell(&Fact::Lost, &self.identities);
            }
        }
    }

    /// Everything was read, and is taken in.
    pub(super) fn swept(&mut self, at: &mut Applying<'_>, listed: &[Row], newer: &HashSet<EntryId>) {
        self.forget_unlisted(at, listed, newer);
        let schedules = self.schedules.iter();
        let schedules = schedules.map(|(_, schedule)| &*schedule.ids.invoke_id).collect();
        at.tell(&Fact::Swept(&schedules), &self.identities);
        self.baseline.looked_with = Some(self.filter);
        self.baseline.swept_at = at.now;
    }

    /// After a sweep, whose pages are `listed`: what it and the one before did not list is forgotten, where it is
    /// older than all that they list. Lists lose rows at their old end; anywhere else it is trouble of the API's.
    fn forget_unlisted(&mut self, at: &mut Applying<'_>, listed: &[Row], newer: &HashSet<EntryId>) {
        let oldest = listed
            .iter()
            .zip(times(listed, at.now))
            .filter(|(row, _)| !row.scheduled && !row.status.is_open())
            .filter_map(|(_, dated)| dated.time())
            .min();
        let older_than = self.baseline.swept(oldest);
        let unlisted: Vec<(EntryId, Entry)> = self
            .identities
            .iter()
            .filter(|(id, entry)| {
                !entry.flags.has(Flags::RUN) && !at.listed.contains(id) && !newer.contains(id)
            })
            .map(|(id, entry)| (id, *entry))
            .collect();
        for (id, entry) in unlisted {
            if self.open.contains(id) {
                if at.is_baseline
                    && let Some(open) = self.open.change_unsaved(id)
                {
                    open.is_filtered = true;
                }
                self.miss(at, id);
                continue;
            }
            if !entry.flags.has(Flags::MISSED) {
                self.change(at, id, |entry| entry.flags.set(Flags::MISSED, true));
                continue;
            }
            let time = self.age(id, &entry);
            if time < older_than || time.saturating_add(LONGEST) < at.now {
                // What is forgotten had been known up to then: were it listed again, it must not count anew.
                let known_until = match self.schedules.get(id) {
                    Some(schedule) => schedule.known_until,
                    None if entry.flags.has(Flags::KNOWN) => entry.time,
                    None => 0,
                };
                self.remove(at, id);
                let forgotten_until = &mut self.baseline.forgotten_until;
                *forgotten_until = known_until.max(*forgotten_until);
                at.tell(&Fact::Forgotten, &self.identities);
            }
        }
    }

    /// A schedule's row is as old as its last run.
    fn age(&self, id: EntryId, entry: &Entry) -> Seconds {
        let last_run = self.schedules.get(id).map_or(0, |schedule| schedule.last_run);
        entry.time.max(last_run)
    }
}
