//! A reload that cannot be done changes nothing, and what answers late belongs to the configuration in force.

use std::fs;
use std::time::Duration;

use simulator::{AccessKey, Clock, Cloud, Fault, FaultKind, Outcome, Simulator, unix_now};
use tempfile::tempdir;

use crate::cloud::REGION;
use crate::exporter::{Exporter, config_path, eventually};
use crate::fleet::{account, config};
use crate::scrape::Scrape;
use crate::stage::*;

const FAILURES: &str = "cloud_assistant_exporter_poll_failures_total";

const KEY: &str = "{type: access_key, access_key_id: test-key, access_key_secret: hunter2}";

fn cloud_of(region: &str) -> Simulator {
    let mut cloud = Cloud::new(Clock::Manual(unix_now()));
    cloud.add_account("a", AccessKey::new("test-key", "hunter2"));
    cloud.region("a", region).add_settled(2, Outcome::success());
    Simulator::start(cloud)
}

#[test]
fn a_discovery_under_way_finds_nothing_for_the_endpoint_of_before() {
    let directory = tempdir().unwrap();
    let (old, new) = (cloud_of("cn-beijing"), cloud_of("cn-shanghai"));
    let slow = FaultKind::Slow(Duration::from_secs(2));
    old.faults().add(Fault::once(slow).on("DescribeRegions"));
    let of = |simulator: &Simulator| {
        let accounts = [account("a", &simulator.url(), &[], KEY)];
        config(directory.path(), &accounts, "")
    };
    let exporter = Exporter::start(directory.path(), &of(&old));
    let asked = || {
        let requests = old.requests();
        requests
            .into_iter()
            .find(|request| request.action == "DescribeRegions")
    };
    eventually("regions are looked up", asked);
    fs::write(config_path(directory.path()), of(&new)).unwrap();
    assert_eq!(exporter.request("POST", "/-/reload", "").status, 200);
    // Answered, or given up: whichever, it is over.
    eventually("the old discovery is over", || {
        (old.in_flight() == 0 && old.faults().left() == 0).then_some(())
    });
    let new_region = [("region_id", "cn-shanghai")];
    exporter.scrape_until("the new region", |scrape| {
        scrape.sum(UP, &new_region) == Some(1.0)
    });
    for _ in 0..3 {
        let scrape = exporter.polled();
        let shown = scrape.sum(UP, &[("region_id", "cn-beijing")]);
        assert_eq!(shown, None, "a region of the old endpoint is polled");
    }
    let polled = old
        .requests()
        .iter()
        .any(|request| request.action == "DescribeInvocationResults");
    assert!(!polled);
}

/// The record cannot be opened any more, and a reload needs it for a scope that is new.
#[test]
fn a_reload_while_the_state_cannot_be_opened_is_refused_and_changes_nothing() {
    let stage = Stage::new("", |region| {
        region.add_settled(60, Outcome::success());
    });
    stage.region(|region| region.add_settled(5, Outcome::failed(5)));
    stage.exact();
    let path = config_path(stage.directory.path());
    let before = fs::read_to_string(&path).unwrap();
    let state = stage.directory.path().join("state");
    let elsewhere = stage.directory.path().join("no directory");
    fs::write(&elsewhere, "a file").unwrap();
    let other = before.replace(state.to_str().unwrap(), elsewhere.to_str().unwrap());
    assert_ne!(other, before);
    fs::write(&path, other).unwrap();
    let answer = stage.exporter.request("POST", "/-/reload", "");
    assert_eq!(answer.status, 500, "{}", answer.text());
    stage.region(|region| region.add_settled(5, Outcome::failed(6)));
    stage.exact();
    fs::write(&path, &before).unwrap();
    assert_eq!(stage.exporter.request("POST", "/-/reload", "").status, 200);
    stage.exact();
}

/// A disk that is full breaks the open file; then it is not to be opened again.
#[test]
fn a_reload_after_a_full_disk_while_the_file_is_not_to_be_opened_does_not_end_the_process() {
    use crate::crash::disk::{Mount, fill};

    let directory = tempdir().unwrap();
    let Some(mount) = Mount::small(&directory.path().join("state")) else {
        println!("left out: this user may not mount a file system");
        return;
    };
    let simulator = crate::crash::remembering_cloud(&[REGION, "cn-beijing"], unix_now());
    let one = crate::cloud::config(&simulator, directory.path(), &[REGION], "");
    let two = crate::cloud::config(&simulator, directory.path(), &[REGION, "cn-beijing"], "");
    let exporter = Exporter::start(directory.path(), &one);
    exporter.looked();
    simulator.cloud().mark_baseline();
    let settle = |count| {
        let mut cloud = simulator.cloud();
        cloud
            .region(crate::cloud::ACCOUNT, REGION)
            .add_settled(count, Outcome::failed(5));
    };
    settle(10);
    exporter.scrape_until("ten are counted", |scrape| scrape.sum(RESULTS, &[]) == Some(10.0));
    let directory_in_its_place = mount.path().join("directory");
    fs::create_dir(&directory_in_its_place).unwrap();
    let filler = mount.path().join("filler");
    fill(&filler);
    settle(4_000);
    let failures = |scrape: &Scrape| scrape.sum(FAILURES, &[("reason", "state")]).unwrap_or(0.0);
    exporter.scrape_until("polls fail", |scrape| failures(scrape) >= 2.0);
    // A directory in its place cannot be opened as a file, by nobody.
    let (record, aside) = (mount.path().join("record.redb"), mount.path().join("aside"));
    fs::rename(&record, &aside).unwrap();
    fs::rename(&directory_in_its_place, &record).unwrap();
    // A poll under way may have it open still. On the full disk that one fails too, and no other opens it again.
    let so_far = failures(&exporter.scrape());
    exporter.scrape_until("it cannot be opened", |scrape| failures(scrape) >= so_far + 3.0);
    fs::remove_file(&filler).unwrap();
    fs::write(config_path(directory.path()), &two).unwrap();
    let answer = exporter.request("POST", "/-/reload", "");
    assert_eq!(answer.status, 500, "{}", answer.text());
    let after = exporter.scrape();
    assert_eq!(after.value(RESULTS, &[]), 10.0, "the last view stays");
    assert_eq!(
        after.sum(UP, &[("region_id", "cn-beijing")]),
        None,
        "nothing has changed"
    );
    fs::remove_dir(&record).unwrap();
    fs::rename(&aside, &record).unwrap();
    exporter.scrape_until("it recovers by itself", |scrape| {
        scrape.sum(RESULTS, &[("region_id", REGION)]) == Some(4_010.0)
    });
    assert_eq!(exporter.request("POST", "/-/reload", "").status, 200);
    exporter.scrape_until("the new region", |scrape| {
        scrape.sum(UP, &[("region_id", "cn-beijing")]) == Some(1.0)
    });
}
