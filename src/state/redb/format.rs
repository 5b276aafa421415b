//! The tables of the file, and the versions of their format.

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction};

use super::revision::LastRevision;
use super::upgrade::{self, FromVersion1};
use crate::result::Seconds;
use crate::state::StateError;

/// The version of the format that this program writes.
///
/// Version 2, as version 1: `format` has `version` and `revision`, the number of the last save; `scopes` has the number
/// of each scope and when it was last in use; `record` has, by the scope's number, its pairs. What the values of some of
/// them are has changed; whoever saves them says how.
pub(super) const VERSION: u64 = 2;

pub(super) const FORMAT: TableDefinition<'_, &str, u64> =
    TableDefinition::new("cloud_assistant_exporter_format");

/// By account and region.
pub(super) const SCOPES: TableDefinition<'_, (&str, &str), (u32, Seconds)> = TableDefinition::new("scopes");

/// By the number of the scope and the place.
pub(super) const RECORD: TableDefinition<'_, (u32, u8, u64), &[u8]> = TableDefinition::new("record");

/// In `format`: how many saves there have been.
const REVISION: &str = "revision";

/// Makes the tables of a new file.
pub(super) fn begin(database: &Database) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.open_table(FORMAT)?.insert("version", VERSION)?;
    transaction.open_table(SCOPES)?;
    transaction.open_table(RECORD)?;
    transaction.commit()?;
    Ok(())
}

/// Numbers the save that is under way.
pub(super) fn next_revision(transaction: &WriteTransaction) -> Result<u64, redb::Error> {
    let mut format = transaction.open_table(FORMAT)?;
    let revision = format.get(REVISION)?.map_or(0, |found| found.value()) + 1;
    format.insert(REVISION, revision)?;
    Ok(revision)
}

/// Takes files of this version that lack nothing; those of earlier versions are brought up to it.
pub(super) fn check(
    database: &Database,
    path: &Path,
    last: &LastRevision,
    from_version_1: &FromVersion1,
) -> Result<Result<(), StateError>, redb::Error> {
    let path = path.to_path_buf();
    let table = match database.begin_read()?.open_table(FORMAT) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(Err(StateError::Foreign { path })),
        Err(error) => return Err(error.into()),
    };
    let version = table.get("version")?.map(|found| found.value());
    match version {
        Some(VERSION | 1) => {}
        Some(version) if version > VERSION => {
            return Ok(Err(StateError::Newer {
                path,
                version,
                supported: VERSION,
            }));
        }
        _ => {
            return Ok(Err(StateError::Damaged {
                path,
                what: "it has no version".to_owned(),
            }));
        }
    }
    let revision = table.get(REVISION)?.map_or(0, |found| found.value());
    if revision < last.revision() {
        return Ok(Err(StateError::Behind {
            path,
            revision,
            last: last.revision(),
            witness: last.path().to_path_buf(),
        }));
    }
    if version == Some(1)
        && let Err(what) = upgrade::from_1(database, from_version_1)?
    {
        return Ok(Err(StateError::Damaged { path, what }));
    }
    Ok(Ok(()))
}
