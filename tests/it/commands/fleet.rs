//! Many ad-hoc commands of few names, and an exporter that is killed again and again.

use std::collections::BTreeSet;
use std::time::Instant;

use simulator::Outcome;
use tempfile::tempdir;

use super::{Counts, NAMES, RESULTS, counts, requests, with};
use crate::cloud::{ACCOUNT, REGION, cloud};
use crate::exporter::{Exporter, pause};

const LIST: &str = "DescribeInvocationResults";

/// `COMMANDS=10000 KILLS=50` is the full size.
#[test]
fn ad_hoc_commands_of_forty_names_are_counted_exactly_across_crashes() {
    let size = |name: &str, default: usize| std::env::var(name).map_or(default, |size| size.parse().unwrap());
    let (commands, kills) = (size("COMMANDS", 600), size("KILLS", 6));
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let text = with(&simulator, directory.path(), "{name: 'name-[0-4]'}");
    let text = text.replace("interval: 100ms", "interval: 50ms");
    let mut exporter = Exporter::start(directory.path(), &text);
    exporter.looked();
    simulator.cloud().region(ACCOUNT, REGION).retention_rows = 100_000;
    let mut random = fastrand::Rng::with_seed(6);
    let mut truth = Counts::new();
    let started = Instant::now();
    for round in 0..=kills {
        for _ in 0..commands / (kills + 1) + 1 {
            let number = random.usize(0..40);
            let name = format!("name-{number}");
            let (good, bad) = (random.usize(1..4), random.usize(0..2));
            let mut cloud = simulator.cloud();
            let region = cloud.region(ACCOUNT, REGION);
            let invoke_id = region.command(&name).on(good + bad).ad_hoc().run();
            for place in 0..good + bad {
                let outcome = if place < good {
                    Outcome::success()
                } else {
                    Outcome::failed(1)
                };
                region.settle(&invoke_id, place, outcome);
            }
            for (status, count) in [("Success", good), ("Failed", bad)] {
                if number < 5 && count > 0 {
                    *truth.entry((name.clone(), status.to_owned())).or_default() += count as u64;
                }
            }
        }
        for _ in 0..random.usize(0..30) {
            pause();
        }
        // Every other kill comes after a poll, and those between at any instant.
        if round % 2 == 0 {
            exporter.polled();
        }
        if round < kills {
            let shown = counts(&exporter.scrape(), RESULTS);
            exporter.kill();
            exporter = Exporter::start(directory.path(), &text);
            let after = counts(&exporter.looked(), RESULTS);
            for (key, count) in shown {
                assert!(after.get(&key) >= Some(&count), "{key:?} went back");
            }
        }
    }
    let scrape = exporter.scrape_until("the simulator's truth", |scrape| counts(scrape, RESULTS) == truth);
    let labels = scrape.all(RESULTS).map(|(labels, _)| labels["command"].clone());
    assert_eq!(labels.collect::<BTreeSet<String>>().len(), 5);
    let results = simulator.cloud().truth(ACCOUNT, REGION).total();
    let (lists, names) = (requests(&simulator, LIST), requests(&simulator, NAMES));
    let by_id = simulator
        .requests()
        .iter()
        .filter(|request| request.action == NAMES && request.parameters.contains_key("CommandId"))
        .count();
    println!("{by_id} of them by CommandId");
    println!(
        "{commands} commands, {results} results, {kills} kills, {:?}: {lists} {LIST}, {names} {NAMES}, {:.1} for names per \
         1000 results",
        started.elapsed(),
        names as f64 * 1000.0 / results as f64
    );
}
