//! The calls without signatures or HTTP.

mod invocations;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Parameters;
use crate::region::{EndOfList, Order, Paging};
use crate::{AccessKey, Clock, Cloud, Delivery, InvocationStatus, Outcome, Region, utc};

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
