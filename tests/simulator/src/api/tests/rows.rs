//! What a row says, and which rows there are.

use super::*;

#[test]
fn a_row_has_the_fields_that_go_with_its_status() {
    let mut cloud = cloud();
    let held = region(&mut cloud);
    let invoke_id = held.command("x").on(12).timeout(60).run();
    for (index, status) in InvocationStatus::ALL.into_iter().enumerate() {
        if !matches!(status, InvocationStatus::Pending | InvocationStatus::Cancelled) {
            held.start(&invoke_id, index);
        }
    }
    cloud.advance(5);
    let held = region(&mut cloud);
    for (index, status) in InvocationStatus::ALL.into_iter().enumerate() {
        held.set_status(&invoke_id, index, status);
    }
    let rows = all(&mut cloud, &[]);
    let (start, end) = (utc(NOW), utc(NOW + 5));
    let (start, end, limit) = (start.as_str(), end.as_str(), utc(NOW + 60));
    for row in rows {
        let exit_code = row.get("ExitCode").and_then(Value::as_i64);
        let shown = (
            row.get("StartTime").and_then(Value::as_str).unwrap_or("absent"),
            row["FinishedTime"].as_str().unwrap(),
            row["ErrorCode"].as_str().unwrap(),
            exit_code,
        );
        let expected = match row["InvocationStatus"].as_str().unwrap() {
            "Pending" => ("absent", "", "", None),
            "Running" => (end, "", "", None),
            "Scheduled" | "Stopping" => (start, "", "", None),
            "Success" => (start, end, "", Some(0)),
            "Failed" => (start, end, "ExitCodeNonzero", Some(1)),
            "Error" => (start, end, "ExecutionException", None),
            "Timeout" => (start, limit.as_str(), "ExecutionTimeout", None),
            "Invalid" => ("absent", "", "CommandNotApplicable", None),
            "Aborted" => ("absent", "", "ClientNotRunning", None),
            "Cancelled" => ("absent", "", "", None),
            "Terminated" => (start, end, "", None),
            other => panic!("{other}"),
        };
        assert_eq!(shown, expected, "{row}");
        let stopped = matches!(
            row["InvocationStatus"].as_str(),
            Some("Stopping" | "Cancelled" | "Terminated")
        );
        assert_eq!(row["StopTime"], if stopped { end } else { "" }, "{row}");
    }
}

#[test]
fn what_is_sent_for_a_row_can_be_changed_at_will() {
    let mut cloud = cloud();
    let held = region(&mut cloud);
    let invoke_id = held.run("x", ["i-1", "i-2"]);
    held.settle_all(&invoke_id, &Outcome::success().output(30_000));
    let row = held.row_mut(&invoke_id, "i-1");
    row.extra.insert("ExitCode".to_owned(), json!("seven"));
    row.extra.insert("InvocationStatus".to_owned(), json!("Exploded"));
    row.extra.insert("Whatever".to_owned(), json!([1]));
    row.without.push("InstanceId".to_owned());
    held.inject_raw_row(
        json!({"InvokeId": "t-raw", "InstanceId": "i-raw", "InvocationStatus": "Success", "ExitCode": "0"}),
    );
    held.inject_raw_row(json!("not even an object"));
    let listed = all(&mut cloud, &[]);
    assert_eq!(listed.len(), 4);
    assert_eq!(listed[0], json!("not even an object"));
    assert_eq!(listed[2]["ExitCode"], "seven");
    assert_eq!(listed[2]["Whatever"], json!([1]));
    assert_eq!(listed[2].get("InstanceId"), None);
    assert_eq!(listed[3]["Output"].as_str().unwrap().len(), 40_000);
    let plain = all(
        &mut cloud,
        &[("ContentEncoding", "PlainText"), ("InvokeId", &invoke_id)],
    );
    assert_eq!(plain[1]["Output"].as_str().unwrap().len(), 30_000);
    let truth = cloud.truth("a", "cn-hangzhou");
    assert_eq!(truth.total(), 2, "what has no ids cannot be counted");
    assert_eq!(truth.count("Success", "", "0"), 2);
    region(&mut cloud).row_mut(&invoke_id, 0).without.clear();
    assert_eq!(cloud.truth("a", "cn-hangzhou").count("Exploded", "", ""), 1);
}

#[test]
fn rows_can_appear_later_and_go_away() {
    let mut cloud = cloud();
    let late = region(&mut cloud).command("x").on(2).listed_from(NOW + 60).run();
    assert!(all(&mut cloud, &[]).is_empty());
    cloud.advance(59);
    assert!(all(&mut cloud, &[]).is_empty());
    cloud.advance(1);
    assert_eq!(all(&mut cloud, &[]).len(), 2);
    region(&mut cloud).settle(&late, 0, Outcome::failed(3));
    region(&mut cloud).forget_row(&late, 0);
    assert_eq!(all(&mut cloud, &[]).len(), 1);
    region(&mut cloud).forget(&late);
    assert!(all(&mut cloud, &[]).is_empty());
    let truth = cloud.truth("a", "cn-hangzhou");
    assert_eq!(
        (truth.total(), truth.count("Failed", "ExitCodeNonzero", "3")),
        (1, 1)
    );
    assert!(truth.open.is_empty());
}

#[test]
fn containers_are_rows_of_their_own() {
    let mut cloud = cloud();
    let held = region(&mut cloud);
    let invoke_id = held
        .command("x")
        .on("i-1")
        .in_container("c1", "web")
        .in_container("c2", "db")
        .run();
    held.settle(&invoke_id, "c2", Outcome::failed(9));
    let listed = all(&mut cloud, &[]);
    assert_eq!(identities(&listed).len(), 2);
    assert_eq!(
        (&listed[1]["ContainerId"], &listed[1]["ContainerName"]),
        (&json!("c2"), &json!("db"))
    );
    assert_eq!(listed[1]["ExitCode"], 9);
    assert_eq!(listed[0]["InvocationStatus"], "Pending");
}

#[test]
fn retention_takes_what_is_old_or_too_much_and_has_settled() {
    let mut cloud = cloud();
    region(&mut cloud).add_settled(300, Outcome::success());
    let open = region(&mut cloud).run("open", 1);
    region(&mut cloud).retention_rows = 250;
    cloud.advance(1);
    region(&mut cloud).add_settled(100, Outcome::failed(1));
    assert_eq!(all(&mut cloud, &[]).len(), 201, "invocations go as a whole");
    cloud.advance(31 * 86_400);
    assert_eq!(all(&mut cloud, &[]).len(), 1, "what is open stays");
    region(&mut cloud).settle(&open, 0, Outcome::success());
    assert!(all(&mut cloud, &[]).is_empty());
    let truth = cloud.truth("a", "cn-hangzhou");
    assert_eq!(
        (truth.count("Success", "", "0"), truth.total()),
        (301, 401),
        "the truth stays"
    );
}

#[test]
fn the_truth_is_what_the_rows_say() {
    let mut cloud = cloud();
    let held = region(&mut cloud);
    for (number, outcome) in Outcome::every_kind().into_iter().enumerate() {
        held.add_settled(number + 1, outcome.lasting(3).dropping(10));
    }
    held.run("open", 4);
    let delivered = held.command("d").on(3).deliver_to("oss://bucket/prefix").run();
    held.settle(&delivered, 0, Outcome::success().delivery(Delivery::Finished));
    held.settle(
        &delivered,
        1,
        Outcome::success().delivery(Delivery::Failed("OSS.AccessDenied".to_owned())),
    );
    let mut counted: BTreeMap<(String, String, String), u64> = BTreeMap::new();
    let mut dropped = 0;
    let mut deliveries: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in all(&mut cloud, &[]) {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let ended = matches!(text("OssOutputStatus").as_str(), "Finished" | "Failed");
        if ended {
            *deliveries
                .entry((text("OssOutputStatus"), text("OssOutputErrorCode")))
                .or_default() += 1;
        }
        if row["InvocationStatus"] != "Pending" {
            let exit_code = row.get("ExitCode").map(Value::to_string).unwrap_or_default();
            *counted
                .entry((text("InvocationStatus"), text("ErrorCode"), exit_code))
                .or_default() += 1;
            dropped += row["Dropped"].as_u64().unwrap();
        }
    }
    let truth = cloud.truth("a", "cn-hangzhou");
    assert_eq!(
        (&truth.results, truth.dropped_bytes, &truth.deliveries),
        (&counted, dropped, &deliveries)
    );
    assert_eq!(truth.total(), 36 + 2);
    assert_eq!(truth.open, BTreeMap::from([("Pending".to_owned(), 5)]));
    assert_eq!(truth.durations["Timeout"], BTreeMap::from([(60, 4)]));
    assert!(!truth.durations.contains_key("Aborted"));
}

#[test]
fn the_baseline_leaves_out_what_had_settled_before() {
    let mut cloud = cloud();
    let held = region(&mut cloud);
    held.add_settled(5, Outcome::success());
    let open = held.run("open", 2);
    let schedule = held.schedule("s", "rate(60s)", 1);
    held.run_once(&schedule, 0, Outcome::success());
    held.begin_run(&schedule, 0);
    cloud.mark_baseline();
    let since = |cloud: &Cloud| cloud.truth_since_baseline("a", "cn-hangzhou").by_status();
    assert_eq!(since(&cloud), BTreeMap::new());
    let held = region(&mut cloud);
    held.settle(&open, 0, Outcome::failed(1));
    held.finish_run(&schedule, 0, Outcome::timeout());
    held.end_schedule(&schedule, InvocationStatus::Terminated);
    held.add_settled(1, Outcome::error());
    let expected = [("Error", 1), ("Failed", 1), ("Timeout", 1)];
    let expected: BTreeMap<String, u64> = expected
        .into_iter()
        .map(|(status, count)| (status.to_owned(), count))
        .collect();
    assert_eq!(since(&cloud), expected);
    held_forget(&mut cloud, &[&open, &schedule]);
    assert_eq!(
        since(&cloud),
        expected,
        "what is forgotten has happened all the same"
    );
    assert_eq!(cloud.truth("a", "cn-hangzhou").total(), 9);
}

fn held_forget(cloud: &mut Cloud, ids: &[&str]) {
    for id in ids {
        region(cloud).forget(id);
    }
}

#[test]
fn a_hundred_thousand_rows_cost_no_more_a_page_than_a_hundred() {
    let mut cloud = cloud();
    let held = region(&mut cloud);
    held.retention_rows = 200_000;
    held.add_settled(100_000, Outcome::success());
    let mut token = String::new();
    let mut found = Vec::new();
    for _ in 0..100 {
        let body = results(&mut cloud, &[("MaxResults", "50"), ("NextToken", &token)]).unwrap();
        found.extend(rows(&body).clone());
        token = body["Invocation"]["NextToken"].as_str().unwrap().to_owned();
    }
    assert_eq!(identities(&found).len(), 5_000);
    let sorted = region(&mut cloud).listing.sorted;
    assert_eq!(sorted, 1, "sorted once for all pages");
    let last = results(&mut cloud, &[("PageSize", "50"), ("PageNumber", "2000")]).unwrap();
    assert_eq!(rows(&last).len(), 50);
    assert_eq!(cloud.truth("a", "cn-hangzhou").total(), 100_000);
}
