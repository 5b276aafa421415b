//! A pause belongs to the action that it was asked of, and what DescribeInvocations does not tell holds nothing back.

use std::fs;
use std::time::Duration;

use simulator::{Fault, FaultKind, Outcome};
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, REGION, cloud, config};
use crate::exporter::{Exporter, config_path, eventually};
use crate::stage::*;

const INVOCATIONS: &str = "DescribeInvocations";
const RESULTS_ACTION: &str = "DescribeInvocationResults";

/// Commands are selected, so that their names are asked for.
const NAMED: &str = "poll: {interval: 200ms, sweep_interval: 1s, request_timeout: 2s}\n\
                     metrics: {new_series_hold: 0s, commands: [{name: \".*\"}]}\n";

fn goes_on_without_names(kind: FaultKind) {
    let stage = Stage::new(NAMED, |region| {
        region.add_settled(60, Outcome::success());
        region.run("open", 3);
    });
    stage.exact();
    stage.simulator.faults().add(Fault::forever(kind).on(INVOCATIONS));
    for exit_code in 1..4 {
        stage.region(|region| {
            let invoke_id = region.command("never seen before").on(5).ad_hoc().run();
            region.settle_all(&invoke_id, &Outcome::failed(exit_code));
            let schedule = region.schedule("s", "rate(60s)", 2);
            region.begin_run(&schedule, 0);
        });
        let scrape = stage.exporter.scrape_until("results go on", |scrape| {
            scrape.counts(RESULTS, ACCOUNT, REGION) == stage.truth().results
        });
        assert_eq!(scrape.value(UP, &[]), 1.0);
    }
    // Sweeps end, too.
    stage.swept();
    stage.simulator.faults().clear();
    stage.exact();
}

#[test]
fn a_pause_of_a_minute_for_names_does_not_stop_results() {
    goes_on_without_names(FaultKind::ThrottleHeader {
        retry_after_ms: 60_000,
    });
}

#[test]
fn names_that_are_answered_with_502_for_good_do_not_stop_results() {
    goes_on_without_names(FaultKind::Html502);
}

#[test]
fn throttling_of_names_does_not_stop_results() {
    goes_on_without_names(FaultKind::ThrottleCode {
        status: 400,
        code: "Throttling.User".to_owned(),
    });
}

/// At the first look neither: what settles while names cannot be had is counted.
#[test]
fn a_first_look_ends_without_names() {
    for kind in [
        FaultKind::Html502,
        FaultKind::ThrottleHeader {
            retry_after_ms: 60_000,
        },
        FaultKind::documented("Forbidden.RAM"),
    ] {
        let directory = tempdir().unwrap();
        let simulator = cloud(&[REGION]);
        let open = {
            let mut cloud = simulator.cloud();
            let region = cloud.region(ACCOUNT, REGION);
            region.add_settled(60, Outcome::success());
            region.schedule("s", "rate(60s)", 2);
            region.run("open", 5)
        };
        let name = kind.name();
        simulator.faults().add(Fault::forever(kind).on(INVOCATIONS));
        let exporter = Exporter::start(
            directory.path(),
            &config(&simulator, directory.path(), &[REGION], NAMED),
        );
        // One request for names is waited for, ten seconds at most; half a minute is plenty.
        let began = std::time::Instant::now();
        let first = exporter.scrape_until("the first look ends", |scrape| {
            assert!(began.elapsed() < Duration::from_secs(30), "{name}: no first look");
            scrape.sum(TRACKED, &[]).is_some()
        });
        assert!(first.counts(RESULTS, ACCOUNT, REGION).is_empty());
        simulator.cloud().mark_baseline();
        let mut cloud = simulator.cloud();
        cloud
            .region(ACCOUNT, REGION)
            .settle_all(&open, &Outcome::failed(5));
        drop(cloud);
        let five = class("Failed", "ExitCodeNonzero", "5");
        exporter.scrape_until("five are counted", |scrape| {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "{name}: nothing is counted"
            );
            scrape.sum(RESULTS, &five) == Some(5.0)
        });
    }
}

#[test]
fn a_pause_outlives_a_reload() {
    const PAUSE: Duration = Duration::from_secs(8);
    let stage = Stage::new(
        "poll: {interval: 300ms, sweep_interval: 0, request_timeout: 2s}\n",
        |region| {
            region.add_settled(3, Outcome::success());
        },
    );
    let throttle = FaultKind::ThrottleHeader {
        retry_after_ms: PAUSE.as_millis() as u64,
    };
    stage
        .simulator
        .faults()
        .add(Fault::once(throttle).on(RESULTS_ACTION));
    let paused = eventually("a pause is asked for", || {
        let requests = stage.simulator.requests();
        requests
            .iter()
            .position(|request| request.fault.is_some() && request.status != 0)
    });
    let path = config_path(stage.directory.path());
    let before = fs::read_to_string(&path).unwrap();
    // Two reloads: of the rate limit, and of how often is polled.
    for (from, to) in [
        ("burst: 1000", "burst: 900"),
        ("interval: 300ms", "interval: 200ms"),
    ] {
        let text = fs::read_to_string(&path).unwrap().replace(from, to);
        assert_ne!(text, before);
        fs::write(&path, text).unwrap();
        assert_eq!(stage.exporter.request("POST", "/-/reload", "").status, 200);
    }
    let (asked, next) = eventually("it is asked again", || {
        let requests = stage.simulator.requests();
        let next = requests[paused + 1..]
            .iter()
            .find(|request| request.action == RESULTS_ACTION)?;
        Some((requests[paused].at, next.at))
    });
    let waited = next.duration_since(asked).unwrap();
    assert!(waited >= PAUSE, "asked again after {waited:?}");
    stage.exact();
}
