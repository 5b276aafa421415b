//! `cloud_assistant_last_result_timestamp_seconds`: when a result last settled, by InvocationStatus.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::fact::Fact;
use crate::record::identities::{Entry, Identities, Kind};
use crate::record::labels::{LabelTexts, StatusNumber};
use crate::result::Seconds;

/// Time of the newest settled result by status.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::record) struct Newest {
    by_status: BTreeMap<StatusNumber, Seconds>,
    #[serde(skip)]
    stale: Stale<StatusNumber>,
}

/// Newest times that are to be found again, because what had them is another now: all of a poll together, since that
/// is a look at everything that is held.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stale<K> {
    /// With the newest of what has settled since.
    since: BTreeMap<K, Option<Seconds>>,
}

impl<K> Default for Stale<K> {
    fn default() -> Self {
        Self {
            since: BTreeMap::new(),
        }
    }
}

impl<K: Ord> Stale<K> {
    /// A result of this time has left `key`, whose newest time is `newest` unless it is to be found again.
    pub(super) fn left(&mut self, key: K, time: Seconds, newest: Option<Seconds>) {
        match self.since.get_mut(&key) {
            // Were it the newest by now, what has settled before it would be found among what is held, or not.
            Some(since) if *since <= Some(time) => *since = None,
            Some(_) => {}
            None if newest == Some(time) => {
                self.since.insert(key, None);
            }
            None => {}
        }
    }

    /// A result has settled.
    pub(super) fn settled(&mut self, key: K, time: Seconds) {
        if let Some(since) = self.since.get_mut(&key) {
            *since = (*since).max(Some(time));
        }
    }

    /// What is to be found again, with its newest time if there is one; `held` is looked at only where anything is.
    pub(super) fn found(&mut self, held: impl Iterator<Item = (K, Seconds)>) -> BTreeMap<K, Option<Seconds>> {
        let mut found = std::mem::take(&mut self.since);
        if !found.is_empty() {
            for (key, time) in held {
                if let Some(newest) = found.get_mut(&key) {
                    *newest = (*newest).max(Some(time));
                }
            }
        }
        found
    }
}

impl Newest {
    /// Whether every status is one that these labels have.
    pub(in crate::record) fn has_labels(&self, labels: &LabelTexts) -> bool {
        self.by_status.keys().all(|status| labels.has_status(*status))
    }

    pub(super) fn on(&mut self, fact: &Fact<'_>, identities: &Identities) {
        match fact {
            Fact::Settled(settled) => {
                let status = settled.labelled.labels.status;
                let newest = self.by_status.entry(status).or_default();
                *newest = settled.time.max(*newest);
                self.stale.settled(status, settled.time);
            }
            Fact::Changed { before, .. } => {
                let status = before.labels.status;
                let newest = self.by_status.get(&status).copied();
                self.stale.left(status, before.time, newest);
            }
            Fact::TakenIn => self.renew(identities.iter().map(|(_, entry)| entry)),
            _ => {}
        }
    }

    /// Settled results have left their status; where one was the newest with it, another one is now.
    fn renew<'a>(&mut self, held: impl Iterator<Item = &'a Entry>) {
        let settled = held.filter(|entry| entry.kind() == Kind::Settled);
        let found = self
            .stale
            .found(settled.map(|entry| (entry.labels.status, entry.time)));
        for (status, newest) in found {
            match newest {
                Some(time) => self.by_status.insert(status, time),
                None => self.by_status.remove(&status),
            };
        }
    }

    pub(in crate::record) fn shown(&self) -> Vec<(StatusNumber, Seconds)> {
        self.by_status
            .iter()
            .map(|(status, time)| (*status, *time))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// What a result does: it settles in a class at a time, held or not, or the `n`-th held one leaves for another.
    #[derive(Debug, Clone)]
    enum Step {
        Settle {
            class: u8,
            time: Seconds,
            is_held: bool,
        },
        Change {
            place: prop::sample::Index,
            class: u8,
            time: Seconds,
        },
        TakenIn,
    }

    fn step() -> impl Strategy<Value = Step> {
        let (class, time) = (0..2_u8, 1..12_u32);
        prop_oneof![
            4 => (class.clone(), time.clone(), prop::bool::weighted(0.8))
                .prop_map(|(class, time, is_held)| Step::Settle { class, time, is_held }),
            4 => (any::<prop::sample::Index>(), class, time)
                .prop_map(|(place, class, time)| Step::Change { place, class, time }),
            1 => Just(Step::TakenIn),
        ]
    }

    fn newest(held: &[(u8, Seconds)], class: u8) -> Option<Seconds> {
        let of_class = held.iter().filter(|(other, _)| *other == class);
        of_class.map(|(_, time)| *time).max()
    }

    proptest! {
        /// The model looks at everything whenever the newest changes.
        #[test]
        fn what_is_found_once_is_what_looking_each_time_finds(steps in vec(step(), 0..60)) {
            let (mut held, mut stale) = (Vec::new(), Stale::default());
            let mut model = [None; 2];
            let mut known = [None; 2];
            for step in steps.into_iter().chain([Step::TakenIn]) {
                match step {
                    Step::Settle { class, time, is_held } => {
                        if is_held {
                            held.push((class, time));
                        }
                        stale.settled(class, time);
                        for newest in [&mut model, &mut known] {
                            let newest = &mut newest[usize::from(class)];
                            *newest = (*newest).max(Some(time));
                        }
                    }
                    Step::Change { place, class, time } if !held.is_empty() => {
                        let place = place.index(held.len());
                        let (left, was) = std::mem::replace(&mut held[place], (class, time));
                        stale.left(left, was, known[usize::from(left)]);
                        if model[usize::from(left)] == Some(was) {
                            model[usize::from(left)] = newest(&held, left);
                        }
                        stale.settled(class, time);
                        for newest in [&mut model, &mut known] {
                            let newest = &mut newest[usize::from(class)];
                            *newest = (*newest).max(Some(time));
                        }
                    }
                    Step::Change { .. } => {}
                    Step::TakenIn => {
                        for (class, newest) in stale.found(held.iter().copied()) {
                            known[usize::from(class)] = newest;
                        }
                        prop_assert_eq!(known, model);
                    }
                }
            }
        }
    }

    #[test]
    fn everything_is_looked_at_once_however_much_has_changed() {
        let mut held: Vec<(u8, Seconds)> = (1..=1000).map(|time| (0, time)).collect();
        let mut stale = Stale::default();
        for one in held.iter_mut().rev() {
            stale.left(one.0, one.1, Some(1000));
            one.0 = 1;
            stale.settled(one.0, one.1);
        }
        let mut looks = 0;
        let found = stale.found(held.iter().copied().inspect(|_| looks += 1));
        assert_eq!((found, looks), (BTreeMap::from([(0, None)]), 1000));
        let never = std::iter::from_fn(|| panic!("nothing is to be found"));
        assert!(stale.found(never).is_empty());
    }
}
