//! Files of earlier format versions are brought up to this one where they are opened: all of it in one transaction.

use std::fmt;

use redb::{Database, ReadableTable};

use super::format::{FORMAT, RECORD, SCOPES};
use super::read_pairs;
use crate::state::{Pair, Pairs, VERSION};

/// What becomes of the pairs of one scope of format version 1: those whose values change, or why they are none of
/// version 1. It is for whoever saved them to say.
pub struct FromVersion1(Box<Changed>);

type Changed = dyn Fn(&Pairs) -> Result<Vec<Pair>, String> + Send + Sync;

impl FromVersion1 {
    /// As `changed` says.
    pub fn new<E: ToString>(
        changed: impl Fn(&Pairs) -> Result<Vec<Pair>, E> + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(move |pairs| {
            changed(pairs).map_err(|error| error.to_string())
        }))
    }
}

impl fmt::Debug for FromVersion1 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FromVersion1")
    }
}

/// Brings a file of version 2 up to this one. Its values are read as they are: what they do not say is unknown. But
/// what is saved from now on says more, which a program of version 2 would take for damage.
pub(super) fn from_2(database: &Database) -> Result<Result<(), String>, redb::Error> {
    tracing::info!(version = VERSION, "bringing the state up to a later format");
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.open_table(FORMAT)?.insert("version", VERSION)?;
    transaction.commit()?;
    Ok(Ok(()))
}

/// Brings a file of version 1 up to this one.
pub(super) fn from_1(database: &Database, changed: &FromVersion1) -> Result<Result<(), String>, redb::Error> {
    tracing::info!(version = VERSION, "bringing the state up to a later format");
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    {
        let scopes = transaction.open_table(SCOPES)?;
        let mut record = transaction.open_table(RECORD)?;
        for scope in scopes.iter()? {
            let (number, _) = scope?.1.value();
            let pairs = read_pairs(&record, number)?;
            let changed = match (changed.0)(&pairs) {
                Ok(changed) => changed,
                Err(what) => return Ok(Err(what)),
            };
            for ((kind, index), value) in changed {
                record.insert((number, kind, index), value.as_slice())?;
            }
        }
        transaction.open_table(FORMAT)?.insert("version", VERSION)?;
    }
    transaction.commit()?;
    Ok(Ok(()))
}
