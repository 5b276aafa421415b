//! The calls without signatures or HTTP.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::region::{EndOfList, Order, Paging};
use crate::{AccessKey, Clock, Cloud, Delivery, InvocationStatus, Outcome, Region, utc};

use super::Parameters;

const NOW: i64 = 1_767_323_045;
const ORDERS: [Order; 3] = [Order::NewestFirst, Order::OldestFirst, Order::Shuffled(7)];

fn cloud() -> Cloud {
    let mut cloud = Cloud::new(Clock::Manual(NOW));
    cloud.add_account("a", AccessKey::new("id", "secret"));
    cloud.region("a", "cn-hangzhou");
    cloud
}

fn region(cloud: &mut Cloud) -> &mut Region {
    cloud.region("a", "cn-hangzhou")
}

fn call(cloud: &mut Cloud, action: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
    let mut all: Vec<(&str, &str)> = parameters.to_vec();
    if action != "DescribeRegions" && !parameters.iter().any(|(name, _)| *name == "RegionId") {
        all.push(("RegionId", "cn-hangzhou"));
    }
    let parameters: Parameters = all
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    super::call(cloud, "a", action, &parameters, "request").map_err(|error| error.code)
}

fn results(cloud: &mut Cloud, parameters: &[(&str, &str)]) -> Result<Value, String> {
    call(cloud, "DescribeInvocationResults", parameters)
}

fn rows(body: &Value) -> &Vec<Value> {
    body["Invocation"]["InvocationResults"]["InvocationResult"]
        .as_array()
        .unwrap()
}

/// Every row of a list, by its page tokens.
fn all(cloud: &mut Cloud, parameters: &[(&str, &str)]) -> Vec<Value> {
    let mut token = String::new();
    let mut found = Vec::new();
    loop {
        let mut parameters = parameters.to_vec();
        parameters.push(("NextToken", &token));
        if !parameters.iter().any(|(name, _)| *name == "MaxResults") {
            parameters.push(("MaxResults", "50"));
        }
        let body = results(cloud, &parameters).unwrap();
        found.extend(rows(&body).clone());
        token = body["Invocation"]["NextToken"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if token.is_empty() {
            return found;
        }
    }
}

fn identities(rows: &[Value]) -> BTreeSet<String> {
    let identity = |row: &Value| format!("{} {} {}", row["InvokeId"], row["InstanceId"], row["ContainerId"]);
    let found: BTreeSet<String> = rows.iter().map(identity).collect();
    assert_eq!(found.len(), rows.len(), "no row comes twice");
    found
}

#[test]
fn pages_cover_each_row_once_in_every_order() {
    for order in ORDERS {
        for paging in [Paging::AfterRow, Paging::Offset] {
            for (count, size) in [(0, 50), (1, 1), (49, 50), (50, 50), (51, 50), (137, 7), (200, 10)] {
                let mut cloud = cloud();
                let held = region(&mut cloud);
                (held.order, held.paging) = (order, paging);
                held.add_settled(count, Outcome::success());
                let size = size.to_string();
                let found = all(&mut cloud, &[("MaxResults", &size)]);
                assert_eq!(
                    identities(&found).len(),
                    count,
                    "{order:?} {paging:?} {count}/{size}"
                );
            }
        }
    }
}

#[test]
fn page_numbers_cover_each_row_once_too() {
    let mut cloud = cloud();
    region(&mut cloud).add_settled(23, Outcome::success());
    let mut found = Vec::new();
    for number in 1..=4 {
        let number = number.to_string();
        let body = results(&mut cloud, &[("PageNumber", &number), ("PageSize", "10")]).unwrap();
        assert_eq!(body["Invocation"]["TotalCount"], 23);
        assert_eq!(body["Invocation"]["PageNumber"].to_string(), number);
        assert_eq!(body["Invocation"]["PageSize"], 10);
        found.extend(rows(&body).clone());
    }
    assert_eq!(identities(&found).len(), 23);
    let first = results(&mut cloud, &[]).unwrap();
    assert_eq!(rows(&first).len(), 10, "ten rows unless more are asked for");
    let both = results(
        &mut cloud,
        &[("MaxResults", "5"), ("PageNumber", "9"), ("PageSize", "50")],
    )
    .unwrap();
    assert_eq!(rows(&both).len(), 5, "MaxResults wins");
}

#[test]
fn the_list_is_in_the_order_that_is_set() {
    let mut cloud = cloud();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(region(&mut cloud).run("x", 2).to_string());
        cloud.advance(10);
    }
    let order = |cloud: &mut Cloud| -> Vec<String> {
        let mut order: Vec<String> = all(cloud, &[])
            .iter()
            .map(|row| row["InvokeId"].as_str().unwrap().to_owned())
            .collect();
        order.dedup();
        order
    };
    region(&mut cloud).order = Order::OldestFirst;
    assert_eq!(order(&mut cloud), ids);
    region(&mut cloud).order = Order::NewestFirst;
    ids.reverse();
    assert_eq!(order(&mut cloud), ids);
    region(&mut cloud).order = Order::Shuffled(3);
    let shuffled = order(&mut cloud);
    assert_ne!(shuffled, ids);
    assert_eq!(order(&mut cloud), shuffled, "the same each time");
}

#[test]
fn rows_that_come_between_two_pages_show_only_where_tokens_count() {
    for (paging, repeated) in [(Paging::AfterRow, 0), (Paging::Offset, 3)] {
        let mut cloud = cloud();
        region(&mut cloud).paging = paging;
        region(&mut cloud).run("old", 20);
        let first = results(&mut cloud, &[("MaxResults", "10")]).unwrap();
        cloud.advance(1);
        region(&mut cloud).run("new", 3);
        let token = first["Invocation"]["NextToken"].as_str().unwrap();
        let second = results(&mut cloud, &[("MaxResults", "50"), ("NextToken", token)]).unwrap();
        assert_eq!(rows(&second).len(), 10 + repeated, "{paging:?}");
        let again = rows(&second)
            .iter()
            .filter(|row| rows(&first).contains(row))
            .count();
        assert_eq!(again, repeated, "{paging:?}");
    }
}

#[test]
fn a_token_is_good_for_its_own_list_alone() {
    let mut cloud = cloud();
    region(&mut cloud).add_settled(30, Outcome::success());
    cloud
        .region("a", "cn-beijing")
        .add_settled(30, Outcome::success());
    let body = results(&mut cloud, &[("MaxResults", "10")]).unwrap();
    let token = body["Invocation"]["NextToken"].as_str().unwrap().to_owned();
    assert!(
        results(&mut cloud, &[("NextToken", &token), ("MaxResults", "7")]).is_ok(),
        "the size may change"
    );
    let refused = Err("InvalidParameter.NextToken".to_owned());
    for other in [
        ("RegionId", "cn-beijing"),
        ("InvokeRecordStatus", "Running"),
        ("CommandId", "c-1"),
    ] {
        assert_eq!(
            results(&mut cloud, &[("NextToken", &token), other]),
            refused,
            "{other:?}"
        );
    }
    assert_eq!(results(&mut cloud, &[("NextToken", "AAAAAdDWBF2")]), refused);
    region(&mut cloud).expire_page_tokens();
    assert_eq!(results(&mut cloud, &[("NextToken", &token)]), refused);
}

#[test]
fn the_last_page_says_so_in_each_way() {
    for (end, shown) in [
        (EndOfList::Empty, Some(json!(""))),
        (EndOfList::Null, Some(Value::Null)),
        (EndOfList::Absent, None),
    ] {
        let mut cloud = cloud();
        region(&mut cloud).end_of_list = end;
        let body = results(&mut cloud, &[("MaxResults", "10")]).unwrap();
        assert_eq!(body["Invocation"].get("NextToken").cloned(), shown);
    }
}

#[test]
fn filters_choose_rows() {
    let mut cloud = cloud();
    let held = region(&mut cloud);
    let plain = held.run("plain", 3);
    let tagged = held
        .command("tagged")
        .on(2)
        .tag("team", "infra")
        .tag("env", "test")
        .run();
    let grouped = held
        .command("grouped")
        .on(["i-other"])
        .resource_group("rg-1")
        .run();
    held.settle_all(&tagged, &Outcome::success());
    held.settle_all(&grouped, &Outcome::timeout());
    let instance = held.row(&plain, 0).instance_id.clone();
    let command = held.invocation(&plain).command_id.clone();
    let mut count = |parameters: &[(&str, &str)]| all(&mut cloud, parameters).len();
    assert_eq!(count(&[]), 6);
    assert_eq!(count(&[("InvokeId", &plain)]), 3);
    assert_eq!(count(&[("InvokeId", "t-unknown")]), 0);
    assert_eq!(count(&[("InstanceId", &instance)]), 2);
    assert_eq!(count(&[("InstanceId", &instance), ("InvokeId", &tagged)]), 1);
    assert_eq!(count(&[("CommandId", &command)]), 3);
    assert_eq!(count(&[("ResourceGroupId", "rg-1")]), 1);
    assert_eq!(count(&[("Tag.1.Key", "team")]), 2);
    assert_eq!(
        count(&[
            ("Tag.1.Key", "team"),
            ("Tag.1.Value", "infra"),
            ("Tag.2.Key", "env")
        ]),
        2
    );
    assert_eq!(count(&[("Tag.1.Key", "team"), ("Tag.1.Value", "other")]), 0);
    assert_eq!(count(&[("InvokeRecordStatus", "Running")]), 3);
    assert_eq!(count(&[("InvokeRecordStatus", "Finished")]), 2);
    assert_eq!(count(&[("InvokeRecordStatus", "Success")]), 2);
    assert_eq!(count(&[("InvokeRecordStatus", "Failed")]), 1);
    assert_eq!(count(&[("InvokeRecordStatus", "Stopped")]), 0);
}

#[test]
fn running_lists_every_row_of_a_task_that_runs() {
    let mut cloud = cloud();
    let invoke_id = region(&mut cloud).run("x", 4);
    for instance in 0..3 {
        region(&mut cloud).settle(&invoke_id, instance, Outcome::success());
    }
    let running = all(&mut cloud, &[("InvokeRecordStatus", "Running")]);
    assert_eq!(running.len(), 4);
    assert_eq!(
        running
            .iter()
            .filter(|row| row["InvocationStatus"] == "Success")
            .count(),
        3
    );
    region(&mut cloud).settle(&invoke_id, 3, Outcome::success());
    assert!(all(&mut cloud, &[("InvokeRecordStatus", "Running")]).is_empty());
}

#[test]
fn a_filter_by_tags_finds_a_thousand_rows_at_most() {
    let mut cloud = cloud();
    for _ in 0..11 {
        region(&mut cloud).command("x").on(100).tag("team", "infra").run();
    }
    assert_eq!(all(&mut cloud, &[("Tag.1.Key", "team")]).len(), 1_000);
    assert_eq!(all(&mut cloud, &[]).len(), 1_100);
}

#[test]
fn each_mistake_has_its_code() {
    let mut cloud = cloud();
    let once = region(&mut cloud).run("x", 1);
    let long = "k".repeat(65);
    let value = "v".repeat(129);
    let many: Vec<(String, String)> = (1..=21)
        .map(|n| (format!("Tag.{n}.Key"), format!("k{n}")))
        .collect();
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let cases: [(&[(&str, &str)], &str); 26] = [
        (&[("RegionId", "")], "MissingParameter.RegionId"),
        (&[("RegionId", "cn-nowhere")], "InvalidRegionId.NotFound"),
        (&[("MaxResults", "0")], "InvalidParameter.MaxResults"),
        (&[("MaxResults", "51")], "InvalidParameter.MaxResults"),
        (&[("MaxResults", "x")], "InvalidParameter.MaxResults"),
        (&[("PageNumber", "0")], "InvalidParam.PageNumber"),
        (&[("PageNumber", "x")], "InvalidParam.PageNumber"),
        (&[("PageSize", "0")], "InvalidParam.PageSize"),
        (&[("PageSize", "51")], "InvalidParam.PageSize"),
        (&[("NextToken", "x")], "InvalidParameter.NextToken"),
        (&many, "NumberExceed.Tags"),
        (&[("Tag.21.Key", "k")], "NumberExceed.Tags"),
        (&[("Tag.1.Key", "k"), ("Tag.2.Key", "k")], "Duplicate.TagKey"),
        (&[("Tag.1.Key", "")], "InvalidTagKey.Malformed"),
        (&[("Tag.1.Key", &long)], "InvalidTagKey.Malformed"),
        (&[("Tag.1.Key", "aliyun.x")], "InvalidTagKey.Malformed"),
        (&[("Tag.1.Key", "acs:x")], "InvalidTagKey.Malformed"),
        (&[("Tag.1.Key", "my http://x")], "InvalidTagKey.Malformed"),
        (
            &[("Tag.1.Key", "k"), ("Tag.1.Value", &value)],
            "InvalidTagValue.Malformed",
        ),
        (
            &[("Tag.1.Key", "k"), ("Tag.1.Value", "https://x")],
            "InvalidTagValue.Malformed",
        ),
        (&[("Tag.1.Value", "v")], "MissingParameter.TagKey"),
        (&[("IncludeHistory", "true")], "MissingParameter.InvokeId"),
        (
            &[("IncludeHistory", "true"), ("InvokeId", &once)],
            "InvalidParameter.IncludeHistory",
        ),
        (&[("IncludeHistory", "maybe")], "InvalidParameter.IncludeHistory"),
        (
            &[("InvokeRecordStatus", "Pending")],
            "InvalidParameter.InvokeRecordStatus",
        ),
        (&[("ContentEncoding", "gzip")], "InvalidParameter.ContentEncoding"),
    ];
    for (parameters, code) in cases {
        assert_eq!(
            results(&mut cloud, parameters),
            Err(code.to_owned()),
            "{parameters:?}"
        );
    }
    assert_eq!(
        call(&mut cloud, "RunCommand", &[]),
        Err("InvalidAction.NotFound".to_owned())
    );
    assert!(results(&mut cloud, &[("Tag.1.Key", &long[..64]), ("Tag.1.Value", "")]).is_ok());
}

#[test]
fn permissions_and_regions_can_be_taken_away() {
    let mut cloud = cloud();
    let action = "DescribeInvocationResults";
    cloud.deny("a", action, Some("cn-hangzhou"));
    assert_eq!(results(&mut cloud, &[]), Err("Forbidden.RAM".to_owned()));
    assert!(results(&mut cloud, &[("RegionId", "cn-beijing")]).is_ok());
    cloud.allow("a", action, Some("cn-hangzhou"));
    assert!(results(&mut cloud, &[]).is_ok());
    cloud.deny("a", action, None);
    assert_eq!(
        results(&mut cloud, &[("RegionId", "cn-beijing")]),
        Err("Forbidden.RAM".to_owned())
    );
    assert!(call(&mut cloud, "DescribeInvocations", &[]).is_ok());
    cloud.allow("a", action, None);
    cloud.unsupported_region("cn-beijing");
    assert_eq!(
        results(&mut cloud, &[("RegionId", "cn-beijing")]),
        Err("RegionId.ApiNotSupported".to_owned())
    );
    cloud.deny("a", "DescribeRegions", None);
    assert_eq!(
        call(&mut cloud, "DescribeRegions", &[]),
        Err("Forbidden.RAM".to_owned())
    );
}

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

fn history(cloud: &mut Cloud, invoke_id: &str) -> Vec<(i64, String)> {
    let listed = all(
        cloud,
        &[
            ("InvokeId", invoke_id),
            ("IncludeHistory", "true"),
            ("MaxResults", "2"),
        ],
    );
    let run = |row: &Value| {
        (
            row["Repeats"].as_i64().unwrap(),
            row["InvocationStatus"].as_str().unwrap().to_owned(),
        )
    };
    listed.iter().map(run).collect()
}

#[test]
fn a_schedule_is_one_row_and_each_run_an_entry_of_its_history() {
    let mut cloud = cloud();
    let invoke_id = region(&mut cloud).schedule("backup", "rate(5m)", ["i-1"]);
    assert_eq!(history(&mut cloud, &invoke_id), []);
    for outcome in [Outcome::success(), Outcome::failed(7), Outcome::timeout()] {
        cloud.advance(300);
        region(&mut cloud).run_once(&invoke_id, 0, outcome.lasting(20));
    }
    cloud.advance(300);
    let number = region(&mut cloud).begin_run(&invoke_id, "i-1");
    let row = &all(&mut cloud, &[])[0];
    assert_eq!(
        (number, &row["Repeats"], &row["InvocationStatus"]),
        (4, &json!(4), &json!("Running"))
    );
    assert_eq!(row["InvokeRecordStatus"], "Running");
    let text = |entries: &[(i64, &str)]| -> Vec<(i64, String)> {
        entries
            .iter()
            .map(|(run, status)| (*run, (*status).to_owned()))
            .collect()
    };
    let expected = text(&[(4, "Running"), (3, "Timeout"), (2, "Failed"), (1, "Success")]);
    assert_eq!(history(&mut cloud, &invoke_id), expected);
    region(&mut cloud).order = Order::OldestFirst;
    assert_eq!(
        history(&mut cloud, &invoke_id),
        expected.iter().rev().cloned().collect::<Vec<_>>()
    );
    region(&mut cloud).order = Order::NewestFirst;

    cloud.advance(9);
    let held = region(&mut cloud);
    held.finish_run(&invoke_id, 0, Outcome::success());
    held.skip_runs(&invoke_id, 0, 2);
    held.run_once(&invoke_id, 0, Outcome::failed(1));
    let row = &all(&mut cloud, &[])[0];
    assert_eq!(
        (&row["Repeats"], &row["InvocationStatus"]),
        (&json!(7), &json!("Scheduled"))
    );
    assert_eq!(row.get("ExitCode"), None);
    let numbers: Vec<i64> = history(&mut cloud, &invoke_id)
        .into_iter()
        .map(|(run, _)| run)
        .collect();
    assert_eq!(numbers, [7, 4, 3, 2, 1]);
    assert_eq!(cloud.truth("a", "cn-hangzhou").total(), 5);
    assert_eq!(
        cloud.truth("a", "cn-hangzhou").open,
        BTreeMap::from([("Scheduled".to_owned(), 1)])
    );

    region(&mut cloud).schedules_keep_codes = true;
    region(&mut cloud).run_once(&invoke_id, 0, Outcome::failed(8));
    assert_eq!(all(&mut cloud, &[])[0]["ExitCode"], 8);
}

#[test]
fn a_schedule_that_ends_adds_nothing_to_what_its_history_tells() {
    let mut cloud = cloud();
    let ran = region(&mut cloud).command("x").on(2).on_every_reboot().run();
    region(&mut cloud).run_once(&ran, 0, Outcome::success());
    region(&mut cloud).begin_run(&ran, 0);
    region(&mut cloud).end_schedule(&ran, InvocationStatus::Cancelled);
    let truth = cloud.truth("a", "cn-hangzhou");
    // Two runs of the first instance; the second never ran, so that its row is the one result it has.
    assert_eq!(
        truth.by_status(),
        BTreeMap::from([
            ("Success".to_owned(), 1),
            ("Terminated".to_owned(), 1),
            ("Cancelled".to_owned(), 1)
        ])
    );
    assert_eq!(all(&mut cloud, &[])[0]["InvokeRecordStatus"], "Stopped");
    assert!(truth.open.is_empty());
}

#[test]
fn a_history_can_be_asked_for_one_instance() {
    let mut cloud = cloud();
    let held = region(&mut cloud);
    let invoke_id = held.schedule("x", "rate(60s)", ["i-1", "i-2"]);
    for _ in 0..3 {
        held.run_once(&invoke_id, "i-1", Outcome::success());
        held.run_once(&invoke_id, "i-2", Outcome::failed(1));
    }
    let asked = [
        ("InvokeId", invoke_id.as_str()),
        ("IncludeHistory", "True"),
        ("InstanceId", "i-2"),
    ];
    let listed = all(&mut cloud, &asked);
    assert_eq!(listed.len(), 3);
    assert!(
        listed
            .iter()
            .all(|row| row["InstanceId"] == "i-2" && row["ExitCode"] == 1)
    );
    assert_eq!(all(&mut cloud, &asked[..2]).len(), 6);
    assert_eq!(
        all(&mut cloud, &asked[..1]).len(),
        2,
        "without the history one row for each instance"
    );
}

#[test]
fn the_clock_runs_schedules_and_plans() {
    let mut cloud = cloud();
    let held = region(&mut cloud);
    let schedule = held.schedule("x", "rate(60s)", 2);
    held.run_by_clock(
        &schedule,
        10,
        &[Outcome::success().lasting(5), Outcome::failed(2).lasting(5)],
    );
    let planned = held.run("y", 3);
    held.plan(&planned, 0, 10, Outcome::success().lasting(100));
    held.plan(&planned, 1, 10, Outcome::aborted("DeliveryTimeout"));
    held.plan(&planned, 2, 10, Outcome::success());
    held.settle(&planned, 2, Outcome::failed(99));
    cloud.advance(62);
    let statuses = |cloud: &mut Cloud, id: &str| -> Vec<String> {
        let listed = all(cloud, &[("InvokeId", id)]);
        listed
            .iter()
            .map(|row| row["InvocationStatus"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(statuses(&mut cloud, &planned), ["Running", "Aborted", "Failed"]);
    assert_eq!(statuses(&mut cloud, &schedule), ["Running", "Running"]);
    cloud.advance(60);
    assert_eq!(statuses(&mut cloud, &planned), ["Success", "Aborted", "Failed"]);
    assert_eq!(region(&mut cloud).row(&planned, 0).finished_time, Some(NOW + 110));
    cloud.advance(3_600);
    assert_eq!(
        all(&mut cloud, &[("InvokeId", &schedule), ("IncludeHistory", "true")]).len(),
        20
    );
    let truth = cloud.truth("a", "cn-hangzhou");
    assert_eq!(
        (
            truth.count("Success", "", "0"),
            truth.count("Failed", "ExitCodeNonzero", "2")
        ),
        (11, 10)
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

#[test]
fn invocations_are_listed_with_their_instances() {
    let mut cloud = cloud();
    let held = region(&mut cloud);
    let mixed = held
        .command("mixed")
        .on(["i-1", "i-2"])
        .tag("team", "infra")
        .run();
    held.settle(&mixed, 0, Outcome::success().output(6));
    held.settle(&mixed, 1, Outcome::aborted("ClientNotRunning"));
    let schedule = held.schedule("nightly", "0 0 3 * * ?", ["i-1"]);
    for _ in 0..20 {
        held.run("filler", 1);
    }
    let mut list = |parameters: &[(&str, &str)]| -> Vec<Value> {
        let body = call(&mut cloud, "DescribeInvocations", parameters).unwrap();
        body["Invocations"]["Invocation"].as_array().unwrap().clone()
    };
    assert_eq!(list(&[]).len(), 10);
    assert_eq!(list(&[("MaxResults", "50")]).len(), 22);
    let found = &list(&[
        ("InvokeId", &mixed),
        ("IncludeOutput", "true"),
        ("ContentEncoding", "PlainText"),
    ])[0];
    assert_eq!(
        (&found["InvocationStatus"], &found["InvokeStatus"]),
        (&json!("PartialFailed"), &json!("PartialFailed"))
    );
    let instances = found["InvokeInstances"]["InvokeInstance"].as_array().unwrap();
    assert_eq!(instances[0]["Output"], "output");
    assert_eq!(instances[0]["FinishTime"], utc(NOW));
    assert_eq!(instances[1]["InstanceInvokeStatus"], "Failed");
    assert_eq!(list(&[("InstanceId", "i-2")]).len(), 1);
    assert_eq!(
        list(&[("InstanceId", "i-2")])[0]["InvokeInstances"]["InvokeInstance"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        list(&[("RepeatMode", "Period")])[0]["InvokeId"],
        schedule.as_str()
    );
    assert_eq!(list(&[("Timed", "true")]).len(), 1);
    assert_eq!(list(&[("Timed", "False"), ("MaxResults", "50")]).len(), 21);
    assert_eq!(list(&[("CommandName", "nightly")]).len(), 1);
    assert_eq!(list(&[("CommandType", "RunBatScript")]).len(), 0);
    assert_eq!(list(&[("InvokeStatus", "Scheduled")]).len(), 1);
    assert_eq!(list(&[("InvokeStatus", "PartialFailed")]).len(), 1);
    assert_eq!(list(&[("Tag.1.Key", "team")]).len(), 1);
    let refused = call(&mut cloud, "DescribeInvocations", &[("IncludeOutput", "true")]);
    assert_eq!(refused, Err("MissingParameter.InvokeId".to_owned()));
}

#[test]
fn regions_are_those_in_use_unless_they_are_set() {
    let mut cloud = cloud();
    cloud.region("a", "cn-beijing");
    cloud.region_endpoint = "127.0.0.1:1".to_owned();
    let list = |cloud: &mut Cloud| -> Vec<Value> {
        call(cloud, "DescribeRegions", &[]).unwrap()["Regions"]["Region"]
            .as_array()
            .unwrap()
            .clone()
    };
    let regions = list(&mut cloud);
    assert_eq!(regions.len(), 2);
    assert_eq!(
        regions[0],
        json!({"RegionId": "cn-beijing", "RegionEndpoint": "127.0.0.1:1", "LocalName": "Region cn-beijing", "Status": "available"})
    );
    assert!(results(&mut cloud, &[("RegionId", "cn-shanghai")]).is_ok());
    assert_eq!(
        list(&mut cloud).len(),
        2,
        "asking does not make a region one in use"
    );
    cloud.listed_regions = Some(vec!["xx-new-1".to_owned()]);
    assert_eq!(list(&mut cloud)[0]["RegionId"], "xx-new-1");
    assert!(results(&mut cloud, &[("RegionId", "xx-new-1")]).is_ok());
    assert_eq!(
        call(&mut cloud, "DescribeRegions", &[("AcceptLanguage", "xx")]),
        Err("InvalidParameter.AcceptLanguage".to_owned())
    );
}
