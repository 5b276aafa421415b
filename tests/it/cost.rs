//! What a poll costs: requests, counted by the cloud that was asked.

use std::time::Duration;

use simulator::{Outcome, Received, Region};

use crate::cloud::{ACCOUNT, REGION};
use crate::exporter::{eventually, wait_until};
use crate::stage::*;

/// Polls slowly enough for a change to fall between two polls.
const SLOW: &str = "poll: {interval: 700ms, sweep_interval: 0, request_timeout: 5s}\n";

/// So long after the last request no poll is under way.
const QUIET: Duration = Duration::from_millis(200);

/// Changes the cloud between two polls, and gives the requests of the next one.
fn next_poll(stage: &Stage, change: impl FnOnce(&mut Region)) -> Vec<Received> {
    let simulator = &stage.simulator;
    let mut change = Some(change);
    let mut before = 0;
    wait_until("nothing is asked", || {
        // While the cloud is held nobody is answered: whoever asks from here on sees the change.
        let mut cloud = simulator.cloud();
        let requests = simulator.requests();
        let last = requests.last().map(|last| last.at.elapsed().unwrap_or_default());
        let is_quiet = simulator.in_flight() == 0 && last.is_some_and(|since| since > QUIET);
        if is_quiet && let Some(change) = change.take() {
            before = requests.len();
            change(cloud.region(ACCOUNT, REGION));
        }
        is_quiet
    });
    eventually("the poll after the next one begins", || {
        let requests = simulator.requests().split_off(before);
        let first = requests.iter().position(begins_a_poll)?;
        let length = requests[first + 1..].iter().position(begins_a_poll)? + 1;
        Some(requests[first..first + length].to_vec())
    })
}

/// A poll is what lies between two requests for the first page of the list.
pub fn begins_a_poll(request: &Received) -> bool {
    let asked = |parameter: &str| request.parameters.contains_key(parameter);
    request.action == "DescribeInvocationResults"
        && !["NextToken", "InvokeId", "InvokeRecordStatus"]
            .into_iter()
            .any(asked)
}

fn assert_fifty_a_page(requests: &[Received]) {
    for request in requests {
        assert_eq!(
            request.parameters.get("MaxResults").map(String::as_str),
            Some("50")
        );
        assert_eq!(request.status, 200);
        assert!(request.signed);
        assert!(
            !request.parameters.contains_key("PageSize") && !request.parameters.contains_key("PageNumber")
        );
    }
}

#[test]
fn n_new_results_cost_one_request_and_one_for_each_fifty() {
    let stage = Stage::new(SLOW, |region| {
        region.add_settled(120, Outcome::success());
    });
    for (new, expected) in [(0, 1), (1, 1), (49, 1), (50, 2), (120, 3), (500, 11), (0, 1)] {
        let requests = next_poll(&stage, |region| {
            region.add_settled(new, Outcome::failed(1));
        });
        assert_eq!(requests.len(), expected, "{new} new results");
        assert_fifty_a_page(&requests);
    }
    stage.exact();
}

#[test]
fn three_open_results_two_thousand_rows_deep_cost_three_requests_more() {
    let mut open = Vec::new();
    let stage = Stage::new(SLOW, |region| {
        open = (0..3).map(|_| region.run("deep", 1)).collect();
        region.add_settled(2000, Outcome::success());
    });
    let requests = next_poll(&stage, |_| ());
    assert!(requests.len() <= 4, "{}", requests.len());
    assert_fifty_a_page(&requests);
    let requests = next_poll(&stage, |region| region.settle(&open[1], 0, Outcome::failed(9)));
    assert!(requests.len() <= 4, "{}", requests.len());
    stage.exact();
    let requests = next_poll(&stage, |_| ());
    assert!(requests.len() <= 3, "two are left: {}", requests.len());
}

#[test]
fn a_schedule_of_a_hundred_instances_that_runs_every_minute_is_cheap() {
    let mut schedule = None;
    let stage = Stage::new(SLOW, |region| {
        let invoke_id = region.schedule("every minute", "rate(60s)", 100);
        for instance in 0..100 {
            region.run_once(&invoke_id, instance, Outcome::success());
        }
        region.add_settled(60, Outcome::success());
        schedule = Some(invoke_id);
    });
    let schedule = schedule.unwrap();
    let quiet = next_poll(&stage, |_| ()).len();
    let mut most = 0;
    for minute in 1..4 {
        let requests = next_poll(&stage, |region| {
            for instance in 0..100 {
                region.run_once(&schedule, instance, Outcome::failed(minute));
            }
        });
        assert_fifty_a_page(&requests);
        most = most.max(requests.len());
        stage.exact();
    }
    println!(
        "a schedule of 100 instances: {quiet} requests a quiet poll, {most} when every instance has run"
    );
    // The list, two pages of what is Running, and the history's pages of a hundred new runs.
    assert!(quiet <= 3, "{quiet}");
    assert!(most <= 6, "{most}");
}

#[test]
fn everything_that_is_asked_asks_for_fifty_rows() {
    let mut open = Vec::new();
    let stage = Stage::new(SWEEPING, |region| {
        open = (0..6).map(|_| region.run("deep", 1)).collect();
        region.add_settled(200, Outcome::success());
        let schedule = region.schedule("schedule", "rate(1h)", 2);
        region.begin_run(&schedule, 0);
        region.run_once(&schedule, 1, Outcome::success());
    });
    stage.region(|region| region.settle(&open[0], 0, Outcome::timeout()));
    stage.swept();
    let requests = stage.simulator.requests();
    let asked = |parameter: &str| {
        requests
            .iter()
            .any(|request| request.parameters.contains_key(parameter))
    };
    for parameter in [
        "NextToken",
        "InvokeId",
        "IncludeHistory",
        "RepeatMode",
        "InvokeRecordStatus",
    ] {
        assert!(asked(parameter), "{parameter}");
    }
    for request in &requests {
        assert_eq!(
            request.parameters.get("MaxResults").map(String::as_str),
            Some("50"),
            "{request:?}"
        );
    }
    stage.exact();
}

#[test]
fn requests_keep_to_the_rate_limit() {
    let more = "rate_limit: {requests_per_second: 8, burst: 2}\npoll: {interval: 1s, sweep_interval: 0}\n";
    let stage = Stage::new(more, |region| {
        region.add_settled(1, Outcome::success());
    });
    stage.region(|region| region.add_settled(500, Outcome::failed(1)));
    stage.exact();
    let requests = stage.simulator.requests();
    let times: Vec<_> = requests
        .iter()
        .filter(|request| request.action == "DescribeInvocationResults")
        .collect();
    // Of any eleven that follow each other, nine had to wait for their turn: 9 / 8 of a second.
    for window in times.windows(11) {
        let took = window[10].at.duration_since(window[0].at).unwrap().as_secs_f64();
        assert!(took >= 1.0, "eleven requests within {took} s");
    }
    assert!(times.len() >= 11);
}
