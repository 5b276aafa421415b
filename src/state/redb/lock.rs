//! One process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::state::StateError;

/// The file that is locked for as long as the state is in use. It says who has it.
const FILE: &str = "lock";

/// Held by the process that may write. The system lets go of it when the process ends, however it does.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a state directory.
    ///
    /// # Errors
    /// When another process has it, which is then named, or the file cannot be made.
    pub(super) fn take(directory: &Path) -> Result<Self, StateError> {
        let path = directory.join(FILE);
        let disk = |error: std::io::Error| StateError::Disk {
            path: path.clone(),
            doing: "locked",
            what: error.to_string(),
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(disk)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner).map_err(disk)?;
                let owner = match owner.trim() {
                    "" => "another process".to_owned(),
                    owner => owner.to_owned(),
                };
                return Err(StateError::InUse {
                    path: directory.to_path_buf(),
                    owner,
                });
            }
            Err(TryLockError::Error(error)) => return Err(disk(error)),
        }
        // Only for the message above, which does without on a full disk.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "process {}", std::process::id()));
        Ok(Self { _file: file })
    }
}
