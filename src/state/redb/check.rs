//! Which files are opened: those of a version that is known, which lack nothing.

use std::path::Path;

use redb::{Database, ReadableDatabase, TableError};

use super::format::{FORMAT, REVISION};
use super::revision::LastRevision;
use super::upgrade::{self, FromVersion1};
use crate::state::{StateError, VERSION};

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
        Some(1..=VERSION) => {}
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
            revision_file: last.path().to_path_buf(),
        }));
    }
    let upgraded = match version {
        Some(1) => upgrade::from_1(database, from_version_1)?,
        Some(2) => upgrade::from_2(database)?,
        _ => Ok(()),
    };
    Ok(upgraded.map_err(|what| StateError::Damaged { path, what }))
}
