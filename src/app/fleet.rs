//! All pollers: which there should be, and which there are.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::account::Account;
use super::events::Events;
use super::plan::{Plan, polls};
use super::ways::Ways;
use crate::aliyun::error::CallError;
use crate::aliyun::regions::Regions;
use crate::config::Config;
use crate::poll::Held;
use crate::poll::poller::{End, FirstView, Poller, Start};
use crate::poll::records::Records;
use crate::poll::timetable::{APART, FirstPolls};
use crate::record::Record;
use crate::scope::Scope;
use crate::state::StateError;
use crate::timestamp;
use crate::view::{Board, Work};

/// How often scopes are looked through for those that have not been configured for long.
const HOUSEKEEPING: Duration = Duration::from_secs(3600);

/// A new configuration, and where to say that it is in force.
pub(super) struct Reload {
    pub(super) config: Config,
    pub(super) done: oneshot::Sender<Result<(), StateError>>,
}

/// The accounts and the pollers of their scopes.
#[derive(Debug)]
pub(super) struct Fleet<W, R> {
    config: Config,
    ways: W,
    records: R,
    board: Board,
    events: Events,
    accounts: BTreeMap<String, Account>,
    pollers: BTreeMap<Scope, Running>,
    /// Whether the records lack what has been shown of them.
    lacks_saves: bool,
    /// What pollers that have ended had done for their scopes.
    past_work: BTreeMap<Scope, Work>,
    tasks: JoinSet<(Scope, End)>,
    discoveries: JoinSet<(String, Result<Regions, CallError>)>,
    next_housekeeping: Instant,
    first_polls: FirstPolls,
}

/// A poller under way.
#[derive(Debug)]
struct Running {
    plan: Plan,
    stop: CancellationToken,
    task: tokio::task::Id,
}

/// A configuration that can be put in force.
struct Next {
    config: Config,
    accounts: BTreeMap<String, Account>,
    /// The scopes that are not polled yet, each with its saved record.
    new: BTreeMap<Scope, (Plan, Record)>,
}

/// A scope that is about to be polled, and its saved record.
type Loaded = (Scope, Plan, Result<Record, StateError>);

impl<W: Ways, R: Records> Fleet<W, R> {
    /// Starts every poller that can be known yet. `lacks_saves`: the records are behind what has been shown of them.
    ///
    /// # Errors
    /// When the saved record of a scope is damaged: counting must not begin from nothing.
    pub(super) async fn start(
        config: Config,
        ways: W,
        records: R,
        seen: (Board, Events),
        lacks_saves: bool,
    ) -> Result<Self, StateError> {
        let (board, events) = seen;
        let mut fleet = Self {
            config: config.clone(),
            ways,
            records,
            board,
            events,
            accounts: BTreeMap::new(),
            pollers: BTreeMap::new(),
            lacks_saves,
            past_work: BTreeMap::new(),
            tasks: JoinSet::new(),
            discoveries: JoinSet::new(),
            next_housekeeping: Instant::now(),
            first_polls: FirstPolls::new(Instant::now()),
        };
        fleet.hold_new_series();
        let mut next = fleet.prepare(config).await?;
        fleet.accounts = std::mem::take(&mut next.accounts);
        for (scope, (plan, record)) in next.new {
            fleet.start_poller(scope, plan, record.into());
        }
        fleet.publish_accounts();
        Ok(fleet)
    }

    /// Runs until stopped, and then until every poller has ended; gives back the configuration that is in force.
    ///
    /// # Errors
    /// When a poller dies.
    pub(super) async fn run(
        mut self,
        stop: CancellationToken,
        reloads: &mut Receiver<Reload>,
    ) -> anyhow::Result<Config> {
        loop {
            let next_discovery = self.next_discovery();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(reload) = reloads.recv() => {
                    let done = self.reload(reload.config).await?;
                    // Whoever asked may have gone away.
                    let _ = reload.done.send(done);
                }
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended).await?,
                Some(found) = self.discoveries.join_next() => {
                    let (account, found) = found.context("a discovery of regions has died")?;
                    self.discovered(&account, found).await?;
                }
                () = until(next_discovery) => self.discover(),
                () = self.ways.shared().credentials_changed.notified() => self.publish_accounts(),
                () = sleep_until(self.next_housekeeping) => self.keep_house().await,
            }
        }
        for poller in self.pollers.values() {
            poller.stop.cancel();
        }
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a poller has died")?;
        }
        Ok(self.config)
    }

    /// Takes a new configuration, or changes nothing where the state cannot be read.
    async fn reload(&mut self, config: Config) -> anyhow::Result<Result<(), StateError>> {
        let next = match self.prepare(config).await {
            Ok(next) => next,
            Err(error) => return Ok(Err(error)),
        };
        (self.config, self.accounts) = (next.config, next.accounts);
        self.hold_new_series();
        // What the API answers to the configuration before is not for this one.
        self.discoveries = JoinSet::new();
        self.reconcile(None, next.new).await?;
        self.publish_accounts();
        Ok(Ok(()))
    }

    /// Does everything of a new configuration that can fail, and changes nothing.
    ///
    /// The record of a scope that is polled already is not read: its poller has it, and writes to it until it ends.
    async fn prepare(&self, config: Config) -> Result<Next, StateError> {
        let saved = self.records.scopes().await?;
        let now = Instant::now();
        let accounts = config.accounts.iter().zip(0..).map(|(account, number)| {
            let mine = saved.iter().filter(|scope| *scope.account == *account.name);
            let remembered = mine.map(|scope| scope.region_id.to_string()).collect();
            let before = self.accounts.get(&account.name);
            let shared = self.ways.shared();
            let account = Account::new(&config, account, shared, before, remembered, now + APART * number);
            (account.config.name.clone(), account)
        });
        let accounts: BTreeMap<String, Account> = accounts.collect();
        let wanted = wanted(&config, accounts.values()).into_iter();
        let new = wanted.filter(|(scope, _)| !self.pollers.contains_key(scope));
        let new = self.load(new.collect()).await.into_iter();
        let new = new.map(|(scope, plan, record)| Ok((scope, (plan, record?))));
        Ok(Next {
            new: new.collect::<Result<_, StateError>>()?,
            accounts,
            config,
        })
    }

    /// Stops what should not be or has changed, and starts what should be, from its record where that has been read
    /// already. The rest goes on undisturbed: with an account named, all that is not of it.
    async fn reconcile(
        &mut self,
        account: Option<&str>,
        read: BTreeMap<Scope, (Plan, Record)>,
    ) -> anyhow::Result<()> {
        let is_meant = |name: &str| account.is_none_or(|account| *account == *name);
        let accounts = self.accounts.values();
        let wanted = wanted(
            &self.config,
            accounts.filter(|account| is_meant(&account.config.name)),
        );
        let unwanted: Vec<Scope> = self
            .pollers
            .iter()
            .filter(|(scope, running)| is_meant(&scope.account) && wanted.get(scope) != Some(&running.plan))
            .map(|(scope, running)| {
                running.stop.cancel();
                scope.clone()
            })
            .collect();
        // A scope's record must have one writer: the old poller ends before the new one begins.
        while unwanted.iter().any(|scope| self.pollers.contains_key(scope)) {
            match self.tasks.join_next_with_id().await {
                Some(ended) => self.ended_now(ended)?,
                None => break,
            }
        }
        let missing = wanted
            .into_iter()
            .filter(|(scope, _)| !self.pollers.contains_key(scope) && !read.contains_key(scope))
            .collect();
        let loaded = self.load(missing).await;
        for (scope, (plan, record)) in read {
            self.start_poller(scope, plan, record.into());
        }
        for (scope, plan, record) in loaded {
            // A record that cannot be read fails this scope's polls, and no other's.
            let record = record
                .inspect_err(|error| tracing::error!(%scope, %error, "the saved record cannot be read"))
                .map_or(Held::Lost, Held::from);
            self.start_poller(scope, plan, record);
        }
        Ok(())
    }

    fn hold_new_series(&self) {
        let hold = self.config.metrics.new_series_hold;
        self.ways.shared().requests.set_hold(hold);
    }

    async fn load(&self, scopes: Vec<(Scope, Plan)>) -> Vec<Loaded> {
        let now = timestamp::seconds(SystemTime::now());
        let of = scopes.iter();
        let of = of.map(|(scope, plan)| (scope.clone(), Arc::clone(&plan.poll.settings)));
        let records = self.records.load_all(of.collect(), now).await;
        let loaded = scopes.into_iter().zip(records);
        loaded
            .map(|((scope, plan), record)| (scope, plan, record))
            .collect()
    }

    fn start_poller(&mut self, scope: Scope, plan: Plan, held: Held) {
        let Some(account) = self.accounts.get(&*scope.account) else {
            return;
        };
        let cloud = self.ways.to(account, &self.config, &scope, &plan);
        let work = self.past_work.get(&scope).copied().unwrap_or_default();
        let start = Start {
            held,
            lacks_saves: self.lacks_saves && work.sweeps == 0,
            work,
            first_poll: self.first_polls.next(Instant::now()),
            inbox: self.events.hints.open(&scope),
        };
        let first_view = match account.tried_again.contains(&scope.region_id) {
            true => FirstView::AfterPoll,
            false => FirstView::AtOnce,
        };
        let ways = (cloud, self.records.clone(), self.board.clone());
        let poller = Poller::new(scope.clone(), Arc::clone(&plan.poll), ways, start);
        let stop = CancellationToken::new();
        // Boxed: the task would have room for it twice, as what it was given and as what it waits for.
        let polling = Box::pin(poller.run(stop.clone(), first_view));
        let name = scope.clone();
        let task = self.tasks.spawn(async move { (name, polling.await) }).id();
        self.pollers.insert(scope, Running { plan, stop, task });
    }

    async fn ended(
        &mut self,
        ended: Result<(tokio::task::Id, (Scope, End)), JoinError>,
    ) -> anyhow::Result<()> {
        self.ended_now(ended)?;
        self.publish_accounts();
        Ok(())
    }

    fn ended_now(&mut self, ended: Result<(tokio::task::Id, (Scope, End)), JoinError>) -> anyhow::Result<()> {
        match ended {
            Ok((_, (scope, end))) => {
                self.pollers.remove(&scope);
                self.events.hints.close(&scope);
                if let Some(view) = self.board.remove(&scope) {
                    self.past_work.insert(scope.clone(), view.work);
                }
                if end == End::NotSupported
                    && let Some(account) = self.accounts.get_mut(&*scope.account)
                {
                    if !account.tried_again.remove(&scope.region_id) {
                        tracing::info!(%scope, "set aside: the region's API does not know Cloud Assistant");
                    }
                    account.set_aside.insert(Arc::clone(&scope.region_id));
                }
                Ok(())
            }
            Err(error) => {
                let poller = self
                    .pollers
                    .iter()
                    .find(|(_, running)| running.task == error.id());
                let scope =
                    poller.map_or_else(|| "an unknown scope".to_owned(), |(scope, _)| scope.to_string());
                bail!("the poller of {scope} has died: {error}")
            }
        }
    }

    fn next_discovery(&self) -> Option<Instant> {
        let discoveries = self
            .accounts
            .values()
            .filter_map(|account| account.discovery.as_ref());
        discoveries.map(|discovery| discovery.next).min()
    }

    fn discover(&mut self) {
        let now = Instant::now();
        for (name, account) in &mut self.accounts {
            let Some(discovery) = account
                .discovery
                .as_mut()
                .filter(|discovery| discovery.next <= now)
            else {
                continue;
            };
            // Until it is answered; the answer says when the next one is due.
            discovery.next = now + self.config.poll.discovery_interval.max(HOUSEKEEPING);
            let (name, finder) = (name.clone(), Arc::clone(&discovery.finder));
            let found = self.ways.regions(finder);
            self.discoveries.spawn(async move { (name, found.await) });
        }
    }

    async fn discovered(&mut self, name: &str, found: Result<Regions, CallError>) -> anyhow::Result<()> {
        if let Some(account) = self.accounts.get_mut(name) {
            account.discovered(&self.config, found);
            self.reconcile(Some(name), BTreeMap::new()).await?;
            self.publish_accounts();
        }
        Ok(())
    }

    fn publish_accounts(&self) {
        self.events
            .configure(&self.config, &self.accounts, &self.ways.shared().http);
        let accounts = self
            .accounts
            .iter()
            .map(|(name, account)| (name.as_str().into(), Arc::new(account.view())));
        self.board.publish_accounts(accounts.collect());
    }

    async fn keep_house(&mut self) {
        self.next_housekeeping = Instant::now() + HOUSEKEEPING;
        let in_use: Vec<Scope> = self.pollers.keys().cloned().collect();
        // The machine's clock alone is no reason to forget: a poll since the start has shown that it is right.
        let view = self.board.view();
        let polled = view.scopes.values().filter(|scope| scope.work.successes > 0);
        let Some(now) = polled.filter_map(|scope| scope.last_success).max() else {
            return;
        };
        match self.records.forget_unused(in_use, now).await {
            Ok(forgotten) => {
                for scope in forgotten {
                    tracing::info!(%scope, "forgotten: it has not been configured for 30 days");
                }
            }
            Err(error) => tracing::warn!(%error, "unused state could not be looked through"),
        }
    }
}

/// Every scope of these accounts that should be polled, and how.
fn wanted<'a>(config: &Config, accounts: impl Iterator<Item = &'a Account>) -> BTreeMap<Scope, Plan> {
    let mut wanted = BTreeMap::new();
    for account in accounts {
        let poll = polls(config, &account.config);
        for (region_id, host) in account.regions() {
            let scope = Scope::new(&account.config.name, &region_id);
            let plan = Plan::of(config, (&account.config, &poll), &region_id, host.as_deref());
            wanted.insert(scope, plan);
        }
    }
    wanted
}

/// Never, where there is nothing to wait for.
async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}
