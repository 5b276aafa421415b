//! A session with the database, as [`crate::state::Session`] is one: its lease, and what its pollers save.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Mutex;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::LEASE;
use super::database::{Database, Server, gone};
use super::machine::Machine;
use crate::app::lead::succession::Seat;
use crate::lease::Lease;
use crate::poll::records::Records;
use crate::record::{Change, Record, Settings};
use crate::result::Seconds;
use crate::scope::Scope;
use crate::state::{DatabaseError, Known, StateError, Term};

/// A session; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Session(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: u64,
    database: Database,
    machine: Machine,
    lease: Lease,
    over: CancellationToken,
    closed: CancellationToken,
    loses_answer: Arc<AtomicBool>,
    epoch: AtomicU64,
    revision: Arc<AtomicU64>,
    lacks_saves: AtomicBool,
    is_complete: Arc<AtomicBool>,
    /// One save at a time.
    turn: Mutex<()>,
}

impl Session {
    /// Connects. `loses_answer`: whether the answer to the next save gets lost.
    pub(super) async fn connect(
        machine: &Machine,
        database: &Database,
        loses_answer: &Arc<AtomicBool>,
    ) -> Result<Self, DatabaseError> {
        machine.way().await;
        let (id, closed) = database.with(Server::open)?;
        machine.way().await;
        Ok(Self(Arc::new(Inner {
            id,
            database: database.clone(),
            machine: machine.clone(),
            lease: Lease::default(),
            over: CancellationToken::new(),
            closed,
            loses_answer: Arc::clone(loses_answer),
            epoch: AtomicU64::new(0),
            revision: Arc::default(),
            lacks_saves: AtomicBool::default(),
            is_complete: Arc::default(),
            turn: Mutex::default(),
        })))
    }

    pub(super) fn id(&self) -> u64 {
        self.0.id
    }

    pub(super) fn lease(&self) -> &Lease {
        &self.0.lease
    }

    /// The number of the last save.
    pub(super) fn revision(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.0.revision)
    }

    /// Where the record lacked saves as this term began: whether what they held was found again. Noted with each save.
    pub(super) fn is_found_again(&self) -> Option<Arc<AtomicBool>> {
        let lacks_saves = self.0.lacks_saves.load(Ordering::Acquire);
        lacks_saves.then(|| Arc::clone(&self.0.is_complete))
    }

    /// Ends it here; the database ends it when it hears of that.
    pub(super) fn end(&self) {
        self.0.lease.end();
        self.0.over.cancel();
        if self.0.machine.is_well() {
            self.0.database.with(|server| server.close(self.0.id));
        }
    }

    /// Ends once it is over, by the one side or by the other.
    pub(super) async fn over(&self) {
        let told = async {
            self.0.closed.cancelled().await;
            self.0.machine.way().await;
        };
        tokio::select! {
            () = self.0.over.cancelled() => {}
            () = told => self.end(),
        }
    }

    /// Ends when the lease has ended.
    pub(super) async fn lease_ended(&self) {
        loop {
            self.0.machine.works().await;
            let left = self.0.lease.left_at(self.0.machine.now());
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }

    /// Has something done, as [`crate::state::Session`] does.
    pub(super) async fn run<T>(&self, statement: impl FnOnce(&mut Server) -> T) -> Result<T, DatabaseError> {
        let Inner {
            machine, database, ..
        } = &*self.0;
        let asked = machine.now();
        let answered = async {
            machine.way().await;
            let answer = database.with(|server| Ok(statement(server.done_by(self.0.id)?)))?;
            machine.way().await;
            Ok(answer)
        };
        let too_late = async {
            sleep(LEASE).await;
            machine.works().await;
        };
        let answer = tokio::select! {
            answer = answered => answer,
            () = self.over() => Err(gone()),
            () = too_late => Err(gone()),
        };
        match &answer {
            Ok(_) => self.0.lease.answered(asked, LEASE),
            Err(_) => self.end(),
        }
        answer
    }

    /// Begins to lead.
    pub(super) async fn begin_term(&self, seen: u64) -> Result<Term, DatabaseError> {
        let term = self.run(|server| server.begin_term(self.0.id, seen)).await?;
        self.0.lacks_saves.store(term.lacks_saves, Ordering::Release);
        self.0.is_complete.store(!term.lacks_saves, Ordering::Release);
        self.0.epoch.store(term.epoch, Ordering::Release);
        self.0.revision.store(term.revision, Ordering::Release);
        Ok(term)
    }

    async fn commit(&self, scope: &Scope, changes: &[Change]) -> Result<(), DatabaseError> {
        let _alone = self.0.turn.lock().await;
        let term = Term {
            epoch: self.0.epoch.load(Ordering::Acquire),
            revision: self.0.revision.load(Ordering::Acquire),
            missing_saves: 0,
            lost_saves: 0,
            lacks_saves: !self.0.is_complete.load(Ordering::Acquire),
        };
        let revision = self
            .run(|server| server.save(self.0.id, term, scope, changes))
            .await?;
        if self.0.loses_answer.swap(false, Ordering::AcqRel) {
            self.end();
            return Err(gone());
        }
        self.0.revision.store(revision, Ordering::Release);
        Ok(())
    }
}

impl Seat for Session {
    async fn known(&self) -> Result<Option<Known>, DatabaseError> {
        self.run(|server| server.known()).await
    }

    async fn is_locked(&self) -> Result<bool, DatabaseError> {
        self.run(|server| server.is_locked()).await
    }

    async fn try_lock(&self) -> Result<bool, DatabaseError> {
        self.run(|server| server.try_lock(self.0.id)).await
    }
}

impl Records for Session {
    async fn scopes(&self) -> Result<Vec<Scope>, StateError> {
        Ok(Vec::new())
    }

    async fn load(&self, scope: &Scope, _: &Arc<Settings>, _: Seconds) -> Result<Record, StateError> {
        let loaded = self.run(|server| server.load(scope)).await;
        loaded.map_err(|error| StateError::Database { doing: "read", error })
    }

    async fn load_all(
        &self,
        scopes: Vec<(Scope, Arc<Settings>)>,
        now: Seconds,
    ) -> Vec<Result<Record, StateError>> {
        let mut loaded = Vec::new();
        for (scope, settings) in scopes {
            loaded.push(self.load(&scope, &settings, now).await);
        }
        loaded
    }

    async fn save(&self, scope: &Scope, changes: Vec<Change>, _: Seconds) -> Result<(), StateError> {
        let saved = self.commit(scope, &changes).await;
        saved.map_err(|error| StateError::Database {
            doing: "saved",
            error,
        })
    }

    async fn forget_unused(&self, _: Vec<Scope>, _: Seconds) -> Result<Vec<Scope>, StateError> {
        Ok(Vec::new())
    }
}
