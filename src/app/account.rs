//! One account at run time: its credentials, and the regions that it is polled in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::aliyun::client::{Client, Pace};
use crate::aliyun::credentials::{Provider, Services, Source, home_region};
use crate::aliyun::ecs::regions;
use crate::aliyun::endpoint::Endpoint;
use crate::aliyun::error::CallError;
use crate::aliyun::http::Http;
use crate::aliyun::in_flight::{InFlight, Places};
use crate::aliyun::pause::{Pauses, ScopePauses};
use crate::aliyun::regions::Regions;
use crate::config::{self, Config, Network};
use crate::poll::telling::{News, Telling};
use crate::requests::{Requests, Tally};
use crate::timestamp;
use crate::view::{AccountView, CredentialsView, Failed};

/// An account under way.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) config: config::Account,
    pub(super) provider: Arc<Provider>,
    pub(super) in_flight: Arc<InFlight>,
    /// For DescribeRegions; none where the regions are configured.
    pub(super) discovery: Option<Discovery>,
    /// Discovered regions that are set aside until the next discovery.
    pub(super) set_aside: BTreeSet<Arc<str>>,
    /// Those that were set aside before the last discovery, and are tried once more.
    pub(super) tried_again: BTreeSet<Arc<str>>,
}

/// What is known by DescribeRegions.
#[derive(Debug)]
pub(super) struct Discovery {
    pub(super) finder: Arc<Finder>,
    /// With their hosts; none before the first answer.
    regions: Option<Regions>,
    /// From an earlier process, until there is an answer.
    remembered: Vec<String>,
    pub(super) next: Instant,
    tried: bool,
    error: Option<Failed>,
    /// What the log has been told of it.
    telling: Telling,
}

/// Asks DescribeRegions, in the account's home region.
#[derive(Debug)]
pub(super) struct Finder {
    account: config::Account,
    http: Http,
    services: Services,
    provider: Arc<Provider>,
    pace: Pace,
    pauses: Arc<ScopePauses>,
    tally: Arc<Tally>,
    /// For the endpoint that was asked last: where the home region is not configured, it can become known later.
    client: Mutex<Option<(Endpoint, Arc<Client>)>>,
}

/// What all accounts share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) http: Http,
    pub(super) services: Services,
    pub(super) places: Places,
    pub(super) requests: Arc<Requests>,
    pub(super) pauses: Pauses,
    /// Told when the credentials of any account were renewed, or could not be: the accounts are then put up anew.
    pub(super) credentials_changed: Arc<Notify>,
}

impl Account {
    /// Starts an account. `before` is the same account before a reload: what has not changed goes on. It is left as
    /// it is, so that the reload can still be refused.
    pub(super) fn new(
        config: &Config,
        account: &config::Account,
        shared: &Shared,
        before: Option<&Self>,
        remembered: Vec<String>,
        first_discovery: Instant,
    ) -> Self {
        let same_credentials = before.filter(|before| before.config.credentials == account.credentials);
        let provider = match same_credentials {
            Some(before) => Arc::clone(&before.provider),
            None => {
                let source = Source::new(account.credentials.clone(), shared.services.clone());
                let provider =
                    Arc::new(Provider::new(source).telling(Arc::clone(&shared.credentials_changed)));
                provider.keep_fresh();
                provider
            }
        };
        let in_flight = before.map_or_else(
            || Arc::new(InFlight::new(shared.places.clone(), config.accounts.len())),
            |before| Arc::clone(&before.in_flight),
        );
        let tried_again = before
            .map(|before| before.set_aside.union(&before.tried_again).cloned().collect())
            .unwrap_or_default();
        let discovery = account.regions.is_empty().then(|| {
            let finder = Finder {
                account: account.clone(),
                http: shared.http.clone(),
                services: shared.services.clone(),
                provider: Arc::clone(&provider),
                pace: pace(config, &in_flight),
                pauses: shared.pauses.of(&account.name, ""),
                tally: shared.requests.tally(&account.name, ""),
                client: Mutex::default(),
            };
            let known = before.and_then(|before| before.discovery.as_ref());
            Discovery {
                finder: Arc::new(finder),
                regions: known.and_then(|known| known.regions.clone()),
                remembered,
                next: first_discovery,
                tried: known.is_some_and(|known| known.tried),
                error: known.and_then(|known| known.error.clone()),
                telling: Telling::default(),
            }
        });
        if account.home.network == Network::Vpc && account.regions.len() != 1 && account.endpoint.is_none() {
            tracing::warn!(
                account = account.name,
                "network: vpc with more than one region: each answers only inside of a VPC of its own"
            );
        }
        Self {
            config: account.clone(),
            provider,
            in_flight,
            discovery,
            set_aside: BTreeSet::new(),
            tried_again,
        }
    }

    /// The way to the API in one region.
    pub(super) fn client(
        &self,
        config: &Config,
        shared: &Shared,
        region_id: &str,
        endpoint: Endpoint,
    ) -> Client {
        Client::new(
            shared.http.clone(),
            endpoint,
            Arc::clone(&self.provider),
            pace(config, &self.in_flight),
            shared.pauses.of(&self.config.name, region_id),
            shared.requests.tally(&self.config.name, region_id),
        )
    }

    /// The regions to poll, each with the host that DescribeRegions named, if it did.
    pub(super) fn regions(&self) -> BTreeMap<String, Option<String>> {
        let mut regions: BTreeMap<String, Option<String>> = match &self.discovery {
            None => self
                .config
                .regions
                .iter()
                .map(|region| (region.clone(), None))
                .collect(),
            Some(Discovery {
                regions: Some(regions),
                ..
            }) => regions
                .iter()
                .map(|(region, host)| (region.clone(), Some(host.clone())))
                .collect(),
            Some(discovery) => discovery
                .remembered
                .iter()
                .map(|region| (region.clone(), None))
                .collect(),
        };
        regions.retain(|region, _| {
            !self.config.exclude_regions.contains(region) && !self.set_aside.contains(region.as_str())
        });
        regions
    }

    /// DescribeRegions was answered, or not.
    pub(super) fn discovered(&mut self, config: &Config, found: Result<Regions, CallError>) {
        let Some(discovery) = &mut self.discovery else {
            return;
        };
        discovery.tried = true;
        let account = &*self.config.name;
        match found {
            Ok(regions) => {
                if discovery.regions.as_ref() != Some(&regions) {
                    tracing::info!(account, regions = regions.len(), "regions discovered");
                }
                if let Some(tries) = discovery.telling.succeeded() {
                    tracing::info!(
                        account,
                        tries,
                        "the account's regions are known again, after so many tries that failed"
                    );
                }
                discovery.regions = Some(regions);
                discovery.error = None;
                discovery.next = Instant::now() + config.poll.discovery_interval;
                self.tried_again = std::mem::take(&mut self.set_aside);
            }
            Err(error) => {
                let failed = Failed::new(timestamp::seconds(SystemTime::now()), &error);
                discovery.tell(account, &failed);
                discovery.error = Some(failed);
                // With no region known there is nothing to poll, so it is asked as often as a poll would.
                let wait = match discovery.regions {
                    Some(_) => config.poll.discovery_interval,
                    None => config.poll.interval,
                };
                discovery.next = Instant::now() + wait;
            }
        }
    }

    /// The account as it is seen.
    pub(super) fn view(&self) -> AccountView {
        let discovery = self.discovery.as_ref();
        AccountView {
            credentials: CredentialsView {
                expiry: self.provider.expiry(),
                refresh_failures: self.provider.refresh_failures(),
            },
            discovered: discovery
                .and_then(|discovery| discovery.regions.as_ref())
                .map(BTreeMap::len),
            is_ready: discovery.is_none_or(|discovery| discovery.tried),
            error: discovery.and_then(|discovery| discovery.error.clone()),
            console: self.config.console.as_deref().map(Into::into),
            set_aside: self.set_aside.iter().cloned().collect(),
        }
    }
}

impl Discovery {
    /// A line in the log where there is news.
    fn tell(&mut self, account: &str, failed: &Failed) {
        let action = "ecs:DescribeRegions";
        let (reason, code) = (failed.reason.as_str(), failed.code.as_deref());
        let (request_id, error) = (failed.request_id.as_deref(), &failed.what);
        let span = tracing::error_span!("discovery", account, reason, code, request_id, error, action);
        let _of_all = span.enter();
        match self.telling.failed(failed, Instant::now()) {
            News::Fails => tracing::warn!("the account's regions could not be discovered"),
            News::StillFails(tries) => {
                tracing::warn!(tries, "the account's regions still cannot be discovered");
            }
            News::None => tracing::debug!("the regions cannot be discovered, as before"),
        }
    }
}

impl Finder {
    /// The regions of the account, each with its host.
    ///
    /// # Errors
    /// As every call of the API.
    pub(super) async fn regions(&self) -> Result<Regions, CallError> {
        let client = self.client().await;
        regions(&client).await
    }

    async fn client(&self) -> Arc<Client> {
        let account = &self.account;
        let home = || home_region(&account.credentials.endpoints, &self.services);
        let endpoint = match &account.endpoint {
            Some(address) if !address.contains("{region_id}") => Endpoint::configured(address, ""),
            Some(template) => Endpoint::configured(template, &home().await),
            None => Endpoint::of_region(&home().await, account.home.network),
        };
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        match &*client {
            Some((asked, client)) if *asked == endpoint => Arc::clone(client),
            _ => {
                let new = Arc::new(Client::new(
                    self.http.clone(),
                    endpoint.clone(),
                    Arc::clone(&self.provider),
                    self.pace.clone(),
                    Arc::clone(&self.pauses),
                    Arc::clone(&self.tally),
                ));
                *client = Some((endpoint, Arc::clone(&new)));
                new
            }
        }
    }
}

/// How fast the requests of a scope, or of an account's discovery, may follow each other.
fn pace(config: &Config, in_flight: &Arc<InFlight>) -> Pace {
    Pace {
        per_second: config.rate_limit.requests_per_second,
        burst: config.rate_limit.burst,
        request_timeout: config.poll.request_timeout,
        patience: config.poll.interval,
        in_flight: Arc::clone(in_flight),
    }
}
