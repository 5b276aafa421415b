//! What was read of a scope, kept beside the files: who is stopped, and begins again, reads no scope twice.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::record::Past;
use crate::result::Seconds;
use crate::scope::Scope;

/// Another number for another form.
const VERSION: u32 = 1;

/// The directory within that of the files.
const DIRECTORY: &str = "read";

/// One reading of a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Of this form.
    pub version: u32,
    /// How results were told apart.
    pub settings: String,
    /// Whether it was the exporter's own first look.
    pub is_own_look: bool,
    /// When it began.
    pub began: Seconds,
    /// When it ended.
    pub ended: Seconds,
    /// Rows that were listed.
    pub rows: u64,
    /// Runs of schedules that histories have shown.
    pub runs: u64,
    /// Results that were still to settle.
    pub open: u64,
    /// Rows without ids.
    pub skipped: u64,
    /// Schedules whose histories were refused.
    pub refused_histories: u64,
    /// Whether the rest of the list was refused.
    pub is_cut_off: bool,
    /// Whether it could not be had which invocations are schedules.
    pub lacks_schedules: bool,
    /// What had settled.
    pub past: Past,
}

impl Kept {
    /// With nothing read; `settings` is how results are told apart.
    pub fn new(settings: String, is_own_look: bool) -> Self {
        Self {
            version: VERSION,
            settings,
            is_own_look,
            began: 0,
            ended: 0,
            rows: 0,
            runs: 0,
            open: 0,
            skipped: 0,
            refused_histories: 0,
            is_cut_off: false,
            lacks_schedules: false,
            past: Past::default(),
        }
    }

    /// Reads that of a scope; none where there is none of this form and these settings.
    pub fn load(directory: &Path, scope: &Scope, settings: &str) -> Option<Self> {
        let bytes = fs::read(path(directory, scope)).ok()?;
        let kept: Self = postcard::from_bytes(&bytes).ok()?;
        (kept.version == VERSION && kept.settings == settings).then_some(kept)
    }

    /// Keeps it. When this returns, it outlives a crash.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save(&self, directory: &Path, scope: &Scope) -> io::Result<()> {
        fs::create_dir_all(directory.join(DIRECTORY))?;
        let path = path(directory, scope);
        let unfinished = path.with_extension("tmp");
        let bytes = postcard::to_stdvec(self).map_err(io::Error::other)?;
        let mut file = File::create(&unfinished)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(unfinished, path)?;
        File::open(directory.join(DIRECTORY))?.sync_all()
    }
}

fn path(directory: &Path, scope: &Scope) -> PathBuf {
    let [account, region] =
        [&scope.account, &scope.region_id].map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC));
    directory
        .join(DIRECTORY)
        .join(format!("{account}@{region}.results"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_of_other_settings_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let scope = Scope::new("../a b", "r");
        let kept = Kept::new("x".to_owned(), true);
        kept.save(directory.path(), &scope).unwrap();
        assert_eq!(Kept::load(directory.path(), &scope, "x"), Some(kept));
        assert_eq!(Kept::load(directory.path(), &scope, "y"), None);
        assert_eq!(Kept::load(directory.path(), &Scope::new("..", "r"), "x"), None);
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "nothing beside it"
        );
    }
}
