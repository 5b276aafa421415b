//! What goes on in the background for events: the numbers of accounts are learnt, and queues are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::hints::Hints;
use super::identity;
use super::message::About;
use super::queue::QueueLoop;
use crate::aliyun::credentials::Provider;
use crate::aliyun::http::Http;
use crate::aliyun::queue::{Address, QueueClient};
use crate::config::{Network, Queue, QueueSource};
use crate::scope::Scope;

/// An account whose events are taken.
#[derive(Debug, Clone)]
pub struct AccountEvents {
    /// Its configured name.
    pub name: String,
    /// `accounts[].account_id`.
    pub account_id: Option<String>,
    /// What STS and queues are asked with.
    pub provider: Arc<Provider>,
    /// The way out.
    pub http: Http,
    /// `accounts[].events`.
    pub queue: Option<QueueSource>,
    /// `accounts[].network`.
    pub network: Network,
    /// The regions that it is polled in, where it has a queue.
    pub regions: Vec<String>,
}

impl PartialEq for AccountEvents {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.account_id == other.account_id
            && Arc::ptr_eq(&self.provider, &other.provider)
            && (&self.queue, self.network, &self.regions) == (&other.queue, other.network, &other.regions)
    }
}

/// The background work of all accounts; clones are the same.
#[derive(Debug, Clone)]
pub struct Receivers {
    hints: Hints,
    wanted: watch::Sender<Vec<AccountEvents>>,
}

impl Receivers {
    /// For events of these scopes.
    pub fn new(hints: Hints) -> Self {
        Self {
            hints,
            wanted: watch::Sender::default(),
        }
    }

    /// From now on these accounts' events are taken; none where events are off, which costs nothing.
    pub fn configure(&self, accounts: Vec<AccountEvents>) {
        self.wanted.send_if_modified(|wanted| {
            let is_other = *wanted != accounts;
            *wanted = accounts;
            is_other
        });
    }

    /// Works until stopped. A panic of any part is one of this.
    pub async fn run(self, stop: CancellationToken) {
        let mut wanted = self.wanted.subscribe();
        wanted.mark_changed();
        let mut running: BTreeMap<String, (AccountEvents, AbortHandle)> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(ended) = tasks.join_next() => panic_on(ended),
                // The sender lives as long as this.
                _ = wanted.changed() => {
                    let accounts = wanted.borrow_and_update().clone();
                    running.retain(|name, (account, task)| {
                        let goes_on = accounts.contains(account);
                        if !goes_on {
                            // Whatever it was doing: an event that is lost costs time, and one that comes again nothing.
                            task.abort();
                            self.hints.set_account_id(name, None);
                        }
                        goes_on
                    });
                    for account in accounts {
                        if running.contains_key(&account.name) {
                            continue;
                        }
                        let span = tracing::error_span!("events", account = account.name);
                        let work = account.clone().work(self.hints.clone()).instrument(span);
                        let task = tasks.spawn(work);
                        running.insert(account.name.clone(), (account, task));
                    }
                }
            }
        }
    }
}

impl AccountEvents {
    async fn work(self, hints: Hints) {
        // Ended with this, and so with the account.
        let mut queues = JoinSet::new();
        if self.needs_no_id() {
            self.read_queues("", &hints, &mut queues);
        }
        let id = match &self.account_id {
            Some(id) => id.clone(),
            None => {
                tokio::select! {
                    id = identity::learn(&self.provider) => id,
                    Some(ended) = queues.join_next() => return panic_on(ended),
                }
            }
        };
        hints.set_account_id(&self.name, Some(id.clone()));
        if !self.needs_no_id() {
            self.read_queues(&id, &hints, &mut queues);
        }
        while let Some(ended) = queues.join_next().await {
            panic_on(ended);
        }
    }

    /// Whether every queue has an address that does not hold the account's number.
    fn needs_no_id(&self) -> bool {
        match &self.queue {
            None => true,
            Some(source) => match (&source.queue, &source.endpoint) {
                (Queue::Url { .. } | Queue::Arn { .. }, _) => true,
                (Queue::Named(_), Some(endpoint)) => !endpoint.contains("{account_id}"),
                (Queue::Named(_), None) => false,
            },
        }
    }

    fn read_queues(&self, account_id: &str, hints: &Hints, queues: &mut JoinSet<()>) {
        for (address, region_id) in self.queues(account_id) {
            let polled = |region_id: &String| self.regions.contains(region_id);
            let region_id = region_id.filter(polled);
            let shown_in: Vec<String> = match &region_id {
                Some(region_id) => vec![region_id.clone()],
                None => self.regions.clone(),
            };
            let shown_at = shown_in
                .iter()
                .map(|region_id| Scope::new(&self.name, region_id))
                .collect();
            let reading = QueueLoop {
                client: QueueClient::new(self.http.clone(), address, Arc::clone(&self.provider)),
                hints: hints.clone(),
                of: About {
                    account: Some(self.name.clone()),
                    region_id,
                },
                shown_at,
            };
            queues.spawn(reading.run().in_current_span());
        }
    }

    /// Each queue, and the region that it is in.
    fn queues(&self, account_id: &str) -> Vec<(Address, Option<String>)> {
        let Some(QueueSource { queue, endpoint }) = &self.queue else {
            return Vec::new();
        };
        let place = |account_id: &str, region_id: &str, name: &str| match endpoint {
            Some(template) => Address::configured(template, account_id, region_id, name),
            None => Address::of_region(account_id, region_id, self.network, name),
        };
        match queue {
            Queue::Named(name) => {
                let regions = self.regions.iter();
                regions
                    .map(|region_id| (place(account_id, region_id, name), Some(region_id.clone())))
                    .collect()
            }
            Queue::Arn {
                region_id,
                account_id,
                name,
            } => vec![(place(account_id, region_id, name), Some(region_id.clone()))],
            Queue::Url {
                base,
                name,
                region_id,
            } => {
                let address = Address {
                    base: base.clone(),
                    name: name.clone(),
                };
                vec![(address, region_id.clone())]
            }
        }
    }
}

/// A task that has died takes this one with it, and so the process: nothing dies unseen.
fn panic_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}
