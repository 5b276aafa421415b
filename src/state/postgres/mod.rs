//! A record that replicas share, in a database: one leads, and its session does everything.
//!
//! The lock by which a replica leads is of its session, and every save goes through that session: whoever has lost the
//! lock has lost the way to write. So nothing has to be compared but the epoch, which could differ only behind a pooler.
//!
//! [`Backend`] blocks, since an embedded store does, and its callers have put it where that keeps nobody waiting: there
//! the thread waits for the database. Two kinds of backends with one kind of store cost nothing where there is no
//! database.

mod check;
mod failure;
mod load;
mod replica;
mod save;
mod schema;
mod session;
mod tls;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::Mutex as AsyncMutex;

pub use replica::{Known, Replica, Term};
pub use session::Session;

use super::{Backend, DatabaseError, Pairs, Save, StateError};
use crate::result::Seconds;
use crate::scope::Scope;
use schema::Statements;

/// The record, for as long as this replica leads.
#[derive(Debug)]
pub struct Postgres {
    replica: Arc<Replica>,
    epoch: i64,
    /// The number of the last save; read where it is shown.
    revision: Arc<AtomicU64>,
    /// Whether everything that was ever shown is in the record.
    is_complete: Arc<AtomicBool>,
    statements: Statements,
    /// Only the leader writes, so that what it knows is what is there; read anew after a failure.
    scopes: Mutex<Option<Arc<Scopes>>>,
    /// One at a time uses the session: a transaction is the session's, and takes in whatever is sent meanwhile.
    turn: AsyncMutex<()>,
    runtime: Handle,
}

/// The scopes that have something saved.
type Scopes = BTreeMap<Scope, Numbered>;

/// The numbers of scopes. The last one that the database could hold is none, so that there is one behind each.
const NUMBERS: Range<i32> = 0..i32::MAX;

#[derive(Debug, Clone, Copy)]
struct Numbered {
    number: i32,
    used: Seconds,
}

impl Postgres {
    /// Of a replica that leads. The calls of [`Backend`] wait for the runtime that this is made in.
    ///
    /// # Errors
    /// When the tables are not there, or the database does not answer.
    pub async fn new(replica: Arc<Replica>, term: Term) -> Result<Self, StateError> {
        let statements = Statements::prepare(replica.session(), &replica.schema).await;
        Ok(Self {
            statements: statements.map_err(|error| error.while_being("opened"))?,
            replica,
            epoch: term.epoch.cast_signed(),
            revision: Arc::new(AtomicU64::new(term.revision)),
            is_complete: Arc::new(AtomicBool::new(!term.lacks_saves)),
            scopes: Mutex::default(),
            turn: AsyncMutex::default(),
            runtime: Handle::current(),
        })
    }

    /// The number of the last save, as it rises.
    pub fn revision(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.revision)
    }

    /// To be set once everything that was ever shown is in the record again. The next save notes it.
    pub fn is_complete(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_complete)
    }

    /// Waits for its turn, which comes: each statement of the others has a deadline.
    fn wait_for<T>(
        &self,
        doing: &'static str,
        work: impl Future<Output = Result<T, DatabaseError>>,
    ) -> Result<T, StateError> {
        let in_turn = async {
            let _alone = self.turn.lock().await;
            work.await
        };
        self.runtime
            .block_on(in_turn)
            .map_err(|error| error.while_being(doing))
    }

    /// What is behind the lock is whole between any two statements.
    fn known_scopes(&self) -> MutexGuard<'_, Option<Arc<Scopes>>> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn saved(&self, revision: u64, scopes: Arc<Scopes>) {
        self.revision.store(revision, Ordering::Release);
        *self.known_scopes() = Some(scopes);
    }
}

impl Backend for Postgres {
    fn scopes(&self) -> Result<Vec<Scope>, StateError> {
        let scopes = self.wait_for("read", self.read_scopes())?;
        Ok(scopes.keys().cloned().collect())
    }

    fn load(&self, scope: &Scope) -> Result<Pairs, StateError> {
        self.wait_for("read", self.read(scope))
    }

    fn commit(&self, saves: &[Save]) -> Result<(), StateError> {
        self.wait_for("saved", self.write(saves))
    }

    fn forget_unused(&self, in_use: &[Scope], now: Seconds) -> Result<Vec<Scope>, StateError> {
        self.wait_for("saved", self.forget(in_use, now))
    }

    fn damaged(&self, what: String) -> StateError {
        StateError::DamagedDatabase {
            schema: self.replica.schema.clone(),
            what,
        }
    }
}
