//! Which series there are: at 0 first, in the window, gone with the last result.

use super::*;

#[test]
fn settled_results_leave_the_window_open_ones_stay() {
    let stage = Stage::new(
        "poll: {interval: 100ms, sweep_interval: 0, window: 10s}\n",
        |region| {
            region.add_settled(1, Outcome::success());
            region.run("waits", 2);
        },
    );
    stage.region(|region| region.settle_now());
    let scrape = stage.exporter.polled();
    let failed = class("Failed", "ExitCodeNonzero", "23");
    assert_eq!(scrape.sum(RECENT, &failed), Some(1.0));
    let scrape = stage
        .exporter
        .scrape_until("it has left", |scrape| scrape.sum(RECENT, &failed).is_none());
    assert_eq!(shown(&scrape, RECENT), counts([("Pending//", 2)]));
    assert_eq!(scrape.sum(RESULTS, &failed), Some(1.0));
    let success = class("Success", "", "0");
    assert_eq!(
        scrape.sum(RECENT, &success),
        Some(0.0),
        "a zero combination stays"
    );
}

trait SettleNow {
    fn settle_now(&mut self);
}

impl SettleNow for simulator::Region {
    /// By the wall clock, which the window goes by, and not by a clock that stands still.
    fn settle_now(&mut self) {
        let invoke_id = self.run("now", 1);
        self.settle(&invoke_id, 0, Outcome::failed(23));
        self.row_mut(&invoke_id, 0).finished_time = Some(unix_now());
    }
}

#[test]
fn a_new_series_is_shown_at_zero_for_a_while_and_known_ones_are_not() {
    let stage = Stage::new("metrics: {new_series_hold: 6s}\n", |region| {
        region.add_settled(1, Outcome::success());
    });
    let before = unix_now();
    stage.region(|region| {
        region.add_settled(2, Outcome::failed(42));
        region.add_settled(3, Outcome::failed(1));
        let denied = Delivery::Failed("OSS.AccessDenied".to_owned());
        region.add_settled(1, Outcome::success().delivery(denied));
        let odd = json!({"InvokeId": "t-1", "InstanceId": "i-1", "InvocationStatus": "Odd",
            "StartTime": utc(before - 5), "FinishedTime": utc(before)});
        region.inject_raw_row(odd);
    });
    let new = class("Failed", "ExitCodeNonzero", "42");
    let odd = [("invocation_status", "Odd")];
    let delivery = [("error_code", "OSS.AccessDenied")];
    let duration = "cloud_assistant_result_duration_seconds_count";
    let scrape = stage
        .exporter
        .scrape_until("the series begins", |scrape| scrape.sum(RESULTS, &new).is_some());
    let held = [
        scrape.sum(RESULTS, &new),
        scrape.sum(RESULTS, &odd),
        scrape.sum(DELIVERIES, &delivery),
        scrape.sum(duration, &odd),
    ];
    assert_eq!(held, [Some(0.0); 4]);
    assert_eq!(scrape.sum(RECENT, &new), Some(2.0), "gauges hold nothing back");
    assert_eq!(
        scrape.value(RESULTS, &class("Failed", "ExitCodeNonzero", "1")),
        3.0
    );
    let scrape = stage
        .exporter
        .scrape_until("the hold is over", |scrape| scrape.value(RESULTS, &new) > 0.0);
    assert!(unix_now() - before >= 5, "after about six seconds");
    assert_exact(&scrape, REGION, &stage.truth());
}

#[test]
fn a_scope_without_results_has_its_health_and_its_requests_and_the_first_result_begins_the_others() {
    let stage = Stage::new("", |_| ());
    let scrape = stage.exporter.polled();
    let series: Vec<&str> = scrape
        .text
        .lines()
        .filter(|line| line.contains("region_id=\"cn-hangzhou\""))
        .collect();
    assert!(series.len() == 17, "{}: {series:#?}", series.len());
    for name in [
        RESULTS,
        RECENT,
        TRACKED,
        LOST,
        LATE,
        RECLASSIFIED,
        DELIVERIES,
        OVERFLOW,
    ] {
        assert_eq!(scrape.sum(name, &[]), None, "{name}");
    }
    let reasons = [
        "throttled",
        "denied",
        "credentials",
        "unavailable",
        "rejected",
        "timeout",
        "transport",
        "malformed",
        "state",
    ];
    for reason in reasons {
        let failures = scrape.sum(
            "cloud_assistant_exporter_poll_failures_total",
            &[("reason", reason)],
        );
        assert_eq!(failures, Some(0.0), "{reason}");
    }
    stage.region(|region| {
        region.run("waits", 1);
    });
    let scrape = stage
        .exporter
        .scrape_until("the first result", |scrape| scrape.sum(TRACKED, &[]) == Some(1.0));
    let settled = [
        ("Success", "", "0"),
        ("Failed", "ExitCodeNonzero", "1"),
        ("Timeout", "ExecutionTimeout", ""),
        ("Error", "ExecutionException", ""),
        ("Aborted", "DeliveryTimeout", ""),
        ("Aborted", "ClientNotRunning", ""),
        ("Aborted", "ClientNotResponse", ""),
        ("Aborted", "InstanceNotRunning", ""),
        ("Aborted", "InstanceNotExists", ""),
        ("Invalid", "", ""),
        ("Cancelled", "", ""),
        ("Terminated", "", ""),
    ];
    let open = ["Running", "Stopping", "Scheduled"].map(|status| (status, "", ""));
    for (status, error_code, exit_code) in settled {
        let labels = class(status, error_code, exit_code);
        assert_eq!(scrape.sum(RESULTS, &labels), Some(0.0), "{labels:?}");
        assert_eq!(scrape.sum(RECENT, &labels), Some(0.0), "{labels:?}");
    }
    for (status, ..) in open {
        assert_eq!(scrape.sum(RECENT, &class(status, "", "")), Some(0.0));
        assert_eq!(scrape.sum(RESULTS, &[("invocation_status", status)]), None);
    }
    assert_eq!(scrape.all(RESULTS).count(), settled.len());
    assert_eq!(scrape.all(RECENT).count(), settled.len() + open.len() + 1);
    for name in [
        LOST,
        LATE,
        RECLASSIFIED,
        SKIPPED,
        DELIVERIES,
        OVERFLOW,
        "cloud_assistant_output_dropped_bytes_total",
        "cloud_assistant_exporter_poll_failures_total",
        "cloud_assistant_exporter_api_request_failures_total",
    ] {
        assert_eq!(scrape.sum(name, &[]), Some(0.0), "{name}");
    }
    let durations = "cloud_assistant_result_duration_seconds_count";
    assert_eq!(
        scrape.sum(durations, &[]),
        None,
        "with the first result of a status"
    );
    stage.region(|region| region.add_settled(1, Outcome::failed(7)));
    let scrape = stage.exact();
    assert_eq!(scrape.all(durations).count(), 1);
    assert_eq!(
        scrape.sum(durations, &[("invocation_status", "Failed")]),
        Some(1.0)
    );
}

#[test]
fn a_gauge_of_which_no_result_is_left_disappears() {
    let stage = Stage::new("", |_| ());
    let changing = stage.region(|region| {
        let changing = region.run("changing", 1);
        region.settle(&changing, 0, Outcome::failed(77));
        changing
    });
    let scrape = stage.exact();
    let labels = class("Failed", "ExitCodeNonzero", "77");
    assert_eq!(scrape.sum(RECENT, &labels), Some(1.0));
    stage.region(|region| region.settle(&changing, 0, Outcome::success()));
    let scrape = stage.exporter.polled();
    assert_eq!(scrape.sum(RECENT, &labels), None);
    assert_eq!(scrape.sum(RESULTS, &labels), Some(1.0), "a counter stays");
    assert_eq!(
        scrape.sum(RECENT, &class("Failed", "ExitCodeNonzero", "1")),
        Some(0.0)
    );
}

#[test]
fn the_oldest_open_and_the_newest_settled_result_by_status() {
    let stage = Stage::new("", |_| ());
    let before = unix_now();
    let (started, pending, now) = stage.region(|region| {
        let started = region.run("started", 2);
        region.start(&started, 0);
        region.start(&started, 1);
        let row = region.row_mut(&started, 0);
        row.start_time = row.start_time.map(|time| time - 500);
        (started, region.run("pending", 1), region.now())
    });
    let scrape = stage.exact();
    let oldest = |scrape: &Scrape, status| scrape.sum(OLDEST_OPEN, &[("invocation_status", status)]);
    assert_eq!(oldest(&scrape, "Running"), Some((now - 500) as f64));
    let first_seen = oldest(&scrape, "Pending").unwrap() as i64;
    assert!((before..=unix_now()).contains(&first_seen), "{first_seen}");
    assert_eq!(scrape.sum(NEWEST, &[]), None);
    stage.region(|region| {
        region.settle(&started, 0, Outcome::failed(1));
        region.row_mut(&started, 0).finished_time = Some(now - 50);
        region.settle(&pending, 0, Outcome::cancelled());
    });
    let scrape = stage.exporter.polled();
    assert_eq!(oldest(&scrape, "Running"), Some(now as f64));
    assert_eq!(oldest(&scrape, "Pending"), None, "absent when there is none");
    let newest = |scrape: &Scrape, status| scrape.sum(NEWEST, &[("invocation_status", status)]);
    assert_eq!(newest(&scrape, "Failed"), Some((now - 50) as f64));
    assert_eq!(newest(&scrape, "Success"), None);
    stage.region(|region| {
        region.settle(&started, 1, Outcome::failed(2));
        region.row_mut(&started, 1).finished_time = Some(now - 70);
    });
    let scrape = stage.exporter.polled();
    assert_eq!(
        newest(&scrape, "Failed"),
        Some((now - 50) as f64),
        "the newest stays"
    );
    assert_eq!(oldest(&scrape, "Running"), None);
}
