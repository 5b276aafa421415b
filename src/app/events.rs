//! Which accounts' events are taken, and what pollers and pages share of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::account::Account;
use crate::aliyun::http::Http;
use crate::config::Config;
use crate::events::endpoint::Endpoint;
use crate::events::{AccountEvents, Hints, Receivers};
use crate::view::{Board, Source};

/// Everything of events; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Events {
    pub(super) hints: Hints,
    pub(super) endpoint: Endpoint,
    pub(super) receivers: Receivers,
    board: Board,
}

impl Events {
    /// Off, until a configuration says otherwise.
    pub(super) fn new(board: Board) -> Self {
        let hints = Hints::new(board.clone());
        Self {
            endpoint: Endpoint::new(hints.clone()),
            receivers: Receivers::new(hints.clone()),
            hints,
            board,
        }
    }

    /// Nothing is polled here any more: queues are left to whoever does.
    pub(super) fn end(&self) {
        self.receivers.configure(Vec::new());
        self.hints.close_all();
    }

    /// As a configuration says, and as the regions are known now.
    pub(super) fn configure(&self, config: &Config, accounts: &BTreeMap<String, Account>, http: &Http) {
        self.endpoint.configure(&config.events);
        let has_queue = |account: &Account| account.config.events.is_some();
        let taken = accounts
            .values()
            .filter(|account| config.events.http || has_queue(account))
            .map(|account| AccountEvents {
                name: account.config.name.clone(),
                account_id: account.config.account_id.clone(),
                provider: Arc::clone(&account.provider),
                http: http.clone(),
                queue: account.config.events.clone(),
                network: account.config.home.network,
                regions: match has_queue(account) {
                    true => account.regions().into_keys().collect(),
                    false => Vec::new(),
                },
            });
        self.receivers.configure(taken.collect());
        let open = Source::ALL.map(|source| match source {
            Source::Http => config.events.http,
            Source::Queue => accounts.values().any(has_queue),
        });
        if self.board.view().events.open != open {
            self.board.change_events(|events| events.open = open);
        }
    }
}
