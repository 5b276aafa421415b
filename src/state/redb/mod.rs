//! One file, one transaction for the saves that are committed together.
//!
//! `redb` keeps it: an embedded store in one file, whose commits are atomic and durable, written in Rust alone. What
//! a transaction writes grows with what changed, not with what is held. Commits are of two phases, so that after a
//! crash the last commit is there or was never shown; and the file's checksums are verified when it is opened, so that
//! a damaged one is refused instead of counted from. Saves are numbered, and a file that lacks the last is refused too.

mod catch_panic;
mod check;
mod failure;
mod file;
mod format;
mod revision;
#[cfg(test)]
mod tests;
mod upgrade;

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::backends::InMemoryBackend;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, StorageError, WriteTransaction};

pub use upgrade::FromVersion1;

use super::{Backend, Pairs, Save, StateError, last_use};
use crate::file_lock::{FileLock, LockError};
use crate::result::Seconds;
use crate::scope::Scope;
use failure::state_error;
use file::{CACHE, FILE};
use format::{RECORD, SCOPES};
use revision::LastRevision;

/// The file that is locked.
const LOCK: &str = "lock";

/// The state in one file, or in memory. One call at a time is served.
#[derive(Debug)]
pub struct Redb {
    path: PathBuf,
    opener: Opener,
    /// None after a failure: what the last commit wrote is then unknown, and the file is opened anew.
    database: Mutex<Option<Database>>,
    last_revision: LastRevision,
    from_version_1: FromVersion1,
    _lock: Option<FileLock>,
}

/// How to open the file.
struct Opener(Box<dyn Fn() -> Result<Database, redb::Error> + Send + Sync>);

impl fmt::Debug for Opener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Opener")
    }
}

impl Redb {
    /// What ends with the process.
    ///
    /// # Errors
    /// None in practice: memory does not refuse.
    pub fn in_memory() -> Result<Self, StateError> {
        let database = || -> Result<Database, redb::Error> {
            let database = Builder::new()
                .set_cache_size(CACHE)
                .create_with_backend(InMemoryBackend::new())?;
            format::begin(&database)?;
            Ok(database)
        };
        let state = Self::with_opener(PathBuf::from("(memory)"), database);
        state.with_database("opened", |_| Ok(()))?;
        Ok(state)
    }

    /// Opens the state in a directory, which is made where it is missing. A file of format version 1 is brought up to
    /// date as `from_version_1` says.
    ///
    /// # Errors
    /// When another process has it, when it is damaged, foreign or of a later version, or when the disk refuses.
    pub fn open(directory: &Path, from_version_1: FromVersion1) -> Result<Self, StateError> {
        let disk = |path: &Path, error: io::Error| StateError::Disk {
            path: path.to_path_buf(),
            doing: "opened",
            what: error.to_string(),
        };
        fs::create_dir_all(directory).map_err(|error| disk(directory, error))?;
        let lock = lock(directory)?;
        let file = directory.join(FILE);
        let last_revision = LastRevision::read(directory)?;
        if !file.try_exists().map_err(|error| disk(&file, error))? {
            if last_revision.revision() > 0 {
                return Err(StateError::Missing {
                    path: file,
                    revision_file: last_revision.path().to_path_buf(),
                });
            }
            file::create(directory, &file)?;
        }
        let opened = file.clone();
        let state = Self {
            last_revision,
            from_version_1,
            _lock: Some(lock),
            ..Self::with_opener(file, move || file::open(&opened))
        };
        state.with_database("opened", |_| Ok(()))?;
        Ok(state)
    }

    /// What is opened so, and has no file beside it.
    fn with_opener(
        path: PathBuf,
        opener: impl Fn() -> Result<Database, redb::Error> + Send + Sync + 'static,
    ) -> Self {
        Self {
            path,
            opener: Opener(Box::new(opener)),
            database: Mutex::new(None),
            last_revision: LastRevision::in_memory(),
            from_version_1: FromVersion1::new(|_| Err("it is of an earlier version")),
            _lock: None,
        }
    }

    /// Does `work` in a transaction of its own. When this returns, it outlives a crash.
    fn write<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StateError> {
        self.with_database("saved", |database| {
            let mut transaction = database.begin_write()?;
            transaction.set_two_phase_commit(true);
            let done = work(&transaction)?;
            let revision = format::next_revision(&transaction)?;
            transaction.commit()?;
            self.last_revision.note(revision)?;
            Ok(done)
        })
    }

    /// Runs `work` on the open file; opens it where the last failure closed it.
    fn with_database<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StateError> {
        let mut slot = self.lock();
        let taken = slot.take();
        let done = catch_panic::catch(|| -> Result<T, StateError> {
            let failed = |doing| move |error| state_error(&self.path, doing, error);
            let database = match taken {
                Some(database) => database,
                None => {
                    let database = (self.opener.0)().map_err(failed("opened"))?;
                    check::check(&database, &self.path, &self.last_revision, &self.from_version_1)
                        .map_err(failed("opened"))??;
                    database
                }
            };
            // A failure closes it, here, where a panic on the way is met.
            let done = work(&database).map_err(failed(doing))?;
            *slot = Some(database);
            Ok(done)
        });
        done.unwrap_or_else(|panic| Err(self.damaged(format!("it cannot be {doing}: {panic}"))))
    }

    /// What is behind the lock is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, Option<Database>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Redb {
    fn scopes(&self) -> Result<Vec<Scope>, StateError> {
        self.with_database("read", |database| {
            let scopes = database.begin_read()?.open_table(SCOPES)?;
            let found = scopes.iter()?.map(|found| {
                let (key, _) = found?;
                let (account, region_id) = key.value();
                Ok(Scope::new(account, region_id))
            });
            found.collect()
        })
    }

    fn load(&self, scope: &Scope) -> Result<Pairs, StateError> {
        self.with_database("read", |database| {
            let transaction = database.begin_read()?;
            let scopes = transaction.open_table(SCOPES)?;
            let found = scopes.get((&*scope.account, &*scope.region_id))?;
            match found.map(|found| found.value()) {
                Some((number, _)) => Ok(read_pairs(&transaction.open_table(RECORD)?, number)?),
                None => Ok(Pairs::default()),
            }
        })
    }

    fn commit(&self, saves: &[Save]) -> Result<(), StateError> {
        self.write(|transaction| saves.iter().try_for_each(|save| write_changes(transaction, save)))
    }

    fn forget_unused(&self, in_use: &[Scope], now: Seconds) -> Result<Vec<Scope>, StateError> {
        let in_use: HashSet<&Scope> = in_use.iter().collect();
        self.write(|transaction| {
            let mut forgotten = Vec::new();
            let mut scopes = transaction.open_table(SCOPES)?;
            let mut pairs = transaction.open_table(RECORD)?;
            let mut known = Vec::new();
            for found in scopes.iter()? {
                let (key, value) = found?;
                let (account, region_id) = key.value();
                known.push((Scope::new(account, region_id), value.value()));
            }
            for (scope, (number, used)) in known {
                let key = (&*scope.account, &*scope.region_id);
                if in_use.contains(&scope) {
                    if last_use::is_to_be_noted(used, now) {
                        scopes.insert(key, (number, now))?;
                    }
                } else if last_use::is_over(used, now) {
                    scopes.remove(key)?;
                    pairs.retain_in((number, 0, 0)..=(number, u8::MAX, u64::MAX), |_, _| false)?;
                    forgotten.push(scope);
                }
            }
            Ok(forgotten)
        })
    }

    fn damaged(&self, what: String) -> StateError {
        StateError::Damaged {
            path: self.path.clone(),
            what,
        }
    }
}

/// Takes the lock of a state directory, for as long as the state is in use.
fn lock(directory: &Path) -> Result<FileLock, StateError> {
    let path = directory.join(LOCK);
    FileLock::take(&path).map_err(|error| match error {
        LockError::InUse(owner) => StateError::InUse {
            path: directory.to_path_buf(),
            owner,
        },
        LockError::Disk(error) => StateError::Disk {
            path,
            doing: "locked",
            what: error.to_string(),
        },
    })
}

fn read_pairs(
    record: &impl ReadableTable<(u32, u8, u64), &'static [u8]>,
    scope: u32,
) -> Result<Pairs, StorageError> {
    let mut pairs = Pairs::default();
    for pair in record.range((scope, 0, 0)..=(scope, u8::MAX, u64::MAX))? {
        let (key, value) = pair?;
        let (_, kind, number) = key.value();
        pairs.push((kind, number), value.value());
    }
    Ok(pairs)
}

fn write_changes(transaction: &WriteTransaction, save: &Save) -> Result<(), redb::Error> {
    let Save { scope, changes, now } = save;
    let mut scopes = transaction.open_table(SCOPES)?;
    let key = (&*scope.account, &*scope.region_id);
    let known = scopes.get(key)?.map(|found| found.value());
    let number = match known {
        Some((number, used)) if !last_use::is_to_be_noted(used, *now) => number,
        Some((number, _)) => {
            scopes.insert(key, (number, *now))?;
            number
        }
        None => {
            let numbers = scopes.iter()?.map(|found| Ok(found?.1.value().0));
            let highest = numbers
                .collect::<Result<Vec<u32>, StorageError>>()?
                .into_iter()
                .max();
            let number = highest.map_or(0, |highest| highest + 1);
            scopes.insert(key, (number, *now))?;
            number
        }
    };
    let mut pairs = transaction.open_table(RECORD)?;
    for ((kind, index), value) in changes {
        match value {
            Some(value) => pairs.insert((number, *kind, *index), value.as_slice())?.is_some(),
            None => pairs.remove((number, *kind, *index))?.is_some(),
        };
    }
    Ok(())
}
