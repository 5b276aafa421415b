//! What `redb` says, in the words of the state.

use std::io::ErrorKind;
use std::path::Path;

use redb::Error;

use crate::state::StateError;

/// Tells a disk that refuses from a file that is damaged.
pub(super) fn state_error(path: &Path, doing: &'static str, error: Error) -> StateError {
    let path = path.to_path_buf();
    match error {
        Error::Io(error) if error.kind() == ErrorKind::InvalidData => StateError::Damaged {
            path,
            what: error.to_string(),
        },
        Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => StateError::Damaged {
            path,
            what: "it is cut off".to_owned(),
        },
        Error::Corrupted(what) => StateError::Damaged { path, what },
        Error::Io(error) => StateError::Disk {
            path,
            doing,
            what: error.to_string(),
        },
        Error::PreviousIo => StateError::Disk {
            path,
            doing,
            what: "an earlier write failed".to_owned(),
        },
        Error::DatabaseAlreadyOpen => StateError::InUse {
            path,
            owner: "another process".to_owned(),
        },
        error => StateError::Damaged {
            path,
            what: error.to_string(),
        },
    }
}
