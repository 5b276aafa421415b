//! The record as pairs of a place and bytes: in the words of whoever keeps them, who need not know what they mean.

use std::sync::Arc;

use super::saved::{Change, Damaged, Key};
use super::{Record, Settings};
use crate::result::Seconds;

/// Kind and number, and the bytes.
pub(super) type Pair<B> = ((u8, u64), B);

/// Pairs that no version of this program has written.
#[derive(Debug, thiserror::Error)]
pub enum DamagedPair {
    /// Of a kind that there is not.
    #[error("an unknown kind of entry, {0}")]
    Kind(u8),
    /// With bytes that mean nothing.
    #[error(transparent)]
    Value(#[from] Damaged),
}

/// Without bytes where they go.
impl From<Change> for Pair<Option<Vec<u8>>> {
    fn from(change: Change) -> Self {
        (change.key.encode(), change.value)
    }
}

impl Record {
    /// Reads a whole saved record, whose pairs come in their order.
    ///
    /// # Errors
    /// When this program has not written them.
    pub fn from_pairs<'a>(
        settings: &(impl Into<Arc<Settings>> + Clone),
        pairs: impl IntoIterator<Item = Pair<&'a [u8]>>,
        now: Seconds,
    ) -> Result<Self, DamagedPair> {
        let mut record = Self::new(settings.clone());
        for ((kind, number), value) in pairs {
            let key = Key::decode(kind, number).ok_or(DamagedPair::Kind(kind))?;
            record.restore(key, value)?;
        }
        record.restored(now)?;
        Ok(record)
    }
}
