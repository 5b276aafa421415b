//! What 600,000 failures cost: the memory of those that are kept, and the pages that show them. `make figures`.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use cloud_assistant_exporter::clock::Now;
use cloud_assistant_exporter::expose::{Exposition, Process};
use cloud_assistant_exporter::pages::{Site, routes};
use cloud_assistant_exporter::poll::share;
use cloud_assistant_exporter::record::{Findings, Pauses, Record, Settings, Sweep};
use cloud_assistant_exporter::requests::Requests;
use cloud_assistant_exporter::result::{Identity, Ids, KnownStatus, Row, Status, Times};
use cloud_assistant_exporter::scope::Scope;
use cloud_assistant_exporter::timestamp;
use cloud_assistant_exporter::view::{Board, LastPoll, ScopeView};
use prometheus::Registry;

use crate::exporter::of_status;

const SCOPES: u32 = 600;
const OF_EACH: u32 = 1000;

fn settings() -> Settings {
    Settings {
        window: 86_400,
        new_series_hold: 90,
        max_error_codes: 100,
        max_exit_codes: 100,
        duration_buckets: vec![1.0, 60.0].into(),
        native_histograms: false,
        filter: 0,
        pauses: Pauses::default(),
        commands: None,
    }
}

/// Failures with ids as long as those of the API, forty instances an invocation, four codes.
fn failure(scope: u32, n: u32, now: u32) -> Row {
    let (invoke_id, instance_id) = (
        format!("t-hz0{scope:06}{:06}", n / 40),
        format!("i-bp{scope:09}{:09}", n % 200),
    );
    Row {
        identity: Identity::of_row(&invoke_id, &instance_id, ""),
        status: Status::Known(KnownStatus::Failed),
        error_code: "ExitCodeNonzero".into(),
        exit_code: Some(i64::from(n % 4 + 1)),
        error_info: Some("the command execution exit code is not zero.".into()),
        repeats: 1,
        times: Times {
            finished: std::num::NonZeroU32::new(now - n * 80),
            started: std::num::NonZeroU32::new(now - n * 80 - 5),
            stopped: None,
        },
        dropped: 0,
        delivery: None,
        scheduled: false,
        ids: Some(Box::new(Ids {
            invoke_id: invoke_id.into(),
            instance_id: instance_id.into(),
            container_id: "".into(),
            command_id: format!("c-hz0{:014}", n % 30).into(),
        })),
        command: None,
    }
}

fn resident() -> f64 {
    of_status(std::process::id(), "VmRSS:") as f64 / 1e6
}

/// Which failures are kept as a share of all that there are says how many each scope may keep.
fn publish(board: &Board, records: &mut [(Scope, Record)], bounded: bool, now: u32) -> usize {
    let mut kept = 0;
    for (scope, record) in records {
        if bounded {
            record.bound_failures(share::of_failures(&board.view(), scope, record.failures()));
        }
        let counts = record.counts(Duration::ZERO).unwrap();
        kept += counts.failures().len();
        board.publish(ScopeView {
            counts: Some(Arc::new(counts)),
            last_poll: Some(LastPoll {
                up: true,
                took: Duration::from_millis(100),
            }),
            last_success: Some(now),
            ..ScopeView::new(scope.clone())
        });
    }
    kept
}

#[test]
#[ignore = "takes minutes and prints figures; make figures"]
fn six_hundred_thousand_failures() {
    let now = timestamp::seconds(SystemTime::now());
    let board = Board::new();
    let mut records: Vec<(Scope, Record)> = (0..SCOPES)
        .map(|number| {
            let mut record = Record::new(settings());
            record.apply(
                Findings {
                    sweep: Some(Sweep {
                        front: 0,
                        newer: Default::default(),
                    }),
                    ..Findings::default()
                },
                Now {
                    wall: now,
                    ..Now::default()
                },
            );
            (Scope::new("production", &format!("region-{number:04}")), record)
        })
        .collect();
    publish(&board, &mut records, false, now);
    let before = resident();
    for (number, (_, record)) in records.iter_mut().enumerate() {
        // As pages come: what is applied is not held besides.
        let pages = (0..OF_EACH).map(|n| failure(number as u32, n, now)).collect();
        let findings = Findings {
            pages,
            ..Findings::default()
        };
        let wall = Now {
            wall: now,
            ..Now::default()
        };
        record.apply(findings, wall);
        record.take_changes();
    }
    let kept = publish(&board, &mut records, false, now);
    let all = resident();
    println!(
        "kept {kept} failures: {:.0} MB more, of them the results themselves 28 bytes each",
        all - before
    );
    println!("a failure: {:.0} bytes", (all - before) * 1e6 / kept as f64);
    look(&board);
    publish(&board, &mut records, true, now);
    let kept = publish(&board, &mut records, true, now);
    println!("bounded over all scopes: kept {kept}");
    assert!(kept <= share::MAX_FAILURES_OF_ALL);
    look(&board);
}

/// How large each page is, and how long it takes.
fn look(board: &Board) {
    let registry = Registry::new();
    let requests = Arc::new(Requests::new(&registry).unwrap());
    let started = SystemTime::now();
    let exposition = Exposition::new(registry, Process::new(started), Arc::clone(&requests));
    let routes = routes(Site {
        board: board.clone(),
        exposition: Arc::new(exposition),
        requests,
        started,
        telemetry_path: "/metrics".to_owned(),
        host: String::new(),
        max_requests: 0,
        stopping: tokio_util::sync::CancellationToken::new(),
        reload: Arc::new(|| Box::pin(async { Ok(()) })),
    });
    for path in [
        "/",
        "/failures",
        "/failures?show=results",
        "/api/v1/status",
        "/api/v1/failures",
        "/api/v1/failures?group_by=instance_id",
    ] {
        for encoding in ["identity", "gzip"] {
            let request = hyper::Request::get(path).header("accept-encoding", encoding);
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let began = Instant::now();
            let mut context = Context::from_waker(Waker::noop());
            let Poll::Ready(response) = pin!(routes.answer(parts, None)).poll(&mut context) else {
                panic!("a page that waits");
            };
            println!(
                "{path}, {encoding}: {} bytes in {:?}",
                response.body().length(),
                began.elapsed()
            );
        }
    }
}
