//! The gauges of the look-back window, kept up to date by what changes and by the passing of time.

use std::collections::BTreeMap;

use super::slots::{Entry, Flags};
use crate::result::Seconds;

/// Counts of open results, and of settled ones whose time lies in the window, by what `K` tells apart.
#[derive(Debug)]
pub(super) struct Window<K> {
    /// Seconds.
    length: u32,
    /// Settled results from here on are in the window. Never moves back.
    horizon: Seconds,
    counts: BTreeMap<K, u64>,
    /// The settled ones in the window by their time, so that they can leave it.
    settled: BTreeMap<(Seconds, K), u32>,
}

impl<K: Ord + Copy> Window<K> {
    /// An empty window of `length` seconds.
    pub(super) fn new(length: u32) -> Self {
        Self {
            length,
            horizon: 0,
            counts: BTreeMap::new(),
            settled: BTreeMap::new(),
        }
    }

    /// Whether a settled result of that time is within.
    pub(super) fn holds(&self, time: Seconds) -> bool {
        time >= self.horizon
    }

    /// A result came into this state.
    pub(super) fn add(&mut self, key: K, entry: &Entry) {
        if !self.shows(entry) {
            return;
        }
        *self.counts.entry(key).or_default() += 1;
        if !entry.is_open() {
            *self.settled.entry((entry.time, key)).or_default() += 1;
        }
    }

    /// A result leaves this state.
    pub(super) fn remove(&mut self, key: K, entry: &Entry) {
        if !self.shows(entry) {
            return;
        }
        take(&mut self.counts, &key, 1);
        if !entry.is_open() {
            take(&mut self.settled, &(entry.time, key), 1);
        }
    }

    /// Lets settled results leave the window.
    pub(super) fn advance(&mut self, now: Seconds) {
        self.horizon = self.horizon.max(now.saturating_sub(self.length));
        while let Some((&key, &count)) = self.settled.first_key_value() {
            if self.holds(key.0) {
                break;
            }
            self.settled.remove(&key);
            take(&mut self.counts, &key.1, u64::from(count));
        }
    }

    /// How many results are in each state; none is 0.
    pub(super) fn counts(&self) -> &BTreeMap<K, u64> {
        &self.counts
    }

    fn shows(&self, entry: &Entry) -> bool {
        !entry.flags.has(Flags::HIDDEN) && (entry.is_open() || self.holds(entry.time))
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
    use super::*;
    use crate::record::label::{Combination, StatusNumber};
    use crate::result::{Identity, KnownStatus};

    fn entry(status: KnownStatus, time: Seconds) -> Entry {
        let combination = Combination {
            status: StatusNumber::of(status),
            error_code: 0,
            exit_code: 0,
        };
        Entry {
            identity: Identity([0; 4]),
            time,
            combination,
            flags: Flags::default(),
        }
    }

    #[test]
    fn settled_results_leave_open_ones_stay() {
        let mut window = Window::new(100);
        window.advance(1000);
        for time in [899, 900, 950, 950] {
            let one = entry(KnownStatus::Success, time);
            window.add(one.combination, &one);
        }
        let one = entry(KnownStatus::Running, 10);
        window.add(one.combination, &one);
        let count = |window: &Window<Combination>, status| {
            window.counts().get(&entry(status, 0).combination).copied()
        };
        assert_eq!(
            count(&window, KnownStatus::Success),
            Some(3),
            "the one at 899 is older than 100 s"
        );
        window.advance(1001);
        assert_eq!(count(&window, KnownStatus::Success), Some(2));
        let one = entry(KnownStatus::Success, 900);
        window.remove(one.combination, &one);
        assert_eq!(
            count(&window, KnownStatus::Success),
            Some(2),
            "what has left is not taken away again"
        );
        window.advance(500);
        let one = entry(KnownStatus::Success, 950);
        window.remove(one.combination, &one);
        assert_eq!(count(&window, KnownStatus::Success), Some(1));
        window.advance(5000);
        assert_eq!(count(&window, KnownStatus::Success), None);
        assert_eq!(count(&window, KnownStatus::Running), Some(1));
        assert!(window.settled.is_empty());
    }
}
