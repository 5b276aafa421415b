//! Records at rest: for each scope, pairs of a place and bytes. What they mean is known to whoever saves them.
//!
//! A [`Store`] is what pollers share: it gathers the saves that meet and commits them together. Where they go is a
//! [`Backend`]'s: one file of [`Redb`], on a disk or in memory; or a database, [`Postgres`], which replicas share.

mod error;
mod group_commit;
mod last_use;
mod pairs;
mod postgres;
mod redb;

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

pub use error::{DatabaseError, StateError};
pub use pairs::{Change, Pair, Pairs, Place};
pub use postgres::{Known, Postgres, Replica, Session, Term};
pub use redb::{FromVersion1, Redb};

use crate::result::Seconds;
use crate::scope::Scope;
use group_commit::GroupCommit;

/// The version of the format that this program writes, in every backend: tables, and what the values of some pairs are.
///
/// Version 3, as the others: there is the number of the last save; the number of each scope and when it was last in use;
/// and, by the scope's number, its pairs. What the values of some of them are has changed; whoever saves them says how.
const VERSION: u64 = 3;

/// Keeps pairs so that they outlive a crash. Calls block.
pub trait Backend: Debug + Send + Sync {
    /// The scopes that something has been saved for.
    ///
    /// # Errors
    /// When it cannot be read.
    fn scopes(&self) -> Result<Vec<Scope>, StateError>;

    /// All pairs of a scope in the order of their places; none where nothing has been saved.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    fn load(&self, scope: &Scope) -> Result<Pairs, StateError>;

    /// Saves all of it or nothing. When this returns, it outlives a crash.
    ///
    /// # Errors
    /// When it cannot be written. Whether it was is then unknown: what was to be saved must be loaded again.
    fn commit(&self, saves: &[Save]) -> Result<(), StateError>;

    /// Forgets scopes that have not been configured for 30 days, and says which. `in_use` are those that are.
    ///
    /// # Errors
    /// As [`Backend::commit`].
    fn forget_unused(&self, in_use: &[Scope], now: Seconds) -> Result<Vec<Scope>, StateError>;

    /// The error to tell when pairs that were loaded turn out to be none that were saved.
    fn damaged(&self, what: String) -> StateError;
}

/// What a poll changed.
#[derive(Debug)]
pub struct Save {
    /// Of which scope.
    pub scope: Scope,
    /// Each place at most once.
    pub changes: Vec<Change>,
    /// When, which is when the scope was last in use.
    pub now: Seconds,
}

/// Where the records of all scopes are kept.
#[derive(Debug)]
pub struct Store {
    backend: Arc<dyn Backend>,
    group_commit: GroupCommit,
}

impl Store {
    /// A store in front of a backend.
    pub fn new(backend: impl Backend + 'static) -> Self {
        Self {
            backend: Arc::new(backend),
            group_commit: GroupCommit::default(),
        }
    }

    /// A store that ends with the process.
    ///
    /// # Errors
    /// None in practice: memory does not refuse.
    pub fn in_memory() -> Result<Self, StateError> {
        Redb::in_memory().map(Self::new)
    }

    /// A store in a directory; see [`Redb::open`].
    ///
    /// # Errors
    /// As [`Redb::open`].
    pub fn open(directory: &Path, from_version_1: FromVersion1) -> Result<Self, StateError> {
        Redb::open(directory, from_version_1).map(Self::new)
    }

    /// The scopes that have a saved record.
    ///
    /// # Errors
    /// As [`Backend::scopes`].
    pub fn scopes(&self) -> Result<Vec<Scope>, StateError> {
        self.backend.scopes()
    }

    /// Reads a scope's pairs, and makes of them what they mean.
    ///
    /// # Errors
    /// As [`Backend::load`], and [`StateError::Damaged`] when `restore` refuses them.
    pub fn load<T, E: ToString>(
        &self,
        scope: &Scope,
        restore: impl FnOnce(&Pairs) -> Result<T, E>,
    ) -> Result<T, StateError> {
        let pairs = self.backend.load(scope)?;
        restore(&pairs).map_err(|damaged| self.backend.damaged(damaged.to_string()))
    }

    /// Forgets scopes that have not been configured for 30 days, and says which. `in_use` are those that are.
    ///
    /// # Errors
    /// As [`Backend::forget_unused`].
    pub fn forget_unused(&self, in_use: &[Scope], now: Seconds) -> Result<Vec<Scope>, StateError> {
        self.backend.forget_unused(in_use, now)
    }
}
