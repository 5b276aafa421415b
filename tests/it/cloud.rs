//! A simulated cloud with one account, and the configuration that points at it.

use std::path::Path;

use simulator::{AccessKey, Clock, Cloud, Simulator, unix_now};

pub const ACCOUNT: &str = "production";
pub const REGION: &str = "cn-hangzhou";

/// An empty cloud with one account in the given regions, whose clock stands at now until it is advanced.
pub fn cloud(regions: &[&str]) -> Simulator {
    let mut cloud = Cloud::new(Clock::Manual(unix_now()));
    cloud.add_account(ACCOUNT, AccessKey::new("test-key", "test-secret"));
    for region in regions {
        cloud.region(ACCOUNT, region);
    }
    Simulator::start(cloud)
}

/// A configuration for polling it quickly: everything on the first level can be replaced by a later `more`.
pub fn config(simulator: &Simulator, directory: &Path, regions: &[&str], more: &str) -> String {
    let url = simulator.url();
    let state = directory.join("state");
    let mut config = format!(
        "accounts:\n  - name: {ACCOUNT}\n    endpoint: {url}\n    regions: [{}]\n    credentials: {{type: access_key, \
         access_key_id: test-key, access_key_secret: test-secret}}\n",
        regions.join(", ")
    );
    for (key, default) in [
        (
            "poll",
            "{interval: 50ms, sweep_interval: 0, request_timeout: 2s}".to_owned(),
        ),
        (
            "rate_limit",
            "{requests_per_second: 1000, burst: 1000}".to_owned(),
        ),
        ("state", format!("{{path: {}}}", state.display())),
        ("metrics", "{new_series_hold: 0s}".to_owned()),
    ] {
        if !more.lines().any(|line| line.starts_with(&format!("{key}:"))) {
            config.push_str(&format!("{key}: {default}\n"));
        }
    }
    config + more
}
