//! One process at a time: a file that is locked, and says who has it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// Held by the process that may write. The system lets go of it when the process ends, however it does.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

/// Why a lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Another process has it, as far as it has said which.
    #[error("it is in use by {0}")]
    InUse(String),
    /// The file cannot be made or locked.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

impl FileLock {
    /// Takes a lock; its file is made where it is missing.
    pub(crate) fn take(path: &Path) -> Result<Self, LockError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner)?;
                let owner = match owner.trim() {
                    "" => "another process".to_owned(),
                    owner => owner.to_owned(),
                };
                return Err(LockError::InUse(owner));
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // Only for the message above, which does without on a full disk.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "process {}", std::process::id()));
        Ok(Self { _file: file })
    }
}
