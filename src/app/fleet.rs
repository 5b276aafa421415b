//! All pollers: which there should be, and which there are.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::account::{Account, Shared};
use super::plan::Plan;
use crate::aliyun::ecs::Ecs;
use crate::aliyun::error::CallError;
use crate::aliyun::regions::Regions;
use crate::config::{Config, LoggedResults};
use crate::poll::poller::{End, Poller};
use crate::poll::timetable::FirstPolls;
use crate::record::Record;
use crate::scope::Scope;
use crate::state::{StateError, Store};
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
pub(super) struct Fleet {
    config: Config,
    shared: Shared,
    store: Arc<Store>,
    board: Board,
    accounts: BTreeMap<String, Account>,
    pollers: BTreeMap<Scope, Running>,
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

/// A scope that is about to be polled, and its saved record.
type Loaded = (Scope, Plan, Result<Record, StateError>);

impl Fleet {
    /// Starts every poller that can be known yet.
    ///
    /// # Errors
    /// When the saved record of a scope is damaged: counting must not begin from nothing.
    pub(super) async fn start(
        config: Config,
        shared: Shared,
        store: Arc<Store>,
        board: Board,
    ) -> Result<Self, StateError> {
        let mut fleet = Self {
            config: config.clone(),
            shared,
            store,
            board,
            accounts: BTreeMap::new(),
            pollers: BTreeMap::new(),
            past_work: BTreeMap::new(),
            tasks: JoinSet::new(),
            discoveries: JoinSet::new(),
            next_housekeeping: Instant::now(),
            first_polls: FirstPolls::new(Instant::now()),
        };
        let saved = blocking(&fleet.store, Store::scopes).await?;
        fleet.set_accounts(config, &saved);
        let wanted = fleet.wanted().into_iter().collect();
        for (scope, plan, record) in fleet.load(wanted).await? {
            fleet.start_poller(scope, plan, Some(record?));
        }
        fleet.publish_accounts();
        Ok(fleet)
    }

    /// Runs until stopped, and then until every poller has ended.
    ///
    /// # Errors
    /// When a poller dies.
    pub(super) async fn run(
        mut self,
        stop: CancellationToken,
        mut reloads: tokio::sync::mpsc::Receiver<Reload>,
    ) -> anyhow::Result<()> {
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
                () = self.shared.credentials_changed.notified() => self.publish_accounts(),
                () = sleep_until(self.next_housekeeping) => self.keep_house().await,
            }
        }
        for poller in self.pollers.values() {
            poller.stop.cancel();
        }
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a poller has died")?;
        }
        Ok(())
    }

    /// Takes a new configuration, or changes nothing where the state cannot be read.
    async fn reload(&mut self, config: Config) -> anyhow::Result<Result<(), StateError>> {
        let saved = match blocking(&self.store, Store::scopes).await {
            Ok(saved) => saved,
            Err(error) => return Ok(Err(error)),
        };
        self.set_accounts(config, &saved);
        // What the API answers to the configuration before is not for this one.
        self.discoveries = JoinSet::new();
        self.reconcile().await?;
        self.publish_accounts();
        Ok(Ok(()))
    }

    fn set_accounts(&mut self, config: Config, saved: &[Scope]) {
        let mut before = std::mem::take(&mut self.accounts);
        self.accounts = config
            .accounts
            .iter()
            .map(|account| {
                let mine = saved.iter().filter(|scope| *scope.account == *account.name);
                let remembered = mine.map(|scope| scope.region_id.to_string()).collect();
                let before = before.remove(&account.name);
                let account = Account::new(&config, account, &self.shared, before, remembered);
                (account.config.name.clone(), account)
            })
            .collect();
        self.config = config;
    }

    /// Every scope that should be polled, and how.
    fn wanted(&self) -> BTreeMap<Scope, Plan> {
        let mut wanted = BTreeMap::new();
        for account in self.accounts.values() {
            for (region_id, host) in account.regions() {
                let scope = Scope::new(&account.config.name, &region_id);
                wanted.insert(
                    scope,
                    Plan::of(&self.config, &account.config, &region_id, host.as_deref()),
                );
            }
        }
        wanted
    }

    /// Stops what should not be or has changed, and starts what should be. The rest goes on undisturbed.
    async fn reconcile(&mut self) -> anyhow::Result<()> {
        let wanted = self.wanted();
        let unwanted: Vec<Scope> = self
            .pollers
            .iter()
            .filter(|(scope, running)| wanted.get(scope) != Some(&running.plan))
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
            .filter(|(scope, _)| !self.pollers.contains_key(scope))
            .collect();
        for (scope, plan, record) in self.load(missing).await? {
            // A record that cannot be read fails this scope's polls, and no other's.
            let record = record
                .inspect_err(|error| tracing::error!(%scope, %error, "the saved record cannot be read"))
                .ok();
            self.start_poller(scope, plan, record);
        }
        Ok(())
    }

    /// Reads the records of scopes, all before the first of their pollers begins: hundreds that save at once would
    /// keep each further one waiting for the disk.
    async fn load(&self, scopes: Vec<(Scope, Plan)>) -> Result<Vec<Loaded>, StateError> {
        if scopes.is_empty() {
            return Ok(Vec::new());
        }
        let now = timestamp::seconds(SystemTime::now());
        blocking(&self.store, move |store| {
            Ok(store.load_all(scopes, |plan, pairs| {
                Record::from_pairs(&plan.settings, pairs.iter(), now)
            }))
        })
        .await
    }

    fn start_poller(&mut self, scope: Scope, plan: Plan, record: Option<Record>) {
        let Some(account) = self.accounts.get(&*scope.account) else {
            return;
        };
        let endpoint = plan.endpoint.clone();
        let client = account.client(&self.config, &self.shared, &scope.region_id, endpoint);
        let ecs = Ecs::new(client, &scope.region_id, plan.filter.clone(), plan.selection());
        let tried_again = account.tried_again.contains(&scope.region_id);
        let poller = Poller::new(
            scope.clone(),
            ecs.with_ids(plan.logged_results == LoggedResults::All)
                .discovered(account.discovery.is_some()),
            Arc::clone(&self.store),
            self.board.clone(),
            plan.settings.clone(),
            plan.times.clone(),
            record,
        )
        .logging(plan.logged_results)
        .beginning_at(self.first_polls.next(Instant::now()))
        .after(self.past_work.get(&scope).copied().unwrap_or_default());
        let mut poller = Box::new(if tried_again {
            poller.unseen()
        } else {
            poller.seen()
        });
        let stop = CancellationToken::new();
        let (name, stopping) = (scope.clone(), stop.clone());
        let task = self
            .tasks
            .spawn(async move { (name, poller.run(stopping).await) })
            .id();
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
            self.discoveries
                .spawn(async move { (name, finder.regions().await) });
        }
    }

    async fn discovered(&mut self, account: &str, found: Result<Regions, CallError>) -> anyhow::Result<()> {
        if let Some(account) = self.accounts.get_mut(account) {
            account.discovered(&self.config, found);
            self.reconcile().await?;
            self.publish_accounts();
        }
        Ok(())
    }

    fn publish_accounts(&self) {
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
        match blocking(&self.store, move |store| store.forget_unused(&in_use, now)).await {
            Ok(forgotten) => {
                for scope in forgotten {
                    tracing::info!(%scope, "forgotten: it has not been configured for 30 days");
                }
            }
            Err(error) => tracing::warn!(%error, "unused state could not be looked through"),
        }
    }
}

/// Never, where there is nothing to wait for.
async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}

async fn blocking<T: Send + 'static>(
    store: &Arc<Store>,
    work: impl FnOnce(&Store) -> Result<T, StateError> + Send + 'static,
) -> Result<T, StateError> {
    let store = Arc::clone(store);
    match spawn_blocking(move || work(&store)).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
