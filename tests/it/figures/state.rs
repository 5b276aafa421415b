//! What the state costs. Not tests: `make figures` prints them.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use cloud_assistant_exporter::aliyun::ecs::Filter;
use cloud_assistant_exporter::record::{Findings, Record, Settings, Sweep};
use cloud_assistant_exporter::result::{Identity, Ids, KnownStatus, Row, Seconds, Status, Times};
use cloud_assistant_exporter::scope::Scope;
use cloud_assistant_exporter::state::Store;
use cloud_assistant_exporter::timestamp;
use simulator::Outcome;
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, REGION, config};
use crate::crash::remembering_cloud;
use crate::exporter::{Exporter, eventually};

const NEW: u32 = 50;
const POLLS: u32 = 20;

fn settings() -> Settings {
    Settings {
        window: 86_400,
        new_series_hold: 90,
        max_error_codes: 100,
        max_exit_codes: 100,
        duration_buckets: vec![1.0, 10.0, 60.0, 600.0],
        filter: Filter::default().fingerprint(),
        commands: None,
    }
}

/// Every tenth is a failure.
fn row(n: u32, now: Seconds) -> Row {
    let (invoke_id, instance_id) = (format!("t-hz0{n:012}"), format!("i-bp{:018}", n % 5000));
    let failed = n.is_multiple_of(10);
    Row {
        identity: Identity::of_row(&invoke_id, &instance_id, ""),
        status: Status::Known(if failed {
            KnownStatus::Failed
        } else {
            KnownStatus::Success
        }),
        error_code: if failed { "ExitCodeNonzero" } else { "" }.into(),
        exit_code: Some(failed.into()),
        repeats: 1,
        times: Times {
            started: NonZeroU32::new(now - n % 80_000 - 5),
            finished: NonZeroU32::new(now - n % 80_000),
            stopped: None,
        },
        dropped: 0,
        delivery: None,
        scheduled: false,
        command: None,
        ids: failed.then(|| {
            Box::new(Ids {
                invoke_id: invoke_id.as_str().into(),
                instance_id: instance_id.as_str().into(),
                container_id: "".into(),
                command_id: "c-hz0000000000001".into(),
            })
        }),
    }
}

/// A number of bytes from `/proc`.
fn proc(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    let mut words = line.split_whitespace().skip(1);
    let number: u64 = words.next().unwrap().parse().unwrap();
    if words.next() == Some("kB") {
        number * 1024
    } else {
        number
    }
}

/// Passed to the system's calls for writing, by this process so far.
fn written() -> u64 {
    proc("/proc/self/io", "wchar:")
}

/// Makes a state with so many results, and polls it.
fn make(directory: &Path, held: u32) {
    let now = timestamp::seconds(SystemTime::now());
    let scope = Scope::new(ACCOUNT, REGION);
    let store = Store::open(directory).unwrap();
    let mut record = Record::new(settings());
    let first = Findings {
        sweep: Some(Sweep { front: 0 }),
        pages: (0..held).map(|n| row(n, now)).collect(),
        ..Findings::default()
    };
    let began = Instant::now();
    record.apply(first, now);
    store.save(&scope, record.take_changes(), now).unwrap();
    println!(
        "{held} held: a first look is recorded and saved in {:.1?}",
        began.elapsed()
    );
    let (mut apply, mut save, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for poll in 0..POLLS {
        let first = held + poll * NEW;
        let found = Findings {
            pages: (first..first + NEW).rev().map(|n| row(n, now)).collect(),
            ..Findings::default()
        };
        let began = Instant::now();
        record.apply(found, now);
        let changes = record.take_changes();
        let counts = record.counts(now);
        apply.push(began.elapsed());
        assert!(counts.is_some());
        let before = written();
        let began = Instant::now();
        store.save(&scope, changes, now).unwrap();
        save.push(began.elapsed());
        bytes.push(written() - before);
    }
    println!(
        "{held} held, {NEW} new: {} bytes written, {:.1?} to count, {:.1?} to save (medians of {POLLS} polls)",
        median(bytes),
        median(apply),
        median(save)
    );
    drop(store);
    let size: u64 = fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    println!(
        "{held} held: {size} bytes on disk, {} a result",
        size / u64::from(held)
    );
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort();
    values[values.len() / 2]
}

/// Starts the exporter on a state; returns its resident memory after a poll.
fn start(directory: &Path, held: u32) -> u64 {
    let simulator = remembering_cloud(&[REGION], simulator::unix_now());
    let config = config(&simulator, directory, &[REGION], "");
    let began = Instant::now();
    let exporter = Exporter::start(directory, &config);
    let first = exporter.scrape();
    println!("{held} held: first /metrics after {:.1?}", began.elapsed());
    if held > 0 {
        assert_eq!(
            first.value("cloud_assistant_exporter_tracked_results", &[]),
            f64::from(held + POLLS * NEW)
        );
    }
    exporter.polled();
    let path = format!("/proc/{}/status", exporter.process_id());
    let (resident, peak) = (proc(&path, "VmRSS:"), proc(&path, "VmHWM:"));
    println!("{held} held: {resident} bytes resident, {peak} at most");
    assert!(exporter.terminate().0.success());
    resident
}

#[test]
#[ignore = "figures, for a person"]
fn of_the_state() {
    let empty = tempdir().unwrap();
    let without = start(empty.path(), 0);
    for held in [100_000, 1_000_000] {
        let directory = tempdir().unwrap();
        make(&directory.path().join("state"), held);
        let resident = start(directory.path(), held);
        println!(
            "{held} held: {} bytes of memory a result, beyond what an empty exporter has",
            resident.saturating_sub(without) / u64::from(held)
        );
    }
}

#[test]
#[ignore = "figures, for a person"]
fn of_a_first_look_cut_off_at_page_1900() {
    let directory = tempdir().unwrap();
    let simulator = remembering_cloud(&[REGION], simulator::unix_now());
    simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .add_settled(100_000, Outcome::success());
    // A little for each answer, so that the log of a long scan has something to say.
    simulator.set_latency(Duration::from_millis(5));
    let config = config(
        &simulator,
        directory.path(),
        &[REGION],
        "rate_limit: {requests_per_second: 1000, burst: 10000}\n",
    );
    let exporter = Exporter::start(directory.path(), &config);
    let began = Instant::now();
    eventually("page 1,900", || {
        (simulator.requests().len() >= 1900).then_some(())
    });
    println!(
        "page {} after {:.1?}",
        simulator.requests().len(),
        began.elapsed()
    );
    let ready = exporter.get("/-/ready");
    println!("/-/ready: {} {}", ready.status, ready.text().trim());
    let page = exporter.get("/").text();
    for line in page.lines().filter(|line| line.contains("rows")) {
        println!("status page: {}", line.trim());
    }
    println!(
        "/metrics of it, beside failures at 0:\n{}",
        exporter
            .scrape()
            .shown("cloud_assistant_exporter_")
            .lines()
            .filter(|line| line.contains(REGION) && !line.contains("failures_total"))
            .collect::<Vec<_>>()
            .join("\n")
    );
    for line in exporter.log().lines().filter(|line| line.contains("rows=")) {
        println!("{line}");
    }
    exporter.kill();
    let state = directory.path().join("state/record.redb");
    println!("{} bytes of state are kept", fs::metadata(&state).unwrap().len());
    simulator.forget_requests();
    let exporter = Exporter::start(directory.path(), &config);
    let began = Instant::now();
    let first = exporter.looked();
    println!(
        "begun again: {} requests, {:.1?}; {} held, {} counted; {} bytes of state",
        simulator.requests().len(),
        began.elapsed(),
        first.value("cloud_assistant_exporter_tracked_results", &[]),
        first.value("cloud_assistant_results_total", &[]),
        fs::metadata(&state).unwrap().len()
    );
    for line in exporter.log().lines().filter(|line| line.contains("first look")) {
        println!("{line}");
    }
    let again = exporter.polled();
    assert_eq!(again.value("cloud_assistant_results_total", &[]), 0.0);
}
