//! Events that lie in a queue.

use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use simulator::{ApiError, Emission, Fault, FaultKind, Outcome};
use tempfile::tempdir;

use super::{EVENT_POLLS, ID, Stage, cloud, event, outcomes, scope};
use crate::cloud::{ACCOUNT, REGION};
use crate::exporter::{eventually, pause};
use crate::stage::{POLLS, RESULTS, UP};

pub const FAILURES: &str = "cloud_assistant_exporter_queue_failures_total";
pub const MORE: &str = "events: {min_interval: 1s}";

/// The keys of an account whose events are in queue `q`.
pub fn account(url: &str) -> String {
    format!("account_id: '{ID}'\n    events: {{queue: q, endpoint: '{url}'}}")
}

/// With a queue that is there, unless not.
fn stage(is_there: bool) -> Stage {
    let simulator = cloud(&[REGION]);
    if is_there {
        simulator.cloud().queue(ACCOUNT, "q");
    }
    let account = account(&simulator.url());
    Stage::before(simulator, tempdir().unwrap(), &[REGION], &account, MORE)
}

/// How often it was asked for.
pub fn asked(stage: &Stage, action: &str) -> usize {
    let requests = stage.simulator.requests();
    requests.iter().filter(|request| request.action == action).count()
}

#[test]
fn results_are_seen_when_their_events_are_in_the_queue() {
    let stage = stage(true);
    for (results, base64) in [(1, false), (2, true), (3, false)] {
        let emission = Emission {
            base64,
            ..Emission::to_queue("q")
        };
        stage.simulator.cloud().emit(Some(emission));
        let since = Instant::now();
        stage.fail_one(REGION);
        stage.counted(results);
        assert!(
            since.elapsed() < Duration::from_secs(25),
            "not by the end of a wait of its own"
        );
    }
    // What is of no use is deleted as well.
    for body in [
        event(ID, REGION, "FirstHeartbeat"),
        "plain text".to_owned(),
        "e30=".to_owned(),
    ] {
        let body = if body.starts_with('{') {
            base64::engine::general_purpose::STANDARD.encode(body)
        } else {
            body
        };
        stage.simulator.cloud().queue(ACCOUNT, "q").put(body, 0);
    }
    stage.fail_one(REGION);
    let scrape = stage.counted(4);
    eventually("everything is deleted", || {
        (stage.simulator.cloud().queue(ACCOUNT, "q").deleted == 7).then_some(())
    });
    let outcomes = outcomes(&scrape, "queue");
    assert_eq!(
        (outcomes["hint"], outcomes.get("unknown")),
        (4, None),
        "{outcomes:?}"
    );
    assert_eq!(scrape.sum(FAILURES, &[]), None);
    assert!(scrape.by_scope(EVENT_POLLS)[&scope()] >= 3.0);
    // Each batch is one receive and one delete, and each was signed right.
    let requests = stage.simulator.requests();
    let mut of_queue = requests
        .iter()
        .filter(|request| request.action.ends_with("Message"));
    assert!(of_queue.all(|request| request.signed), "{:?}", requests.last());
    assert!(asked(&stage, "BatchDeleteMessage") <= 7);
}

/// Sixteen a request: what has piled up is no reason for more polls.
#[test]
fn what_has_piled_up_is_taken_at_once() {
    let simulator = cloud(&[REGION]);
    for _ in 0..1000 {
        let body = event(ID, REGION, "TaskCompleted");
        simulator.cloud().queue(ACCOUNT, "q").put(body, 0);
    }
    let account = account(&simulator.url());
    let stage = Stage::before(simulator, tempdir().unwrap(), &[REGION], &account, MORE);
    eventually("the queue is empty", || {
        stage
            .simulator
            .cloud()
            .queue(ACCOUNT, "q")
            .is_empty()
            .then_some(())
    });
    assert_eq!(asked(&stage, "BatchDeleteMessage"), 1000_usize.div_ceil(16));
    let scrape = stage.exporter.scrape_until("all", |scrape| {
        outcomes(scrape, "queue").get("hint") == Some(&1000)
    });
    assert!(
        scrape.by_scope(POLLS)[&scope()] <= 12.0,
        "one each second at most: {:?}",
        scrape.by_scope(POLLS)
    );
}

/// The same messages again and again: they are hidden for no time at all, and so not deleted.
#[test]
fn a_queue_that_repeats_itself_is_not_asked_as_fast_as_it_answers() {
    let stage = stage(true);
    stage.simulator.cloud().queue(ACCOUNT, "q").visibility_timeout = 0;
    let (before, began) = (asked(&stage, "BatchReceiveMessage"), Instant::now());
    let body = event(ID, REGION, "TaskCompleted");
    stage.simulator.put_message(ACCOUNT, "q", body);
    let requests = eventually("more than come at once", || {
        Some(asked(&stage, "BatchReceiveMessage") - before).filter(|requests| *requests >= 160)
    });
    // However unevenly this machine runs: a hundred at once, and one each twentieth of a second.
    let most = 101.0 + began.elapsed().as_secs_f64() * 20.0;
    assert!(requests as f64 <= most, "{requests} for {most}");
}

/// How a queue can fail, and how many requests it may be asked with in ten seconds.
fn failures() -> Vec<(&'static str, &'static str, usize, FaultKind)> {
    let error = |status, code: &str| FaultKind::Error(ApiError::new(status, code, "hunter2"));
    vec![
        ("denied", "denied", 1, error(403, "AccessDenied")),
        ("a wrong region", "missing", 1, error(404, "QueueNotExist")),
        ("a wrong key", "denied", 2, error(403, "InvalidAccessKeyId")),
        ("throttled", "throttled", 4, error(503, "QpsLimitExceeded")),
        ("too many requests", "throttled", 4, FaultKind::Status429),
        ("unavailable", "unavailable", 4, error(500, "InternalError")),
        ("a gateway's page", "unavailable", 4, FaultKind::Html502),
        ("garbage", "malformed", 1, FaultKind::NotJson),
        ("a document that is cut off", "malformed", 1, FaultKind::CutJson),
        (
            "messages without handles",
            "malformed",
            1,
            FaultKind::MissingField,
        ),
        ("too much", "malformed", 1, FaultKind::Giant(64 << 20)),
        ("a connection that is cut", "transport", 4, FaultKind::CutHeaders),
        ("a redirect", "malformed", 1, FaultKind::PlainStatus(302)),
        ("empty answers at once", "", 4, error(404, "MessageNotExist")),
        ("nothing at all", "", 1, FaultKind::Hang),
    ]
}

#[test]
fn a_queue_that_fails_harms_neither_polls_nor_readiness_and_is_not_asked_too_often() {
    // All at once: each waits for ten seconds.
    thread::scope(|threads| {
        for (what, reason, most, fault) in failures() {
            threads.spawn(move || {
                let simulator = cloud(&[REGION]);
                simulator.cloud().queue(ACCOUNT, "q");
                simulator
                    .faults()
                    .add(Fault::forever(fault).on("BatchReceiveMessage"));
                let account = account(&simulator.url());
                let poll = format!("{MORE}\npoll: {{interval: 1s}}");
                let stage = Stage::before(simulator, tempdir().unwrap(), &[REGION], &account, &poll);
                let until = Instant::now() + Duration::from_secs(10);
                while Instant::now() < until {
                    assert_eq!(stage.exporter.get("/-/ready").status, 200, "{what}");
                    pause();
                }
                let requests = asked(&stage, "BatchReceiveMessage");
                assert!((1..=most).contains(&requests), "{what}: {requests} requests");
                stage
                    .simulator
                    .cloud()
                    .region(ACCOUNT, REGION)
                    .add_settled(1, Outcome::success());
                let scrape = stage.counted(1);
                assert_eq!(scrape.value(UP, &[]), 1.0, "{what}");
                let failed = scrape.sum(FAILURES, &[("reason", reason)]).unwrap_or(0.0);
                assert_eq!(
                    failed >= 1.0,
                    !reason.is_empty(),
                    "{what}: {}",
                    scrape.shown(FAILURES)
                );
                let log = stage.exporter.log();
                let told = log
                    .lines()
                    .filter(|line| line.contains("the queue of events"))
                    .count();
                assert_eq!(told, usize::from(!reason.is_empty()), "{what}: {log}");
                assert!(!log.contains("hunter2"), "{what}");
            });
        }
    });
}

#[test]
fn a_queue_that_is_made_later_is_found() {
    let stage = stage(false);
    let missing = |scrape: &crate::scrape::Scrape| scrape.sum(FAILURES, &[("reason", "missing")]);
    stage
        .exporter
        .scrape_until("it is missing", |scrape| missing(scrape) == Some(1.0));
    stage.simulator.cloud().queue(ACCOUNT, "q");
    stage.simulator.cloud().emit(Some(Emission::to_queue("q")));
    stage
        .simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .add_settled(1, Outcome::success());
    // Within a minute.
    let scrape = stage.counted(1);
    assert_eq!(scrape.value(RESULTS, &[("invocation_status", "Success")]), 1.0);
    assert_eq!(missing(&scrape), Some(1.0));
    stage.exporter.logged("the queue of events is read again");
}
