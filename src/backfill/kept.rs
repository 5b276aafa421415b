//! What was read of a scope, kept beside the files: who is stopped, and begins again, reads no scope twice.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::file_lock::{FileLock, LockError};
use crate::fingerprint::Fingerprint;
use crate::record::Past;
use crate::result::Seconds;
use crate::scope::Scope;

/// Another number for another form.
const VERSION: u32 = 1;

/// The directory within that of the files.
const DIRECTORY: &str = "read";

/// The file in it that is locked.
const LOCK: &str = "lock";

/// What stands for itself in the name of a file, whatever the file system.
const IN_NAMES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// File systems take names of 255 bytes; this many leave room for what is added.
const LONGEST_NAME: usize = 200;

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

    /// Takes the directory of the files, which is made where it is missing, for this process alone.
    pub(crate) fn lock(directory: &Path) -> Result<FileLock, LockError> {
        let kept = directory.join(DIRECTORY);
        fs::create_dir_all(&kept)?;
        FileLock::take(&kept.join(LOCK))
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
        [&scope.account, &scope.region_id].map(|text| utf8_percent_encode(text, IN_NAMES));
    let mut name = format!("{account}@{region}");
    if name.len() > LONGEST_NAME {
        let whole = Fingerprint::default().with(Some(&name)).finish();
        name.truncate(LONGEST_NAME);
        // No name that is short enough has this sign.
        name = format!("{name}~{whole:016x}");
    }
    directory.join(DIRECTORY).join(format!("{name}.results"))
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

    #[test]
    fn names_of_files_are_readable_and_not_too_long() {
        let directory = tempfile::tempdir().unwrap();
        let scope = |account: &str| Scope::new(account, "cn-hangzhou");
        let name = path(directory.path(), &scope("team_a.prod-1"));
        assert!(
            name.ends_with("read/team_a.prod-1@cn-hangzhou.results"),
            "{name:?}"
        );
        // As long as names of accounts are, and nine bytes for each character.
        let long = "\u{4e91}".repeat(128);
        let [one, other] = ["a", "b"].map(|end| scope(&format!("{long}{end}")));
        for (scope, settings) in [(&one, "x"), (&other, "y")] {
            let kept = Kept::new(settings.to_owned(), true);
            kept.save(directory.path(), scope).unwrap();
        }
        assert!(Kept::load(directory.path(), &one, "x").is_some());
        assert!(Kept::load(directory.path(), &other, "y").is_some());
    }
}
