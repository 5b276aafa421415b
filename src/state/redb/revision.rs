//! The number of the last save, kept beside the state file.
//!
//! Where the header of the file is damaged just so, the store takes the save before the last for the last one, and
//! finds nothing wrong. A count that was shown would then go back. So each save has a number, in the file and here,
//! and a file that is behind is refused. It is written after the save and before anybody is told of it: a crash in
//! between leaves it one behind, which is no harm.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::state::StateError;

/// In the directory of `state.path`.
const FILE: &str = "revision";

/// Knows the last save that somebody was told of.
#[derive(Debug)]
pub(super) struct LastRevision {
    /// None for a store in memory.
    path: Option<PathBuf>,
    revision: AtomicU64,
}

impl LastRevision {
    /// For a store that ends with the process.
    pub(super) fn in_memory() -> Self {
        Self {
            path: None,
            revision: AtomicU64::new(0),
        }
    }

    /// Reads what the last process has left; nothing where there was none.
    ///
    /// # Errors
    /// When it cannot be read or is not what this program writes.
    pub(super) fn read(directory: &Path) -> Result<Self, StateError> {
        let path = directory.join(FILE);
        let revision = match fs::read(&path) {
            // Cut off by a power failure as it was made, or of its length and never written.
            Ok(bytes) if bytes.iter().all(|byte| *byte == 0) => 0,
            Ok(bytes) => parse(&bytes).ok_or_else(|| StateError::Revision { path: path.clone() })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => {
                return Err(StateError::Disk {
                    path,
                    doing: "opened",
                    what: error.to_string(),
                });
            }
        };
        Ok(Self {
            path: Some(path),
            revision: AtomicU64::new(revision),
        })
    }

    /// The last save that is known of.
    pub(super) fn revision(&self) -> u64 {
        self.revision.load(Ordering::SeqCst)
    }

    /// Where it is kept, for a message.
    pub(super) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or_else(|| Path::new("(memory)"))
    }

    /// A save is done. Not synced: after a power failure an older number only refuses less.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn note(&self, revision: u64) -> io::Result<()> {
        if let Some(path) = &self.path {
            // Always as long and in the same place, so that a full disk has room for it.
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?;
            file.write_all_at(text(revision).as_bytes(), 0)?;
        }
        self.revision.store(revision, Ordering::SeqCst);
        Ok(())
    }
}

fn text(revision: u64) -> String {
    let digits = format!("{revision:020}");
    format!("{digits} {:08x}\n", crc32fast::hash(digits.as_bytes()))
}

fn parse(bytes: &[u8]) -> Option<u64> {
    let revision = std::str::from_utf8(bytes.get(..20)?).ok()?.parse().ok()?;
    (text(revision).as_bytes() == bytes).then_some(revision)
}
