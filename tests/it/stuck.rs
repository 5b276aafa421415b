//! Nobody reads what the exporter says, and what it reads does not answer: it goes on, and ends when it is asked to.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cloud_assistant_exporter::signals;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use simulator::{ApiError, Fault, FaultKind, Outcome, Simulator};
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, cloud, config};
use crate::exporter::{Exporter, command, config_path, wait_until};
use crate::scrape::Scrape;

pub const DROPPED: &str = "cloud_assistant_exporter_log_lines_dropped_total";
pub const POLLS: &str = "cloud_assistant_exporter_polls_total";
pub const CHATTY: &str = "cn-shenzhen";
pub const REGIONS: [&str; 3] = ["cn-hangzhou", "cn-shanghai", "cn-beijing"];

/// Ends it as systemd does, and says how long that took; the most is what README says.
pub fn stops_in_time(mut exporter: Exporter) -> Duration {
    let started = Instant::now();
    exporter.signal("TERM");
    let status = exporter.wait_for_end();
    let took = started.elapsed();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    took
}

/// All scopes poll again and again, and every page is answered.
fn goes_on(exporter: &Exporter) {
    let before = exporter.scrape().by_scope(POLLS);
    assert!(before.len() >= REGIONS.len());
    exporter.scrape_until("every scope polls", |scrape| {
        let now = scrape.by_scope(POLLS);
        before.iter().all(|(scope, polls)| now[scope] >= polls + 20.0)
    });
    for path in ["/-/healthy", "/", "/api/v1/status"] {
        assert_eq!(exporter.get(path).status, 200, "{path}");
    }
}

pub fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// Sends to a socket that nobody reads, for as long as it takes anything.
pub fn fill_the_socket(path: &Path) {
    let sender = UnixDatagram::unbound().unwrap();
    sender.connect(path).unwrap();
    sender.set_nonblocking(true).unwrap();
    while sender.send(b"STATUS=full\n").is_ok() {}
}

/// Three scopes fail at each poll, and the log has a line for each result of a fourth.
pub fn start_with_much_to_say(directory: &Path, interval: &str) -> (Simulator, Exporter) {
    let simulator = cloud(&REGIONS);
    for region in REGIONS {
        let refused = ApiError::new(400, "InvalidParameter", "Nothing is right.");
        let fault = Fault::forever(FaultKind::Error(refused)).within(region);
        simulator.faults().add(fault);
    }
    simulator.cloud().region(ACCOUNT, CHATTY);
    let regions = [&REGIONS[..], &[CHATTY]].concat();
    let more = format!("poll: {{interval: {interval}, request_timeout: 1m}}\nlog: {{results: all}}\n");
    let exporter = Exporter::start(directory, &config(&simulator, directory, &regions, &more));
    exporter.scrape_until("the first look", |scrape| {
        scrape.value(POLLS, &[("region_id", CHATTY)]) >= 1.0
    });
    (simulator, exporter)
}

/// Nobody reads the log, until lines are dropped.
pub fn fill_the_log(simulator: &Simulator, exporter: &Exporter) {
    exporter.set_deaf(true);
    let before = exporter.scrape().value(DROPPED, &[]);
    let polls = |scrape: &Scrape| scrape.value(POLLS, &[("region_id", CHATTY)]);
    wait_until("lines are dropped", || {
        let mut cloud = simulator.cloud();
        // As many as have lines in one poll.
        cloud.region(ACCOUNT, CHATTY).add_settled(200, Outcome::failed(1));
        drop(cloud);
        let polled = polls(&exporter.scrape());
        let scrape = exporter.scrape_until("another poll", |scrape| polls(scrape) > polled);
        scrape.value(DROPPED, &[]) > before
    });
}

#[test]
fn a_log_that_nobody_reads_is_dropped_and_counted_and_holds_nothing_up() {
    let directory = tempdir().unwrap();
    let (simulator, exporter) = start_with_much_to_say(directory.path(), "50ms");
    assert_eq!(exporter.scrape().value(DROPPED, &[]), 0.0);
    fill_the_log(&simulator, &exporter);
    goes_on(&exporter);
    assert_eq!(exporter.request("POST", "/-/reload", "").status, 200);
    exporter.signal("HUP");
    goes_on(&exporter);

    exporter.set_deaf(false);
    let hole = exporter.logged("lines of the log were dropped");
    assert!(hole.contains("level=warn"), "{hole}");
    fill_the_log(&simulator, &exporter);
    stops_in_time(exporter);
}

#[test]
fn the_second_signal_ends_at_once_while_the_log_hangs() {
    let directory = tempdir().unwrap();
    let (simulator, mut exporter) = start_with_much_to_say(directory.path(), "50ms");
    fill_the_log(&simulator, &exporter);
    simulator.faults().clear();
    simulator.faults().add(Fault::forever(FaultKind::Hang));
    wait_until("polls hang", || simulator.faults().hits() >= REGIONS.len());

    exporter.signal("TERM");
    wait_until("it is stopping", || {
        exporter.try_request("GET", "/-/ready", "").is_err()
    });
    let started = Instant::now();
    exporter.signal("TERM");
    assert_eq!(exporter.wait_for_end().code(), Some(0));
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_start_that_fails_ends_however_full_the_pipe_is() {
    // The state of another process is in the way, which is found after the start of the log.
    let directory = tempdir().unwrap();
    let simulator = cloud(&REGIONS);
    let config = config(&simulator, directory.path(), &REGIONS, "");
    let _first = Exporter::start(directory.path(), &config);
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while (&writer).write(&[b'.'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    let mut second = command()
        .arg(format!(
            "--config.file={}",
            config_path(directory.path()).display()
        ))
        .arg("--web.listen-address=127.0.0.1:0")
        .stderr(writer)
        .spawn()
        .unwrap();
    let started = Instant::now();
    wait_until("it ends", || second.try_wait().unwrap().is_some());
    assert_eq!(second.wait().unwrap().code(), Some(1));
    assert!(started.elapsed() < Duration::from_secs(10));
    drop(reader);
}

#[test]
fn a_notify_socket_that_nobody_reads_holds_nothing_up() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("notify.sock");
    let _socket = UnixDatagram::bind(&path).unwrap();
    fill_the_socket(&path);
    let simulator = cloud(&REGIONS);
    let config = config(&simulator, directory.path(), &REGIONS, "");
    let variables = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "20000"),
    ];
    let exporter = Exporter::start_with(directory.path(), &config, &[], &variables);
    exporter.logged("cannot notify systemd");
    goes_on(&exporter);
    assert_eq!(exporter.request("POST", "/-/reload", "").status, 200);
    exporter.signal("HUP");
    goes_on(&exporter);
    stops_in_time(exporter);
}

#[test]
fn pipes_in_place_of_files_are_refused_and_hold_nothing_up() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&REGIONS);
    let config = config(&simulator, directory.path(), &REGIONS, "");
    let web = directory.path().join("web.yml");
    fs::write(&web, "{}").unwrap();
    let argument = format!("--web.config.file={}", web.display());
    let exporter = Exporter::start_with(directory.path(), &config, &[&argument], &[]);

    let path = config_path(directory.path());
    fs::remove_file(&path).unwrap();
    pipe(&path);
    let answer = exporter.request("POST", "/-/reload", "");
    assert_eq!(answer.status, 500);
    assert!(
        answer
            .text()
            .contains("config.yml: cannot be read: not a regular file"),
        "{}",
        answer.text()
    );
    exporter.signal("HUP");
    goes_on(&exporter);

    fs::remove_file(&web).unwrap();
    pipe(&web);
    assert_eq!(exporter.get("/metrics").status, 500);
    exporter.logged("not a regular file");
    fs::remove_file(&web).unwrap();
    fs::write(&web, "{}").unwrap();
    goes_on(&exporter);

    fs::remove_file(&web).unwrap();
    pipe(&web);
    stops_in_time(exporter);
}

#[test]
fn pipes_in_place_of_files_are_refused_at_the_start() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("pipe");
    pipe(&path);
    let path = path.display();
    let keys = directory.path().join("keys.yml");
    let text = format!(
        "accounts: [{{credentials: {{type: access_key, access_key_id: a, access_key_secret_file: {path}}}}}]"
    );
    fs::write(&keys, text).unwrap();
    let tls = directory.path().join("tls.yml");
    fs::write(
        &tls,
        format!("tls_server_config: {{cert_file: {path}, key_file: {path}}}"),
    )
    .unwrap();
    for arguments in [
        vec![format!("--config.file={path}")],
        vec![format!("--config.file={path}"), "--config.check".to_owned()],
        vec![
            format!("--config.file={}", keys.display()),
            "--config.check".to_owned(),
        ],
        vec![format!("--web.config.file={path}"), "--config.check".to_owned()],
        vec![
            format!("--web.config.file={}", tls.display()),
            "--config.check".to_owned(),
        ],
        vec![format!("--web.config.file={path}"), "--healthcheck".to_owned()],
    ] {
        let output = command().args(&arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("not a regular file"), "{arguments:?}: {said}");
    }
}

/// A process that watches signals, and in which everything else hangs.
fn hanging() -> std::process::Child {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "stuck::service_that_hangs", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    said.find(|line| line.as_ref().is_ok_and(|line| line.contains("watching")))
        .unwrap()
        .unwrap();
    child
}

fn signal(child: &std::process::Child) {
    let status = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn signals_wait_for_nothing_in_the_process() {
    let (mut patient, mut hasty) = (hanging(), hanging());
    let started = Instant::now();
    signal(&patient);
    signal(&hasty);
    wait_until("the signal has come", || {
        signal(&hasty);
        hasty.try_wait().unwrap().is_some()
    });
    assert_eq!(hasty.wait().unwrap().code(), Some(0));
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    wait_until("the time to stop is over", || {
        patient.try_wait().unwrap().is_some()
    });
    assert_eq!(patient.wait().unwrap().code(), Some(0));
    let took = started.elapsed();
    assert!((9.0..10.0).contains(&took.as_secs_f64()), "{took:?}");
}

/// The service of [`signals_wait_for_nothing_in_the_process`].
#[test]
#[ignore = "run by another test"]
fn service_that_hangs() {
    let _stop = signals::watch().unwrap();
    println!("watching");
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_secs(60));
    }
}
