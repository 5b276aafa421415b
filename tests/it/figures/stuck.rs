//! Ten minutes beside what never answers, printed; `STUCK_SECONDS` says how long instead. The tests of
//! [`stuck`](crate::stuck) are the same for seconds, with more to look at.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use simulator::Outcome;
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, cloud, config};
use crate::exporter::{Exporter, config_path};
use crate::scrape::Scrape;
use crate::stuck::{
    CHATTY, DROPPED, POLLS, REGIONS, fill_the_log, fill_the_socket, pipe, start_with_much_to_say,
    stops_in_time,
};

const POLLING: &str = "poll: {interval: 500ms, sweep_interval: 0, request_timeout: 2s}\n";

/// Looks this often, as a scraper that is in a hurry.
const TICK: Duration = Duration::from_secs(1);

/// In so many ticks every scope must have polled again.
const TICKS_OF_A_POLL: u32 = 30;

#[test]
#[ignore = "ten minutes"]
fn what_never_answers_holds_nothing_up_for_ten_minutes() {
    println!(
        "| blocked | seconds | polls | of a scope at least | scrapes | longest scrape | lines dropped | SIGTERM to end |\n\
         |---|---|---|---|---|---|---|---|"
    );
    thread::scope(|threads| {
        for way in [log, notify_socket, configuration_and_reloads, web_configuration] {
            threads.spawn(way);
        }
    });
}

/// Standard error is a pipe that nobody reads.
fn log() {
    let directory = tempdir().unwrap();
    let (simulator, exporter) = start_with_much_to_say(directory.path(), "500ms");
    fill_the_log(&simulator, &exporter);
    endure("standard error", exporter, 200, Exporter::scrape, |_, _| {
        let mut cloud = simulator.cloud();
        cloud.region(ACCOUNT, CHATTY).add_settled(5, Outcome::failed(1));
    });
}

fn notify_socket() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("notify.sock");
    let _socket = UnixDatagram::bind(&path).unwrap();
    fill_the_socket(&path);
    let simulator = cloud(&REGIONS);
    let config = config(&simulator, directory.path(), &REGIONS, POLLING);
    let variables = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "1000000"),
    ];
    let exporter = Exporter::start_with(directory.path(), &config, &[], &variables);
    endure("notify socket", exporter, 200, Exporter::scrape, |_, _| ());
}

fn configuration_and_reloads() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&REGIONS);
    let config = config(&simulator, directory.path(), &REGIONS, POLLING);
    let exporter = Exporter::start(directory.path(), &config);
    in_place_of(&config_path(directory.path()));
    endure(
        "configuration, reloads",
        exporter,
        200,
        Exporter::scrape,
        |exporter, tick| {
            if tick.is_multiple_of(10) {
                exporter.signal("HUP");
                assert_eq!(exporter.request("POST", "/-/reload", "").status, 500);
            }
        },
    );
}

/// Every request looks at it, and so is refused.
fn web_configuration() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&REGIONS);
    let config = config(&simulator, directory.path(), &REGIONS, POLLING);
    let web = directory.path().join("web.yml");
    fs::write(&web, "{}").unwrap();
    let argument = format!("--web.config.file={}", web.display());
    let exporter = Exporter::start_with(directory.path(), &config, &[&argument], &[]);
    in_place_of(&web);
    let look = |exporter: &Exporter| {
        fs::remove_file(&web).unwrap();
        fs::write(&web, "{}").unwrap();
        let scrape = exporter.scrape();
        in_place_of(&web);
        scrape
    };
    endure("web configuration", exporter, 500, look, |_, _| ());
}

fn in_place_of(file: &Path) {
    fs::remove_file(file).unwrap();
    pipe(file);
}

/// Scrapes for as long as asked, ends it, and prints a row. `look` reads the metrics where scrapes are refused, too.
fn endure(
    blocked: &str,
    exporter: Exporter,
    status: u16,
    look: impl Fn(&Exporter) -> Scrape,
    mut meanwhile: impl FnMut(&Exporter, u32),
) {
    let seconds = std::env::var("STUCK_SECONDS").map_or(600, |seconds| seconds.parse().unwrap());
    let first = look(&exporter);
    let (mut last, mut longest, mut scrapes) = (first.by_scope(POLLS), Duration::ZERO, 0);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(seconds) {
        let asked = Instant::now();
        assert_eq!(exporter.get("/metrics").status, status, "{blocked}");
        longest = longest.max(asked.elapsed());
        scrapes += 1;
        meanwhile(&exporter, scrapes);
        if scrapes.is_multiple_of(TICKS_OF_A_POLL) {
            let now = look(&exporter).by_scope(POLLS);
            assert!(
                last.iter().all(|(scope, polls)| now[scope] > *polls),
                "{blocked}: {last:?}, then {now:?}"
            );
            last = now;
        }
        thread::park_timeout(TICK);
    }
    let after = look(&exporter);
    let before = first.by_scope(POLLS);
    let polls: BTreeMap<_, f64> = after
        .by_scope(POLLS)
        .into_iter()
        .map(|(scope, polls)| (scope.clone(), polls - before[&scope]))
        .collect();
    let least = polls.values().copied().fold(f64::INFINITY, f64::min);
    let dropped = after.value(DROPPED, &[]) - first.value(DROPPED, &[]);
    let took = stops_in_time(exporter);
    println!(
        "| {blocked} | {seconds} | {} | {least} | {scrapes} | {longest:?} | {dropped} | {took:?} |",
        polls.values().sum::<f64>()
    );
}
