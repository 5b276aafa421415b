//! Files of earlier format versions are brought up to this one where they are opened: all of it in one transaction.

use std::collections::BTreeMap;

use redb::{Database, ReadableTable};

use super::{FORMAT, RECORD, VERSION};
use crate::record::{Damaged, Key, from_version_1};
use crate::result::Seconds;

/// Brings a file of version 1 up to version 2. Series that were shown at 0 for less than `hold` seconds go on so.
pub(super) fn from_1(database: &Database, hold: Seconds) -> Result<Result<(), Damaged>, redb::Error> {
    tracing::info!(version = VERSION, "bringing the state up to a later format");
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    {
        let mut pairs = transaction.open_table(RECORD)?;
        // Held results, which are nearly all there is, are as they were.
        let mut scopes: BTreeMap<u32, Vec<(Key, Vec<u8>)>> = BTreeMap::new();
        for pair in pairs.iter()? {
            let (key, value) = pair?;
            let (number, kind, index) = key.value();
            if let Some(key) = Key::decode(kind, index).filter(|key| !matches!(key, Key::Entry(_))) {
                let scope = scopes.entry(number).or_default();
                scope.push((key, value.value().to_vec()));
            }
        }
        for (number, of_scope) in scopes {
            let changed = match from_version_1(&of_scope, hold) {
                Ok(changed) => changed,
                Err(damaged) => return Ok(Err(damaged)),
            };
            for (key, value) in changed {
                let (kind, index) = key.encode();
                pairs.insert((number, kind, index), value.as_slice())?;
            }
        }
        transaction.open_table(FORMAT)?.insert("version", VERSION)?;
    }
    transaction.commit()?;
    Ok(Ok(()))
}
