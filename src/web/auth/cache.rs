//! What is remembered of passwords that were compared.

use std::collections::HashMap;

/// Entries at most.
const CAPACITY: usize = 100;

/// Answers by the key of their credentials, at most [`CAPACITY`] of them.
#[derive(Debug, Default)]
pub(super) struct Cache {
    answers: HashMap<[u8; 32], bool>,
}

impl Cache {
    pub(super) fn get(&self, key: &[u8; 32]) -> Option<bool> {
        self.answers.get(key).copied()
    }

    /// Remembers an answer. A full cache first forgets a tenth and one, at random as upstream, but wrong passwords
    /// before right ones: whoever guesses must not make a scraper's password be compared again.
    pub(super) fn insert(&mut self, key: [u8; 32], is_right: bool) {
        if self.answers.len() >= CAPACITY && !self.answers.contains_key(&key) {
            let mut keys: Vec<_> = self
                .answers
                .iter()
                .map(|(key, is_right)| (*is_right, *key))
                .collect();
            fastrand::shuffle(&mut keys);
            keys.sort_by_key(|(is_right, _)| *is_right);
            for (_, key) in keys.iter().take(CAPACITY / 10 + 1) {
                self.answers.remove(key);
            }
        }
        self.answers.insert(key, is_right);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }
}
