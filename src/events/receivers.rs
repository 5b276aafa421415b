//! What goes on in the background for events: the numbers of accounts are learnt.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::hints::Hints;
use super::identity;
use crate::aliyun::credentials::Provider;

/// An account whose events are taken.
#[derive(Debug, Clone)]
pub struct AccountEvents {
    /// Its configured name.
    pub name: String,
    /// `accounts[].account_id`.
    pub account_id: Option<String>,
    /// What STS and queues are asked with.
    pub provider: Arc<Provider>,
}

impl PartialEq for AccountEvents {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.account_id == other.account_id
            && Arc::ptr_eq(&self.provider, &other.provider)
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
                Some(ended) = tasks.join_next() => {
                    if let Err(error) = ended
                        && error.is_panic()
                    {
                        std::panic::resume_unwind(error.into_panic());
                    }
                }
                // The sender lives as long as this.
                _ = wanted.changed() => {
                    let accounts = wanted.borrow_and_update().clone();
                    running.retain(|name, (account, task)| {
                        let goes_on = accounts.iter().any(|wanted| wanted == account);
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
        let id = match self.account_id {
            Some(id) => id,
            None => identity::learn(&self.name, &self.provider).await,
        };
        hints.set_account_id(&self.name, Some(id));
    }
}
