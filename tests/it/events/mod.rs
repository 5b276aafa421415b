//! Task events: what they hurry, what they cost, and that nothing else comes of them.

mod deleting;
mod endpoint;
mod figures;
mod hostile;
mod queue;
mod refused;
mod sources;

use std::collections::BTreeMap;

use simulator::{AccessKey, Clock, Cloud, Emission, Outcome, Simulator, unix_now};
use tempfile::{TempDir, tempdir};

use crate::cloud::{ACCOUNT, REGION};
use crate::exporter::{Answer, Exporter};
use crate::scrape::Scrape;
use crate::stage::{POLLS, RESULTS};

pub const EVENTS: &str = "cloud_assistant_exporter_events_total";
pub const EVENT_POLLS: &str = "cloud_assistant_exporter_event_polls_total";
pub const LAST_EVENT: &str = "cloud_assistant_exporter_last_event_timestamp_seconds";

/// The number of the account.
pub const ID: &str = "1234567890123456";

/// An exporter that polls each ten minutes, in front of regions of one account, past its first look.
pub struct Stage {
    pub exporter: Exporter,
    pub simulator: Simulator,
    pub directory: TempDir,
}

/// A cloud with one account in these regions.
pub fn cloud(regions: &[&str]) -> Simulator {
    let mut cloud = Cloud::new(Clock::Manual(unix_now()));
    cloud.add_account(ACCOUNT, AccessKey::new("test-key", "test-secret"));
    cloud.set_account_id(ACCOUNT, ID);
    for region in regions {
        cloud.region(ACCOUNT, region);
    }
    Simulator::start(cloud)
}

/// `account` are further keys of the account, `more` those of the first level.
pub fn config(
    simulator: &Simulator,
    directory: &TempDir,
    regions: &[&str],
    account: &str,
    more: &str,
) -> String {
    let url = simulator.url();
    let state = directory.path().join("state");
    let poll = if more.contains("poll:") {
        ""
    } else {
        "poll: {interval: 10m}\n"
    };
    format!(
        "accounts:\n  - name: {ACCOUNT}\n    endpoint: {url}\n    regions: [{}]\n    credentials: {{type: access_key, \
         access_key_id: test-key, access_key_secret: test-secret, sts_endpoint: '{url}'}}\n    {account}\n\
         rate_limit: {{requests_per_second: 1000, burst: 1000}}\nstate: {{path: {}}}\n\
         metrics: {{new_series_hold: 0s}}\n{poll}{more}\n",
        regions.join(", "),
        state.display()
    )
}

impl Stage {
    pub fn new(regions: &[&str], account: &str, more: &str) -> Self {
        let directory = tempdir().unwrap();
        let simulator = cloud(regions);
        Self::before(simulator, directory, regions, account, more)
    }

    pub fn before(
        simulator: Simulator,
        directory: TempDir,
        regions: &[&str],
        account: &str,
        more: &str,
    ) -> Self {
        let config = config(&simulator, &directory, regions, account, more);
        Self::with(simulator, directory, regions, &config)
    }

    /// With a configuration that is whole.
    pub fn with(simulator: Simulator, directory: TempDir, regions: &[&str], config: &str) -> Self {
        let exporter = Exporter::start(directory.path(), config);
        exporter.scrape_until("first looks", |scrape| {
            scrape
                .by_scope(POLLS)
                .values()
                .filter(|polls| **polls >= 1.0)
                .count()
                == regions.len()
        });
        Self {
            exporter,
            simulator,
            directory,
        }
    }

    /// From now on the cloud sends its events to the exporter.
    pub fn emit_by_http(&self) -> Emission {
        let emission = Emission::to_http(format!("http://{}/api/v1/events", self.exporter.address()));
        self.simulator.cloud().emit(Some(emission.clone()));
        emission
    }

    /// A result of the region fails, now.
    pub fn fail_one(&self, region_id: &str) {
        let mut cloud = self.simulator.cloud();
        cloud
            .region(ACCOUNT, region_id)
            .add_settled(1, Outcome::failed(3));
    }

    pub fn post(&self, query: &str, headers: &str, body: &str) -> Answer {
        let path = format!("/api/v1/events{query}");
        let headers = format!("{headers}Content-Length: {}\r\n\r\n{body}", body.len());
        self.exporter.request("POST", &path, &headers)
    }

    /// A scrape that shows so many counted results.
    pub fn counted(&self, results: u64) -> Scrape {
        self.exporter
            .scrape_until(&format!("{results} results"), |scrape| {
                scrape.sum(RESULTS, &[]).unwrap_or(0.0) >= results as f64
            })
    }
}

/// Events by outcome.
pub fn outcomes(scrape: &Scrape, source: &str) -> BTreeMap<String, u64> {
    let events = scrape
        .all(EVENTS)
        .filter(|(labels, value)| labels["source"] == source && *value > 0.0);
    events
        .map(|(labels, value)| (labels["outcome"].clone(), value as u64))
        .collect()
}

/// A CloudEvent of this account and region.
pub fn event(account: &str, region_id: &str, kind: &str) -> String {
    format!(
        r#"{{"id":"45ef","source":"acs.ecs","specversion":"1.0","type":"ecs:CloudAssistant:{kind}","aliyunaccountid":"{account}","aliyunregionid":"{region_id}","data":{{"invokeId":"t-1"}}}}"#
    )
}

/// The only scope of most tests.
pub fn scope() -> (String, String) {
    (ACCOUNT.to_owned(), REGION.to_owned())
}
