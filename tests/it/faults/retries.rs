//! How often a request is tried, how long is waited, and what a poll makes of it.

use super::*;

#[test]
fn a_slow_answer_is_an_answer() {
    let stage = Stage::new("", |region| {
        region.add_settled(1, Outcome::success());
    });
    stage
        .simulator
        .faults()
        .add(Fault::forever(FaultKind::Slow(Duration::from_millis(200))));
    stage.region(|region| region.add_settled(120, Outcome::failed(1)));
    let scrape = stage.exact();
    assert_eq!(scrape.value(FAILURES, &[]), 0.0);
}

#[test]
fn a_giant_answer_is_cut_off_and_takes_no_more_memory_than_allowed() {
    let stage = Stage::new(
        "poll: {interval: 2s, sweep_interval: 0, request_timeout: 20s}\n",
        |region| {
            region.add_settled(1, Outcome::success());
        },
    );
    stage.region(|region| region.add_settled(3, Outcome::failed(1)));
    stage
        .simulator
        .faults()
        .add(Fault::forever(FaultKind::Giant(1 << 40)));
    let scrape = stage
        .exporter
        .scrape_until("the poll fails", |scrape| scrape.value(UP, &[]) == 0.0);
    assert!(scrape.value(FAILURES, &[("reason", "malformed")]) >= 1.0);
    assert!(scrape.counts(RESULTS, ACCOUNT, REGION).is_empty());
    let line = stage.exporter.logged("poll failed");
    assert!(
        line.contains("more than 64 MiB") && line.contains("request_id="),
        "{line}"
    );
    let status = std::fs::read_to_string(format!("/proc/{}/status", stage.exporter.process_id())).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kilobytes: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    println!(
        "most memory while an endless answer was read: {} MiB",
        kilobytes >> 10
    );
    assert!(kilobytes < 300 << 10, "{peak}");
    stage.simulator.faults().clear();
    stage.exact();
}

#[test]
fn a_request_is_tried_four_times_with_growing_waits() {
    let stage = Stage::new(POLLING, |region| {
        region.add_settled(1, Outcome::success());
    });
    let before = stage.exporter.polled();
    stage.simulator.forget_requests();
    stage.simulator.faults().add(Fault::forever(FaultKind::Html502));
    let scrape = stage
        .exporter
        .scrape_until("a failed poll", |scrape| scrape.value(FAILURES, &[]) >= 1.0);
    let failed: Vec<_> = stage
        .simulator
        .requests()
        .into_iter()
        .filter(|request| request.fault.is_some())
        .collect();
    let gaps: Vec<f64> = failed
        .windows(2)
        .map(|pair| pair[1].at.duration_since(pair[0].at).unwrap().as_secs_f64())
        .collect();
    println!("waits between the tries: {gaps:.2?} s");
    assert!(
        failed.len() == 4 || failed.len() == 5,
        "the next poll may have begun"
    );
    assert!(gaps[0] >= 0.25 && gaps[1] >= 0.5 && gaps[2] >= 1.0, "{gaps:?}");
    let sent = scrape.value(REQUESTS, &[("action", "DescribeInvocationResults")]);
    let sent_before = before.value(REQUESTS, &[("action", "DescribeInvocationResults")]);
    assert!(sent - sent_before >= 4.0, "retries are counted");
    stage.simulator.faults().clear();
    stage.simulator.forget_requests();
    stage.region(|region| region.add_settled(1, Outcome::failed(1)));
    stage.exact();
    // What is denied or rejected is not tried again.
    for code in ["Forbidden.RAM", "InvalidParameter.MaxResults"] {
        let failures = stage.exporter.scrape().value(FAILURES, &[]);
        let fault = Fault::forever(FaultKind::documented(code));
        stage.simulator.forget_requests();
        stage.simulator.faults().add(fault);
        stage
            .exporter
            .scrape_until("a failed poll", |scrape| scrape.value(FAILURES, &[]) > failures);
        // A second try would come within half a second, the next poll after a whole one.
        let requests = stage.simulator.requests();
        let refused: Vec<_> = requests
            .iter()
            .filter(|request| request.fault.is_some())
            .collect();
        for pair in refused.windows(2) {
            let gap = pair[1].at.duration_since(pair[0].at).unwrap();
            assert!(gap > Duration::from_millis(600), "{code}: {gap:?}");
        }
        stage.simulator.faults().clear();
        stage.exporter.polled();
    }
}

#[test]
fn a_fault_that_passes_within_four_tries_fails_nothing() {
    let stage = Stage::new("", |region| {
        region.add_settled(1, Outcome::success());
    });
    stage
        .simulator
        .faults()
        .add(Fault::once(FaultKind::CutBody).times(3).having("NextToken"));
    stage.region(|region| region.add_settled(120, Outcome::failed(1)));
    let scrape = stage.exact();
    assert_eq!(scrape.value(FAILURES, &[]), 0.0);
    assert_eq!(scrape.value(REQUEST_FAILURES, &[("reason", "transport")]), 3.0);
}

#[test]
fn the_api_is_not_asked_sooner_than_it_says() {
    let directory = tempdir().unwrap();
    let regions = ["cn-hangzhou", "cn-beijing"];
    let simulator = cloud(&regions);
    let exporter = Exporter::start(
        directory.path(),
        &config(&simulator, directory.path(), &regions, ""),
    );
    exporter.looked();
    simulator.forget_requests();
    let fault = FaultKind::ThrottleHeader { retry_after_ms: 1500 };
    simulator.faults().add(Fault::once(fault).within("cn-hangzhou"));
    let requests = eventually("it is asked again", || {
        let requests = simulator.requests();
        let throttled = requests.iter().position(|request| request.fault.is_some())?;
        let again = requests[throttled + 1..]
            .iter()
            .position(|request| request.region == "cn-hangzhou")?;
        Some(requests[throttled..=throttled + 1 + again].to_vec())
    });
    let waited = requests
        .last()
        .unwrap()
        .at
        .duration_since(requests[0].at)
        .unwrap();
    println!("told to wait for 1.5 s, waited for {:.3} s", waited.as_secs_f64());
    assert!(waited >= Duration::from_millis(1500), "{waited:?}");
    let others = requests
        .iter()
        .filter(|request| request.region == "cn-beijing")
        .count();
    assert!(others >= 5, "the other scope goes on: {others}");
    let scrape = exporter.polled();
    let reason = [("region_id", "cn-hangzhou"), ("reason", "throttled")];
    assert_eq!(scrape.value(FAILURES, &reason), 1.0);
    assert_eq!(scrape.value(FAILURES, &[]), 1.0);
}

#[test]
fn a_short_wait_that_the_api_asks_for_fails_no_poll() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let fault = FaultKind::ThrottleHeader { retry_after_ms: 900 };
    simulator
        .faults()
        .add(Fault::once(fault).on("DescribeInvocationResults"));
    let stage = Stage::on(simulator, directory, ONE_POLL);
    let scrape = stage.exporter.scrape();
    assert_eq!(scrape.value(FAILURES, &[]), 0.0);
    let requests = stage.simulator.requests();
    let waited = requests[1].at.duration_since(requests[0].at).unwrap();
    assert!(waited >= Duration::from_millis(900), "{waited:?}");
}

/// A server of our own: an error whose body never ends well is still what its status says.
#[test]
fn a_server_error_is_unavailable_whatever_becomes_of_its_body() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(
                b"HTTP/1.1 503 Service Unavailable\r\nx-acs-request-id: R-503\r\nContent-Length: 100\r\n\r\n{\"Co",
            );
        }
    });
    let directory = tempdir().unwrap();
    let config = format!(
        "accounts:\n  - name: {ACCOUNT}\n    endpoint: http://{address}\n    regions: [{REGION}]\n    credentials: \
         {{type: access_key, access_key_id: k, access_key_secret: s}}\nstate: {{path: ''}}\n{POLLING}"
    );
    let exporter = Exporter::start(directory.path(), &config);
    let scrape = exporter.scrape_until("a failed poll", |scrape| {
        scrape.sum(FAILURES, &[]).is_some_and(|count| count > 0.0)
    });
    assert_eq!(
        scrape.value(FAILURES, &[("reason", "unavailable")]),
        scrape.value(FAILURES, &[])
    );
    let line = exporter.logged("poll failed");
    assert!(line.contains("request_id=R-503"), "{line}");
}

#[test]
fn a_name_that_is_not_found_or_a_port_that_is_closed_is_transport() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for endpoint in [
        format!("http://{closed}"),
        "http://no-such-host.invalid".to_owned(),
    ] {
        let directory = tempdir().unwrap();
        let config = format!(
            "accounts:\n  - name: {ACCOUNT}\n    endpoint: {endpoint}\n    regions: [{REGION}]\n    credentials: \
             {{type: access_key, access_key_id: k, access_key_secret: s}}\nstate: {{path: ''}}\n\
             poll: {{interval: 1s, request_timeout: 9s}}\n"
        );
        let exporter = Exporter::start(directory.path(), &config);
        let scrape = exporter.scrape_until("a failed poll", |scrape| {
            scrape.sum(FAILURES, &[]).is_some_and(|count| count > 0.0)
        });
        assert!(
            scrape.value(FAILURES, &[("reason", "transport")]) > 0.0,
            "{endpoint}"
        );
        assert_eq!(scrape.value(UP, &[]), 0.0);
    }
}

#[test]
fn a_poll_that_takes_too_long_fails_and_a_first_look_may_take_longer() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .add_settled(600, Outcome::success());
    simulator.cloud().mark_baseline();
    simulator.set_latency(Duration::from_millis(150));
    let more = "poll: {interval: 100ms, sweep_interval: 0, request_timeout: 1s, timeout: 1s}\n";
    let stage = Stage::on(simulator, directory, more);
    assert_eq!(
        stage.exporter.scrape().value(FAILURES, &[]),
        0.0,
        "twelve pages took longer"
    );
    stage.region(|region| region.add_settled(600, Outcome::failed(1)));
    let scrape = stage
        .exporter
        .scrape_until("a failed poll", |scrape| scrape.value(UP, &[]) == 0.0);
    assert_eq!(
        scrape.value(FAILURES, &[("reason", "timeout")]),
        scrape.value(FAILURES, &[])
    );
    assert!(scrape.counts(RESULTS, ACCOUNT, REGION).is_empty());
    let duration = scrape.value("cloud_assistant_poll_duration_seconds", &[]);
    assert!((1.0..1.5).contains(&duration), "{duration}");
    stage.simulator.set_latency(Duration::ZERO);
    stage.exact();
}

#[test]
fn the_last_success_stays_where_it_was_while_polls_fail() {
    let stage = Stage::new("", |region| {
        region.add_settled(1, Outcome::success());
    });
    let success = "cloud_assistant_last_success_timestamp_seconds";
    let denied = FaultKind::documented("Forbidden.RAM");
    stage.simulator.faults().add(Fault::forever(denied));
    let failed = stage
        .exporter
        .scrape_until("a failed poll", |scrape| scrape.value(UP, &[]) == 0.0);
    let at = failed.value(success, &[]);
    let later = stage
        .exporter
        .scrape_until("more than a second of failures", |scrape| {
            scrape.value(FAILURES, &[]) >= failed.value(FAILURES, &[]) + 12.0
        });
    assert_eq!(later.value(success, &[]), at);
    assert_eq!(
        later.counts(RECENT, ACCOUNT, REGION),
        failed.counts(RECENT, ACCOUNT, REGION)
    );
    stage.simulator.faults().clear();
    stage
        .exporter
        .scrape_until("a success", |scrape| scrape.value(success, &[]) > at);
}
