//! Counts survive anything: the binary is killed at random instants while the cloud changes without a pause.
//!
//! `CRASH_KILLS` says how often; `make crash` is the long run. `CRASH_SEED` repeats a run, as far as the instants of
//! another process can be repeated.

mod away;
mod churn;
pub mod disk;
mod holds;
mod order;
mod schedules;
pub mod watch;

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use fastrand::Rng;
use simulator::{AccessKey, Clock, Cloud, Simulator, unix_now};
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, config};
use crate::exporter::{Exporter, command, config_path, pause};
use churn::Churn;
use watch::Watch;

const REGIONS: [&str; 3] = ["cn-hangzhou", "cn-beijing", "eu-central-1"];

/// How many results settle, on average, between two kills.
const RESULTS_A_KILL: u64 = 110;

/// A cloud that forgets nothing, whose clock stands at `now`.
pub fn remembering_cloud(regions: &[&str], now: i64) -> Simulator {
    let mut cloud = Cloud::new(Clock::Manual(now));
    cloud.add_account(ACCOUNT, AccessKey::new("test-key", "test-secret"));
    for region in regions {
        let region = cloud.region(ACCOUNT, region);
        region.retention_rows = usize::MAX;
        region.retention = i64::from(u32::MAX);
    }
    Simulator::start(cloud)
}

/// A seed that a failed run can be repeated with.
pub fn random(what: &str) -> Rng {
    let seed = match std::env::var("CRASH_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => fastrand::u64(..),
    };
    println!("{what}: CRASH_SEED={seed}");
    Rng::with_seed(seed)
}

/// Starts it and kills it before it can have done much.
fn kill_at_start(directory: &std::path::Path, config: &str, after: Duration) {
    fs::write(config_path(directory), config).unwrap();
    let mut child = command()
        .arg(format!("--config.file={}", config_path(directory).display()))
        .arg("--web.listen-address=127.0.0.1:0")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + after;
    while Instant::now() < end {
        pause();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn no_kill_costs_a_count() {
    killed_at_random("killed at random", false);
}

/// Rows are unlisted and listed again, lists are empty, histories lag: see the simulator's `Moods`.
#[test]
fn no_kill_costs_a_count_in_a_cloud_that_misbehaves() {
    killed_at_random("killed at random, misbehaving", true);
}

fn killed_at_random(what: &str, misbehaving: bool) {
    let kills: u64 = std::env::var("CRASH_KILLS").map_or(25, |kills| kills.parse().unwrap());
    let mut random = random(what);
    let began = Instant::now();
    let directory = tempdir().unwrap();
    let simulator = remembering_cloud(&REGIONS, unix_now());
    let mut churn = Churn::begin(&simulator, &REGIONS, random.fork());
    let poll = "poll: {interval: 100ms, sweep_interval: 4s, request_timeout: 2s}\n";
    let config = config(&simulator, directory.path(), &REGIONS, poll);
    let mut watch = Watch::default();

    // Kills before there was a first look: it is begun again.
    for _ in 0..3 {
        kill_at_start(
            directory.path(),
            &config,
            Duration::from_millis(random.u64(..300)),
        );
    }
    let exporter = Exporter::start(directory.path(), &config);
    watch.see(&exporter.looked());
    simulator.cloud().mark_baseline();
    exporter.kill();
    if misbehaving {
        churn.misbehave();
    }

    let mut scrapes = 0;
    for kill in 1..=kills {
        churn.goal(kill * RESULTS_A_KILL);
        if random.u8(..5) == 0 {
            churn.step(&simulator);
            kill_at_start(
                directory.path(),
                &config,
                Duration::from_millis(random.u64(..150)),
            );
            continue;
        }
        let exporter = Exporter::start(directory.path(), &config);
        let end = Instant::now() + Duration::from_millis(random.u64(..400));
        loop {
            watch.see(&exporter.scrape());
            scrapes += 1;
            if Instant::now() >= end {
                break;
            }
            churn.step(&simulator);
            pause();
        }
        exporter.kill();
    }

    churn.end(&simulator);
    let exporter = Exporter::start(directory.path(), &config);
    let truths: Vec<_> = REGIONS
        .iter()
        .map(|region| simulator.cloud().truth_since_baseline(ACCOUNT, region))
        .collect();
    let expected: Vec<_> = REGIONS.into_iter().zip(&truths).collect();
    let last = watch.until_exact(&exporter, &expected);
    let results: u64 = truths.iter().map(simulator::Truth::total).sum();
    assert!(results >= kills * 100, "{results} results are too few");
    for region in REGIONS {
        let [lost, late, reclassified] = watch::anomalies(&last, ACCOUNT, region);
        assert_eq!((lost, reclassified), (0.0, 0.0), "{region}");
        // What a page has not shown for a while is found by a sweep.
        assert!(misbehaving || late == 0.0, "{region}: {late} late");
    }
    // And nothing is counted twice by what comes after.
    let again = exporter.polled();
    watch.see(&again);
    for (region, truth) in REGIONS.iter().zip(&truths) {
        assert_eq!(watch::differences(&again, ACCOUNT, region, truth), [""; 0]);
    }
    println!(
        "{what}: {kills} kills, {scrapes} scrapes, {results} results in {} regions: every counter exact, none ever lower; \
         {:.0?}",
        REGIONS.len(),
        began.elapsed()
    );
}

#[test]
fn a_first_look_that_was_cut_off_is_begun_again_and_nothing_of_it_is_counted() {
    let region = REGIONS[0];
    let directory = tempdir().unwrap();
    let simulator = remembering_cloud(&[region], unix_now());
    let open = {
        let mut cloud = simulator.cloud();
        let region = cloud.region(ACCOUNT, region);
        region.add_settled(500, simulator::Outcome::success());
        region.run("backup", 3)
    };
    simulator.set_latency(Duration::from_millis(30));
    let config = config(&simulator, directory.path(), &[region], "");
    for _ in 0..3 {
        simulator.forget_requests();
        let exporter = Exporter::start(directory.path(), &config);
        crate::exporter::eventually("half of the list is read", || {
            (simulator.requests().len() >= 6).then_some(())
        });
        assert!(
            exporter
                .scrape()
                .sum("cloud_assistant_results_total", &[])
                .is_none()
        );
        let ready = exporter.get("/-/ready");
        assert_eq!(ready.status, 503, "{}", ready.text());
        exporter.kill();
        // What settles before the first look is complete was there before it.
        let mut cloud = simulator.cloud();
        cloud
            .region(ACCOUNT, region)
            .add_settled(20, simulator::Outcome::failed(3));
    }
    simulator.set_latency(Duration::ZERO);
    let exporter = Exporter::start(directory.path(), &config);
    let first = exporter.looked();
    assert!(
        first
            .counts("cloud_assistant_results_total", ACCOUNT, region)
            .is_empty()
    );
    assert_eq!(
        first.value("cloud_assistant_exporter_tracked_results", &[]),
        563.0
    );
    {
        let mut cloud = simulator.cloud();
        cloud.mark_baseline();
        let region = cloud.region(ACCOUNT, region);
        region.settle_all(&open, &simulator::Outcome::failed(4));
    }
    let truth = simulator.cloud().truth_since_baseline(ACCOUNT, region);
    assert_eq!(truth.total(), 3);
    let then = exporter.polled();
    assert_eq!(watch::differences(&then, ACCOUNT, region, &truth), [""; 0]);
}
