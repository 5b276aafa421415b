//! The pages, the signals and the command line, as README has them.

mod command_line;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use simulator::{Fault, FaultKind, Outcome, Simulator};
use tempfile::{TempDir, tempdir};

use crate::cloud::{ACCOUNT, REGION, cloud, config};
use crate::exporter::{Exporter, command, config_path, eventually};
use crate::stage::*;

const RELOADED: &str = "cloud_assistant_exporter_config_last_reload_successful";
const RELOADED_AT: &str = "cloud_assistant_exporter_config_last_reload_success_timestamp_seconds";

/// An exporter in front of regions that each have something settled, past its first look.
fn looked(regions: &[&str]) -> (Exporter, Simulator, TempDir) {
    let directory = tempdir().unwrap();
    let simulator = cloud(regions);
    for region in regions {
        let mut cloud = simulator.cloud();
        cloud.region(ACCOUNT, region).add_settled(3, Outcome::success());
    }
    let exporter = Exporter::start(
        directory.path(),
        &config(&simulator, directory.path(), regions, ""),
    );
    exporter.looked();
    (exporter, simulator, directory)
}

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command()
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn each_path_answers_its_methods_and_no_other() {
    let (exporter, ..) = looked(&[REGION]);
    let pages = [
        ("/", "text/html; charset=utf-8"),
        ("/failures", "text/html; charset=utf-8"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/-/healthy", "text/plain; charset=utf-8"),
        ("/-/ready", "text/plain; charset=utf-8"),
        (
            "/runbooks/CloudAssistantScopeFailing.md",
            "text/plain; charset=utf-8",
        ),
    ];
    for (path, content_type) in pages {
        let answer = exporter.get(path);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some(content_type))
        );
        assert!(!answer.body.is_empty());
        let head = exporter.request("HEAD", path, "");
        assert_eq!(
            (head.status, head.header("content-type")),
            (200, Some(content_type))
        );
        assert!(head.body.is_empty(), "{path}");
        let length: usize = head.header("content-length").unwrap().parse().unwrap();
        // The metrics of the process change from one answer to the next.
        assert!(length.abs_diff(answer.body.len()) < 200, "{path}: {length}");
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let answer = exporter.request(method, path, "Content-Length: 0\r\n");
            assert_eq!(
                (answer.status, answer.header("allow")),
                (405, Some("GET, HEAD")),
                "{method} {path}"
            );
        }
    }
    for method in ["GET", "HEAD", "PUT"] {
        let answer = exporter.request(method, "/-/reload", "");
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("POST")),
            "{method}"
        );
    }
    for path in [
        "/metrics/",
        "/nothing",
        "/-/",
        "/-/quit",
        "/metrics/../etc/passwd",
        "//",
    ] {
        assert_eq!(exporter.get(path).status, 404, "{path}");
    }
    assert_eq!(exporter.get("/metrics?match=up").status, 200);
    let page = exporter.get("/").text();
    for text in [
        env!("CARGO_PKG_VERSION"),
        ACCOUNT,
        REGION,
        "/metrics",
        "/-/ready",
        "/-/healthy",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    for text in [exporter.log(), page, exporter.scrape().text] {
        assert!(!text.contains("test-secret"), "secrets are never shown");
    }
    let listening = exporter.log().matches("\"Listening on\"").count();
    assert_eq!(listening, 1);
}

#[test]
fn the_metrics_are_where_the_flag_says() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let config = config(&simulator, directory.path(), &[REGION], "");
    let exporter = Exporter::start_with(
        directory.path(),
        &config,
        &["--web.telemetry-path=/here/it/is"],
        &[],
    );
    assert_eq!(exporter.get("/metrics").status, 404);
    assert_eq!(exporter.get("/here/it/is").status, 200);
    assert!(exporter.get("/").text().contains("/here/it/is"));
}

#[test]
fn ready_once_every_first_poll_has_ended_well_or_badly() {
    let directory = tempdir().unwrap();
    let regions = ["cn-hangzhou", "cn-beijing", "cn-shanghai"];
    let simulator = cloud(&regions);
    let denied = FaultKind::documented("Forbidden.RAM");
    simulator
        .faults()
        .add(Fault::forever(denied).within("cn-beijing"));
    simulator
        .faults()
        .add(Fault::forever(FaultKind::Hang).within("cn-shanghai"));
    let more = "poll: {interval: 100ms, sweep_interval: 0, request_timeout: 1m}\n";
    let exporter = Exporter::start(
        directory.path(),
        &config(&simulator, directory.path(), &regions, more),
    );
    let answer = eventually("only the one that hangs is missing", || {
        let answer = exporter.get("/-/ready");
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(exporter.get("/-/healthy").status, 200);
        let text = answer.text();
        let is_last = text.starts_with("The first polls of 2 of 3 regions have ended.");
        is_last.then_some(answer)
    });
    assert!(answer.text().contains("cn-shanghai"), "{}", answer.text());
    assert!(!answer.text().contains("cn-beijing"), "a failed one has ended");
    let scrape = exporter.scrape_until("the failed one is shown", |scrape| {
        scrape.sum(UP, &[("region_id", "cn-beijing")]) == Some(0.0)
    });
    assert_eq!(scrape.sum(UP, &[("region_id", "cn-shanghai")]), None);
}

#[test]
fn not_ready_while_stopping() {
    let (exporter, ..) = looked(&[REGION]);
    assert_eq!(exporter.get("/-/ready").status, 200);
    // A request that is on its way when the signal comes is answered in the light of it.
    let mut asking = TcpStream::connect(exporter.address()).unwrap();
    asking.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(asking, "GET /-/ready HTTP/1.1\r\nHost: exporter\r\n").unwrap();
    // The server has this one too, and so has read what came before it.
    assert_eq!(exporter.get("/-/healthy").status, 200);
    exporter.signal("TERM");
    exporter.logged("message=stopping");
    let mut answer = String::new();
    let _ = write!(asking, "\r\n");
    let _ = asking.read_to_string(&mut answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 503"),
        "{answer}"
    );
    println!("asked while stopping: {:?}", answer.lines().next());
    let refused = eventually("it accepts no more", || {
        exporter.try_request("GET", "/-/ready", "").err()
    });
    println!("then: {refused}");
    let mut exporter = exporter;
    assert!(exporter.wait_for_end().success());
}

#[test]
fn a_reload_takes_a_good_configuration_and_disturbs_nobody() {
    let (exporter, simulator, directory) = looked(&["cn-hangzhou", "cn-beijing"]);
    simulator
        .cloud()
        .region(ACCOUNT, "cn-shanghai")
        .add_settled(4, Outcome::success());
    let before = exporter.polled();
    let polls = |scrape: &crate::scrape::Scrape, region| scrape.sum(POLLS, &[("region_id", region)]);
    let wanted = ["cn-hangzhou", "cn-shanghai"];
    let path = config_path(directory.path());
    fs::write(&path, config(&simulator, directory.path(), &wanted, "")).unwrap();
    let answer = exporter.request("POST", "/-/reload", "Content-Length: 0\r\n");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let after = exporter.scrape_until("the new region is polled, the old one gone", |scrape| {
        polls(scrape, "cn-shanghai").is_some_and(|polls| polls >= 1.0)
            && !scrape.shown("cloud_assistant").lines().any(|line| {
                line.contains("cn-beijing") && !line.starts_with("cloud_assistant_exporter_api_request")
            })
    });
    assert!(
        polls(&after, "cn-hangzhou") >= polls(&before, "cn-hangzhou"),
        "it goes on"
    );
    assert_eq!(after.value(RELOADED, &[]), 1.0);
    assert!(after.value(RELOADED_AT, &[]) > before.value(RELOADED_AT, &[]));
    exporter.logged("configuration reloaded");
    // SIGHUP does the same, and a region that comes back goes on from what is known of it.
    simulator
        .cloud()
        .region(ACCOUNT, "cn-beijing")
        .add_settled(2, Outcome::failed(1));
    let wanted = ["cn-hangzhou", "cn-beijing"];
    fs::write(&path, config(&simulator, directory.path(), &wanted, "")).unwrap();
    exporter.signal("HUP");
    exporter.scrape_until("the old region counts again", |scrape| {
        let counts = scrape.counts(RESULTS, ACCOUNT, "cn-beijing");
        counts.values().sum::<u64>() == 2 && polls(scrape, "cn-shanghai").is_none()
    });
    assert_eq!(exporter.log().matches("configuration reloaded").count(), 2);
}

#[test]
fn a_bad_configuration_changes_nothing_and_is_told() {
    let (exporter, simulator, directory) = looked(&[REGION]);
    let path = config_path(directory.path());
    let good = fs::read_to_string(&path).unwrap();
    let other_state = good.replace("/state}", "/elsewhere}");
    assert_ne!(good, other_state);
    let table = [
        (good.replace("interval: 50ms", "interval: soon"), "poll.interval"),
        (format!("{good}nonsense: 1\n"), "nonsense"),
        ("accounts: [".to_owned(), "YAML"),
        (other_state, "state.path"),
        (good.replace(REGION, "[]"), "regions"),
    ];
    let before = exporter.scrape();
    for (number, (bad, reason)) in table.iter().enumerate() {
        fs::write(&path, bad).unwrap();
        let answer = exporter.request("POST", "/-/reload", "Content-Length: 0\r\n");
        assert_eq!(answer.status, 500, "{bad}");
        assert!(answer.text().contains(reason), "{}", answer.text());
        let scrape = exporter.scrape();
        assert_eq!(scrape.value(RELOADED, &[]), 0.0);
        assert_eq!(scrape.value(RELOADED_AT, &[]), before.value(RELOADED_AT, &[]));
        let line = eventually("it is logged", || {
            let log = exporter.log();
            let mut lines = log
                .lines()
                .filter(|line| line.contains("the configuration was not reloaded"));
            lines.nth(number).map(str::to_owned)
        });
        assert!(line.contains(reason) && line.contains("level=error"), "{line}");
    }
    fs::remove_file(&path).unwrap();
    exporter.signal("HUP");
    eventually("the signal's reload fails too", || {
        let told = exporter
            .log()
            .matches("the configuration was not reloaded")
            .count();
        (told == table.len() + 1).then_some(())
    });
    // What was in force goes on.
    simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .add_settled(2, Outcome::failed(1));
    let scrape = exporter.polled();
    assert_eq!(scrape.value(RESULTS, &[]), 2.0);
    fs::write(&path, &good).unwrap();
    assert_eq!(exporter.request("POST", "/-/reload", "").status, 200);
    assert_eq!(exporter.scrape().value(RELOADED, &[]), 1.0);
}

#[test]
fn the_first_signal_stops_a_hanging_poll_in_time_and_loses_no_count() {
    for signal in ["TERM", "INT"] {
        let more = "poll: {interval: 100ms, sweep_interval: 0, request_timeout: 1m}\n";
        let stage = Stage::new(more, |region| {
            region.add_settled(3, Outcome::success());
        });
        stage.region(|region| region.add_settled(2, Outcome::failed(1)));
        stage.exact();
        stage
            .simulator
            .faults()
            .add(Fault::forever(FaultKind::Hang).having("NextToken"));
        stage.region(|region| region.add_settled(130, Outcome::timeout()));
        eventually("a poll hangs in its middle", || {
            let requests = stage.simulator.requests();
            requests.last().filter(|last| last.fault.is_some()).map(|_| ())
        });
        let Stage {
            mut exporter,
            simulator,
            directory,
            ..
        } = stage;
        let started = Instant::now();
        exporter.signal(signal);
        let status = exporter.wait_for_end();
        println!(
            "SIG{signal} while a poll hangs: ended after {:.0?}",
            started.elapsed()
        );
        assert_eq!(status.code(), Some(0), "{}", exporter.log());
        assert!(started.elapsed() < Duration::from_secs(10));
        assert!(exporter.log().contains("message=stopped"));
        simulator.faults().clear();
        Stage::on(simulator, directory, more).exact();
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "TERM"), ("TERM", "INT")] {
        let (mut exporter, ..) = looked(&[REGION]);
        // Somebody who is slow to ask holds the stop up for as long as it may be.
        let mut slow = TcpStream::connect(exporter.address()).unwrap();
        write!(slow, "GET /metrics HTTP/1.1\r\nHost: ").unwrap();
        assert_eq!(exporter.get("/-/healthy").status, 200);
        exporter.signal(first);
        eventually("it is stopping", || {
            exporter.log().contains("message=stopping").then_some(())
        });
        let started = Instant::now();
        exporter.signal(second);
        let status = exporter.wait_for_end();
        assert_eq!(status.code(), Some(0), "{first} {second}");
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "{:?}",
            started.elapsed()
        );
        assert!(
            !exporter.log().contains("message=stopped"),
            "it did not wait for the rest"
        );
    }
}
