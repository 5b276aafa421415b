//! Reading the configuration again while running.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use simulator::Outcome;
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, cloud, config};
use crate::exporter::{Exporter, config_path, eventually};

const RESULTS: &str = "cloud_assistant_results_total";
const POLLS: &str = "cloud_assistant_exporter_polls_total";

#[test]
fn a_change_of_regions_restarts_no_other_scope_and_a_region_that_returns_goes_on() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&["cn-hangzhou", "cn-shanghai"]);
    let both = config(&simulator, directory.path(), &["cn-hangzhou", "cn-shanghai"], "");
    let one = config(&simulator, directory.path(), &["cn-hangzhou"], "");
    let exporter = Exporter::start(directory.path(), &both);
    exporter.looked();
    simulator
        .cloud()
        .region(ACCOUNT, "cn-shanghai")
        .add_settled(5, Outcome::success());
    let shanghai = [("region_id", "cn-shanghai")];
    assert_eq!(exporter.polled().value(RESULTS, &shanghai), 5.0);
    let before = exporter.scrape().value(POLLS, &[("region_id", "cn-hangzhou")]);

    fs::write(config_path(directory.path()), one).unwrap();
    assert_eq!(exporter.request("POST", "/-/reload", "").status, 200);
    let gone = exporter.scrape_until("the region's series are gone", |scrape| {
        !scrape.text.contains("cn-shanghai")
    });
    assert!(
        gone.value(POLLS, &[("region_id", "cn-hangzhou")]) >= before,
        "the other scope goes on"
    );
    simulator
        .cloud()
        .region(ACCOUNT, "cn-shanghai")
        .add_settled(3, Outcome::failed(1));

    fs::write(config_path(directory.path()), both).unwrap();
    exporter.signal("HUP");
    let back = exporter.scrape_until("the region is back", |scrape| {
        scrape.sum(RESULTS, &shanghai) == Some(8.0)
    });
    assert!(back.value(POLLS, &[("region_id", "cn-hangzhou")]) >= before);
    // What happened meanwhile is counted: the saved record knew what was settled before.
    assert_eq!(exporter.polled().value(RESULTS, &shanghai), 8.0);
}

#[test]
fn a_hundred_reloads_under_load_change_no_count_and_leak_nothing() {
    let directory = tempdir().unwrap();
    let regions = ["cn-hangzhou", "cn-shanghai"];
    let simulator = cloud(&regions);
    let good = config(&simulator, directory.path(), &regions, "");
    let other = good.replace("interval: 100ms", "interval: 120ms");
    let exporter = Exporter::start(directory.path(), &good);
    exporter.looked();
    simulator.cloud().mark_baseline();
    let fds = exporter.scrape().value("process_open_fds", &[]);
    let stop = AtomicBool::new(false);
    let scrapes = thread::scope(|threads| {
        let scraping: Vec<_> = (0..4)
            .map(|_| {
                threads.spawn(|| {
                    let mut scrapes = 0;
                    let mut before = exporter.scrape().by_scope(POLLS);
                    while !stop.load(Ordering::Relaxed) {
                        // A scope whose poller is just being restarted may be absent; it goes on where it was.
                        let now = exporter.scrape().by_scope(POLLS);
                        for (scope, polls) in now {
                            assert!(
                                polls >= before[&scope],
                                "the polls of {scope:?} went back to {polls}"
                            );
                            before.insert(scope, polls);
                        }
                        scrapes += 1;
                    }
                    scrapes
                })
            })
            .collect();
        for number in 0..100 {
            let (text, expected) = match number % 4 {
                0 => (other.as_str(), 200),
                2 => (good.as_str(), 200),
                _ => ("poll: {intervall: 1s}\n", 500),
            };
            fs::write(config_path(directory.path()), text).unwrap();
            let answer = exporter.request("POST", "/-/reload", "");
            assert_eq!(answer.status, expected, "{}", answer.text());
            if expected == 500 {
                assert!(answer.text().contains("intervall"), "{}", answer.text());
            }
            let region = regions[number % 2];
            simulator
                .cloud()
                .region(ACCOUNT, region)
                .add_settled(7, Outcome::failed(2));
        }
        stop.store(true, Ordering::Relaxed);
        scraping
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum::<usize>()
    });
    println!("{scrapes} scrapes during 100 reloads");
    for region in regions {
        let truth = simulator.cloud().truth_since_baseline(ACCOUNT, region);
        assert_eq!(truth.total(), 350);
        let scrape = exporter.scrape_until("all counted", |scrape| {
            scrape.counts(RESULTS, ACCOUNT, region) == truth.results
        });
        assert_eq!(
            scrape.value("cloud_assistant_exporter_config_last_reload_successful", &[]),
            0.0
        );
    }
    // Connections to the cloud and of the scrapers come and go; what leaks grows with the reloads.
    eventually("no descriptor has leaked", || {
        (exporter.scrape().value("process_open_fds", &[]) < fds + 20.0).then_some(())
    });
}

#[test]
fn an_emptied_configuration_changes_nothing() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&["cn-hangzhou"]);
    let config = config(&simulator, directory.path(), &["cn-hangzhou"], "");
    let exporter = Exporter::start(directory.path(), &config);
    exporter.looked();
    for emptied in [
        "",
        "# accounts:\n",
        "{}\n",
        "accounts:\n",
        "accounts:\n  -\n",
        "poll:\n",
    ] {
        fs::write(config_path(directory.path()), emptied).unwrap();
        let answer = exporter.request("POST", "/-/reload", "");
        assert_eq!(answer.status, 500, "{emptied:?}: {}", answer.text());
        exporter.signal("HUP");
        let scrape = exporter.polled();
        assert_eq!(
            scrape.value("cloud_assistant_exporter_config_last_reload_successful", &[]),
            0.0
        );
        let scopes = scrape.by_scope(POLLS).into_keys();
        let expected = (ACCOUNT.to_owned(), "cn-hangzhou".to_owned());
        assert_eq!(scopes.collect::<Vec<_>>(), [expected], "{emptied:?}");
    }
    for emptied in ["", "accounts:\n"] {
        let (status, said) = Exporter::try_start(directory.path(), emptied, &[], &[])
            .err()
            .unwrap();
        assert_eq!(status.code(), Some(1), "{emptied:?}: {said}");
    }
}
