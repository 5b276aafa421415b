//! The file itself: made whole or not at all, and opened only where it can be one.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use redb::{Builder, Database};

use super::failure::state_error;
use super::format::begin;
use crate::state::StateError;

/// In the directory of `state.path`.
pub(super) const FILE: &str = "record.redb";

/// Pages that are kept in memory. Whatever is asked for often is in the record itself.
pub(super) const CACHE: usize = 2 << 20;

/// How every file of `redb` begins.
const MAGIC: &[u8] = b"redb";

/// Makes the file under another name first, so that a crash leaves a whole file or none.
pub(super) fn create(directory: &Path, file: &Path) -> Result<(), StateError> {
    let disk = |error: io::Error| StateError::Disk {
        path: directory.to_path_buf(),
        doing: "created",
        what: error.to_string(),
    };
    let new = directory.join(format!("{FILE}.new"));
    if new.try_exists().map_err(disk)? {
        fs::remove_file(&new).map_err(disk)?;
    }
    let database = Builder::new()
        .set_cache_size(CACHE)
        .create(&new)
        .map_err(|error| state_error(&new, "created", error.into()))?;
    begin(&database).map_err(|error| state_error(&new, "created", error))?;
    drop(database);
    fs::rename(&new, file).map_err(disk)?;
    fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(disk)
}

/// Opens it, and verifies its checksums.
pub(super) fn open(file: &Path) -> Result<Database, redb::Error> {
    if fs::metadata(file)?.len() == 0 {
        return Err(redb::Error::Corrupted("it is empty".to_owned()));
    }
    let mut begin = Vec::new();
    fs::File::open(file)?
        .take(MAGIC.len() as u64)
        .read_to_end(&mut begin)?;
    if begin != MAGIC {
        return Err(redb::Error::Corrupted(
            "it does not begin as a state file does".to_owned(),
        ));
    }
    Ok(Builder::new()
        .set_cache_size(CACHE)
        .set_check_integrity_on_open(true)
        .open(file)?)
}
