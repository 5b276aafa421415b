//! The web configuration and the certificates that it names, checked without listening: for `--config.check`.

use std::path::Path;

use super::config::{Settings, configuration};
use super::files::Reader;
use super::{WebError, tls};

/// Checks a web configuration file and the certificates it names.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(path: &Path) -> Result<(), WebError> {
    let mut reader = Reader::default();
    Settings::read(path, &mut reader)
        .and_then(|settings| tls::check(&settings, &mut reader))
        .map_err(|reason| configuration(path, reason))
}
