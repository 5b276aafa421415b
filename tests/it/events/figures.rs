//! Figures, printed by `make figures`: how soon a result is seen after its event, and what that costs.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use simulator::{ALL_REGIONS, Emission};
use tempfile::tempdir;

use super::{ID, Stage, cloud, event};
use crate::cloud::ACCOUNT;
use crate::stage::RESULTS;

/// Regions that get events in turn, so that each has its `min_interval` between two.
const REGIONS: usize = 9;
const RESULTS_OF_ALL: usize = 1000;
const MORE: &str = "events: {http: true, min_interval: 1s}";
/// Between two results: of a region twice its `min_interval`.
const APART: Duration = Duration::from_millis(240);
/// Between two looks at /metrics: what is measured must not wait for those who measure.
const LOOK: Duration = Duration::from_millis(20);

fn percentiles(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100].as_secs_f64();
    format!("{:.2} | {:.2} | {:.2} | {}", at(50), at(99), at(100), took.len())
}

fn counted(stage: &Stage, regions: &[&str]) -> BTreeMap<String, u64> {
    let scrape = stage.exporter.scrape();
    let of = |region: &&str| {
        let counted = scrape.sum(RESULTS, &[("region_id", region)]).unwrap_or(0.0);
        ((*region).to_owned(), counted as u64)
    };
    regions.iter().map(of).collect()
}

/// Settles a thousand results in all regions in turn, one after another, and notes when each is on /metrics; with 100
/// events a second of the same regions besides, if `is_busy`.
fn latencies(by_queue: bool, is_busy: bool) -> Vec<Duration> {
    let regions = &ALL_REGIONS[..REGIONS];
    let simulator = cloud(regions);
    simulator.cloud().queue(ACCOUNT, "q");
    let url = simulator.url();
    let account = if by_queue {
        format!("account_id: '{ID}'\n    events: {{queue: '{url}/queues/q'}}")
    } else {
        format!("account_id: '{ID}'")
    };
    let stage = Stage::before(simulator, tempdir().unwrap(), regions, &account, MORE);
    if by_queue {
        stage.simulator.cloud().emit(Some(Emission::to_queue("q")));
    } else {
        stage.emit_by_http();
    }
    let waiting: Mutex<BTreeMap<String, Vec<Instant>>> = Mutex::default();
    let mut took = Vec::new();
    let over = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|threads| {
        if is_busy {
            threads.spawn(|| {
                for region in regions.iter().cycle() {
                    if over.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                    let body = event(ID, region, "TaskCompleted");
                    if by_queue {
                        stage.simulator.put_message(ACCOUNT, "q", body);
                    } else {
                        stage.post("", "", &body);
                    }
                    thread::park_timeout(Duration::from_millis(10));
                }
            });
        }
        threads.spawn(|| {
            for number in 0..RESULTS_OF_ALL {
                let region = regions[number % regions.len()];
                let mut waiting = waiting.lock().unwrap();
                stage.fail_one(region);
                waiting.entry(region.to_owned()).or_default().push(Instant::now());
                drop(waiting);
                thread::park_timeout(APART);
            }
        });
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        let deadline = Instant::now() + Duration::from_secs(400);
        while took.len() < RESULTS_OF_ALL && Instant::now() < deadline {
            for (region, counted) in counted(&stage, regions) {
                let before = seen.insert(region.clone(), counted).unwrap_or(0);
                let mut waiting = waiting.lock().unwrap();
                for _ in before..counted {
                    took.push(waiting.get_mut(&region).unwrap().remove(0).elapsed());
                }
            }
            thread::park_timeout(LOOK);
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(took.len(), RESULTS_OF_ALL);
    took
}

#[test]
#[ignore = "ten minutes"]
fn from_event_to_metrics() {
    println!(
        "seconds from a result's event to /metrics, poll.interval 10m, events.min_interval 1s, {REGIONS} regions"
    );
    println!("| events | others | p50 | p99 | most | results |\n|---|---|---|---|---|---|");
    for by_queue in [false, true] {
        for is_busy in [false, true] {
            let way = if by_queue { "queue" } else { "HTTP" };
            let others = if is_busy { "100 a second" } else { "none" };
            println!(
                "| {way} | {others} | {} |",
                percentiles(latencies(by_queue, is_busy))
            );
        }
    }
}
