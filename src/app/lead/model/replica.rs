//! A replica: the succession, the lease, the board and the pollers are the program's own; what is around them does in the
//! order of [`crate::app::lead::Replicated`] what that does.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::database::Database;
use super::machine::Machine;
use super::session::Session;
use super::{LEASE, SCOPES, scope};
use crate::aliyun::client::{Action, Answered};
use crate::aliyun::error::CallError;
use crate::aliyun::limit::Priority;
use crate::app::lead::candidate::{FIRST_PAUSE, LONGEST_PAUSE, TRY_EVERY};
use crate::app::lead::succession::{Succession, Tried};
use crate::app::lead::{HEARTBEAT, finding_again};
use crate::poll::cloud::{Cloud, Reply};
use crate::poll::inbox::Inbox;
use crate::poll::plan::PollPlan;
use crate::poll::poller::{End, FirstView, Poller, Start};
use crate::poll::records::Records;
use crate::poll::scan::Request;
use crate::poll::tests::api::Api;
use crate::state::DatabaseError;
use crate::view::{self, Board, Leader, Role, Standby, Work};

/// A replica. It is killed when dropped.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) machine: Machine,
    pub(super) board: Board,
    /// Whether the answer to its next save gets lost.
    pub(super) loses_answer: Arc<AtomicBool>,
    /// Its session with the database.
    pub(super) session: Arc<AtomicU64>,
    _task: JoinSet<()>,
}

/// What is asked of the API from a machine.
#[derive(Debug)]
struct Asking {
    machine: Machine,
    api: Api,
}

impl Cloud for Asking {
    async fn ask(
        &self,
        request: &Request,
        priority: Priority,
        deadline: Option<Instant>,
    ) -> Result<Answered<Reply>, CallError> {
        self.machine.works().await;
        let reply = self.api.ask(request, priority, deadline).await;
        self.machine.works().await;
        reply
    }

    fn paused_for(&self, action: Action) -> Duration {
        self.api.paused_for(action)
    }
}

impl Replica {
    /// In which term it leads, and shows counts, if it does.
    pub(super) fn leads(&self) -> Option<u64> {
        match self.board.leadership().at(self.machine.now()) {
            view::Replica::Leader { epoch, .. } => Some(epoch),
            _ => None,
        }
    }

    pub(super) fn start(
        machine: Machine,
        database: &Database,
        apis: &[Api; SCOPES],
        plan: &Arc<PollPlan>,
    ) -> Self {
        let board = Board::of_replica();
        let (loses_answer, session) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let life = Life {
            machine: machine.clone(),
            database: database.clone(),
            apis: apis.clone(),
            plan: Arc::clone(plan),
            board: board.clone(),
            loses_answer: Arc::clone(&loses_answer),
            id: Arc::clone(&session),
            session: None,
            succession: Succession::new(LEASE),
        };
        let mut task = JoinSet::new();
        task.spawn(life.live());
        Self {
            machine,
            board,
            loses_answer,
            session,
            _task: task,
        }
    }
}

struct Life {
    machine: Machine,
    database: Database,
    apis: [Api; SCOPES],
    plan: Arc<PollPlan>,
    board: Board,
    loses_answer: Arc<AtomicBool>,
    id: Arc<AtomicU64>,
    session: Option<Session>,
    succession: Succession,
}

impl Life {
    async fn live(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            self.machine.works().await;
            let wait = match self.try_to_lead().await {
                Ok(leads) => {
                    pause = FIRST_PAUSE;
                    if leads && let Some(session) = self.session.take() {
                        self.lead(&session).await;
                    }
                    TRY_EVERY
                }
                Err(_) => {
                    self.session = None;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    pause
                }
            };
            sleep(wait).await;
        }
    }

    async fn try_to_lead(&mut self) -> Result<bool, DatabaseError> {
        let session = match &self.session {
            Some(session) => session.clone(),
            None => {
                let session = Session::connect(&self.machine, &self.database, &self.loses_answer).await?;
                self.id.store(session.id(), Ordering::Release);
                self.succession.connected(self.machine.now());
                self.session.insert(session).clone()
            }
        };
        let tried = self
            .succession
            .try_to_lead(&session, || self.machine.now())
            .await?;
        Ok(matches!(tried, Tried::Leads))
    }

    async fn lead(&mut self, session: &Session) {
        let mut pollers = JoinSet::new();
        let stop = CancellationToken::new();
        let begun = tokio::select! {
            () = kept(session) => None,
            begun = self.begin(session, &mut pollers, &stop) => begun.ok(),
        };
        let Some(leader) = begun else {
            self.board.clear();
            session.end();
            return;
        };
        let (revision, is_found_again) = (Arc::clone(&leader.revision), session.is_found_again());
        self.board.leadership().set(Role::Leader(leader));
        tokio::select! {
            () = kept(session) => {}
            never = finding_again(&self.board, is_found_again.as_deref()) => match never {},
        }
        self.machine.works().await;
        self.board.leadership().set(Role::Standby(Standby::default()));
        stop.cancel();
        while pollers.join_next().await.is_some() {}
        self.succession.saw(revision.load(Ordering::Acquire));
        self.board.clear();
    }

    async fn begin(
        &mut self,
        session: &Session,
        pollers: &mut JoinSet<End>,
        stop: &CancellationToken,
    ) -> Result<Leader, DatabaseError> {
        let term = session.begin_term(self.succession.seen()).await?;
        self.succession.began(term.epoch);
        self.succession.saw(term.revision);
        for number in 0..SCOPES {
            let record = session.load(&scope(number), &self.plan.settings, 0).await;
            let start = Start {
                held: record.map_err(|_| super::database::gone())?.into(),
                work: Work::default(),
                first_poll: Instant::now(),
                inbox: Inbox::default(),
                lacks_saves: term.lacks_saves,
            };
            let asking = Asking {
                machine: self.machine.clone(),
                api: self.apis[number].clone(),
            };
            let ways = (asking, session.clone(), self.board.clone());
            let poller = Poller::new(scope(number), Arc::clone(&self.plan), ways, start);
            pollers.spawn(poller.run(stop.clone(), FirstView::AtOnce));
        }
        Ok(Leader {
            lease: session.lease().clone(),
            epoch: term.epoch,
            revision: session.revision(),
            lost_saves: term.lost_saves,
        })
    }
}

/// Ends when the session of the one that leads is over.
async fn kept(session: &Session) {
    let beats = async {
        while session.run(|_| ()).await.is_ok() {
            sleep(HEARTBEAT).await;
        }
        pending::<()>().await;
    };
    tokio::select! {
        () = session.over() => {}
        () = session.lease_ended() => session.end(),
        () = beats => {}
    }
}
