//! What a profile in a file comes to, however the file is written.

use crate::config;

/// What came of looking for a profile in a file.
pub(super) enum Lookup {
    Found {
        name: String,
        credentials: Box<config::Credentials>,
    },
    /// It is not there, or not set up, for this reason.
    Missing(String),
}

/// DurationSeconds of a role's session where a profile says nothing, as in the official SDKs.
pub(super) const DEFAULT_SESSION_SECONDS: u64 = 3600;
