//! The record on disk: one file, one transaction a poll, or for the polls that end together.
//!
//! `redb` keeps it: an embedded store in one file, whose commits are atomic and durable, written in Rust alone. What
//! a transaction writes grows with what changed, not with what is held. Commits are of two phases, so that after a
//! crash the last commit is there or was never shown; and the file's checksums are verified when it is opened, so that
//! a damaged one is refused instead of counted from. Saves are numbered, and a file that lacks the last is refused too.

mod error;
mod lock;
mod quiet;
mod saves;
#[cfg(test)]
mod tests;
mod upgrade;
mod witness;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::backends::InMemoryBackend;
use redb::{
    Builder, Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError,
    WriteTransaction,
};

pub use error::StateError;

use crate::record::{Change, Key, Record, Settings};
use crate::result::Seconds;
use crate::scope::Scope;
use lock::Lock;
use saves::{Save, Saves};
use witness::Witness;

/// The version of the format that this program writes.
///
/// Version 2, as version 1: `format` has `version` and `revision`, the number of the last save; `scopes` has the number of each scope and when it was last in use; `record` has,
/// by the scope's number, the pairs of [`crate::record::Key`].
/// What the values of some of them are has changed; [`crate::record::from_version_1`] says how.
const VERSION: u64 = 2;

const FORMAT: TableDefinition<'_, &str, u64> = TableDefinition::new("cloud_assistant_exporter_format");
const SCOPES: TableDefinition<'_, (&str, &str), (u32, Seconds)> = TableDefinition::new("scopes");
const RECORD: TableDefinition<'_, (u32, u8, u64), &[u8]> = TableDefinition::new("record");

/// In `format`: how many saves there have been.
const REVISION: &str = "revision";

/// How every file of `redb` begins.
const MAGIC: &[u8] = b"redb";

/// The file in the directory of `state.path`.
const FILE: &str = "record.redb";

/// Pages that are kept in memory. Whatever is asked for often is in the record itself.
const CACHE: usize = 2 << 20;

/// How long the state of a scope that is no longer configured is kept: a mistake in a configuration costs nothing.
const KEPT: Seconds = 30 * 86_400;

/// Where the records of all scopes are kept.
///
/// Calls block on the disk. One at a time is served.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    opener: Opener,
    /// None after a failure: what the last commit wrote is then unknown, and the file is opened anew.
    database: Mutex<Option<Database>>,
    witness: Witness,
    /// `metrics.new_series_hold` in seconds, which says what a file of version 1 has shown.
    hold: Seconds,
    saves: Saves,
    _lock: Option<Lock>,
}

/// How to open the file.
struct Opener(Box<dyn Fn() -> Result<Database, redb::Error> + Send + Sync>);

impl std::fmt::Debug for Opener {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Opener")
    }
}

impl Store {
    /// A store that ends with the process.
    ///
    /// # Errors
    /// None in practice: memory does not refuse.
    pub fn in_memory() -> Result<Self, StateError> {
        let database = || -> Result<Database, redb::Error> {
            let database = Builder::new()
                .set_cache_size(CACHE)
                .create_with_backend(InMemoryBackend::new())?;
            begin(&database)?;
            Ok(database)
        };
        let store = Self::with_opener(PathBuf::from("(memory)"), database, Witness::in_memory(), 0, None);
        store.with_database("opened", |_| Ok(()))?;
        Ok(store)
    }

    /// Opens the state in a directory, which is made where it is missing. `hold` is `metrics.new_series_hold` in
    /// seconds.
    ///
    /// # Errors
    /// When another process has it, when it is damaged, foreign or of a later version, or when the disk refuses.
    pub fn open(directory: &Path, hold: Seconds) -> Result<Self, StateError> {
        let disk = |path: &Path, error: io::Error| StateError::Disk {
            path: path.to_path_buf(),
            doing: "opened",
            what: error.to_string(),
        };
        fs::create_dir_all(directory).map_err(|error| disk(directory, error))?;
        let lock = Lock::take(directory)?;
        let file = directory.join(FILE);
        let witness = Witness::read(directory)?;
        if !file.try_exists().map_err(|error| disk(&file, error))? {
            if witness.revision() > 0 {
                return Err(StateError::Missing {
                    path: file,
                    witness: witness.path().to_path_buf(),
                });
            }
            create(directory, &file)?;
        }
        let opened = file.clone();
        let store = Self::with_opener(file, move || open_file(&opened), witness, hold, Some(lock));
        store.with_database("opened", |_| Ok(()))?;
        Ok(store)
    }

    fn with_opener(
        path: PathBuf,
        opener: impl Fn() -> Result<Database, redb::Error> + Send + Sync + 'static,
        witness: Witness,
        hold: Seconds,
        lock: Option<Lock>,
    ) -> Self {
        Self {
            path,
            opener: Opener(Box::new(opener)),
            database: Mutex::new(None),
            witness,
            hold,
            saves: Saves::default(),
            _lock: lock,
        }
    }

    /// The scopes that have a saved record.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn scopes(&self) -> Result<Vec<Scope>, StateError> {
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

    /// Reads the record of a scope; an empty one where there is none.
    ///
    /// # Errors
    /// When the disk refuses, or what is saved is damaged.
    pub fn load(&self, scope: &Scope, settings: &Settings, now: Seconds) -> Result<Record, StateError> {
        self.with_database("read", |database| {
            self.read(&database.begin_read()?, scope, settings, now)
        })?
    }

    /// Reads the records of several scopes at once, without waiting for the saves of others in between.
    ///
    /// # Errors
    /// As [`Store::load`], each scope on its own.
    pub fn load_all(&self, scopes: &[(&Scope, &Settings)], now: Seconds) -> Vec<Result<Record, StateError>> {
        let together = self.with_database("read", |database| {
            let transaction = database.begin_read()?;
            let read =
                |(scope, settings): &(&Scope, &Settings)| self.read(&transaction, scope, settings, now);
            scopes.iter().map(read).collect()
        });
        // What fails together is tried one by one, so that each has an error of its own.
        let one_by_one = |_| {
            scopes
                .iter()
                .map(|(scope, settings)| self.load(scope, settings, now))
                .collect()
        };
        together.unwrap_or_else(one_by_one)
    }

    fn read(
        &self,
        transaction: &ReadTransaction,
        scope: &Scope,
        settings: &Settings,
        now: Seconds,
    ) -> Result<Result<Record, StateError>, redb::Error> {
        let damaged = |what: String| StateError::Damaged {
            path: self.path.clone(),
            what,
        };
        let mut record = Record::new(settings.clone());
        let scopes = transaction.open_table(SCOPES)?;
        let Some(number) = scopes
            .get((&*scope.account, &*scope.region_id))?
            .map(|found| found.value().0)
        else {
            return Ok(Ok(record));
        };
        let pairs = transaction.open_table(RECORD)?;
        for pair in pairs.range((number, 0, 0)..=(number, u8::MAX, u64::MAX))? {
            let (key, value) = pair?;
            let (_, kind, index) = key.value();
            let Some(key) = Key::decode(kind, index) else {
                return Ok(Err(damaged(format!("an unknown kind of entry, {kind}"))));
            };
            if let Err(error) = record.restore(key, value.value()) {
                return Ok(Err(damaged(error.to_string())));
            }
        }
        Ok(record
            .restored(now)
            .map(|()| record)
            .map_err(|error| damaged(error.to_string())))
    }

    /// Forgets scopes that have not been configured for 30 days, and says which. `in_use` are those that are.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget_unused(&self, in_use: &[Scope], now: Seconds) -> Result<Vec<Scope>, StateError> {
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
                    if now.saturating_sub(used) >= 3600 {
                        scopes.insert(key, (number, now))?;
                    }
                } else if now.saturating_sub(used) > KEPT {
                    scopes.remove(key)?;
                    pairs.retain_in((number, 0, 0)..=(number, u8::MAX, u64::MAX), |_, _| false)?;
                    forgotten.push(scope);
                }
            }
            Ok(forgotten)
        })
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
            let revision = next_revision(&transaction)?;
            transaction.commit()?;
            self.witness.note(revision)?;
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
        let done = quiet::catch(|| -> Result<T, StateError> {
            let failed = |doing| move |error| StateError::of(&self.path, doing, error);
            let database = match taken {
                Some(database) => database,
                None => {
                    let database = (self.opener.0)().map_err(failed("opened"))?;
                    self.check(&database).map_err(failed("opened"))??;
                    database
                }
            };
            // A failure closes it, here, where a panic on the way is met.
            let done = work(&database).map_err(failed(doing))?;
            *slot = Some(database);
            Ok(done)
        });
        done.unwrap_or_else(|panic| {
            Err(StateError::Damaged {
                path: self.path.clone(),
                what: format!("it cannot be {doing}: {panic}"),
            })
        })
    }

    /// Takes files of this version that lack nothing; those of earlier versions are brought up to it.
    fn check(&self, database: &Database) -> Result<Result<(), StateError>, redb::Error> {
        let path = self.path.clone();
        let table = match database.begin_read()?.open_table(FORMAT) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Err(StateError::Foreign { path })),
            Err(error) => return Err(error.into()),
        };
        let version = table.get("version")?.map(|found| found.value());
        match version {
            Some(VERSION | 1) => {}
            Some(version) if version > VERSION => {
                return Ok(Err(StateError::Newer {
                    path,
                    version,
                    supported: VERSION,
                }));
            }
            _ => {
                return Ok(Err(StateError::Damaged {
                    path,
                    what: "it has no version".to_owned(),
                }));
            }
        }
        let revision = table.get(REVISION)?.map_or(0, |found| found.value());
        if revision < self.witness.revision() {
            return Ok(Err(StateError::Behind {
                path,
                revision,
                last: self.witness.revision(),
                witness: self.witness.path().to_path_buf(),
            }));
        }
        if version == Some(1)
            && let Err(damaged) = upgrade::from_1(database, self.hold)?
        {
            return Ok(Err(StateError::Damaged {
                path,
                what: damaged.to_string(),
            }));
        }
        Ok(Ok(()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Database>> {
        lock(&self.database)
    }
}

/// What is behind these locks is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_changes(transaction: &WriteTransaction, save: &Save) -> Result<(), redb::Error> {
    let Save {
        scope, changes, now, ..
    } = save;
    let mut scopes = transaction.open_table(SCOPES)?;
    let key = (&*scope.account, &*scope.region_id);
    let known = scopes.get(key)?.map(|found| found.value());
    let number = match known {
        Some((number, used)) if now.saturating_sub(used) < 3600 => number,
        Some((number, _)) => {
            scopes.insert(key, (number, *now))?;
            number
        }
        None => {
            let numbers = scopes.iter()?.map(|found| Ok(found?.1.value().0));
            let highest = numbers
                .collect::<Result<Vec<u32>, redb::StorageError>>()?
                .into_iter()
                .max();
            let number = highest.map_or(0, |highest| highest + 1);
            scopes.insert(key, (number, *now))?;
            number
        }
    };
    let mut pairs = transaction.open_table(RECORD)?;
    for Change { key, value } in changes {
        let (kind, index) = key.encode();
        match value {
            Some(value) => pairs.insert((number, kind, index), value.as_slice())?.is_some(),
            None => pairs.remove((number, kind, index))?.is_some(),
        };
    }
    Ok(())
}

/// Makes the file under another name first, so that a crash leaves a whole file or none.
fn create(directory: &Path, file: &Path) -> Result<(), StateError> {
    let disk = |error: io::Error| StateError::Disk {
        path: directory.to_path_buf(),
        doing: "created",
        what: error.to_string(),
    };
    let new = directory.join(format!("{FILE}.new"));
    if new.try_exists().map_err(disk)? {
        fs::remove_file(&new).map_err(disk)?;
    }
    let database = Builder::new()
        .set_cache_size(CACHE)
        .create(&new)
        .map_err(|error| StateError::of(&new, "created", error.into()))?;
    begin(&database).map_err(|error| StateError::of(&new, "created", error))?;
    drop(database);
    fs::rename(&new, file).map_err(disk)?;
    fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(disk)
}

fn begin(database: &Database) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.open_table(FORMAT)?.insert("version", VERSION)?;
    transaction.open_table(SCOPES)?;
    transaction.open_table(RECORD)?;
    transaction.commit()?;
    Ok(())
}

/// Numbers the save that is under way.
fn next_revision(transaction: &WriteTransaction) -> Result<u64, redb::Error> {
    let mut format = transaction.open_table(FORMAT)?;
    let revision = format.get(REVISION)?.map_or(0, |found| found.value()) + 1;
    format.insert(REVISION, revision)?;
    Ok(revision)
}

fn open_file(file: &Path) -> Result<Database, redb::Error> {
    if fs::metadata(file)?.len() == 0 {
        return Err(redb::Error::Corrupted("it is empty".to_owned()));
    }
    let mut begin = Vec::new();
    fs::File::open(file)?
        .take(MAGIC.len() as u64)
        .read_to_end(&mut begin)?;
    if begin != MAGIC {
        return Err(redb::Error::Corrupted(
            "it does not begin as a state file does".to_owned(),
        ));
    }
    Ok(Builder::new()
        .set_cache_size(CACHE)
        .set_check_integrity_on_open(true)
        .open(file)?)
}
