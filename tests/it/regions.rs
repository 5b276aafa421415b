//! Regions: found, failed to be found, set aside, gone and back.

use simulator::{AccessKey, Clock, Cloud, Fault, FaultKind, Outcome, Simulator, unix_now};
use tempfile::tempdir;

use crate::exporter::{Exporter, eventually};
use crate::fleet::{account, account_with, assert_no_secrets, config};
use crate::scrape::Scrape;

const RESULTS: &str = "cloud_assistant_results_total";
const UP: &str = "cloud_assistant_up";
const POLL_FAILURES: &str = "cloud_assistant_exporter_poll_failures_total";
const KEY: &str = "{type: access_key, access_key_id: test-key, access_key_secret: hunter2}";

fn cloud(regions: &[&str]) -> Simulator {
    let mut cloud = Cloud::new(Clock::Manual(unix_now()));
    cloud.add_account("a", AccessKey::new("test-key", "hunter2"));
    for region in regions {
        cloud.region("a", region).add_settled(2, Outcome::success());
    }
    list(&mut cloud, regions);
    Simulator::start(cloud)
}

fn list(cloud: &mut Cloud, regions: &[&str]) {
    cloud.listed_regions = Some(regions.iter().map(|region| (*region).to_owned()).collect());
}

/// The regions of an account that have `up`, with it.
fn up(scrape: &Scrape) -> Vec<(String, f64)> {
    scrape
        .all(UP)
        .map(|(labels, up)| (labels["region_id"].clone(), up))
        .collect()
}

fn is_up(scrape: &Scrape, regions: &[&str]) -> bool {
    up(scrape)
        == regions
            .iter()
            .map(|region| ((*region).to_owned(), 1.0))
            .collect::<Vec<_>>()
}

#[test]
fn regions_are_found_lost_and_found_again_and_every_result_counts_once() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&["cn-beijing", "cn-hangzhou", "me-east-1"]);
    let accounts = [account_with(
        "a",
        &simulator.url(),
        &[],
        KEY,
        "exclude_regions: [me-east-1]",
    )];
    let exporter = Exporter::start(
        directory.path(),
        &config(directory.path(), &accounts, "discovery_interval: 300ms"),
    );
    exporter.scrape_until("two regions", |scrape| {
        is_up(scrape, &["cn-beijing", "cn-hangzhou"])
    });
    let regions = ["cn-beijing", "cn-hangzhou", "cn-shanghai"];
    {
        let mut cloud = simulator.cloud();
        cloud.mark_baseline();
        cloud
            .region("a", "cn-hangzhou")
            .add_settled(60, Outcome::failed(1));
        cloud.region("a", "cn-shanghai");
        list(&mut cloud, &regions);
    }
    exporter.scrape_until("the third region", |scrape| is_up(scrape, &regions));
    simulator
        .cloud()
        .region("a", "cn-shanghai")
        .add_settled(5, Outcome::timeout());
    exporter.polled();
    // Gone, and nothing of it is shown.
    list(&mut simulator.cloud(), &["cn-beijing", "cn-shanghai"]);
    let without = exporter.scrape_until("one region less", |scrape| {
        is_up(scrape, &["cn-beijing", "cn-shanghai"])
    });
    assert_eq!(without.sum(RESULTS, &[("region_id", "cn-hangzhou")]), None);
    simulator
        .cloud()
        .region("a", "cn-hangzhou")
        .add_settled(70, Outcome::timeout());
    // Back, it goes on where it was.
    list(&mut simulator.cloud(), &regions);
    exporter.scrape_until("all regions", |scrape| is_up(scrape, &regions));
    let scrape = exporter.polled();
    for region in regions {
        let truth = simulator.cloud().truth_since_baseline("a", region);
        assert_eq!(scrape.counts(RESULTS, "a", region), truth.results, "{region}");
    }
    assert_eq!(scrape.value(RESULTS, &[("region_id", "cn-hangzhou")]), 130.0);
    let asked = simulator.requests();
    assert!(
        asked.iter().all(|request| request.region != "me-east-1"),
        "an excluded region is not asked"
    );
    assert_no_secrets(&exporter, directory.path());
}

#[test]
fn a_discovery_that_fails_leaves_the_known_regions_going_over_a_restart_too() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&["cn-beijing", "cn-hangzhou"]);
    let accounts = [account("a", &simulator.url(), &[], KEY)];
    let config = config(directory.path(), &accounts, "discovery_interval: 300ms");
    let exporter = Exporter::start(directory.path(), &config);
    let regions = ["cn-beijing", "cn-hangzhou"];
    exporter.scrape_until("two regions", |scrape| is_up(scrape, &regions));
    simulator.cloud().mark_baseline();
    simulator.cloud().deny("a", "DescribeRegions", None);
    let page = eventually("the failure on the page", || {
        let page = exporter.get("/").text();
        page.contains("grant the RAM action ecs:DescribeRegions")
            .then_some(page)
    });
    assert!(page.contains("those that were known before are polled"), "{page}");
    simulator
        .cloud()
        .region("a", "cn-hangzhou")
        .add_settled(60, Outcome::failed(1));
    let scrape = exporter.polled();
    assert!(is_up(&scrape, &regions));
    let failures = "cloud_assistant_exporter_api_request_failures_total";
    let labels = [
        ("account", "a"),
        ("region_id", ""),
        ("action", "DescribeRegions"),
        ("reason", "denied"),
    ];
    assert!(scrape.value(failures, &labels) >= 1.0);
    let log = exporter.log();
    exporter.kill();
    let line = log
        .lines()
        .find(|line| line.contains("could not be discovered"))
        .unwrap();
    assert!(
        line.contains("ecs:DescribeRegions") && line.contains("code=Forbidden.RAM"),
        "{line}"
    );
    // What was known before the restart is polled at once.
    simulator
        .cloud()
        .region("a", "cn-beijing")
        .add_settled(7, Outcome::timeout());
    let exporter = Exporter::start(directory.path(), &config);
    exporter.scrape_until("two regions", |scrape| is_up(scrape, &regions));
    let scrape = exporter.polled();
    for region in regions {
        let truth = simulator.cloud().truth_since_baseline("a", region);
        assert_eq!(scrape.counts(RESULTS, "a", region), truth.results, "{region}");
    }
    // An answer without any region stops nothing.
    simulator.cloud().allow("a", "DescribeRegions", None);
    list(&mut simulator.cloud(), &[]);
    eventually("the empty answer in the log", || {
        exporter
            .log()
            .contains("an answer that names no region")
            .then_some(())
    });
    assert!(is_up(&exporter.polled(), &regions));
}

#[test]
fn with_no_region_known_discovery_is_tried_at_every_interval() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&["cn-hangzhou"]);
    simulator.cloud().deny("a", "DescribeRegions", None);
    let fine = account("fine", &simulator.url(), &["cn-hangzhou"], KEY);
    let accounts = [account("a", &simulator.url(), &[], KEY), fine];
    let exporter = Exporter::start(
        directory.path(),
        &config(directory.path(), &accounts, "discovery_interval: 1h"),
    );
    // A failed first try is as good as a failed first poll.
    eventually("ready", || (exporter.get("/-/ready").status == 200).then_some(()));
    eventually("several tries", || {
        let tries = simulator.requests();
        (tries
            .iter()
            .filter(|request| request.action == "DescribeRegions")
            .count()
            >= 3)
            .then_some(())
    });
    let page = exporter.get("/").text();
    assert!(
        page.contains("could not be discovered") && page.contains("grant the RAM action ecs:DescribeRegions"),
        "{page}"
    );
    let scrape = exporter.scrape();
    assert_eq!(scrape.sum(UP, &[("account", "a")]), None);
    assert_eq!(scrape.value(UP, &[("account", "fine")]), 1.0);
    let failures = "cloud_assistant_exporter_api_request_failures_total";
    exporter.scrape_until("the failures in the metric", |scrape| {
        scrape.sum(failures, &[("account", "a"), ("action", "DescribeRegions")]) >= Some(3.0)
    });
    let log = exporter.log();
    let mut lines = log
        .lines()
        .filter(|line| line.contains("could not be discovered"));
    let line = lines.next().unwrap().to_owned();
    assert_eq!(lines.count(), 0, "one line for all that fail in the same way");
    assert!(
        line.contains("account=a") && line.contains("ecs:DescribeRegions"),
        "{line}"
    );
    simulator.cloud().allow("a", "DescribeRegions", None);
    exporter.scrape_until("the region", |scrape| {
        scrape.sum(UP, &[("account", "a")]) == Some(1.0)
    });
    assert!(
        !exporter.get("/").text().contains("ecs:DescribeRegions"),
        "the failure is over"
    );
    assert_no_secrets(&exporter, directory.path());
}

#[test]
fn a_region_without_cloud_assistant_is_set_aside_where_found_and_fails_where_configured() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&["cn-hangzhou", "me-east-1"]);
    simulator.cloud().unsupported_region("me-east-1");
    let accounts = [
        account("found", &simulator.url(), &[], KEY),
        account("configured", &simulator.url(), &["cn-hangzhou", "me-east-1"], KEY),
    ];
    let exporter = Exporter::start(
        directory.path(),
        &config(directory.path(), &accounts, "discovery_interval: 400ms"),
    );
    let of =
        |scrape: &Scrape, account: &str| scrape.sum(UP, &[("account", account), ("region_id", "me-east-1")]);
    let page = eventually("the region on the page", || {
        let page = exporter.get("/").text();
        let note = page
            .lines()
            .find(|line| line.contains("Set aside of account <strong>found</strong>"));
        note.filter(|note| note.contains("me-east-1")).map(str::to_owned)
    });
    assert!(!page.contains("not supported"), "{page}");
    exporter.scrape_until("a failed poll of the configured one", |scrape| {
        of(scrape, "configured") == Some(0.0)
    });
    eventually("ready", || (exporter.get("/-/ready").status == 200).then_some(()));
    // Every discovery tries it again, of which nothing is seen.
    let tries = || {
        let requests = simulator.requests();
        requests
            .iter()
            .filter(|request| request.action == "DescribeRegions")
            .count()
    };
    let begun = tries();
    loop {
        let scrape = exporter.scrape();
        assert_eq!(of(&scrape, "found"), None);
        assert_eq!(
            scrape.sum(POLL_FAILURES, &[("account", "found"), ("region_id", "me-east-1")]),
            None
        );
        assert_eq!(exporter.get("/-/ready").status, 200);
        if tries() >= begun + 3 {
            break;
        }
    }
    let scrape = exporter.scrape();
    assert_eq!(scrape.value(UP, &[("account", "found")]), 1.0);
    assert_eq!(
        scrape.value(UP, &[("account", "configured"), ("region_id", "cn-hangzhou")]),
        1.0
    );
    let said = exporter.log();
    let said = said.lines().filter(|line| line.contains("set aside")).count();
    assert_eq!(said, 1, "said once, not at every discovery");
    simulator.cloud().supported_region("me-east-1");
    exporter.scrape_until("the region is there", |scrape| {
        of(scrape, "found") == Some(1.0) && of(scrape, "configured") == Some(1.0)
    });
}

#[test]
fn faults_of_discovery_are_tried_again() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&["cn-hangzhou"]);
    for kind in [FaultKind::Html502, FaultKind::CutHeaders, FaultKind::NotJson] {
        simulator.faults().add(Fault::once(kind).on("DescribeRegions"));
    }
    let accounts = [account("a", &simulator.url(), &[], KEY)];
    let exporter = Exporter::start(
        directory.path(),
        &config(directory.path(), &accounts, "discovery_interval: 1h"),
    );
    exporter.scrape_until("the region", |scrape| is_up(scrape, &["cn-hangzhou"]));
    assert_eq!(simulator.faults().left(), 0);
    assert!(!exporter.log().contains("could not be discovered"));
}
