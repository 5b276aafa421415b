//! Why the web server cannot start, or stopped.

use std::io;
use std::path::PathBuf;

use crate::shown::shown;

/// An error of the web server. None of them is worth a retry: each needs a change of the configuration.
///
/// The text never holds a password hash, a key or anything else from inside the web configuration file but names
/// of keys and the values of settings that are not secret.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// An address of `--web.listen-address` that cannot be understood.
    #[error("--web.listen-address {}: {reason}", shown(address))]
    Address {
        /// The address as given.
        address: String,
        /// What is wrong with it, and what was expected.
        reason: String,
    },
    /// An address that could not be listened on.
    #[error("cannot listen on {address}: {error}{hint}")]
    Bind {
        /// The address as given.
        address: String,
        /// What the system said; a part of the text, and so no source to be said once more.
        error: io::Error,
        /// What to do about it, beginning with a separator; may be empty.
        hint: &'static str,
    },
    /// `--web.systemd-socket` without usable sockets.
    #[error("--web.systemd-socket: {0}")]
    Systemd(String),
    /// The web configuration file is not usable.
    #[error("web configuration {}: {reason}", path.display())]
    Configuration {
        /// The file given with `--web.config.file`.
        path: PathBuf,
        /// The first thing that is wrong in it.
        reason: String,
    },
    /// A listener that stopped accepting while it should go on.
    #[error("listener {address} failed: {reason}")]
    Listener {
        /// Where it listened.
        address: String,
        /// Why it stopped.
        reason: String,
    },
}
