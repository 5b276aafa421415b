//! Many accounts, each with credentials of its own: their configuration, the check of it, and the search for secrets
//! in all that the exporter shows or keeps.

use std::fs;
use std::path::Path;

use simulator::{ALL_REGIONS, AccessKey, Clock, Cloud, Outcome, Simulator, unix_now};

use crate::exporter::{Exporter, command, config_path};

/// In every secret that a test makes up, and nowhere else.
pub const MARK: &str = "hunter2";

/// What the simulator's own secrets hold.
const ISSUED: [&str; 5] = [
    "temporary-secret",
    "sim+ulated",
    "sim%2Bulated",
    "CAIS0",
    "metadata-token-",
];

/// One account as it is written: what stands after `credentials:`, and the other keys.
pub fn account(name: &str, endpoint: &str, regions: &[&str], credentials: &str) -> String {
    account_with(name, endpoint, regions, credentials, "")
}

/// The same with further keys, one a line.
pub fn account_with(name: &str, endpoint: &str, regions: &[&str], credentials: &str, more: &str) -> String {
    let more: String = more.lines().map(|line| format!("    {line}\n")).collect();
    let regions = regions.join(", ");
    format!(
        "  - name: {name}\n    endpoint: {endpoint}\n    regions: [{regions}]\n    credentials: {credentials}\n{more}"
    )
}

/// A cloud of many accounts, each in so many regions with 100 results that have settled, and the accounts as they are
/// written.
pub fn many_accounts(accounts: usize, regions: usize) -> (Simulator, String) {
    many_accounts_with(accounts, regions, 100)
}

/// The name of one of them.
pub fn account_name(number: usize) -> String {
    format!("account-{number:02}")
}

/// The same with another number of results.
pub fn many_accounts_with(accounts: usize, regions: usize, results: usize) -> (Simulator, String) {
    let mut cloud = Cloud::new(Clock::Manual(unix_now()));
    let names: Vec<String> = (1..=accounts).map(account_name).collect();
    for name in &names {
        let key = AccessKey::new(&format!("{name}-key"), &format!("{MARK}-{name}"));
        cloud.add_account(name, key);
        for region in &ALL_REGIONS[..regions] {
            cloud
                .region(name, region)
                .add_settled(results, Outcome::success());
        }
    }
    let simulator = Simulator::start(cloud);
    let url = simulator.url();
    let written = names.iter().map(|name| {
        let key =
            format!("{{type: access_key, access_key_id: {name}-key, access_key_secret: {MARK}-{name}}}");
        account(name, &url, &[], &key)
    });
    (simulator, written.collect())
}

/// A configuration of these accounts that polls quickly; `poll` has further keys of it.
pub fn config(directory: &Path, accounts: &[String], poll: &str) -> String {
    let state = directory.join("state");
    let interval = if poll.starts_with("interval:") {
        ""
    } else {
        "interval: 200ms, "
    };
    let separator = if poll.is_empty() { "" } else { ", " };
    format!(
        "accounts:\n{}poll: {{{interval}{poll}{separator}sweep_interval: 0, request_timeout: 5s}}\n\
         rate_limit: {{requests_per_second: 1000, burst: 1000}}\nstate: {{path: {}}}\n\
         metrics: {{new_series_hold: 0s}}\n",
        accounts.concat(),
        state.display()
    )
}

/// `--config.check-credentials`: whether it is content, and all it said.
pub fn check(directory: &Path, config: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let path = config_path(directory);
    fs::write(&path, config).unwrap();
    let output = command()
        .arg(format!("--config.file={}", path.display()))
        .arg("--config.check-credentials")
        .env("HOME", directory)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert_hidden("the check", &said);
    let code = output.status.code().unwrap();
    assert!(code == 0 || code == 1, "{code}: {said}");
    (code == 0, said)
}

/// No secret is in a text.
pub fn assert_hidden(place: &str, text: &str) {
    for secret in ISSUED.iter().chain([&MARK]) {
        let found = text.lines().find(|line| line.contains(secret));
        assert!(found.is_none(), "{secret} in {place}: {found:?}");
    }
}

/// No secret is in the log, the pages, the metrics or the state.
pub fn assert_no_secrets(exporter: &Exporter, directory: &Path) {
    assert_hidden("the log", &exporter.log());
    for path in ["/", "/metrics", "/-/ready", "/-/healthy"] {
        let answer = exporter.get(path);
        assert_hidden(path, &answer.head);
        assert_hidden(path, &answer.text());
    }
    assert_hidden_in_files(&directory.join("state"));
}

fn assert_hidden_in_files(path: &Path) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            assert_hidden_in_files(&entry.unwrap().path());
        }
    } else if let Ok(bytes) = fs::read(path) {
        assert_hidden(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
    }
}

/// The sum of all samples of a name; 0 where there are none.
pub fn total(scrape: &crate::scrape::Scrape, name: &str) -> f64 {
    scrape.all(name).map(|(_, value)| value).sum()
}
