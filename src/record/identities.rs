//! The table of identities: 28 bytes for each result that is held, found by its hash.

use std::collections::BTreeSet;

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use crate::record::labels::{ResultLabels, StatusNumber};
use crate::record::table::{Saving, encode};
use crate::result::{Identity, Seconds};

/// The place of a held result; stays the same for as long as it is held, restarts included.
pub(super) type EntryId = u32;

/// No scope holds more: the API lists 200,000 results at most, and runs are held while they are in the window.
const MAX_HELD: EntryId = 1 << 24;

/// What is known of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Of the row, or of one run of a schedule.
    pub identity: Identity,
    /// Rule 10's time of a settled result; when it was first seen for an open one.
    pub time: Seconds,
    /// Its newest state.
    pub labels: ResultLabels,
    /// What else is known.
    pub flags: Flags,
}

impl Entry {
    /// Whether the newest state is still to settle.
    pub(super) fn is_open(&self) -> bool {
        self.labels.status.is_open()
    }

    /// What it is to the gauges, and to those who ask.
    pub(super) fn kind(&self) -> Kind {
        match (self.is_open(), self.flags.has(Flags::HIDDEN)) {
            (true, false) => Kind::Followed,
            (true, true) => Kind::GivenUp,
            (false, false) => Kind::Settled,
            (false, true) => Kind::Aside,
        }
    }
}

/// The four kinds of held results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Open, and waited for: in the gauges always.
    Followed,
    /// Open, and no longer waited for: known, and in no gauge.
    GivenUp,
    /// Settled: in the gauges for as long as the window shows it.
    Settled,
    /// The row of a schedule whose last run is held by itself, or not known yet: in no gauge.
    Aside,
}

/// Yes-or-no facts about a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Flags(u8);

impl Flags {
    /// Its first run has settled: it is counted, or was settled before the baseline, and is not counted again.
    pub(super) const KNOWN: Self = Self(1);
    /// It is one run of a schedule, found in a history; sweeps do not list it.
    pub(super) const RUN: Self = Self(2);
    /// The delivery of its output is counted, or had ended before the baseline.
    pub(super) const DELIVERED: Self = Self(4);
    /// In no gauge: the row of a schedule that has ended, whose last run is held by itself, or an open result that
    /// was given up.
    pub(super) const HIDDEN: Self = Self(8);
    /// The last complete sweep did not list it.
    pub(super) const MISSED: Self = Self(16);
    /// Its time is not its own: that of a neighbour in the list, or when it was first seen.
    pub(super) const UNDATED: Self = Self(32);
    /// Nothing is held here.
    const VACANT: Self = Self(128);

    /// Whether all of `other` is set.
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets or clears `other`.
    pub(super) fn set(&mut self, other: Self, on: bool) {
        if on {
            self.0 |= other.0;
        } else {
            self.0 &= !other.0;
        }
    }

    /// With `other` set.
    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

const VACANT: Entry = Entry {
    identity: Identity([0; 4]),
    time: 0,
    labels: ResultLabels {
        status: StatusNumber(0),
        error_code: 0,
        exit_code: 0,
    },
    flags: Flags::VACANT,
};

/// All held results of a scope.
#[derive(Debug, Default)]
pub(super) struct Identities {
    entries: Vec<Entry>,
    vacant: Vec<EntryId>,
    by_identity: HashTable<EntryId>,
    unsaved: BTreeSet<EntryId>,
}

impl Identities {
    /// How many are held.
    pub(super) fn len(&self) -> usize {
        self.by_identity.len()
    }

    /// Where `identity` is held.
    pub(super) fn find(&self, identity: &Identity) -> Option<EntryId> {
        self.by_identity
            .find(hash(identity), |id| {
                self.entries[*id as usize].identity == *identity
            })
            .copied()
    }

    /// What is known of a held result.
    pub(super) fn get(&self, id: EntryId) -> Option<&Entry> {
        self.entries
            .get(id as usize)
            .filter(|entry| !entry.flags.has(Flags::VACANT))
    }

    /// Holds an identity that is not held yet.
    pub(super) fn insert(&mut self, entry: Entry) -> EntryId {
        let id = match self.vacant.pop() {
            Some(id) => {
                self.entries[id as usize] = entry;
                id
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as EntryId
            }
        };
        self.index(id, &entry.identity);
        self.unsaved.insert(id);
        id
    }

    /// Puts a saved entry back where it was. `false` where its id or identity is taken, as no sound state has it.
    pub(super) fn restore(&mut self, id: EntryId, entry: Entry) -> bool {
        let is_vacant = entry.flags.has(Flags::VACANT);
        if id >= MAX_HELD || is_vacant || self.get(id).is_some() || self.find(&entry.identity).is_some() {
            return false;
        }
        while self.entries.len() <= id as usize {
            self.entries.push(VACANT);
        }
        self.entries[id as usize] = entry;
        self.index(id, &entry.identity);
        true
    }

    /// After the last [`Identities::restore`]: finds the places that are free.
    pub(super) fn restored(&mut self) {
        self.vacant = (0..self.entries.len() as EntryId)
            .rev()
            .filter(|id| self.get(*id).is_none())
            .collect();
    }

    /// Changes what is known of a result; its identity stays. Returns what was known, and what is.
    pub(super) fn change(&mut self, id: EntryId, change: impl FnOnce(&mut Entry)) -> Option<(Entry, Entry)> {
        let before = *self.get(id)?;
        let entry = &mut self.entries[id as usize];
        change(entry);
        self.unsaved.insert(id);
        Some((before, *entry))
    }

    /// Forgets a result. Returns what was known of it.
    pub(super) fn remove(&mut self, id: EntryId) -> Option<Entry> {
        let entry = *self.get(id)?;
        if let Ok(found) = self
            .by_identity
            .find_entry(hash(&entry.identity), |candidate| *candidate == id)
        {
            found.remove();
        }
        self.entries[id as usize] = VACANT;
        self.vacant.push(id);
        self.unsaved.insert(id);
        Some(entry)
    }

    /// What has changed since the last call.
    pub(super) fn changes(&mut self) -> impl Iterator<Item = Saving<EntryId>> {
        let unsaved = std::mem::take(&mut self.unsaved);
        unsaved.into_iter().map(|id| (id, self.get(id).map(encode)))
    }

    /// Every held result.
    pub(super) fn iter(&self) -> impl Iterator<Item = (EntryId, &Entry)> {
        self.entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| !entry.flags.has(Flags::VACANT))
            .map(|(id, entry)| (id as EntryId, entry))
    }

    fn index(&mut self, id: EntryId, identity: &Identity) {
        let Self {
            entries, by_identity, ..
        } = self;
        by_identity.insert_unique(hash(identity), id, |id| hash(&entries[*id as usize].identity));
    }
}

/// An identity is a hash already.
fn hash(identity: &Identity) -> u64 {
    u64::from(identity.0[0]) << 32 | u64::from(identity.0[1])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::record) fn entry(n: u32) -> Entry {
        Entry {
            identity: Identity::of_row(&n.to_string(), "i", ""),
            flags: Flags::KNOWN,
            ..VACANT
        }
    }

    #[test]
    fn places_are_small_and_used_again() {
        assert_eq!(size_of::<Entry>(), 28);
        let mut identities = Identities::default();
        let places: Vec<EntryId> = (0..1000).map(|n| identities.insert(entry(n))).collect();
        assert_eq!(
            (identities.len(), identities.find(&entry(500).identity)),
            (1000, Some(places[500]))
        );
        identities.remove(places[500]);
        identities.remove(places[500]);
        assert_eq!(
            (
                identities.len(),
                identities.find(&entry(500).identity),
                identities.get(places[500])
            ),
            (999, None, None)
        );
        assert_eq!(identities.insert(entry(5000)), places[500]);
        assert_eq!(identities.entries.len(), 1000);
    }

    #[test]
    fn restored_as_saved() {
        let mut identities = Identities::default();
        assert!(identities.restore(7, entry(7)) && identities.restore(2, entry(2)));
        assert!(!identities.restore(7, entry(8)) && !identities.restore(9, entry(2)));
        identities.restored();
        assert_eq!(identities.iter().map(|(id, _)| id).collect::<Vec<_>>(), [2, 7]);
        assert_eq!(identities.insert(entry(1)), 0, "free places below are used first");
    }
}
