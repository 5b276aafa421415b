//! Values that are saved one by one, each under a key of its own.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A key, and the bytes that are saved under it from now on; none where it goes.
pub(super) type Saving<K> = (K, Option<Vec<u8>>);

/// A map that knows which of its values are still to be saved.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    values: BTreeMap<K, V>,
    unsaved: BTreeSet<K>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            values: BTreeMap::new(),
            unsaved: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Copy, V> Table<K, V> {
    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.values.get(&key)
    }

    pub(super) fn contains(&self, key: K) -> bool {
        self.values.contains_key(&key)
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn iter(&self) -> btree_map::Iter<'_, K, V> {
        self.values.iter()
    }

    /// The first key, in their order.
    pub(super) fn first(&self) -> Option<K> {
        self.values.first_key_value().map(|(key, _)| *key)
    }

    /// The last key, in their order.
    pub(super) fn last(&self) -> Option<K> {
        self.values.last_key_value().map(|(key, _)| *key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.unsaved.insert(key);
        self.values.insert(key, value)
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let removed = self.values.remove(&key)?;
        self.unsaved.insert(key);
        Some(removed)
    }

    /// Takes everything out; what is not put back is to be said [`Table::is_removed`].
    pub(super) fn take(&mut self) -> BTreeMap<K, V> {
        std::mem::take(&mut self.values)
    }

    pub(super) fn is_removed(&mut self, key: K) {
        self.unsaved.insert(key);
    }

    /// A value that is about to change.
    pub(super) fn change(&mut self, key: K) -> Option<&mut V> {
        let value = self.values.get_mut(&key)?;
        self.unsaved.insert(key);
        Some(value)
    }

    /// A value that is about to change, begun where it is not there.
    pub(super) fn change_or_begin(&mut self, key: K, begin: impl FnOnce() -> V) -> &mut V {
        self.unsaved.insert(key);
        self.values.entry(key).or_insert_with(begin)
    }

    /// Begins a value where it is not there.
    pub(super) fn begin(&mut self, key: K, begin: impl FnOnce() -> V) {
        if !self.values.contains_key(&key) {
            self.insert(key, begin());
        }
    }

    /// A value, of which only what is not saved changes.
    pub(super) fn change_unsaved(&mut self, key: K) -> Option<&mut V> {
        self.values.get_mut(&key)
    }

    /// Lets `change` have every value; it says which ones are to be saved.
    pub(super) fn each(&mut self, mut change: impl FnMut(&mut V) -> bool) {
        for (key, value) in &mut self.values {
            if change(value) {
                self.unsaved.insert(*key);
            }
        }
    }

    /// Keeps those for which `stays` holds.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(K, &V) -> bool) {
        let unsaved = &mut self.unsaved;
        self.values.retain(|key, value| {
            let stays = stays(*key, value);
            if !stays {
                unsaved.insert(*key);
            }
            stays
        });
    }
}

impl<K: Ord + Copy, V: Serialize + DeserializeOwned> Table<K, V> {
    /// Puts a saved value back. `false` where it is none, or is there already, as no sound state has it.
    pub(super) fn restore(&mut self, key: K, bytes: &[u8]) -> bool {
        decode(bytes).is_some_and(|value| self.restore_value(key, value))
    }

    /// The same of a value that has been read.
    pub(super) fn restore_value(&mut self, key: K, value: V) -> bool {
        self.values.insert(key, value).is_none()
    }

    /// What has changed since the last call.
    pub(super) fn changes(&mut self) -> impl Iterator<Item = Saving<K>> {
        let unsaved = std::mem::take(&mut self.unsaved);
        unsaved
            .into_iter()
            .map(|key| (key, self.values.get(&key).map(encode)))
    }
}

/// The bytes of a value.
pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // Writing plain values to memory cannot fail; an empty value would be refused as damaged at the next start.
    postcard::to_stdvec(value).unwrap_or_default()
}

/// The value of bytes that [`encode`] has made.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((decoded, [])) => Some(decoded),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_is_saved_once_and_comes_back() {
        let mut table: Table<u8, u32> = Table::default();
        table.insert(1, 10);
        *table.change_or_begin(2, || 0) += 20;
        table.insert(3, 30);
        table.remove(3);
        let changes: Vec<Saving<u8>> = table.changes().collect();
        assert_eq!(changes, [(1, Some(vec![10])), (2, Some(vec![20])), (3, None)]);
        table.change_unsaved(1).into_iter().for_each(|value| *value += 1);
        assert_eq!((table.changes().count(), table.remove(9)), (0, None));
        table.each(|value| *value > 15);
        table.retain(|key, _| key != 1);
        let changes: Vec<Saving<u8>> = table.changes().collect();
        assert_eq!(changes, [(1, None), (2, Some(vec![20]))]);
        let mut other: Table<u8, u32> = Table::default();
        assert!(other.restore(2, &[20]) && other.get(2) == Some(&20));
        assert!(!other.restore(2, &[20]), "it is there already");
        assert!(!other.restore(4, &[20, 1]) && !other.restore(5, &[]));
        assert_eq!(other.changes().count(), 0, "what was read is saved");
    }
}
