//! A database as the protocol sees it: sessions that end when they are idle, one lock, and saves that a failover loses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::LEASE;
use super::machine::Machine;
use crate::record::{Change, Record, Settings};
use crate::scope::Scope;
use crate::state::{DatabaseError, Known, Term};

type Pairs = BTreeMap<(u8, u64), Vec<u8>>;

/// One database; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Database(Arc<Mutex<Server>>);

/// What is in it.
#[derive(Debug, Clone, Default)]
struct Stored {
    epoch: u64,
    revision: u64,
    lost_saves: u64,
    lacks_saves: bool,
    pairs: BTreeMap<Scope, Pairs>,
}

#[derive(Debug)]
pub(super) struct Server {
    machine: Machine,
    stored: Stored,
    /// As it was since this term began, the beginning first: a failover loses some of it.
    since_term: Vec<Stored>,
    holder: Option<u64>,
    sessions: BTreeMap<u64, Opened>,
    opened: u64,
    up_at: Instant,
    settings: Arc<Settings>,
    /// What each scope's counters have ever been in a commit.
    committed: BTreeMap<Scope, BTreeSet<u64>>,
    /// Saves that failovers have lost since whoever began to lead last missed any.
    lost: u64,
}

#[derive(Debug)]
struct Opened {
    /// When it last did something, by the clock of the database.
    last: Duration,
    closed: CancellationToken,
}

pub(super) fn gone() -> DatabaseError {
    DatabaseError::Gone("the session is over".to_owned())
}

impl Database {
    pub(super) fn new(machine: Machine, settings: Arc<Settings>) -> Self {
        Self(Arc::new(Mutex::new(Server {
            machine,
            stored: Stored::default(),
            since_term: Vec::new(),
            holder: None,
            sessions: BTreeMap::new(),
            opened: 0,
            up_at: Instant::now(),
            settings,
            committed: BTreeMap::new(),
            lost: 0,
        })))
    }

    /// Whatever is looked at, sessions that were idle for the lease have ended before.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Server) -> T) -> T {
        let mut server = self.0.lock().unwrap();
        server.end_idle();
        work(&mut server)
    }
}

impl Server {
    fn end_idle(&mut self) {
        let now = self.machine.now();
        let idle = self.sessions.iter();
        let idle = idle.filter(|(_, session)| now - session.last >= LEASE);
        for id in idle.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.close(id);
        }
    }

    /// A new session, and how its end is told.
    pub(super) fn open(&mut self) -> Result<(u64, CancellationToken), DatabaseError> {
        if Instant::now() < self.up_at {
            return Err(gone());
        }
        self.opened += 1;
        let closed = CancellationToken::new();
        let opened = Opened {
            last: self.machine.now(),
            closed: closed.clone(),
        };
        self.sessions.insert(self.opened, opened);
        Ok((self.opened, closed))
    }

    pub(super) fn close(&mut self, id: u64) {
        if let Some(session) = self.sessions.remove(&id) {
            session.closed.cancel();
        }
        self.holder = self.holder.filter(|holder| *holder != id);
    }

    /// A session has something done.
    pub(super) fn done_by(&mut self, id: u64) -> Result<&mut Self, DatabaseError> {
        let now = self.machine.now();
        self.sessions.get_mut(&id).ok_or_else(gone)?.last = now;
        Ok(self)
    }

    pub(super) fn known(&self) -> Option<Known> {
        (self.stored.epoch > 0).then(|| Known {
            epoch: self.stored.epoch,
            revision: self.stored.revision,
            ..Known::default()
        })
    }

    pub(super) fn is_locked(&self) -> bool {
        self.holder.is_some()
    }

    pub(super) fn try_lock(&mut self, id: u64) -> bool {
        *self.holder.get_or_insert(id) == id
    }

    pub(super) fn epoch(&self) -> u64 {
        self.stored.epoch
    }

    pub(super) fn begin_term(&mut self, id: u64, seen: u64) -> Term {
        assert_eq!(self.holder, Some(id), "whoever leads has the lock");
        let stored = &mut self.stored;
        let missing_saves = seen.saturating_sub(stored.revision);
        assert!(
            missing_saves <= self.lost,
            "{missing_saves} are missed, {} were lost",
            self.lost
        );
        stored.epoch += 1;
        stored.revision += missing_saves;
        stored.lost_saves += missing_saves;
        stored.lacks_saves |= missing_saves > 0;
        let term = Term {
            epoch: stored.epoch,
            revision: stored.revision,
            missing_saves,
            lost_saves: stored.lost_saves,
            lacks_saves: stored.lacks_saves,
        };
        if missing_saves > 0 {
            self.lost = 0;
        }
        self.keep();
        term
    }

    /// Whether anything may be missing of what was shown.
    pub(super) fn lacks_saves(&self) -> bool {
        self.stored.lacks_saves
    }

    pub(super) fn load(&self, scope: &Scope) -> Record {
        let saved = self.stored.pairs.get(scope).into_iter().flatten();
        let pairs = saved.map(|(place, value)| (*place, value.as_slice()));
        Record::from_pairs(&self.settings, pairs, 0).unwrap()
    }

    /// Saves what follows upon the last save that `term` knows of.
    pub(super) fn save(&mut self, id: u64, term: Term, scope: &Scope, changes: &[Change]) -> u64 {
        assert_eq!(self.holder, Some(id), "whoever saves has the lock");
        let is = (self.stored.epoch, self.stored.revision);
        assert_eq!(
            (term.epoch, term.revision),
            is,
            "a save was lost to a later leader"
        );
        let pairs = self.stored.pairs.entry(scope.clone()).or_default();
        for Change { key, value } in changes.iter().cloned() {
            match value {
                Some(value) => pairs.insert(key.encode(), value),
                None => pairs.remove(&key.encode()),
            };
        }
        self.stored.revision += 1;
        self.stored.lacks_saves &= term.lacks_saves;
        self.since_term.push(self.stored.clone());
        let counted = self.counted(scope);
        self.committed.entry(scope.clone()).or_default().insert(counted);
        self.stored.revision
    }

    /// What the counters of a scope add up to.
    pub(super) fn counted(&self, scope: &Scope) -> u64 {
        let counts = self.load(scope).counts(Duration::ZERO);
        let totals = counts
            .iter()
            .flat_map(|counts| counts.totals().map(|shown| shown.value).collect::<Vec<_>>());
        totals.sum()
    }

    pub(super) fn has_committed(&self, scope: &Scope, counted: u64) -> bool {
        self.committed
            .get(scope)
            .is_some_and(|committed| committed.contains(&counted))
    }

    /// No failover loses what is saved now.
    pub(super) fn keep(&mut self) {
        self.since_term = vec![self.stored.clone()];
    }

    /// It ends every session, is away for a while, and comes back without its last saves: so many, but none from before
    /// this term began.
    pub(super) fn fail_over(&mut self, away: Duration, loses: usize) {
        for id in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.close(id);
        }
        self.up_at = Instant::now() + away;
        let kept = self.since_term.len().saturating_sub(loses).max(1);
        self.lost += (self.since_term.len() - kept) as u64;
        self.since_term.truncate(kept);
        if let Some(stored) = self.since_term.last() {
            self.stored = stored.clone();
        }
    }
}
