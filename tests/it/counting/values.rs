//! What is counted of a result: its time, its duration, its output, its labels, whatever of it is usable.

use super::*;

#[test]
fn the_time_of_a_result_is_that_it_finished_or_stopped_or_started_or_of_its_neighbour() {
    let window = "poll: {interval: 100ms, window: 5m, request_timeout: 2s}\n";
    let stage = Stage::new(window, |region| {
        region.add_settled(1, Outcome::success());
    });
    let now = unix_now();
    // Outside of the window, and not so old that it would be from before the first look.
    let (old, day) = (now - 600, 86_400);
    let add = |exit_code: i64, finished: Option<i64>, stopped: Option<i64>, started: Option<i64>| {
        stage.region(|region| {
            let invoke_id = region.run("dated", 1);
            region.settle(&invoke_id, 0, Outcome::failed(exit_code));
            let row = region.row_mut(&invoke_id, 0);
            (row.finished_time, row.stop_time, row.start_time) = (finished, stopped, started);
        });
        let scrape = stage.exporter.polled();
        let failed = class("Failed", "ExitCodeNonzero", "");
        let code = exit_code.to_string();
        let labels = [failed[0], failed[1], ("exit_code", &*code)];
        assert_eq!(
            scrape.value(RESULTS, &labels),
            1.0,
            "it counts, whatever its time"
        );
        scrape.sum(RECENT, &labels).is_some()
    };
    assert!(!add(10, Some(old), Some(now), Some(now)), "finished wins");
    assert!(!add(11, None, Some(old), Some(now)), "then stopped");
    assert!(!add(12, None, None, Some(old)), "then started");
    assert!(
        !add(13, None, None, None),
        "then its neighbour's, ten minutes ago"
    );
    assert!(
        !add(14, Some(now + day + 600), None, Some(old)),
        "over a day ahead is absent"
    );
    assert!(add(15, Some(now), None, Some(old)));
    assert!(add(16, None, None, None), "its neighbour is new");
    stage.region(|region| {
        let invoke_id = region.run("unreadable", 1);
        region.settle(&invoke_id, 0, Outcome::failed(17));
        let row = region.row_mut(&invoke_id, 0);
        row.extra.insert("FinishedTime".to_owned(), json!("yesterday"));
        row.extra.insert("StartTime".to_owned(), json!(utc(old)));
    });
    let scrape = stage.exporter.polled();
    let labels = class("Failed", "ExitCodeNonzero", "17");
    assert_eq!(
        (scrape.sum(RECENT, &labels), scrape.sum(RESULTS, &labels)),
        (None, Some(1.0))
    );
}

#[test]
fn durations_fall_into_their_buckets() {
    let stage = Stage::new("", |region| {
        region.add_settled(5, Outcome::success().lasting(7));
    });
    stage.region(|region| {
        for seconds in [0, 1, 2, 5, 6, 60, 61, 7200, 7201, 100_000] {
            region.add_settled(1, Outcome::success().lasting(seconds));
            region.add_settled(2, Outcome::failed(1).lasting(seconds));
        }
        region.add_settled(3, Outcome::aborted("ClientNotRunning"));
    });
    let scrape = stage.exact();
    let bucket = |le: &str| {
        let labels = [("invocation_status", "Success"), ("le", le)];
        scrape.sum("cloud_assistant_result_duration_seconds_bucket", &labels)
    };
    let bounds = [
        "1.0", "5.0", "10.0", "30.0", "60.0", "120.0", "300.0", "600.0", "1800.0", "3600.0", "7200.0", "+Inf",
    ];
    let expected = [2, 4, 5, 5, 6, 7, 7, 7, 7, 7, 8, 10];
    assert_eq!(bounds.map(bucket), expected.map(|count| Some(f64::from(count))));
    let aborted = [("invocation_status", "Aborted")];
    let count = scrape.value("cloud_assistant_result_duration_seconds_count", &aborted);
    assert_eq!(
        count, 0.0,
        "what never ran has no duration, and its series is there"
    );
}

#[test]
fn the_buckets_are_those_of_the_configuration() {
    let more = "metrics: {new_series_hold: 0s, duration_buckets: [0.5, 2.5, 1000000]}\n";
    let stage = Stage::new(more, |region| {
        region.add_settled(1, Outcome::success());
    });
    stage.region(|region| region.add_settled(4, Outcome::success().lasting(2)));
    let scrape = stage.exact();
    let status = ("invocation_status", "Success");
    let name = "cloud_assistant_result_duration_seconds_bucket";
    for (le, count) in [("0.5", 0.0), ("2.5", 4.0), ("1e+06", 4.0), ("+Inf", 4.0)] {
        assert_eq!(scrape.sum(name, &[status, ("le", le)]), Some(count), "{le}");
    }
}

#[test]
fn dropped_bytes_and_deliveries_are_those_of_counted_results_once() {
    let stage = Stage::new("", |region| {
        region.add_settled(2, Outcome::success().dropping(1000).delivery(Delivery::Finished));
    });
    let scrape = stage.exact();
    for status in ["Finished", "Failed"] {
        let zero = [("delivery_status", status), ("error_code", "")];
        assert_eq!(
            scrape.sum(DELIVERIES, &zero),
            Some(0.0),
            "known from the first poll"
        );
    }
    let delivering = stage.region(|region| {
        region.add_settled(3, Outcome::failed(1).dropping(5));
        region.add_settled(1, Outcome::success().delivery(Delivery::Finished));
        let denied = Delivery::Failed("OSS.AccessDenied".to_owned());
        region.add_settled(2, Outcome::success().delivery(denied).dropping(1));
        let delivering = region
            .command("delivers")
            .on(1)
            .deliver_to("oss://bucket/prefix")
            .run();
        region.settle(&delivering, 0, Outcome::success());
        delivering
    });
    let scrape = stage.exact();
    assert_eq!(scrape.value(DELIVERIES, &[]), 3.0, "one is still in progress");
    stage.region(|region| region.row_mut(&delivering, 0).delivery = Some(Delivery::Finished));
    stage.exact();
    let scrape = stage.exact();
    assert_eq!(scrape.value(DELIVERIES, &[]), 4.0);
    assert_eq!(scrape.value(RECLASSIFIED, &[]), 0.0);
}

#[test]
fn labels_are_bounded_and_the_zero_combinations_always_have_room() {
    // Two exit codes and eight error codes are those of the zero combinations.
    let more = "metrics: {new_series_hold: 0s, max_exit_codes: 4, max_error_codes: 10}\n";
    let stage = Stage::new(more, |region| {
        region.add_settled(1, Outcome::success());
    });
    for outcome in [
        Outcome::failed(2),
        Outcome::failed(3),
        Outcome::failed(4),
        Outcome::failed(5),
        Outcome::failed(2),
        Outcome::failed(1),
        Outcome::invalid("A"),
        Outcome::success()
            .exit(Some(0))
            .delivery(Delivery::Failed("OSS.NoSuchBucket".to_owned())),
        Outcome::invalid("B"),
        Outcome::aborted("ClientNotResponse"),
        Outcome::success().delivery(Delivery::Failed("OSS.AccessDenied".to_owned())),
    ] {
        stage.region(|region| region.add_settled(1, outcome));
        stage.exporter.polled();
    }
    let scrape = stage.exporter.polled();
    assert_eq!(
        shown(&scrape, RESULTS),
        counts([
            ("Failed/ExitCodeNonzero/1", 1),
            ("Failed/ExitCodeNonzero/2", 2),
            ("Failed/ExitCodeNonzero/3", 1),
            ("Failed/ExitCodeNonzero/other", 2),
            ("Invalid/A/", 1),
            ("Invalid/other/", 1),
            ("Aborted/ClientNotResponse/", 1),
            ("Success//0", 2)
        ])
    );
    let failed = |code| [("delivery_status", "Failed"), ("error_code", code)];
    assert_eq!(scrape.sum(DELIVERIES, &failed("OSS.NoSuchBucket")), Some(1.0));
    assert_eq!(scrape.sum(DELIVERIES, &failed("other")), Some(1.0));
    let overflow = |label| scrape.value(OVERFLOW, &[("label", label)]);
    assert_eq!(
        [
            overflow("exit_code"),
            overflow("error_code"),
            overflow("invocation_status")
        ],
        [2.0, 2.0, 0.0]
    );
}

#[test]
fn twenty_unknown_statuses_are_kept_as_they_are_and_count_as_settled() {
    let stage = Stage::new("", |region| {
        region.add_settled(1, Outcome::success());
    });
    stage.region(|region| {
        for number in 0..25 {
            region.inject_raw_row(json!({
                "InvokeId": format!("t-{number}"), "InstanceId": "i-1", "InvocationStatus": format!("New \"{number}\"\\")
            }));
        }
    });
    let scrape = stage.exporter.polled();
    let results = shown(&scrape, RESULTS);
    assert_eq!(results.len(), 21);
    assert_eq!(results["other//"], 5);
    assert_eq!(results.values().sum::<u64>(), 25);
    assert!(results.keys().filter(|class| class.starts_with("New \"")).count() == 20);
    assert_eq!(scrape.value(OVERFLOW, &[("label", "invocation_status")]), 5.0);
    assert_eq!(shown(&scrape, RECENT).len(), 22);
}

#[test]
fn odd_rows_are_counted_with_what_is_usable() {
    let stage = Stage::new("", |region| {
        region.add_settled(1, Outcome::success());
    });
    let mut number = 0;
    stage.region(|region| {
        let mut odd = |mut row: serde_json::Value| {
            number += 1;
            row["InvokeId"] = json!(format!("t-odd{number}"));
            row["InstanceId"] = json!("i-1");
            region.inject_raw_row(row);
        };
        odd(json!({"ErrorCode": "X"}));
        odd(json!({"InvocationStatus": 4, "ErrorCode": null, "ExitCode": null}));
        odd(json!({"InvocationStatus": "Failed", "ExitCode": "three", "ErrorCode": "E"}));
        odd(json!({"InvocationStatus": "Failed", "ExitCode": "3", "ErrorCode": "E"}));
        odd(json!({"InvocationStatus": "Failed", "ExitCode": [1], "ErrorCode": {"a": 1}}));
        odd(json!({"InvocationStatus": "Failed", "ExitCode": -2147483648_i64, "ErrorCode": "E"}));
        odd(json!({"InvocationStatus": "Failed", "ExitCode": i64::MAX, "ErrorCode": "E"}));
        odd(json!({"InvocationStatus": "Failed", "ExitCode": 1.5, "ErrorCode": "E"}));
        odd(
            json!({"InvocationStatus": "Success", "ExitCode": 0, "StartTime": "2999-01-01T00:00:00Z",
            "FinishedTime": "soon", "Dropped": -5, "Repeats": -1}),
        );
        odd(
            json!({"InvocationStatus": "Success", "ExitCode": 0, "Dropped": "many", "Repeats": 1e300,
            "StartTime": 7, "OssOutputStatus": 3}),
        );
        odd(json!({"InvocationStatus": "running", "Unknown": [[[]]]}));
        region.inject_raw_row(json!({"InvocationStatus": "Failed", "InstanceId": "i-1"}));
        region.inject_raw_row(json!({"InvocationStatus": "Failed", "InvokeId": 5, "InstanceId": "i-1"}));
        region.inject_raw_row(json!(null));
        region.inject_raw_row(json!(17));
    });
    let scrape = stage.exporter.polled();
    assert_eq!(
        shown(&scrape, RESULTS),
        counts([
            ("/X/", 1),
            ("//", 1),
            ("Failed/E/", 2),
            ("Failed/E/3", 1),
            ("Failed//", 1),
            ("Failed/E/-2147483648", 1),
            ("Failed/E/9223372036854775807", 1),
            ("Success//0", 2),
        ])
    );
    assert_eq!(scrape.value(UP, &[]), 1.0);
    assert_eq!(shown(&scrape, RECENT)["Running//"], 1);
    let skipped = scrape.value(SKIPPED, &[]);
    assert!(skipped >= 4.0 && skipped % 4.0 == 0.0, "{skipped}");
}

#[test]
fn pages_full_of_rows_without_ids_do_not_end_the_reading() {
    let stage = Stage::new("", |region| {
        region.add_settled(1, Outcome::success());
    });
    stage.region(|region| {
        region.add_settled(30, Outcome::failed(1));
        for _ in 0..120 {
            region.inject_raw_row(json!({"InvocationStatus": "Failed"}));
        }
    });
    stage.exact();
    assert_eq!(stage.truth().total(), 30);
}

#[test]
fn containers_of_one_instance_are_results_of_their_own() {
    let stage = Stage::new("", |_| ());
    let invoke_id = stage.region(|region| {
        let command = region.command("in containers").on("i-host");
        let invoke_id = command
            .in_container("c1", "web")
            .in_container("c2", "worker")
            .run();
        region.settle(&invoke_id, "c1", Outcome::failed(2));
        invoke_id
    });
    let scrape = stage.exact();
    assert_eq!(scrape.value(TRACKED, &[]), 2.0);
    stage.region(|region| region.settle(&invoke_id, "c2", Outcome::failed(2)));
    stage.exact();
}

/// The row of the API page's sample response, whose statuses, codes and times cannot really go together.
#[test]
fn the_documented_sample_response_is_one_sample_of_the_gauge() {
    let sample = json!({
        "CommandId": "c-hz0jdfwcsr****", "ContainerId": "", "ContainerName": "", "Dropped": 0,
        "ErrorCode": "InstanceNotExists", "ErrorInfo": "the specified instance does not exists", "ExitCode": 0,
        "FinishedTime": "2019-12-20T06:15:56Z", "InstanceId": "i-bp1i7gg30r52z2em****",
        "InvocationStatus": "Success", "InvokeId": "t-hz0jdfwd9f****", "InvokeRecordStatus": "Running",
        "Launcher": "", "Output": "MTU6MzA6MDEK", "Repeats": 0, "StartTime": "2019-12-20T06:15:55Z",
        "StopTime": "2020-01-19T09:15:47Z", "Tags": {"Tag": [{"TagKey": "owner", "TagValue": "zhangsan"}]},
        "TerminationMode": "Process", "Username": "root"
    });
    let stage = Stage::new(
        "poll: {interval: 100ms, sweep_interval: 0, window: 50y}\n",
        |region| {
            region.inject_raw_row(sample);
        },
    );
    let scrape = stage.exporter.polled();
    let ours: Vec<f64> = scrape
        .all(RECENT)
        .filter(|(_, value)| *value > 0.0)
        .map(|(_, value)| value)
        .collect();
    assert_eq!(ours, [1.0]);
    let labels = class("Success", "InstanceNotExists", "0");
    assert_eq!(scrape.sum(RECENT, &labels), Some(1.0));
    let line = "cloud_assistant_recent_results{account=\"production\",region_id=\"cn-hangzhou\",\
                invocation_status=\"Success\",error_code=\"InstanceNotExists\",exit_code=\"0\"} 1";
    assert_eq!(scrape.text.lines().filter(|other| *other == line).count(), 1);
}
