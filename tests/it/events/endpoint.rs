//! `POST /api/v1/events`.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use simulator::{Emission, Fault, FaultKind, Outcome};

use super::{EVENT_POLLS, EVENTS, ID, LAST_EVENT, Stage, event, outcomes, scope};
use crate::cloud::{ACCOUNT, REGION};
use crate::exporter::{config_path, eventually};
use crate::stage::POLLS;

const HTTP: &str = "events: {http: true, min_interval: 1s}";

#[test]
fn results_are_seen_when_their_events_come_and_not_at_the_next_poll() {
    let stage = Stage::new(&[REGION, "cn-beijing"], "", HTTP);
    eventually("the account's number is known", || {
        (stage.simulator.requests().iter())
            .any(|request| request.action == "GetCallerIdentity")
            .then_some(())
    });
    stage.emit_by_http();
    for results in 1..=3 {
        let since = Instant::now();
        stage.fail_one(REGION);
        stage.counted(results);
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "not by the ten minutes"
        );
    }
    let scrape = stage.exporter.scrape();
    assert_eq!(outcomes(&scrape, "http"), [("hint".to_owned(), 3)].into());
    let polls = scrape.by_scope(EVENT_POLLS);
    assert!(polls[&scope()] >= 2.0, "{polls:?}");
    assert_eq!(
        polls[&(ACCOUNT.to_owned(), "cn-beijing".to_owned())],
        0.0,
        "of another region"
    );
    assert_eq!(
        scrape.by_scope(POLLS)[&(ACCOUNT.to_owned(), "cn-beijing".to_owned())],
        1.0
    );
    assert!(scrape.value(LAST_EVENT, &[("region_id", REGION)]) > 1.7e9);
    assert_eq!(scrape.sum(LAST_EVENT, &[("region_id", "cn-beijing")]), None);
}

#[test]
fn what_comes_to_what() {
    let stage = Stage::new(&[REGION], &format!("account_id: '{ID}'"), HTTP);
    let told = |answer: crate::exporter::Answer| (answer.status, answer.text().trim().to_owned());
    let counts = |hint, ignored, unknown, unreadable| {
        format!(r#"{{"hint":{hint},"ignored":{ignored},"unknown":{unknown},"unreadable":{unreadable}}}"#)
    };
    let completed = event(ID, REGION, "TaskCompleted");
    let heartbeat = event(ID, REGION, "FirstHeartbeat");
    let list = format!(
        "[{completed}, {heartbeat}, {}]",
        event("99", REGION, "TaskCompleted")
    );
    for (query, body, expected) in [
        ("", &*completed, (200, counts(1, 0, 0, 0))),
        ("", &list, (200, counts(1, 1, 1, 0))),
        (
            "",
            &event(ID, "cn-shanghai", "TaskCompleted"),
            (200, counts(0, 0, 1, 0)),
        ),
        (
            "?account=production&region_id=cn-hangzhou",
            "",
            (200, counts(1, 0, 0, 0)),
        ),
        ("?account=no-such-account", "", (200, counts(0, 0, 1, 0))),
        ("", "", (200, counts(1, 0, 0, 0))),
        ("", "hunter2", (400, counts(0, 0, 0, 1))),
        ("", "{\"a\":", (400, counts(0, 0, 0, 1))),
        (
            "?region_id=cn-hangzhou",
            "a rule's own text",
            (200, counts(1, 0, 0, 0)),
        ),
    ] {
        assert_eq!(told(stage.post(query, "", body)), expected, "{query} {body}");
    }
    let chunked = "Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n";
    assert_eq!(
        stage.exporter.request("POST", "/api/v1/events", chunked).status,
        200
    );
    let longest = format!("{completed}{}", " ".repeat((256 << 10) - completed.len()));
    assert_eq!(stage.post("", "", &longest).status, 200);
    assert_eq!(stage.post("", "", &format!("{longest} ")).status, 413);
    assert_eq!(stage.exporter.get("/api/v1/events").status, 405);
    let scrape = stage.exporter.scrape_until("all of them", |scrape| {
        outcomes(scrape, "http").get("hint") == Some(&6)
    });
    let expected = [("hint", 6), ("ignored", 1), ("unknown", 3), ("unreadable", 2)];
    assert_eq!(
        outcomes(&scrape, "http"),
        expected.map(|(name, count)| (name.to_owned(), count)).into()
    );
    assert_eq!(
        scrape.sum(EVENTS, &[("source", "queue")]),
        None,
        "no queue is used"
    );
    let page =
        stage.exporter.get("/").text() + &stage.exporter.get("/metrics").text() + &stage.exporter.log();
    for sent in ["hunter2", "cn-shanghai", "no-such-account", "FirstHeartbeat"] {
        assert!(!page.contains(sent), "{sent} is told");
    }
}

#[test]
fn it_is_off_unless_it_is_asked_for_and_a_token_keeps_strangers_out() {
    let stage = Stage::new(&[REGION], "", "");
    let off = stage.post("", "", "");
    assert_eq!(off.status, 404);
    let scrape = stage.exporter.scrape();
    assert!(!scrape.text.contains("_event"), "nothing of events is shown");
    let asked = |action| {
        stage
            .simulator
            .requests()
            .iter()
            .filter(|request| request.action == action)
            .count()
    };
    assert_eq!(asked("GetCallerIdentity"), 0);

    let token = stage.directory.path().join("token");
    fs::write(&token, "first-token\n").unwrap();
    let more = format!(
        "events: {{http: true, min_interval: 1s, token_file: {}}}",
        token.display()
    );
    let config = super::config(&stage.simulator, &stage.directory, &[REGION], "", &more);
    fs::write(config_path(stage.directory.path()), config).unwrap();
    assert_eq!(stage.exporter.request("POST", "/-/reload", "").status, 200);
    eventually("it asks whose key it has", || {
        (asked("GetCallerIdentity") == 1).then_some(())
    });
    let status = |headers| stage.post("", headers, "").status;
    assert_eq!(status(""), 401);
    assert_eq!(status("Authorization: Bearer second-token\r\n"), 401);
    assert_eq!(status("Authorization: Bearer first-token\r\n"), 200);
    assert_eq!(status("x-eventbridge-signature-token: first-token\r\n"), 200);
    fs::write(&token, "second-token").unwrap();
    assert_eq!(status("Authorization: Bearer first-token\r\n"), 401);
    assert_eq!(status("Authorization: Bearer second-token\r\n"), 200);
    let scrape = stage
        .exporter
        .scrape_until("three", |scrape| outcomes(scrape, "http").contains_key("hint"));
    assert!(
        outcomes(&scrape, "http")["hint"] <= 3,
        "of strangers nothing is counted"
    );
    assert!(!stage.exporter.log().contains("-token"));
}

/// All that one connection gets for this and a question whether it works, which ends it.
fn answers(stage: &Stage, request: &str) -> String {
    let mut stream = TcpStream::connect(stage.exporter.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let last = "GET /-/healthy HTTP/1.1\r\nHost: exporter\r\nConnection: close\r\n\r\n";
    // A connection that is closed before all has been read may be reset.
    let _ = stream.write_all(format!("{request}{last}").as_bytes());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_body_that_is_refused_is_taken_first_so_that_the_answer_arrives() {
    let stage = Stage::new(&[REGION], "", "");
    let token = stage.directory.path().join("token");
    fs::write(&token, "token").unwrap();
    let more = format!("events: {{http: true, token_file: {}}}", token.display());
    let config = super::config(&stage.simulator, &stage.directory, &[REGION], "", &more);
    fs::write(config_path(stage.directory.path()), config).unwrap();
    assert_eq!(stage.exporter.request("POST", "/-/reload", "").status, 200);
    let post = |headers: &str, length: usize, sent: usize| {
        let head = format!(
            "POST /api/v1/events HTTP/1.1\r\nHost: exporter\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        answers(&stage, &(head + &"x".repeat(sent)))
    };
    let known = "Authorization: Bearer token\r\n";
    for (headers, length, status) in [
        ("", 200_000, "401"),
        ("", 1_000_000, "401"),
        (known, 300_000, "413"),
    ] {
        let answers = post(headers, length, length);
        assert_eq!(answers.get(9..12), Some(status), "{length}: {answers}");
        assert!(
            answers.ends_with("Healthy.\n"),
            "{length}: it has been read to its end: {answers}"
        );
    }
    // Where it would never end, or has not been sent yet, nobody waits for it.
    let since = Instant::now();
    assert_eq!(post(known, 10_000_000, 0).matches("HTTP/1.1").count(), 1);
    let asks_first = post("Expect: 100-continue\r\n", 1_000, 0);
    assert_eq!(asks_first.get(9..12), Some("401"), "{asks_first}");
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
}

#[test]
fn an_exporter_that_is_away_gets_its_events_again() {
    let stage = Stage::new(&[REGION], "", HTTP);
    let emission = Emission {
        retry: Duration::from_millis(50)..=Duration::from_millis(100),
        ..Emission::to_http("http://127.0.0.1:1/")
    };
    stage.simulator.cloud().emit(Some(emission));
    stage
        .simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .add_settled(1, Outcome::success());
    eventually("four tries", || {
        (stage.simulator.deliveries() == [0; 4]).then_some(())
    });
    stage.emit_by_http();
    // The scope fails for a while: what its events have asked for is not forgotten.
    stage
        .simulator
        .faults()
        .add(Fault::once(FaultKind::Html502).times(8));
    stage
        .simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .add_settled(1, Outcome::success());
    stage.counted(2);
}
