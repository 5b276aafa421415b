//! The whole process: memory and CPU at rest, starts, requests, and how soon a result is counted.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use simulator::{Outcome, Received, Simulator};
use tempfile::{TempDir, tempdir};

use crate::cloud::{ACCOUNT, REGION, cloud, config};
use crate::exporter::{Exporter, eventually, of_status, wait_until};
use crate::fleet::{account_name, many_accounts_with};
use crate::http::Scraper;
use crate::measure::{median, process_time, resident};
use crate::record::{NEW, POLLS, poll_into};
use crate::stage::Stage;
use crate::table::{Beside, Targets, digits, header, megabytes, row, time};

const ACCOUNTS: usize = 20;
const REGIONS: usize = 30;

/// Of the simulated API.
const LATENCY: Duration = Duration::from_millis(50);

/// Two polls of every scope.
const AT_REST: Duration = Duration::from_secs(120);

pub fn wait(duration: Duration) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        thread::park_timeout(end - Instant::now());
    }
}

/// An exporter at the default interval of a minute, with the cloud it polls.
pub struct Fleet {
    pub exporter: Exporter,
    pub simulator: Simulator,
    pub accounts: Vec<String>,
    pub regions: usize,
    pub scopes: usize,
    /// From its start until every scope had its first poll.
    pub ready: Duration,
    /// Requests at most until then.
    pub in_flight: usize,
    _directory: TempDir,
}

impl Fleet {
    pub fn new(accounts: usize, regions: usize, results: usize) -> Self {
        let directory = tempdir().unwrap();
        let (simulator, written) = many_accounts_with(accounts, regions, results);
        simulator.set_latency(LATENCY);
        let state = directory.path().join("state");
        let config = format!("accounts:\n{written}state: {{path: {}}}\n", state.display());
        let began = Instant::now();
        let exporter = Exporter::start_with(directory.path(), &config, &["--log.level=info"], &[]);
        // Not by scrapes: reading megabytes of text again and again would be what is measured.
        while exporter.get("/-/ready").status != 200 {
            assert!(began.elapsed() < Duration::from_secs(600), "{}", exporter.log());
            thread::park_timeout(Duration::from_millis(50));
        }
        let ready = began.elapsed();
        Self {
            in_flight: simulator.max_in_flight(),
            exporter,
            simulator,
            accounts: (1..=accounts).map(account_name).collect(),
            regions,
            scopes: accounts * regions,
            ready,
            _directory: directory,
        }
    }
}

fn at_rest(targets: &mut Targets) {
    println!(
        "\n## At rest: an interval of 60 s, 100 results a scope, {} ms an answer\n",
        LATENCY.as_millis()
    );
    let fleets = [Fleet::new(1, 1, 100), Fleet::new(ACCOUNTS, REGIONS, 100)];
    let first = fleets
        .each_ref()
        .map(|fleet| (resident(fleet.exporter.process_id()), fleet.in_flight));
    // The timetables take over.
    wait(Duration::from_secs(60));
    let cpu = fleets
        .each_ref()
        .map(|fleet| process_time(fleet.exporter.process_id()));
    for fleet in &fleets {
        fleet.simulator.forget_requests();
    }
    wait(AT_REST);
    header(&[
        "scopes",
        "every scope polled after",
        "in flight at most",
        "resident then",
        "after three minutes",
        "after a gzip scrape",
        "after a plain scrape",
        "CPU an hour",
        "requests a second (mean, most)",
        "plain bytes",
        "threads",
    ]);
    let mut held = Vec::new();
    for ((fleet, (then, in_flight)), before) in fleets.iter().zip(first).zip(cpu) {
        let exporter = &fleet.exporter;
        let cpu = process_time(exporter.process_id()) - before;
        let rest = resident(exporter.process_id());
        let requests = fleet.simulator.requests();
        let (mean, most) = a_second(&requests);
        let [gzip, plain] = [true, false].map(|gzip| {
            let bytes = Scraper::connect(exporter.address(), "/metrics", gzip).scrape();
            (bytes, resident(exporter.process_id()))
        });
        row(&[
            &fleet.scopes.to_string(),
            &time(fleet.ready),
            &in_flight.to_string(),
            &megabytes(then),
            &megabytes(rest),
            &megabytes(gzip.1),
            &megabytes(plain.1),
            &format!("{} s", digits(cpu.as_secs_f64() * 3600.0 / AT_REST.as_secs_f64())),
            &format!("{}, {most}", digits(mean)),
            &plain.0.to_string(),
            &threads(exporter).to_string(),
        ]);
        held.push(then.max(rest).max(gzip.1).max(plain.1));
        if fleet.scopes == 1 {
            let a_day = requests.len() as f64 * 86_400.0 / AT_REST.as_secs_f64();
            println!("\nrequests of a quiet scope a day: {a_day:.0}\n");
        }
    }
    for (what, most, bound) in [
        ("one scope at rest: at most 15 MB", held[0], 15),
        ("600 scopes: at most 60 MB, scrapes included", held[1], 60),
    ] {
        targets.add(
            what,
            megabytes(most),
            Beside::default(),
            Some(most <= bound * 1_000_000),
        );
    }
}

fn threads(exporter: &Exporter) -> usize {
    fs::read_dir(format!("/proc/{}/task", exporter.process_id()))
        .unwrap()
        .count()
}

/// Requests of each second: the mean and the most.
fn a_second(requests: &[Received]) -> (f64, usize) {
    let Some(first) = requests.first() else {
        return (0.0, 0);
    };
    let mut seconds = vec![0_usize; AT_REST.as_secs() as usize + 1];
    for request in requests {
        let second = request.at.duration_since(first.at).unwrap_or_default().as_secs() as usize;
        seconds[second.min(AT_REST.as_secs() as usize)] += 1;
    }
    (
        requests.len() as f64 / AT_REST.as_secs_f64(),
        seconds.into_iter().max().unwrap_or(0),
    )
}

/// From the start to the first answer, and resident bytes after the first poll.
fn start(directory: &Path, held: u32) -> (Duration, u64, u64) {
    let simulator = cloud(&[REGION]);
    let config = config(
        &simulator,
        directory,
        &[REGION],
        "poll: {interval: 1s, sweep_interval: 0}\n",
    );
    let began = Instant::now();
    let exporter = Exporter::start_with(directory, &config, &["--log.level=info"], &[]);
    let mut scraper = Scraper::connect(exporter.address(), "/metrics", false);
    let body = String::from_utf8(scraper.body()).unwrap();
    let took = began.elapsed();
    if held > 0 {
        let line = format!(" {}", held + POLLS * NEW);
        let tracked = "cloud_assistant_exporter_tracked_results{";
        assert!(
            body.lines()
                .any(|text| text.starts_with(tracked) && text.ends_with(&line))
        );
    }
    exporter.polled();
    wait(Duration::from_secs(2));
    let peak = of_status(exporter.process_id(), "VmHWM:");
    let resident = resident(exporter.process_id());
    assert!(exporter.terminate().0.success());
    (took, resident, peak)
}

fn starts(targets: &mut Targets) {
    println!("\n## Starts\n");
    header(&[
        "held",
        "first /metrics after (median of 3)",
        "resident",
        "at most",
        "bytes a result",
    ]);
    let mut empty = 0;
    for held in [0, 100_000, 1_000_000] {
        let directory = tempdir().unwrap();
        if held > 0 {
            poll_into(&directory.path().join("state"), held);
        }
        let runs = [(); 3].map(|()| start(directory.path(), held));
        let took = median(runs.map(|run| run.0).to_vec());
        let resident = median(runs.map(|run| run.1).to_vec());
        let peak = median(runs.map(|run| run.2).to_vec());
        if held == 0 {
            empty = resident;
        }
        let each = resident
            .saturating_sub(empty)
            .checked_div(held.into())
            .unwrap_or(0);
        row(&[
            &held.to_string(),
            &time(took),
            &megabytes(resident),
            &megabytes(peak),
            &each.to_string(),
        ]);
        if held == 1_000_000 {
            let limit = |text: String| Beside {
                limit: text,
                ..Beside::default()
            };
            targets.add(
                "start to the first /metrics with 1,000,000 held: at most 1 s",
                time(took),
                Beside::default(),
                Some(took <= Duration::from_secs(1)),
            );
            targets.add(
                "1,000,000 held: at most 100 MB resident in all",
                megabytes(resident),
                limit(format!("{} with none held", megabytes(empty))),
                Some(resident <= 100_000_000),
            );
            targets.add(
                "at most 64 bytes of resident memory a held result (the process, 1,000,000)",
                format!("{each} bytes"),
                Beside::default(),
                Some(each <= 64),
            );
        }
    }
}

/// Settles so many results between two polls; returns how many requests the next poll took.
fn requests_of_poll(simulator: &Simulator, new: usize) -> usize {
    let mut before = None;
    wait_until("nothing is asked", || {
        // While the cloud is held nobody is answered: whoever asks from here on sees the change.
        let mut cloud = simulator.cloud();
        let requests = simulator.requests();
        let is_quiet = requests
            .last()
            .is_some_and(|last| last.at.elapsed().unwrap_or_default() > Duration::from_millis(200));
        if is_quiet && simulator.in_flight() == 0 {
            cloud.region(ACCOUNT, REGION).add_settled(new, Outcome::failed(1));
            before = Some(requests.len());
        }
        before.is_some()
    });
    let begins = |request: &Received| !request.parameters.contains_key("NextToken");
    eventually("the poll after the next one begins", || {
        let requests = simulator.requests().split_off(before?);
        Some(requests.iter().skip(1).position(begins)? + 1)
    })
}

fn requests(targets: &mut Targets) {
    let poll = "poll: {interval: 700ms, sweep_interval: 0}\n";
    let Stage { simulator, .. } = &Stage::new(poll, |_| {});
    println!("\n## Requests of a poll\n");
    header(&["new results", "requests", "wanted"]);
    let mut as_wanted = true;
    let (mut quiet, mut busy) = (0, 0);
    for new in [0, 1, 49, 50, 99, 100, 1000, 0] {
        let asked = requests_of_poll(simulator, new);
        let wanted = new / 50 + 1;
        as_wanted &= asked == wanted;
        row(&[&new.to_string(), &asked.to_string(), &wanted.to_string()]);
        match new {
            0 => quiet = asked,
            1000 => busy = asked,
            _ => {}
        }
    }
    targets.add(
        "a quiet poll 1 request, N new results ⌊N/50⌋+1",
        format!("{quiet}; {busy} for 1,000 new"),
        Beside {
            limit: "1; 21".to_owned(),
            ..Beside::default()
        },
        Some(as_wanted),
    );
}

/// How soon a result that has settled is counted on `/metrics`, and how much of it is not waiting for the next poll.
fn delay() {
    let poll = "poll: {interval: 1s, sweep_interval: 0}\n";
    let Stage {
        exporter, simulator, ..
    } = &Stage::new(poll, |_| {});
    let (mut whole, mut ours) = (Vec::new(), Vec::new());
    for number in 1..=15 {
        wait(Duration::from_millis(fastrand::u64(0..1000)));
        let settled = SystemTime::now();
        simulator
            .cloud()
            .region(ACCOUNT, REGION)
            .add_settled(1, Outcome::failed(1));
        let shown = eventually("it is counted", || {
            let text = exporter.get("/metrics").text();
            let line = text.lines().find(|line| {
                line.starts_with("cloud_assistant_results_total{")
                    && line.contains("\"ExitCodeNonzero\",exit_code=\"1\"")
            })?;
            line.ends_with(&format!(" {number}")).then(SystemTime::now)
        });
        let asked = simulator
            .requests()
            .iter()
            .map(|request| request.at)
            .find(|at| *at >= settled);
        whole.push(shown.duration_since(settled).unwrap());
        // Asked in the moment it settled, it may have been answered with it.
        ours.extend(asked.and_then(|asked| shown.duration_since(asked).ok()));
    }
    println!("\n## From a result's settling to its count on /metrics, an interval of 1 s\n");
    header(&["", "median", "most"]);
    for (name, times) in [("all", whole), ("from the API's being asked", ours)] {
        row(&[
            name,
            &time(median(times.clone())),
            &time(*times.iter().max().unwrap()),
        ]);
    }
}

pub fn run(targets: &mut Targets) {
    let size = fs::metadata(env!("CARGO_BIN_EXE_cloud-assistant-exporter"))
        .unwrap()
        .len();
    targets.add(
        "the release binary, stripped: at most 12 MB",
        megabytes(size),
        Beside::default(),
        Some(size <= 12_000_000),
    );
    requests(targets);
    delay();
    starts(targets);
    at_rest(targets);
}

/// What the memory of 600 scopes is made of, from their start on.
pub fn look_at_memory() {
    let fleet = Fleet::new(ACCOUNTS, REGIONS, 100);
    let exporter = &fleet.exporter;
    header(&["when", "resident", "of it anonymous", "at most", "threads"]);
    let look = |when: &str| {
        let of = |name: &str| megabytes(of_status(exporter.process_id(), name));
        row(&[
            when,
            &of("VmRSS:"),
            &of("RssAnon:"),
            &of("VmHWM:"),
            &threads(exporter).to_string(),
        ]);
    };
    look("after the first polls");
    wait(Duration::from_secs(20));
    look("20 s later");
    wait(Duration::from_secs(70));
    look("90 s later");
    for (gzip, when) in [(true, "after a gzip scrape"), (false, "after a plain scrape")] {
        Scraper::connect(exporter.address(), "/metrics", gzip).scrape();
        look(when);
    }
    wait(Duration::from_secs(5));
    look("5 s later");
}
