//! The way out: the HTTP client, and the proxies that it uses.

use std::error::Error;
use std::time::Duration;

use reqwest::{Client, Url, redirect};

use crate::config::Proxies;

/// Connections to a host that are kept for the next poll. Polls are spread over the interval; those that a start has
/// made beyond this would only cost memory.
const MAX_IDLE_PER_HOST: usize = 4;

/// How long connecting may take; the answer has `poll.request_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// For everything but the metadata service.
#[derive(Debug, Clone)]
pub struct Http {
    /// Redirects are off: STS answers throttled requests with one.
    pub client: Client,
    proxies: Proxies,
}

impl Http {
    /// A client that uses these proxies and no others.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(proxies: Proxies) -> reqwest::Result<Self> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .user_agent(concat!("cloud-assistant-exporter/", env!("CARGO_PKG_VERSION")))
            .proxy(proxies.for_client())
            .build()?;
        Ok(Self { client, proxies })
    }

    /// Where a request goes, for people: its host, and the proxy that it goes through.
    pub fn route(&self, url: &Url) -> String {
        self.proxies.route(url)
    }

    /// The same of an address that is a text.
    pub(super) fn route_of(&self, address: &str) -> String {
        Url::parse(address).map_or_else(|_| address.to_owned(), |url| self.route(&url))
    }
}

/// Why there is no answer from `route`, for people: all causes, the outermost first. Without the address, whose query
/// is nobody's business.
pub(super) fn no_answer(route: &str, error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut what = format!("no answer from {route}: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        what.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    what
}
