//! Many scopes, most of which list nothing: what they cost, beside the figures of before.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use simulator::{ALL_REGIONS, Outcome};

use crate::exporter::eventually;
use crate::http::Scraper;
use crate::measure::{percentile, process_time, resident};
use crate::process::{Fleet, wait};
use crate::scrapes;
use crate::table::{Beside, Targets, digits, header, megabytes, row, time};

/// An hour is measured by two minutes of the timetable: two polls of every scope.
const MEASURED: Duration = Duration::from_secs(120);

const INTERVAL: Duration = Duration::from_secs(60);

/// A fleet as it was measured.
struct Measured {
    fleet: Fleet,
    /// The most that was resident at any of the looks, scrapes included.
    resident: u64,
    /// Plain bytes of one scrape.
    text: usize,
    /// CPU seconds of an hour.
    cpu: f64,
    series: usize,
}

fn measured(accounts: usize, regions: usize, results: usize) -> Measured {
    let fleet = Fleet::new(accounts, regions, results);
    let exporter = &fleet.exporter;
    let first = resident(exporter.process_id());
    // The timetables take over.
    wait(INTERVAL);
    let before = process_time(exporter.process_id());
    wait(MEASURED);
    let cpu = process_time(exporter.process_id()) - before;
    let rest = resident(exporter.process_id());
    let scrapes = [true, false].map(|gzip| {
        let body = Scraper::connect(exporter.address(), "/metrics", gzip).body();
        (body, resident(exporter.process_id()))
    });
    let [(gzip, after_gzip), (plain, after_plain)] = scrapes;
    let text = String::from_utf8(plain).unwrap();
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    let cpu = cpu.as_secs_f64() * 3600.0 / MEASURED.as_secs_f64();
    row(&[
        &fleet.scopes.to_string(),
        &results.to_string(),
        &series.to_string(),
        &time(fleet.ready),
        &fleet.in_flight.to_string(),
        &megabytes(first),
        &megabytes(rest),
        &megabytes(after_gzip),
        &megabytes(after_plain),
        &format!("{} s", digits(cpu)),
        &text.len().to_string(),
        &gzip.len().to_string(),
    ]);
    Measured {
        resident: first.max(rest).max(after_gzip).max(after_plain),
        text: text.len(),
        cpu,
        series,
        fleet,
    }
}

/// From the request whose answer shows a result until a scrape shows its count, for each scope of the fleet.
fn behind(fleet: &Fleet) -> Vec<Duration> {
    let failed = |text: &str| -> BTreeMap<String, u64> {
        let counted = text.lines().filter_map(|line| {
            let line = line.strip_prefix("cloud_assistant_results_total{account=\"")?;
            let (scope, rest) = line.split_once(
                "\",invocation_status=\"Failed\",error_code=\"ExitCodeNonzero\",exit_code=\"1\"} ",
            )?;
            Some((scope.replace("\",region_id=\"", "/"), rest.parse().ok()?))
        });
        counted.collect()
    };
    let mut scraper = Scraper::connect(fleet.exporter.address(), "/metrics", false);
    let mut scrape = || failed(&String::from_utf8(scraper.body()).unwrap());
    let before = scrape();
    fleet.simulator.forget_requests();
    let changed = SystemTime::now();
    for account in &fleet.accounts {
        for region in &ALL_REGIONS[..fleet.regions] {
            let mut cloud = fleet.simulator.cloud();
            cloud.region(account, region).add_settled(1, Outcome::failed(1));
        }
    }
    let settled = SystemTime::now();
    let mut shown: BTreeMap<String, SystemTime> = BTreeMap::new();
    let end = Instant::now() + INTERVAL * 2;
    while shown.len() < fleet.scopes && Instant::now() < end {
        let counts = scrape();
        let now = SystemTime::now();
        for (scope, count) in counts {
            if before.get(&scope) != Some(&count) {
                shown.entry(scope).or_insert(now);
            }
        }
        thread::park_timeout(Duration::from_millis(25));
    }
    let mut asked: BTreeMap<String, SystemTime> = BTreeMap::new();
    for request in fleet.simulator.requests() {
        let scope = format!("{}/{}", request.account.as_deref().unwrap_or(""), request.region);
        // One that came while results settled may have been answered without them.
        if request.action == "DescribeInvocationResults" && request.at >= changed {
            asked.entry(scope).or_insert(request.at);
        }
    }
    let behind = shown.iter().filter_map(|(scope, shown)| {
        let asked = asked.get(scope).filter(|asked| **asked >= settled)?;
        shown.duration_since(*asked).ok()
    });
    let mut behind: Vec<Duration> = behind.collect();
    behind.sort_unstable();
    behind
}

/// The series of one scope that lists nothing.
fn series_of_an_empty_scope(fleet: &Fleet) -> usize {
    let text = eventually("a scrape", || Some(fleet.exporter.get("/metrics").text()));
    text.lines()
        .filter(|line| line.contains("region_id=\"cn-"))
        .count()
}

fn target(targets: &mut Targets, what: &str, figure: String, before: &str, met: bool) {
    let beside = Beside {
        peer: format!("{before} before"),
        ..Beside::default()
    };
    targets.add(what, figure, beside, Some(met));
}

fn begin(what: &str) {
    println!("\n## {what}: an interval of 60 s, 50 ms an answer\n");
    header(&[
        "scopes",
        "results a scope",
        "series",
        "every scope polled after",
        "in flight at most",
        "resident then",
        "after three minutes",
        "after a gzip scrape",
        "after a plain scrape",
        "CPU an hour",
        "plain bytes",
        "gzip bytes",
    ]);
}

/// Scopes with results.
pub fn run(targets: &mut Targets) {
    begin("Scopes with results");
    let one = measured(1, 1, 100);
    let met = one.resident <= 12_000_000;
    target(
        targets,
        "one scope at rest: at most 12 MB",
        megabytes(one.resident),
        "13.1 MB",
        met,
    );
    drop(one);

    let many = measured(20, 30, 100);
    let figure = format!("{}; {} s", megabytes(many.resident), digits(many.cpu));
    let met = many.resident <= 40_000_000 && many.cpu <= 45.0;
    target(
        targets,
        "600 scopes of 100 results: at most 40 MB, 45 s of CPU an hour",
        figure,
        "54 MB; 218 s",
        met,
    );
    let behind = behind(&many.fleet);
    let p99 = percentile(&behind, 99);
    let figure = format!(
        "{} (p50 {}, {} scopes)",
        time(p99),
        time(percentile(&behind, 50)),
        behind.len()
    );
    let met = p99 <= Duration::from_millis(300);
    target(
        targets,
        "from the API's being asked to the count, 600 scopes: p99 at most 300 ms",
        figure,
        "up to 2 s",
        met,
    );
    drop(many);

    let (series, held) = scrapes::resident_under_load();
    let met = held <= 70_000_000;
    let figure = format!("{} ({series} series)", megabytes(held));
    target(
        targets,
        "100,000 series, 16 plain scrapers: at most 70 MB",
        figure,
        "173 MB",
        met,
    );
}

/// Scopes that have never listed one.
pub fn run_empty(targets: &mut Targets) {
    let one = Fleet::new(1, 1, 0);
    let series = series_of_an_empty_scope(&one);
    drop(one);
    target(
        targets,
        "a scope without results: at most 20 series",
        series.to_string(),
        "184",
        series <= 20,
    );
    begin("Scopes without results");
    let empty = measured(100, 30, 0);
    let figure = format!(
        "{}; {}; {} s",
        megabytes(empty.resident),
        megabytes(empty.text as u64),
        digits(empty.cpu)
    );
    let met = empty.resident <= 45_000_000 && empty.text <= 8_000_000 && empty.cpu <= 150.0;
    target(
        targets,
        "3,000 empty scopes: at most 45 MB, 8 MB of text, 150 s of CPU an hour",
        figure,
        "–",
        met,
    );
    println!(
        "\nbytes an empty scope: {}\n",
        empty.resident / empty.fleet.scopes as u64
    );
    println!("series an empty scope: {}\n", empty.series / empty.fleet.scopes);
    drop(empty);

    let most = measured(334, 30, 0);
    let figure = format!(
        "{}; {}; {}",
        megabytes(most.resident),
        time(most.fleet.ready),
        most.fleet.in_flight
    );
    let met = most.resident <= 120_000_000 && most.fleet.ready <= INTERVAL * 2 && most.fleet.in_flight <= 256;
    target(
        targets,
        "10,000 empty scopes: at most 120 MB, polled within two intervals, 256 in flight",
        figure,
        "–",
        met,
    );
    drop(most);
}
