//! From the bytes of a page of 50 rows to changes in the record, and what other JSON libraries take for the bytes.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_assistant_exporter::aliyun::rows::decode;
use cloud_assistant_exporter::record::{Findings, Record, Sweep};
use cloud_assistant_exporter::result::{Identity, Ids, Row, Seconds, Status, Times};
use cloud_assistant_exporter::timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::measure::{cpu_time, cpu_times};
use crate::record::{at, settings};
use crate::table::{Beside, Targets, digits, header, row, time};

const ROWS: u32 = 50;

/// Bytes of output before Base64.
const OUTPUT: usize = 24 * 1024;

/// 2026-01-02 03:04:05 UTC.
const NOW: Seconds = 1_767_323_045;

/// A page as the API answers it, every tenth row a failure. `first` numbers its rows.
fn page(first: u32, output_bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(first.into());
    let rows: Vec<String> = (first..first + ROWS)
        .map(|n| {
            let output: Vec<u8> = (0..output_bytes).map(|_| random.u8(..)).collect();
            let (status, code, info, exit) = match n % 10 {
                0 => ("Failed", "ExitCodeNonzero", "the command execution exit code is not zero.", 1),
                _ => ("Success", "", "", 0),
            };
            let finished = timestamp::rfc3339(NOW - n % 3600);
            let started = timestamp::rfc3339(NOW - n % 3600 - 5);
            format!(
                r#"{{"CommandId":"c-hz0{:013}","InvokeId":"t-hz0{n:013}","InstanceId":"i-bp{:018}","InvocationStatus":"{status}","InvokeRecordStatus":"Finished","ErrorCode":"{code}","ErrorInfo":"{info}","StartTime":"{started}","FinishedTime":"{finished}","StopTime":"","Repeats":1,"Dropped":0,"ExitCode":{exit},"Username":"root","ContainerId":"","ContainerName":"","Launcher":"","TerminationMode":"Process","OssOutputDelivery":"","OssOutputUri":"","OssOutputStatus":"","Tags":{{"Tag":[]}},"Output":"{}"}}"#,
                n % 40,
                n % 5000,
                STANDARD.encode(&output),
            )
        })
        .collect();
    format!(
        r#"{{"RequestId":"473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E","Invocation":{{"TotalCount":50,"PageSize":50,"PageNumber":1,"NextToken":"AAAAAdDWBF2w6Olxc+cMPjUtUMo=","InvocationResults":{{"InvocationResult":[{}]}}}}}}"#,
        rows.join(",")
    )
    .into_bytes()
}

// === What others need ===

/// The plain way: structs that own what they hold. `O` is what becomes of the output.
#[derive(Deserialize)]
struct Body<O> {
    #[serde(rename = "Invocation")]
    invocation: Invocation<O>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Invocation<O> {
    invocation_results: Results<O>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Results<O> {
    invocation_result: Vec<Plain<O>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Plain<O> {
    invoke_id: String,
    instance_id: String,
    container_id: String,
    command_id: String,
    invocation_status: String,
    error_code: String,
    exit_code: Option<i64>,
    repeats: u32,
    start_time: String,
    finished_time: String,
    stop_time: String,
    dropped: u64,
    #[allow(dead_code, reason = "that it is read costs time")]
    output: O,
}

/// The output is skipped.
#[derive(Deserialize)]
struct Skipped(#[allow(dead_code, reason = "holds nothing")] serde::de::IgnoredAny);

/// What a row is made of, wherever it came from.
struct Parts<'a> {
    invoke_id: &'a str,
    instance_id: &'a str,
    container_id: &'a str,
    command_id: &'a str,
    status: &'a str,
    error_code: &'a str,
    exit_code: Option<i64>,
    repeats: u32,
    times: [&'a str; 3],
    dropped: u64,
}

impl Parts<'_> {
    fn row(&self) -> Row {
        let [started, finished, stopped] = self.times.map(read_time);
        let mut row = Row {
            identity: Identity::of_row(self.invoke_id, self.instance_id, self.container_id),
            status: Status::parse(self.status),
            error_code: self.error_code.into(),
            exit_code: self.exit_code,
            error_info: None,
            repeats: self.repeats,
            times: Times {
                started,
                finished,
                stopped,
            },
            dropped: self.dropped,
            delivery: None,
            scheduled: false,
            ids: None,
            command: None,
        };
        row.ids = (!row.is_plain()).then(|| {
            Box::new(Ids {
                invoke_id: self.invoke_id.into(),
                instance_id: self.instance_id.into(),
                container_id: self.container_id.into(),
                command_id: self.command_id.into(),
            })
        });
        row
    }
}

fn read_time(text: &str) -> Option<NonZeroU32> {
    match text {
        "" => None,
        text => timestamp::parse(text),
    }
}

fn rows_of<O>(body: Body<O>) -> Vec<Row> {
    let rows = body.invocation.invocation_results.invocation_result;
    rows.iter()
        .map(|row| {
            Parts {
                invoke_id: &row.invoke_id,
                instance_id: &row.instance_id,
                container_id: &row.container_id,
                command_id: &row.command_id,
                status: &row.invocation_status,
                error_code: &row.error_code,
                exit_code: row.exit_code,
                repeats: row.repeats,
                times: [&row.start_time, &row.finished_time, &row.stop_time],
                dropped: row.dropped,
            }
            .row()
        })
        .collect()
}

fn rows_of_value(body: &Value) -> Vec<Row> {
    let rows = body["Invocation"]["InvocationResults"]["InvocationResult"].as_array();
    rows.into_iter()
        .flatten()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap_or_default();
            Parts {
                invoke_id: text("InvokeId"),
                instance_id: text("InstanceId"),
                container_id: text("ContainerId"),
                command_id: text("CommandId"),
                status: text("InvocationStatus"),
                error_code: text("ErrorCode"),
                exit_code: row["ExitCode"].as_i64(),
                repeats: row["Repeats"].as_u64().unwrap_or_default() as u32,
                times: [text("StartTime"), text("FinishedTime"), text("StopTime")],
                dropped: row["Dropped"].as_u64().unwrap_or_default(),
            }
            .row()
        })
        .collect()
}

// === The figures ===

/// A way from bytes to rows.
type Way = (&'static str, fn(&[u8]) -> Vec<Row>);

const WAYS: [Way; 6] = [
    ("this decoder", |body| decode(body, None).unwrap().rows),
    ("serde_json::Value", |body| {
        rows_of_value(&serde_json::from_slice(body).unwrap())
    }),
    ("serde_json, owned structs", |body| {
        rows_of(serde_json::from_slice::<Body<String>>(body).unwrap())
    }),
    ("serde_json, owned structs, output skipped", |body| {
        rows_of(serde_json::from_slice::<Body<Skipped>>(body).unwrap())
    }),
    ("sonic-rs, owned structs, output skipped", |body| {
        rows_of(sonic_rs::from_slice::<Body<Skipped>>(body).unwrap())
    }),
    // It parses in place, so that the body has to be one that may be changed.
    ("simd-json, owned structs, output skipped", |body| {
        rows_of(simd_json::from_slice::<Body<Skipped>>(&mut body.to_vec()).unwrap())
    }),
];

/// A record that has had its first look.
fn looked() -> Record {
    let mut record = Record::new(settings(86_400));
    let first = Findings {
        sweep: Some(Sweep {
            front: 0,
            ..Sweep::default()
        }),
        ..Findings::default()
    };
    record.apply(first, at(NOW));
    record.take_changes();
    record
}

/// Every page into the record, and what there is to save of it.
fn to_changes(pages: &[Vec<u8>]) -> usize {
    let mut record = looked();
    pages
        .iter()
        .map(|body| {
            let found = Findings {
                pages: decode(body, None).unwrap().rows,
                ..Findings::default()
            };
            record.apply(found, at(NOW));
            record.take_changes().len()
        })
        .sum()
}

fn pages(count: u32, output: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| page(number * ROWS, output)).collect()
}

pub fn run(targets: &mut Targets) {
    println!("\n## Decoding a page of {ROWS} rows\n");
    header(&["way", "page", "bytes", "CPU time", "rows/s", "GB/s"]);
    for (name, output, count) in [("without output", 0, 64), ("24 KB of output a row", OUTPUT, 8)] {
        let pages = pages(count, output);
        let size = pages[0].len();
        let line = |way: &str, took: Duration| {
            let seconds = took.as_secs_f64();
            row(&[
                way,
                name,
                &size.to_string(),
                &time(took),
                &digits(f64::from(ROWS) / seconds),
                &digits(size as f64 / 1e9 / seconds),
            ]);
        };
        let body = &pages[0];
        // Only the exporter's own way reads why a result has failed.
        let plain = |mut rows: Vec<Row>| {
            rows.iter_mut().for_each(|row| row.error_info = None);
            rows
        };
        let expected = plain(WAYS[0].1(body));
        for (way, rows) in WAYS {
            assert_eq!(plain(rows(body)), expected, "{way}");
        }
        let mut calls = WAYS.map(|(_, rows)| {
            move || {
                black_box(rows(black_box(body)));
            }
        });
        let took = cpu_times(calls.each_mut().map(|call| call as &mut dyn FnMut()));
        for ((way, _), took) in WAYS.iter().zip(took) {
            line(way, took);
        }
        let whole = cpu_time(|| {
            black_box(to_changes(black_box(&pages)));
        }) / count;
        line("this decoder, the record and its changes", whole);
        let peers = took.iter().zip(WAYS).skip(1);
        let (best, (peer, _)) = peers.min_by_key(|(took, _)| **took).unwrap();
        let limit = took[0];
        let peer_figure = |unit: f64| digits(unit / best.as_secs_f64());
        let ratio = format!(
            "{} of the peer's time",
            digits(limit.as_secs_f64() / best.as_secs_f64())
        );
        if output == 0 {
            let rate = f64::from(ROWS) / whole.as_secs_f64();
            targets.add(
                "decoding (a), record included, at least 400,000 rows/s",
                format!("{} rows/s", digits(rate)),
                Beside {
                    peer: format!(
                        "{} rows/s without the record ({peer})",
                        peer_figure(f64::from(ROWS))
                    ),
                    limit: format!(
                        "{} rows/s without the record",
                        digits(f64::from(ROWS) / limit.as_secs_f64())
                    ),
                    ratio,
                },
                Some(rate >= 400_000.0),
            );
        } else {
            let rate = size as f64 / 1e9 / limit.as_secs_f64();
            targets.add(
                "decoding (b), at least 1 GB/s",
                format!("{} GB/s", digits(rate)),
                Beside {
                    peer: format!("{} GB/s ({peer})", peer_figure(size as f64 / 1e9)),
                    limit: String::new(),
                    ratio,
                },
                Some(rate >= 1.0),
            );
        }
    }
}

/// For a profile: a million rows without output.
pub fn profile() {
    let pages = pages(100, 0);
    for _ in 0..20 {
        black_box(to_changes(&pages));
    }
}

/// For a profile: pages with output.
pub fn profile_output() {
    let pages = pages(2, OUTPUT);
    for _ in 0..50 {
        black_box(decode(&pages[0], None).unwrap());
    }
}
