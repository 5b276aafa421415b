//! Whose events are taken, and what that says of the others.

use std::fs;

use simulator::{AccessKey, Clock, Cloud, Simulator, unix_now};
use tempfile::tempdir;

use super::queue::{FAILURES, MORE, account};
use super::{EVENT_POLLS, ID, LAST_EVENT, Stage, event, outcomes, scope};
use crate::cloud::{ACCOUNT, REGION};
use crate::exporter::{Exporter, config_path, eventually};
use crate::fleet::{account_with, config};

const OTHER: &str = "other";
const OTHER_ID: &str = "6543210987654321";

#[test]
fn an_account_without_a_queue_is_left_alone_by_the_queue_of_another() {
    let mut cloud = Cloud::new(Clock::Manual(unix_now()));
    for name in [ACCOUNT, OTHER] {
        cloud.add_account(name, AccessKey::new(&format!("{name}-key"), "hunter2"));
        cloud.region(name, REGION);
    }
    cloud.queue(ACCOUNT, "q");
    let simulator = Simulator::start(cloud);
    let url = simulator.url();
    let written = |name: &str, more: &str| {
        let key = format!("{{type: access_key, access_key_id: {name}-key, access_key_secret: hunter2}}");
        account_with(name, &url, &[REGION], &key, more)
    };
    let accounts = [
        written(
            ACCOUNT,
            &format!("account_id: '{ID}'\nevents: {{queue: q, endpoint: '{url}'}}"),
        ),
        written(OTHER, &format!("account_id: '{OTHER_ID}'")),
    ];
    let directory = tempdir().unwrap();
    let config = config(directory.path(), &accounts, "interval: 10m") + MORE + "\n";
    let exporter = Exporter::start(directory.path(), &config);
    exporter.looked();
    simulator.put_message(ACCOUNT, "q", event(ID, REGION, "TaskCompleted"));
    let scrape = exporter.scrape_until("a poll of its event", |scrape| {
        scrape.by_scope(EVENT_POLLS).get(&scope()) >= Some(&1.0)
    });
    let of_other = [("account", OTHER)];
    assert_eq!(scrape.sum(LAST_EVENT, &of_other), None, "the event was not its");
    assert_eq!(scrape.sum(EVENT_POLLS, &of_other), None, "and none is missed");

    // What is its is its all the same.
    simulator.put_message(ACCOUNT, "q", event(OTHER_ID, REGION, "TaskCompleted"));
    let scrape = exporter.scrape_until("the other's event", |scrape| {
        scrape.sum(LAST_EVENT, &of_other).is_some()
    });
    assert_eq!(scrape.sum(EVENT_POLLS, &of_other), None);
    assert_eq!(outcomes(&scrape, "queue"), [("hint".to_owned(), 2)].into());
}

#[test]
fn what_is_wrong_with_a_queue_is_not_shown_once_it_is_no_longer_read() {
    let simulator = super::cloud(&[REGION]);
    let with_queue = account(&simulator.url());
    let stage = Stage::before(simulator, tempdir().unwrap(), &[REGION], &with_queue, MORE);
    stage.exporter.scrape_until("it is missing", |scrape| {
        scrape.sum(FAILURES, &[("reason", "missing")]) == Some(1.0)
    });
    let is_shown = || {
        let page = stage.exporter.get("/").text();
        page.contains("The queue of its events cannot be read")
    };
    assert!(is_shown());
    let without = format!("account_id: '{ID}'");
    let config = super::config(&stage.simulator, &stage.directory, &[REGION], &without, MORE);
    fs::write(config_path(stage.directory.path()), config).unwrap();
    assert_eq!(stage.exporter.request("POST", "/-/reload", "").status, 200);
    eventually("nothing is wrong", || (!is_shown()).then_some(()));
}
