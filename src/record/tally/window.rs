//! The gauges of the look-back window, kept up to date by what changes and by the passing of time.

use std::collections::BTreeMap;

use crate::record::fact::Fact;
use crate::record::identities::{Entry, Identities, Kind};
use crate::record::labels::ResultLabels;
use crate::result::Seconds;

/// So many lists are made while the window moves by its length.
const LISTS: u32 = 32;

/// Seconds that a list is for, however short the window is.
const SHORTEST_LIST: u32 = 60;

/// Counts of open results, and of settled ones whose time lies in the window, by what `K` tells apart.
///
/// Which settled ones leave next is listed for a while ahead only. That list is made from all that are held, once in
/// that while; one of the whole window would take as much memory as the results themselves.
#[derive(Debug)]
pub(in crate::record) struct Window<K, B = ()> {
    /// Seconds.
    length: u32,
    /// Settled results from here on are in the window.
    horizon: Seconds,
    counts: BTreeMap<K, u64>,
    /// The settled ones in the window from before `listed_until`, by their time, so that they can leave it.
    leaving: BTreeMap<(Seconds, K), u32>,
    listed_until: Seconds,
    /// What else is kept of what the window counts.
    beside: B,
}

/// What is told of each result that comes into the window or leaves it.
pub(in crate::record) trait Beside<K> {
    /// For an empty window of so many seconds.
    fn new(length: u32) -> Self;
    /// A result is counted.
    fn came(&mut self, key: K, entry: &Entry);
    /// A result is no longer counted, for it has changed.
    fn left(&mut self, key: K, entry: &Entry);
    /// So many results of one time are no longer counted, for the window has moved past it.
    fn passed(&mut self, key: K, time: Seconds, count: u32);
}

impl<K> Beside<K> for () {
    fn new(_: u32) -> Self {}
    fn came(&mut self, _: K, _: &Entry) {}
    fn left(&mut self, _: K, _: &Entry) {}
    fn passed(&mut self, _: K, _: Seconds, _: u32) {}
}

impl<K: Ord + Copy, B: Beside<K>> Window<K, B> {
    /// An empty window of `length` seconds.
    pub(in crate::record) fn new(length: u32) -> Self {
        Self {
            length,
            horizon: 0,
            counts: BTreeMap::new(),
            leaving: BTreeMap::new(),
            listed_until: 0,
            beside: B::new(length),
        }
    }

    /// What is kept beside it.
    pub(in crate::record) fn beside(&self) -> &B {
        &self.beside
    }

    /// Whether a settled result of that time is within.
    fn holds(&self, time: Seconds) -> bool {
        time >= self.horizon
    }

    /// A result came into this state.
    pub(in crate::record) fn add(&mut self, key: K, entry: &Entry) {
        if !self.shows(entry) {
            return;
        }
        *self.counts.entry(key).or_default() += 1;
        self.beside.came(key, entry);
        if self.lists(entry) {
            *self.leaving.entry((entry.time, key)).or_default() += 1;
        }
    }

    /// A result leaves this state.
    pub(in crate::record) fn remove(&mut self, key: K, entry: &Entry) {
        if !self.shows(entry) {
            return;
        }
        take(&mut self.counts, &key, 1);
        self.beside.left(key, entry);
        if self.lists(entry) {
            take(&mut self.leaving, &(entry.time, key), 1);
        }
    }

    /// Lets settled results leave the window. `held` is everything that was added and not removed.
    pub(in crate::record) fn advance<'a>(
        &mut self,
        now: Seconds,
        held: impl Iterator<Item = (K, &'a Entry)>,
    ) {
        let horizon = now.saturating_sub(self.length);
        if horizon < self.horizon {
            self.go_back(horizon, held);
            return;
        }
        if horizon > self.listed_until {
            self.listed_until = horizon.saturating_add((self.length / LISTS).max(SHORTEST_LIST));
            self.leaving.clear();
            for (key, entry) in held {
                if self.shows(entry) && self.lists(entry) {
                    *self.leaving.entry((entry.time, key)).or_default() += 1;
                }
            }
        }
        self.horizon = horizon;
        while let Some((&key, &count)) = self.leaving.first_key_value() {
            if self.holds(key.0) {
                break;
            }
            self.leaving.remove(&key);
            take(&mut self.counts, &key.1, u64::from(count));
            self.beside.passed(key.1, key.0, count);
        }
    }

    /// The clock was set back: what had left is counted again.
    fn go_back<'a>(&mut self, horizon: Seconds, held: impl Iterator<Item = (K, &'a Entry)>) {
        *self = Self {
            horizon,
            ..Self::new(self.length)
        };
        self.listed_until = horizon.saturating_add((self.length / LISTS).max(SHORTEST_LIST));
        for (key, entry) in held {
            self.add(key, entry);
        }
    }

    /// How many results are in each state; none is 0.
    pub(in crate::record) fn counts(&self) -> &BTreeMap<K, u64> {
        &self.counts
    }

    fn shows(&self, entry: &Entry) -> bool {
        match entry.kind() {
            Kind::Followed => true,
            Kind::Settled => self.holds(entry.time),
            Kind::GivenUp | Kind::Aside => false,
        }
    }

    fn lists(&self, entry: &Entry) -> bool {
        !entry.is_open() && entry.time < self.listed_until
    }
}

impl<B: Beside<ResultLabels>> Window<ResultLabels, B> {
    /// The window of all results, by their labels.
    pub(super) fn on(&mut self, fact: &Fact<'_>, identities: &Identities) {
        match fact {
            Fact::Passed(now) => {
                let held = identities.iter().map(|(_, entry)| (entry.labels, entry));
                self.advance(*now, held);
            }
            Fact::Moved { before, after, .. } => {
                if let Some(before) = before {
                    self.remove(before.labels, before);
                }
                if let Some(after) = after {
                    self.add(after.labels, after);
                }
            }
            _ => {}
        }
    }
}

fn take<K: Ord, N: Copy + PartialOrd + std::ops::SubAssign>(counts: &mut BTreeMap<K, N>, key: &K, number: N) {
    match counts.get_mut(key) {
        Some(count) if *count > number => *count -= number,
        _ => {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::record::identities::Flags;
    use crate::record::labels::StatusNumber;
    use crate::record::tally::timeline::{Column, Timeline};
    use crate::result::{Identity, KnownStatus};

    fn entry(status: KnownStatus, time: Seconds) -> Entry {
        let combination = ResultLabels {
            status: StatusNumber::of(status),
            error_code: 0,
            exit_code: 0,
        };
        Entry {
            identity: Identity([0; 4]),
            time,
            labels: combination,
            flags: match time % 3 {
                0 => Flags::UNDATED,
                _ => Flags::default(),
            },
        }
    }

    /// What is held, and the window that was told of it.
    struct Held {
        entries: Vec<Entry>,
        window: Window<ResultLabels, Timeline>,
    }

    impl Held {
        fn add(&mut self, status: KnownStatus, time: Seconds) {
            let one = entry(status, time);
            self.window.add(one.labels, &one);
            self.entries.push(one);
        }

        fn remove(&mut self, place: usize) {
            let one = self.entries.remove(place);
            self.window.remove(one.labels, &one);
        }

        fn advance(&mut self, now: Seconds) {
            let held = self.entries.iter().map(|entry| (entry.labels, entry));
            self.window.advance(now, held);
        }

        fn count(&self, status: KnownStatus) -> Option<u64> {
            self.window.counts().get(&entry(status, 0).labels).copied()
        }
    }

    fn held(length: u32) -> Held {
        Held {
            entries: Vec::new(),
            window: Window::new(length),
        }
    }

    #[test]
    fn settled_results_leave_open_ones_stay() {
        let mut held = held(100);
        held.advance(1000);
        for time in [899, 900, 950, 950] {
            held.add(KnownStatus::Success, time);
        }
        held.add(KnownStatus::Running, 10);
        assert_eq!(
            held.count(KnownStatus::Success),
            Some(3),
            "the one at 899 is older than 100 s"
        );
        held.advance(1001);
        assert_eq!(held.count(KnownStatus::Success), Some(2));
        held.remove(1);
        assert_eq!(
            held.count(KnownStatus::Success),
            Some(2),
            "what has left is not taken away again"
        );
        held.advance(500);
        assert_eq!(held.count(KnownStatus::Success), Some(3), "the clock was wrong");
        held.remove(1);
        assert_eq!(held.count(KnownStatus::Success), Some(2));
        held.advance(5000);
        assert_eq!(held.count(KnownStatus::Success), None);
        assert_eq!(held.count(KnownStatus::Running), Some(1));
        assert!(held.window.leaving.is_empty());
    }

    #[test]
    fn only_what_leaves_soon_is_listed() {
        let mut held = held(86_400);
        held.advance(86_400);
        for time in 0..86_400 {
            held.add(KnownStatus::Success, time);
        }
        let most = (86_400_u32..2 * 86_400).step_by(60).map(|now| {
            held.advance(now);
            held.window.leaving.len()
        });
        let most = most.max();
        assert!(most <= Some(86_400 / LISTS as usize + 60), "{most:?}");
    }

    proptest! {
        #[test]
        fn counts_are_those_of_a_look_at_everything(
            length in 1..200_u32,
            steps in vec((0..4_u8, 0..600_u32, any::<prop::sample::Index>()), 0..200),
        ) {
            let mut held = held(length);
            let mut now: Seconds = 1000;
            for (step, number, place) in steps {
                match step {
                    0 => held.add(KnownStatus::Success, (now + 20).saturating_sub(number)),
                    1 => held.add(KnownStatus::Running, now),
                    2 if !held.entries.is_empty() => held.remove(place.index(held.entries.len())),
                    3 if number % 8 == 0 => {
                        now = now.saturating_sub(number);
                        held.advance(now);
                    }
                    _ => {
                        now += number / 4;
                        held.advance(now);
                    }
                }
                let horizon = held.window.horizon;
                for status in [KnownStatus::Success, KnownStatus::Running] {
                    let combination = entry(status, 0).labels;
                    let seen = held.entries.iter().filter(|one| {
                        one.labels == combination && (one.is_open() || one.time >= horizon)
                    });
                    let seen = seen.count() as u64;
                    prop_assert_eq!(held.count(status).unwrap_or(0), seen);
                }
                let shown = held.window.beside().shown();
                let mut columns: BTreeMap<u32, Column> = BTreeMap::new();
                for one in held.entries.iter().filter(|one| one.is_open() || one.time >= horizon) {
                    let column = columns.entry(one.time / shown.width).or_default();
                    match one.is_open() {
                        true => column.open += 1,
                        false => column.success += 1,
                    }
                }
                let undated = held.entries.iter().filter(|one| {
                    !one.is_open() && one.time >= horizon && one.flags.has(Flags::UNDATED)
                });
                prop_assert_eq!(shown.undated, undated.count() as u64);
                prop_assert_eq!(shown.columns.to_vec(), columns.into_iter().collect::<Vec<_>>());
            }
        }
    }
}
