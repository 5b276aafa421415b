//! The record that a poller has in its hands.

use crate::record::Record;

/// The record of a scope, or that it must be read from the disk first.
#[derive(Debug)]
pub enum Held {
    /// It is what the disk has, but for what this poller changes. Boxed, as it moves into each poll and out again.
    Loaded(Box<Record>),
    /// A save has failed, or it could not be read at the start: what is on the disk counts, and is read again.
    Lost,
}

impl Held {
    /// Takes it out. What is not put back is read again: so that nobody goes on with a record that was not saved.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Lost)
    }

    /// The record, where there is one.
    pub(super) fn record(&self) -> Option<&Record> {
        match self {
            Self::Loaded(record) => Some(record),
            Self::Lost => None,
        }
    }
}

impl From<Record> for Held {
    fn from(record: Record) -> Self {
        Self::Loaded(Box::new(record))
    }
}
