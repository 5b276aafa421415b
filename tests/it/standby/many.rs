//! Failovers of every kind, one after another under constant change, as a real Prometheus sees them that scrapes both.
//!
//! `FAILOVERS` says how many.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use fastrand::Rng;
use simulator::{Outcome, Simulator};
use tempfile::tempdir;

use super::pair::Pair;
use crate::cloud::{ACCOUNT, REGION};
use crate::crash::random;
use crate::exporter::wait_until;
use crate::exposition::prometheus::Prometheus;

/// InvocationStatus, ErrorCode and ExitCode.
type Class = (String, String, String);

/// The rules that the documentation has, for a job.
fn relabelling() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/high-availability.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, rules) = page.split_once("    metric_relabel_configs:\n").unwrap();
    let (rules, _) = rules.split_once("```").unwrap();
    format!("  metric_relabel_configs:\n{rules}")
}

/// Tells Prometheus where the replicas are.
fn targets(pair: &Pair, file: &Path) {
    let running = pair.replicas.iter().flatten();
    let addresses: Vec<String> = running
        .map(|replica| format!("\"{}\"", replica.address()))
        .collect();
    let new = file.with_extension("new");
    let targets = addresses.join(", ");
    let group = format!("[{{\"targets\": [{targets}], \"labels\": {{\"exporter\": \"both\"}}}}]");
    fs::write(&new, group).unwrap();
    fs::rename(new, file).unwrap();
}

fn something_happens(simulator: &Simulator, random: &mut Rng) {
    let mut cloud = simulator.cloud();
    let region = cloud.region(ACCOUNT, REGION);
    let outcomes = Outcome::every_kind();
    let outcome = outcomes[random.usize(..outcomes.len())].clone();
    region.add_settled(random.usize(1..70), outcome);
}

/// Ends the leader in one way, and says which.
fn fail(pair: &mut Pair, leader: usize, random: &mut Rng) -> &'static str {
    match random.u8(..5) {
        0 | 1 => {
            pair.kill(leader);
            "kill -9"
        }
        2 => {
            let (status, log) = pair.replicas[leader].take().unwrap().terminate();
            assert!(status.success(), "{log}");
            "SIGTERM"
        }
        3 => {
            pair.database.ask(
                "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted",
            );
            "session ended"
        }
        _ => {
            pair.database.end(if random.bool() { "INT" } else { "QUIT" });
            pair.database.run();
            "database restarted"
        }
    }
}

/// What `increase()` says of the whole run, exactly.
///
/// It extrapolates: to where a counter would have been 0, which is where each began, and beyond the last sample, which is
/// long before the end of the range, by half of the mean time between two. That is taken off again.
fn increases(prometheus: &Prometheus) -> BTreeMap<Class, u64> {
    let of = |query: &str| -> BTreeMap<Class, f64> {
        let range = "cloud_assistant_results_total[1h] offset -10s";
        let results = prometheus.query(&query.replace("range", range)).into_iter();
        let by_class = results.map(|(labels, value)| {
            let [status, error_code, exit_code] = ["invocation_status", "error_code", "exit_code"]
                .map(|name| labels.get(name).cloned().unwrap_or_default());
            ((status, error_code, exit_code), value)
        });
        by_class.collect()
    };
    let samples = of("count_over_time(range)");
    for (class, first) in of("min_over_time(range)") {
        assert_eq!(first, 0.0, "{class:?} was not seen at 0");
    }
    let increases = of("increase(range)")
        .into_iter()
        .filter(|(_, increase)| *increase > 0.0);
    increases
        .map(|(class, increase)| {
            let exact = increase / (1.0 + 0.5 / (samples[&class] - 1.0));
            assert!((exact - exact.round()).abs() < 1e-6, "{class:?}: {exact}");
            (class, exact.round() as u64)
        })
        .collect()
}

#[test]
fn failovers_of_every_kind_cost_no_count_in_a_real_prometheus() {
    let failovers: u64 = std::env::var("FAILOVERS").map_or(8, |number| number.parse().unwrap());
    let mut random = random("failovers");
    let began = Instant::now();
    let mut pair = Pair::begin_unstarted(&[REGION]);
    // So that Prometheus sees each series at 0 first.
    pair.more = "metrics: {new_series_hold: 5s}\n";
    pair.begin_both();
    let directory = tempdir().unwrap();
    let file = directory.path().join("targets.json");
    targets(&pair, &file);
    let job = format!(
        "file_sd_configs: [{{files: ['{}']}}]\n{}",
        file.display(),
        relabelling()
    );
    let prometheus = Prometheus::with_job(directory.path(), &job, &[]);
    wait_until("Prometheus has scraped both", || {
        prometheus.query("cloud_assistant_exporter_leader").len() == 2
            && !prometheus.query("cloud_assistant_results_total").is_empty()
    });
    {
        let mut cloud = pair.simulator.cloud();
        let region = cloud.region(ACCOUNT, REGION);
        for outcome in Outcome::every_kind() {
            region.add_settled(1, outcome);
        }
    }
    pair.until_exact(0);
    let mut slowest = std::time::Duration::ZERO;
    for _ in 0..failovers {
        something_happens(&pair.simulator, &mut random);
        let leader = pair.until_one_leads();
        something_happens(&pair.simulator, &mut random);
        let before = pair.changes();
        let how = fail(&mut pair, leader, &mut random);
        something_happens(&pair.simulator, &mut random);
        let took = pair.until("another leads, or the same anew", |pair| {
            let leads = (0..2).any(|replica| pair.replicas[replica].is_some() && pair.led(replica).is_some());
            leads && pair.changes() > before
        });
        println!("{how}: {took:.1?}");
        slowest = slowest.max(took);
        for replica in 0..2 {
            if pair.replicas[replica].is_none() {
                pair.begin(replica);
            }
        }
        targets(&pair, &file);
    }
    pair.until_one_is_exact();
    let truth = pair.simulator.cloud().truth_since_baseline(ACCOUNT, REGION);
    let query = "sum by (invocation_status, error_code, exit_code) (cloud_assistant_results_total)";
    wait_until("Prometheus has what was really run", || {
        prometheus.results(query) == truth.results
    });
    let one = |query: &str| {
        let results = prometheus.query(query);
        assert_eq!(results.len(), 1, "{query}: {results:?}");
        results[0].1
    };
    assert_eq!(one("max(resets(cloud_assistant_results_total[1h]))"), 0.0);
    assert_eq!(
        one("count(count by (instance) (cloud_assistant_results_total))"),
        1.0
    );
    let changes = pair.changes();
    assert!(changes > failovers, "{changes}");
    assert!(pair.askers().len() as u64 <= changes, "only the leader asks");
    for replica in 0..2 {
        pair.kill(replica);
    }
    wait_until("nothing is scraped any more", || {
        prometheus.query("cloud_assistant_results_total").is_empty()
    });
    assert_eq!(increases(&prometheus), truth.results);
    println!(
        "{failovers} failovers, {} results: exact in Prometheus, no reset; the slowest took {slowest:.1?}; {:.0?}",
        truth.total(),
        began.elapsed()
    );
}
