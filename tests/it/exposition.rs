//! `/metrics` as others read it: promtool, the official Python parsers, a real Prometheus.

mod backfill;
mod formats;
pub mod prometheus;
mod spans;
mod starts;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulator::{Delivery, Fault, FaultKind, Outcome, Truth};
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, REGION, cloud, config};
use crate::exporter::{Exporter, eventually};
use crate::scrape::{Labels, Scrape};
use crate::stage::*;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
const ASK_OPEN_METRICS: &str = "Accept: application/openmetrics-text;version=1.0.0\r\n";

/// What README says of each metric: name, type, labels.
const METRICS: [(&str, &str, &[&str]); 31] = [
    ("cloud_assistant_recent_results", "gauge", COMBINATION),
    ("cloud_assistant_results_total", "counter", COMBINATION),
    ("cloud_assistant_result_duration_seconds", "histogram", STATUS),
    (
        "cloud_assistant_oldest_open_result_timestamp_seconds",
        "gauge",
        STATUS,
    ),
    ("cloud_assistant_last_result_timestamp_seconds", "gauge", STATUS),
    ("cloud_assistant_output_dropped_bytes_total", "counter", SCOPE),
    (
        "cloud_assistant_output_deliveries_total",
        "counter",
        &["account", "region_id", "delivery_status", "error_code"],
    ),
    ("cloud_assistant_lost_results_total", "counter", SCOPE),
    ("cloud_assistant_up", "gauge", SCOPE),
    ("cloud_assistant_last_success_timestamp_seconds", "gauge", SCOPE),
    ("cloud_assistant_poll_duration_seconds", "gauge", SCOPE),
    ("cloud_assistant_exporter_polls_total", "counter", SCOPE),
    (
        "cloud_assistant_exporter_poll_failures_total",
        "counter",
        &["account", "region_id", "reason"],
    ),
    ("cloud_assistant_exporter_sweeps_total", "counter", SCOPE),
    ("cloud_assistant_exporter_late_results_total", "counter", SCOPE),
    ("cloud_assistant_exporter_old_results_total", "counter", SCOPE),
    (
        "cloud_assistant_exporter_reclassified_results_total",
        "counter",
        SCOPE,
    ),
    ("cloud_assistant_exporter_skipped_rows_total", "counter", SCOPE),
    ("cloud_assistant_exporter_tracked_results", "gauge", SCOPE),
    (
        "cloud_assistant_exporter_label_overflow_total",
        "counter",
        &["account", "region_id", "label"],
    ),
    (
        "cloud_assistant_exporter_api_requests_total",
        "counter",
        &["account", "region_id", "action"],
    ),
    (
        "cloud_assistant_exporter_api_request_failures_total",
        "counter",
        &["account", "region_id", "action", "reason"],
    ),
    (
        "cloud_assistant_exporter_api_request_duration_seconds",
        "histogram",
        &["action"],
    ),
    (
        "cloud_assistant_exporter_config_last_reload_successful",
        "gauge",
        &[],
    ),
    (
        "cloud_assistant_exporter_config_last_reload_success_timestamp_seconds",
        "gauge",
        &[],
    ),
    ("cloud_assistant_exporter_log_lines_dropped_total", "counter", &[]),
    (
        "cloud_assistant_exporter_build_info",
        "gauge",
        &["version", "revision", "rust_version"],
    ),
    // Of the credentials, which have metrics of their own; the time of expiry only where they expire.
    (
        "cloud_assistant_exporter_credentials_refresh_failures_total",
        "counter",
        &["account"],
    ),
    ("process_cpu_seconds_total", "counter", &[]),
    ("process_resident_memory_bytes", "gauge", &[]),
    ("process_start_time_seconds", "gauge", &[]),
];

/// The other standard metrics of a process.
const PROCESS: [&str; 5] = [
    "process_open_fds",
    "process_max_fds",
    "process_virtual_memory_bytes",
    "process_virtual_memory_max_bytes",
    "process_threads",
];

const SCOPE: &[&str] = &["account", "region_id"];
const STATUS: &[&str] = &["account", "region_id", "invocation_status"];

const COMBINATION: &[&str] = &[
    "account",
    "region_id",
    "invocation_status",
    "error_code",
    "exit_code",
];

/// An exporter that shows every metric there is, and whose numbers stand still.
fn everything() -> Stage {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    {
        let mut cloud = simulator.cloud();
        let region = cloud.region(ACCOUNT, REGION);
        region.add_settled(10, Outcome::success());
        region.run("open", 2);
        let running = region.run("running", 1);
        region.start(&running, 0);
        cloud.mark_baseline();
    }
    let stage = Stage::on(simulator, directory, ONE_POLL);
    stage.region(|region| {
        for outcome in Outcome::every_kind() {
            region.add_settled(3, outcome.lasting(7).dropping(11));
        }
        let denied = Delivery::Failed("OSS.AccessDenied".to_owned());
        region.add_settled(1, Outcome::success().delivery(denied));
        region.inject_raw_row(json!({
            "InvokeId": "t-odd", "InstanceId": "i-odd", "InvocationStatus": "Odd \"\\\n{status}",
            "ErrorCode": "a,b=\"c\"} 1 # {x=\"y\"}", "ExitCode": -1
        }));
        region.schedule("scheduled", "rate(1h)", 1);
    });
    let (stage, scrape) = stage.restart();
    assert!(scrape.value(RESULTS, &[]) > 24.0);
    stage
}

pub fn promtool(body: &[u8]) -> Output {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]);
    feed(command, body)
}

/// Gives a program its standard input, and waits for its end.
fn feed(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{command:?}: {error}; `make install-tools` installs what the tests need")
        });
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output
}

/// What the official Python client reads in a body.
fn python(arguments: &[&str], body: &[u8]) -> Value {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openmetrics/run"));
    command.args(arguments);
    let output = feed(command, body);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn samples(parsed: &Value) -> BTreeMap<(String, Labels), f64> {
    let samples = parsed["samples"].as_array().unwrap().iter();
    samples
        .map(|sample| {
            let labels = sample[1].as_object().unwrap().iter();
            let labels: Labels = labels
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                .collect();
            let value: f64 = sample[2].as_str().unwrap().parse().unwrap();
            ((sample[0].as_str().unwrap().to_owned(), labels), value)
        })
        .filter(|((name, _), _)| !name.starts_with("process_"))
        .collect()
}

#[test]
fn promtool_finds_nothing() {
    let stage = everything();
    let output = promtool(&stage.exporter.get("/metrics").body);
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success() && said.is_empty(), "{said}");
    let output = promtool(b"# HELP x_count Wrong.\n# TYPE x_count counter\nx_count 1\n");
    assert!(!output.status.success(), "promtool finds what is wrong");
}

#[test]
fn strict_parsers_read_the_same_samples_in_both_formats_plain_and_compressed() {
    let stage = everything();
    let get = |headers: &str| stage.exporter.request("GET", "/metrics", headers);
    let text = get("");
    let open_metrics = get(ASK_OPEN_METRICS);
    let ours = Scrape::parse(&text.text()).without("process_");
    assert!(ours.len() > 150);
    assert_eq!(Scrape::parse(&open_metrics.text()).without("process_"), ours);
    let read = python(&["text"], &text.body);
    assert_eq!(samples(&read), ours);
    let read = python(&["openmetrics"], &open_metrics.body);
    assert_eq!(samples(&read), ours);
    assert!(!read["exemplars"].as_array().unwrap().is_empty());
    for (format, headers) in [("text", ""), ("openmetrics", ASK_OPEN_METRICS)] {
        let compressed = get(&format!("{headers}Accept-Encoding: gzip\r\n"));
        assert_eq!(compressed.header("content-encoding"), Some("gzip"));
        let plain = get(headers);
        assert!(compressed.body.len() * 4 < plain.body.len());
        let read = python(&[format, "gzip"], &compressed.body);
        assert_eq!(samples(&read), ours, "{format}");
        // Byte by byte, but for the process that goes on meanwhile.
        let lines = |text: &str| {
            let lines = text.lines().filter(|line| !line.starts_with("process_"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            lines(read["text"].as_str().unwrap()),
            lines(&plain.text()),
            "{format}"
        );
    }
    let refused = feed(
        {
            let mut command =
                Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openmetrics/run"));
            command.arg("openmetrics");
            command
        },
        &text.body,
    );
    assert!(!refused.status.success(), "the parser is strict: text has no EOF");
}

#[test]
fn every_metric_is_there_and_no_other() {
    let stage = everything();
    let scrape = stage.exporter.scrape();
    let mut types = BTreeMap::new();
    let mut family = String::new();
    for line in scrape.text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, help] => {
                family = name.to_owned();
                assert!(!help.is_empty() && !types.contains_key(name), "{line}");
            }
            ["#", "TYPE", name, kind] => {
                assert_eq!(name, family);
                types.insert(name.to_owned(), kind.to_owned());
            }
            _ => {
                // Samples follow their family, and have no timestamp.
                let name = line.split(['{', ' ']).next().unwrap();
                let suffix = name
                    .strip_prefix(&family)
                    .unwrap_or_else(|| panic!("{line} in {family}"));
                assert!(["", "_bucket", "_sum", "_count"].contains(&suffix), "{line}");
                let value = line.rsplit(['}', ' ']).next().unwrap();
                assert!(value.parse::<f64>().is_ok() && value != "inf", "{line}");
            }
        }
    }
    let expected: BTreeMap<String, String> = METRICS
        .iter()
        .map(|(name, kind, _)| ((*name).to_owned(), (*kind).to_owned()))
        .chain(PROCESS.map(|name| (name.to_owned(), "gauge".to_owned())))
        .collect();
    assert_eq!(types, expected);
    for (name, kind, labels) in METRICS {
        let suffixes: &[&str] = match kind {
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        for suffix in suffixes {
            let mut expected: BTreeSet<&str> = labels.iter().copied().collect();
            expected.extend((*suffix == "_bucket").then_some("le"));
            let sample = format!("{name}{suffix}");
            assert!(scrape.all(&sample).count() > 0, "no {sample}");
            for (labels, _) in scrape.all(&sample) {
                let names: BTreeSet<&str> = labels.keys().map(String::as_str).collect();
                assert_eq!(names, expected, "{sample}");
            }
        }
    }
    // What comes from the cloud says that it is polled, and how to see its age.
    let polled = [
        "cloud_assistant_recent_results",
        "cloud_assistant_results_total",
        "cloud_assistant_result_duration_seconds",
        "cloud_assistant_output_deliveries_total",
    ];
    for name in polled {
        let help = format!("# HELP {name} ");
        let help = scrape.text.lines().find(|line| line.starts_with(&help)).unwrap();
        assert!(
            help.contains("Polled") && help.contains("cloud_assistant_last_success_timestamp_seconds"),
            "{help}"
        );
    }
    let (labels, value) = scrape.all("cloud_assistant_exporter_build_info").next().unwrap();
    assert_eq!((value, &*labels["version"]), (1.0, env!("CARGO_PKG_VERSION")));
    assert!(!labels["revision"].is_empty() && labels["rust_version"].starts_with("1."));
    assert!(scrape.value("process_open_fds", &[]) >= 5.0);
    assert!(scrape.value("process_resident_memory_bytes", &[]) > 1e6);
    let started = scrape.value("process_start_time_seconds", &[]);
    let now = simulator::unix_now() as f64;
    assert!((now - 60.0..=now + 1.0).contains(&started), "{started}");
    // Ids and texts of people are never labels.
    for word in ["t-odd", "i-odd", "the command", "scheduled"] {
        assert!(!scrape.text.contains(word), "{word}");
    }
}

#[test]
fn the_format_is_what_the_client_accepts() {
    let stage = Stage::new(ONE_POLL, |region| {
        region.add_settled(1, Outcome::success());
    });
    let escaping = format!("{OPEN_METRICS}; escaping=underscores");
    let table = [
        (
            "N1",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;\
             version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,\
             */*;q=0.2",
            &*escaping,
        ),
        (
            "N2",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
             application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;\
             version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,\
             */*;q=0.1",
            PROTOBUF,
        ),
        (
            "N3",
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OPEN_METRICS,
        ),
        ("N4", "", TEXT),
        ("N4", "*/*", TEXT),
        (
            "N4",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
            TEXT,
        ),
        ("N5", "application/openmetrics-text", TEXT),
        ("N5", "application/openmetrics-text;version=0.0.1", TEXT),
        (
            "N6",
            "text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.1",
            TEXT,
        ),
        (
            "N7",
            "application/openmetrics-text;version=1.0.0;escaping=nonsense",
            OPEN_METRICS,
        ),
        ("N8", "application/openmetrics-text;version=1.0.0;q=0", TEXT),
        ("N8", ";;,=;q=\"\\,,\u{e9}", TEXT),
    ];
    for (id, accept, expected) in table {
        let header = match accept {
            "" => String::new(),
            accept => format!("Accept: {accept}\r\n"),
        };
        let answer = stage.exporter.request("GET", "/metrics", &header);
        assert_eq!(answer.status, 200, "{id}");
        assert_eq!(answer.header("content-type"), Some(expected), "{id} {accept}");
        let ends_as_open_metrics = answer.body.ends_with(b"# EOF\n");
        assert_eq!(ends_as_open_metrics, expected.starts_with(OPEN_METRICS), "{id}");
        assert_eq!(answer.header("vary"), Some("Accept, Accept-Encoding"), "{id}");
    }
    let encodings = [
        ("Accept-Encoding: gzip\r\n", true),
        ("Accept-Encoding: gzip;q=0\r\n", false),
        ("Accept-Encoding: identity\r\n", false),
        ("", false),
    ];
    for (header, compressed) in encodings {
        let answer = stage.exporter.request("GET", "/metrics", header);
        assert_eq!(
            answer.header("content-encoding"),
            compressed.then_some("gzip"),
            "N9 {header}"
        );
        assert_eq!(answer.body.starts_with(&[0x1f, 0x8b]), compressed, "N9 {header}");
        assert_eq!(
            answer.header("vary"),
            Some("Accept, Accept-Encoding"),
            "N9 {header}"
        );
    }
}

#[test]
fn ten_thousand_series_are_served_while_every_request_to_the_cloud_hangs() {
    let more = "metrics: {new_series_hold: 0s, max_exit_codes: 10000}\n\
                poll: {interval: 100ms, sweep_interval: 0, request_timeout: 1m}\n";
    let stage = Stage::new(more, |region| {
        region.add_settled(1, Outcome::success());
    });
    stage.region(|region| {
        for exit_code in 0..5000 {
            region.add_settled(1, Outcome::failed(exit_code));
        }
    });
    stage
        .exporter
        .scrape_until("all are shown", |scrape| scrape.value(RESULTS, &[]) >= 5000.0);
    stage.simulator.faults().add(Fault::forever(FaultKind::Hang));
    eventually("a request hangs", || {
        let requests = stage.simulator.requests();
        requests.last().filter(|last| last.fault.is_some()).map(|_| ())
    });
    for (what, headers) in [
        ("text", ""),
        ("text, gzip", "Accept-Encoding: gzip\r\n"),
        ("OpenMetrics", ASK_OPEN_METRICS),
        (
            "OpenMetrics, gzip",
            "Accept: application/openmetrics-text;version=1.0.0\r\nAccept-Encoding: gzip\r\n",
        ),
    ] {
        let mut times: Vec<Duration> = Vec::new();
        let mut size = 0;
        for _ in 0..20 {
            let started = Instant::now();
            let answer = stage.exporter.request("GET", "/metrics", headers);
            times.push(started.elapsed());
            assert_eq!(answer.status, 200);
            size = answer.body.len();
        }
        times.sort();
        println!(
            "10,000 series, {what}: {size} bytes, median {:.1} ms, slowest {:.1} ms",
            times[10].as_secs_f64() * 1e3,
            times[19].as_secs_f64() * 1e3
        );
        assert!(times[10] < Duration::from_millis(500), "{times:?}");
    }
    let scrape = stage.exporter.scrape();
    assert!(scrape.without("process_").len() >= 10_000);
    assert_eq!(scrape.value(RESULTS, &[]), 5000.0);
    assert!(stage.simulator.in_flight() > 0, "it still hangs");
    let ready = stage.exporter.get("/-/ready");
    assert_eq!(ready.status, 200);
}
