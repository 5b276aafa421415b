//! Every run of a schedule counts once, whenever it is looked and however often it is killed.

use std::time::{Duration, Instant};

use simulator::{InvocationStatus, Outcome, unix_now};
use tempfile::tempdir;

use super::watch::{Watch, anomalies};
use super::{random, remembering_cloud};
use crate::cloud::{ACCOUNT, REGION, config};
use crate::exporter::{Exporter, pause};

const RUNS: usize = 1000;

#[test]
fn a_thousand_runs_are_counted_run_by_run() {
    let mut random = random("a schedule");
    let directory = tempdir().unwrap();
    let simulator = remembering_cloud(&[REGION], unix_now());
    let schedule = {
        let mut cloud = simulator.cloud();
        let region = cloud.region(ACCOUNT, REGION);
        let schedule = region.schedule("watch", "rate(60s)", 1);
        for _ in 0..12 {
            region.run_once(&schedule, 0, Outcome::success());
        }
        schedule
    };
    let mut watch = Watch::default();
    let first = Exporter::start(
        directory.path(),
        &config(&simulator, directory.path(), &[REGION], ""),
    );
    watch.see(&first.looked());
    simulator.cloud().mark_baseline();
    first.kill();

    let mut runs = 0;
    let mut is_running = false;
    while runs < RUNS {
        // Hundreds between two polls, one by one, or none.
        let poll = format!(
            "poll: {{interval: {}ms, sweep_interval: 0, request_timeout: 2s}}\n",
            random.u64(100..600)
        );
        let exporter = Exporter::start(
            directory.path(),
            &config(&simulator, directory.path(), &[REGION], &poll),
        );
        let end = Instant::now() + Duration::from_millis(random.u64(..700));
        loop {
            watch.see(&exporter.scrape());
            if Instant::now() >= end {
                break;
            }
            let burst = match random.u8(..40) {
                0 => 150,
                1..10 => 1,
                _ => 0,
            };
            let mut cloud = simulator.cloud();
            for _ in 0..burst {
                if runs >= RUNS {
                    break;
                }
                let seconds = random.i64(0..50);
                let outcome = match random.u8(0..8) {
                    0 => Outcome::timeout(),
                    code @ 1..5 => Outcome::failed(code.into()),
                    _ => Outcome::success(),
                }
                .lasting(seconds);
                // A run begins after the one before: its time passes, for a timeout that of its limit.
                cloud.advance(seconds.max(60));
                let region = cloud.region(ACCOUNT, REGION);
                // Some runs are seen while they are under way.
                if is_running {
                    region.finish_run(&schedule, 0, outcome);
                    is_running = false;
                    runs += 1;
                } else if random.u8(..4) == 0 {
                    region.begin_run(&schedule, 0);
                    is_running = true;
                } else {
                    region.run_once(&schedule, 0, outcome);
                    runs += 1;
                }
            }
            drop(cloud);
            pause();
        }
        exporter.kill();
    }
    {
        let mut cloud = simulator.cloud();
        let region = cloud.region(ACCOUNT, REGION);
        if is_running {
            region.finish_run(&schedule, 0, Outcome::success());
        }
    }
    let exact = |exporter: &Exporter, watch: &mut Watch| {
        let truth = simulator.cloud().truth_since_baseline(ACCOUNT, REGION);
        let scrape = watch.until_exact(exporter, &[(REGION, &truth)]);
        assert_eq!(anomalies(&scrape, ACCOUNT, REGION), [0.0; 3]);
        truth.total()
    };
    let exporter = Exporter::start(
        directory.path(),
        &config(&simulator, directory.path(), &[REGION], ""),
    );
    assert!(exact(&exporter, &mut watch) >= RUNS as u64);
    // Its end is that of its last run, which is counted.
    simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .end_schedule(&schedule, InvocationStatus::Terminated);
    exporter.polled();
    exact(&exporter, &mut watch);
    exporter.polled();
    exact(&exporter, &mut watch);
}
