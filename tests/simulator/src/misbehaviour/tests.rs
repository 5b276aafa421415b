//! Each kind of misbehaviour, as an answer shows it.

use serde_json::{Value, json};

use super::*;
use crate::api;
use crate::{AccessKey, Clock, Cloud, InvocationStatus, InvokeId, Outcome, Parameters};

const NOW: i64 = 1_767_323_045;

fn cloud() -> Cloud {
    let mut cloud = Cloud::new(Clock::Manual(NOW));
    cloud.add_account("a", AccessKey::new("id", "secret"));
    cloud
}

fn region(cloud: &mut Cloud) -> &mut Region {
    cloud.region("a", "cn-hangzhou")
}

fn call(cloud: &mut Cloud, action: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
    let region = [("RegionId", "cn-hangzhou"), ("MaxResults", "50")];
    let parameters: Parameters = region
        .iter()
        .chain(parameters)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    api::call(cloud, "a", action, &parameters, "request").map_err(|error| error.code)
}

/// The values of a field on one page.
fn page(cloud: &mut Cloud, parameters: &[(&str, &str)], field: &str) -> Vec<Value> {
    let body = call(cloud, "DescribeInvocationResults", parameters).unwrap();
    let rows = body["Invocation"]["InvocationResults"]["InvocationResult"].as_array();
    rows.unwrap().iter().map(|row| row[field].clone()).collect()
}

/// How many rows each list has: pages, a question, what is Running, a history, invocations.
fn lengths(cloud: &mut Cloud, invoke_id: &InvokeId) -> [usize; 5] {
    let id = ("InvokeId", invoke_id.as_str());
    let results = [
        vec![],
        vec![id],
        vec![("InvokeRecordStatus", "Running")],
        vec![id, ("IncludeHistory", "true")],
    ]
    .map(|parameters| page(cloud, &parameters, "InvokeId").len());
    let body = call(cloud, "DescribeInvocations", &[]).unwrap();
    let [pages, question, running, history] = results;
    let invocations = body["Invocations"]["Invocation"].as_array().unwrap().len();
    [pages, question, running, history, invocations]
}

/// A schedule on two instances with four runs on the first, and ten results.
fn scheduled(cloud: &mut Cloud) -> InvokeId {
    let held = region(cloud);
    held.add_settled(10, Outcome::success());
    let schedule = held.schedule("s", "rate(60s)", ["i-1", "i-2"]);
    for code in 1..=4 {
        held.run_once(&schedule, "i-1", Outcome::failed(code));
    }
    schedule
}

#[test]
fn every_list_is_empty_for_so_many_answers() {
    let mut cloud = cloud();
    let schedule = scheduled(&mut cloud);
    let right = [12, 2, 2, 4, 2];
    assert_eq!(lengths(&mut cloud, &schedule), right);
    region(&mut cloud).misbehave(Misbehaviour::hides().for_answers(5));
    assert_eq!(lengths(&mut cloud, &schedule), [0; 5]);
    assert_eq!(lengths(&mut cloud, &schedule), right);
}

#[test]
fn what_is_unlisted_is_listed_again_when_it_is_lifted_or_its_time_is_over() {
    let mut cloud = cloud();
    let schedule = scheduled(&mut cloud);
    let truth = cloud.truth("a", "cn-hangzhou");
    let held = region(&mut cloud);
    let lifted = held.misbehave(Misbehaviour::hides().of(&schedule).on("i-1"));
    assert_eq!(lengths(&mut cloud, &schedule), [11, 1, 1, 0, 2]);
    assert_eq!(cloud.truth("a", "cn-hangzhou"), truth, "the truth is the truth");
    let held = region(&mut cloud);
    held.lift(lifted);
    held.misbehave(
        Misbehaviour::hides()
            .of(&schedule)
            .only(List::Pages)
            .from(NOW + 10)
            .until(NOW + 20),
    );
    for (now, pages) in [(NOW, 12), (NOW + 10, 10), (NOW + 19, 10), (NOW + 20, 12)] {
        let passes = now - cloud.now();
        cloud.advance(passes);
        assert_eq!(lengths(&mut cloud, &schedule), [pages, 2, 2, 4, 2]);
    }
    region(&mut cloud).misbehave(Misbehaviour::hides().only(List::Invocations));
    assert_eq!(lengths(&mut cloud, &schedule), [12, 2, 2, 4, 0]);
    region(&mut cloud).behave();
    assert_eq!(lengths(&mut cloud, &schedule), [12, 2, 2, 4, 2]);
    assert_eq!(region(&mut cloud).misbehaviours().count(), 0);
}

#[test]
fn holes_are_the_same_in_every_answer_and_others_by_another_seed() {
    let mut cloud = cloud();
    region(&mut cloud).add_settled(50, Outcome::success());
    let mut with = |seed| {
        let held = region(&mut cloud);
        held.behave();
        held.misbehave(Misbehaviour::hides().one_in(4, seed));
        page(&mut cloud, &[], "InstanceId")
    };
    let (one, other) = (with(1), with(2));
    assert!((30..46).contains(&one.len()), "{}", one.len());
    assert_ne!(one, other);
    assert_eq!(one, with(1));
}

#[test]
fn pages_go_on_behind_what_is_hidden() {
    let mut cloud = cloud();
    region(&mut cloud).add_settled(120, Outcome::success());
    let first = call(&mut cloud, "DescribeInvocationResults", &[]).unwrap();
    let token = first["Invocation"]["NextToken"].as_str().unwrap().to_owned();
    region(&mut cloud).misbehave(Misbehaviour::hides().one_in(2, 7));
    let rest = page(&mut cloud, &[("NextToken", &token)], "InstanceId");
    assert!(!rest.is_empty() && rest.len() < 50, "{}", rest.len());
    let shown = first["Invocation"]["InvocationResults"]["InvocationResult"].as_array();
    let repeated = shown.unwrap().iter().any(|row| rest.contains(&row["InstanceId"]));
    assert!(!repeated);
}

#[test]
fn a_history_lags_skips_a_run_never_settles_one_or_is_rejected() {
    let mut cloud = cloud();
    let schedule = scheduled(&mut cloud);
    let asked = [("InvokeId", schedule.as_str()), ("IncludeHistory", "true")];
    let mut with = |misbehaviour: Misbehaviour| {
        let held = region(&mut cloud);
        held.behave();
        held.misbehave(misbehaviour.of(&schedule));
        let mut shown = |field| page(&mut cloud, &asked, field);
        (shown("Repeats"), shown("InvocationStatus"))
    };
    let lags = with(Misbehaviour::hides().newest_runs(2)).0;
    assert_eq!(lags, [json!(2), json!(1)]);
    let skips = with(Misbehaviour::hides().run(3)).0;
    assert_eq!(skips, [json!(4), json!(2), json!(1)]);
    let (numbers, statuses) = with(Misbehaviour::shows("InvocationStatus", "Running").run(3));
    assert_eq!(numbers.len(), 4);
    assert_eq!(statuses, ["Failed", "Running", "Failed", "Failed"]);
    region(&mut cloud).behave();
    let refused = ApiError::invalid("IncludeHistory");
    region(&mut cloud).misbehave(Misbehaviour::refuses(refused).only(List::History));
    let answer = call(&mut cloud, "DescribeInvocationResults", &asked);
    assert_eq!(answer, Err("InvalidParameter.IncludeHistory".to_owned()));
    assert_eq!(page(&mut cloud, &asked[..1], "Repeats"), [4, 0]);
}

#[test]
fn a_row_shows_what_it_is_not() {
    let mut cloud = cloud();
    let schedule = scheduled(&mut cloud);
    let truth = cloud.truth("a", "cn-hangzhou");
    let held = region(&mut cloud);
    held.misbehave(
        Misbehaviour::shows("Repeats", 1_000_000)
            .of(&schedule)
            .for_answers(1),
    );
    held.misbehave(
        Misbehaviour::shows("InvocationStatus", "Failed")
            .of(&schedule)
            .on("i-2"),
    );
    held.misbehave(Misbehaviour::shows("Dropped", Value::Null).of(&schedule));
    let asked = [("InvokeId", schedule.as_str())];
    assert_eq!(page(&mut cloud, &asked, "Repeats"), [1_000_000, 1_000_000]);
    assert_eq!(page(&mut cloud, &asked, "Repeats"), [4, 0]);
    assert_eq!(
        page(&mut cloud, &asked, "InvocationStatus"),
        ["Scheduled", "Failed"]
    );
    assert_eq!(page(&mut cloud, &asked, "Dropped"), [Value::Null, Value::Null]);
    let history = [asked[0], ("IncludeHistory", "true")];
    assert_eq!(
        page(&mut cloud, &history, "Dropped"),
        [0; 4],
        "runs are as they were"
    );
    assert_eq!(cloud.truth("a", "cn-hangzhou"), truth);
}

#[test]
fn tokens_expire_in_the_middle_of_a_list() {
    let mut cloud = cloud();
    region(&mut cloud).add_settled(200, Outcome::success());
    region(&mut cloud).misbehave(Misbehaviour::tokens_end_behind(100).for_answers(1));
    let mut token = String::new();
    let mut pages = 0;
    let mut read = |cloud: &mut Cloud| loop {
        let body = call(cloud, "DescribeInvocationResults", &[("NextToken", &token)])?;
        pages += 1;
        token = body["Invocation"]["NextToken"].as_str().unwrap().to_owned();
        if token.is_empty() {
            return Ok(pages);
        }
    };
    assert_eq!(read(&mut cloud), Err("InvalidParameter.NextToken".to_owned()));
    assert_eq!(read(&mut cloud), Ok(4), "once only");
}

#[test]
fn dropped_that_is_no_int32_is_not_counted_as_true() {
    let mut cloud = cloud();
    let held = region(&mut cloud);
    held.add_settled(3, Outcome::success().dropping(i64::MAX));
    held.add_settled(2, Outcome::success().dropping(i64::from(i32::MAX)));
    let open = held.run("x", 1);
    held.set_status(&open, 0, InvocationStatus::Running);
    let truth = cloud.truth("a", "cn-hangzhou");
    assert_eq!(truth.dropped_bytes, 2 * u64::from(i32::MAX.unsigned_abs()));
}
