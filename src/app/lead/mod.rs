//! Several replicas and one record: one of them leads, polls and shows the counts; the others wait for its end.
//!
//! Whoever has the lock leads, for as long as its session with the database lives. One that has lost it shows nothing
//! of the record at once, stops polling, and stands by; the process goes on.

mod candidate;
#[cfg(test)]
mod model;
mod succession;

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::Receiver;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::account::Shared;
use super::events::Events;
use super::fleet::{Fleet, Reload};
use crate::config::{self, Config};
use crate::expose::Exposition;
use crate::lease::Lease;
use crate::state::{DatabaseError, Postgres, Replica, StateError, Store, Term};
use crate::view::{Board, Leader, Role, Standby, View};
use crate::web::notify;
use candidate::Candidate;

/// So often the database is asked whether it still answers.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// A sleep of the process can be longer than that of the machine's clock: how often the end of a lease is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A replica among others.
#[derive(Debug)]
pub(super) struct Replicated {
    /// In force.
    config: Config,
    shared: Shared,
    board: Board,
    events: Events,
    exposition: Arc<Exposition>,
    /// What it is called where it leads.
    name: String,
    candidate: Candidate,
}

/// What a replica has when it begins to lead.
struct Begun {
    fleet: Fleet<Shared, Arc<Store>>,
    leader: Leader,
    /// Where the record lacks saves that were seen: whether what they held was found again.
    is_found_again: Option<Arc<AtomicBool>>,
}

/// The first connection: what can never work is said before anything is served.
///
/// # Errors
/// Why this database will not do. One that does not answer yet is waited for.
pub(super) async fn connect(postgres: &config::Postgres) -> anyhow::Result<Option<Arc<Replica>>> {
    match Replica::connect_to_database(postgres, None).await {
        Ok(replica) => Ok(Some(Arc::new(replica))),
        Err(DatabaseError::Refused(why)) => Err(anyhow::Error::msg(why)),
        Err(error) => {
            tracing::warn!(%error, "the database of the record does not answer; it is asked again");
            Ok(None)
        }
    }
}

impl Replicated {
    pub(super) fn new(
        (config, postgres): (Config, Box<config::Postgres>),
        shared: Shared,
        (board, events, exposition): (Board, Events, Arc<Exposition>),
        name: String,
        first: Option<Arc<Replica>>,
    ) -> Self {
        events.endpoint.configure(&config.events);
        Self {
            candidate: Candidate::new(postgres, board.leadership().clone(), first),
            config,
            shared,
            board,
            events,
            exposition,
            name,
        }
    }

    /// Stands by and leads, in turn, until stopped.
    ///
    /// # Errors
    /// When the record is damaged or of a later version, or a part dies.
    pub(super) async fn run(
        mut self,
        stop: CancellationToken,
        mut reloads: Receiver<Reload>,
    ) -> anyhow::Result<()> {
        while let Some(replica) = self.stand_by(&stop, &mut reloads).await {
            self.lead(&replica, &stop, &mut reloads).await?;
        }
        Ok(())
    }

    /// Waits until this replica has the lock; gives none when stopped.
    async fn stand_by(
        &mut self,
        stop: &CancellationToken,
        reloads: &mut Receiver<Reload>,
    ) -> Option<Arc<Replica>> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                Some(reload) = reloads.recv() => {
                    self.config = reload.config;
                    self.events.endpoint.configure(&self.config.events);
                    // Whoever asked may have gone away.
                    let _ = reload.done.send(Ok(()));
                }
                leads = self.candidate.next_try() => if leads.is_some() {
                    return leads;
                }
            }
        }
    }

    /// Leads until stopped, or until the session with the database is over.
    async fn lead(
        &mut self,
        replica: &Arc<Replica>,
        stop: &CancellationToken,
        reloads: &mut Receiver<Reload>,
    ) -> anyhow::Result<()> {
        let session = replica.session();
        let begun = tokio::select! {
            () = stop.cancelled() => {
                replica.unlock().await;
                return Ok(());
            }
            () = kept(replica, None) => Err(StateError::Database {
                doing: "opened",
                error: DatabaseError::Gone(session.why()),
            }),
            begun = self.begin(replica) => begun,
        };
        let Begun {
            fleet,
            leader,
            is_found_again,
        } = match begun {
            Ok(begun) => begun,
            Err(error) => {
                self.leave();
                let StateError::Database { error: cause, .. } = &error else {
                    return Err(error.into());
                };
                // Whoever keeps its session need not look anew whether somebody leads.
                let kept = match cause {
                    DatabaseError::Gone(_) => None,
                    DatabaseError::Failed(_) => replica.give_lock_back().await.then_some(replica),
                    DatabaseError::Refused(_) => return Err(error.into()),
                };
                if kept.is_none() {
                    session.end(error.to_string());
                }
                self.candidate.could_not_begin(&error, kept);
                return Ok(());
            }
        };
        self.candidate.leads();
        let (epoch, revision) = (leader.epoch, Arc::clone(&leader.revision));
        self.board.leadership().set(Role::Leader(leader));
        tracing::info!(
            epoch,
            scopes = self.board.view().scopes.len(),
            "this replica leads"
        );
        notify::status(self.board.leadership().doing()).await;
        let stop_polls = stop.child_token();
        let mut polling = pin!(fleet.run(stop_polls.clone(), reloads));
        let is_over = tokio::select! {
            ended = &mut polling => {
                self.config = ended?;
                false
            }
            () = kept(replica, Some(epoch)) => true,
            never = finding_again(&self.board, is_found_again.as_deref()) => match never {},
        };
        // First of all: whatever is rendered is another replica's to show from now on.
        self.board.leadership().set(Role::Standby(Standby {
            trouble: is_over.then(|| session.why()),
            leader: None,
        }));
        if is_over {
            tracing::warn!(epoch, reason = session.why(), "this replica no longer leads");
            stop_polls.cancel();
            self.config = polling.await?;
        } else {
            replica.unlock().await;
        }
        self.candidate.succession.saw(revision.load(Ordering::Acquire));
        self.leave();
        notify::status(self.board.leadership().doing()).await;
        Ok(())
    }

    /// Takes the record over, and begins to poll. Nothing is shown yet.
    async fn begin(&mut self, replica: &Arc<Replica>) -> Result<Begun, StateError> {
        let succession = &mut self.candidate.succession;
        let term = replica.begin_term(&self.name, succession.seen()).await?;
        let Term {
            epoch,
            revision,
            missing_saves,
            lost_saves,
            lacks_saves,
        } = term;
        succession.began(epoch);
        succession.saw(revision);
        if missing_saves > 0 {
            tracing::error!(
                saves = missing_saves,
                revision = revision.saturating_sub(missing_saves),
                seen = revision,
                "the database has lost saves that may have been shown: no counts are shown of a region before everything that \
                 its API lists was read again, so that what was lost is found; use synchronous replication"
            );
        } else if lacks_saves {
            tracing::warn!(
                revision,
                "what the database has lost was not found again by whoever led before: no counts are shown of a region before \
                 everything that its API lists was read again"
            );
        }
        // What counts for the process alone begins with this term: another replica has shown its own meanwhile.
        self.shared.requests.begin_anew(SystemTime::now());
        tracing::info!(epoch, revision, "reading the record");
        let postgres = Postgres::new(Arc::clone(replica), term).await?;
        let is_found_again = lacks_saves.then(|| postgres.is_complete());
        let lease = replica.session().lease().clone();
        let leader = Leader {
            lease: lease.clone(),
            epoch,
            revision: postgres.revision(),
            lost_saves,
        };
        let shared = Shared {
            places: self.shared.places.under(lease),
            ..self.shared.clone()
        };
        let seen = (self.board.clone(), self.events.clone());
        let store = Arc::new(Store::new(postgres));
        let fleet = Fleet::start(self.config.clone(), shared, store, seen, lacks_saves).await?;
        self.render().await;
        Ok(Begun {
            fleet,
            leader,
            is_found_again,
        })
    }

    /// Everything of the polls goes.
    fn leave(&self) {
        self.events.end();
        self.board.clear();
    }

    /// Before the first scrape: what was rendered last is of another time.
    async fn render(&self) {
        let (exposition, board) = (Arc::clone(&self.exposition), self.board.clone());
        let _ = spawn_blocking(move || exposition.render(&board)).await;
    }
}

/// Ends when the session of the one that leads is over: it is ended where the database does not answer for as long as
/// the lease lasts, and where another one leads than that of this term.
async fn kept(replica: &Replica, term: Option<u64>) {
    let session = replica.session();
    loop {
        tokio::select! {
            () = session.over() => return,
            () = beats(replica, term) => {}
            () = ended(session.lease()) => {
                session.end("the database has not answered for as long as a leader may wait".to_owned());
                return;
            }
        }
    }
}

/// Notes when what the record lacks was found again: each scope was read whole since.
async fn finding_again(board: &Board, is_found_again: Option<&AtomicBool>) -> Infallible {
    if let Some(is_found_again) = is_found_again {
        // Before regions are found there is no scope, and nothing was read.
        let is_read = |view: &Arc<View>| {
            !view.scopes.is_empty() && view.scopes.values().all(|scope| scope.work.sweeps > 0)
        };
        // A board does not go away while somebody has it.
        let _ = board.subscribe().wait_for(is_read).await;
        is_found_again.store(true, Ordering::Release);
        tracing::info!(
            "everything that the API lists was read again, and with it what the database had lost"
        );
    }
    pending().await
}

/// Asks for an answer, again and again; ends where there is none.
async fn beats(replica: &Replica, term: Option<u64>) {
    while replica.beat().await.is_ok() {
        // That the table cannot be read is no reason to end: it may be locked for a while.
        if let Some(epoch) = term
            && let Err(error) = replica.still_leads(epoch).await
        {
            tracing::debug!(%error, "it cannot be read who leads");
        }
        sleep(HEARTBEAT).await;
    }
    // What the answer says is for others; an error that leaves the session as it is must not be repeated at once.
    sleep(HEARTBEAT).await;
}

/// Ends when a lease has ended.
async fn ended(lease: &Lease) {
    loop {
        let left = lease.left();
        if left.is_zero() {
            return;
        }
        sleep(left.min(LOOK_EVERY)).await;
    }
}
