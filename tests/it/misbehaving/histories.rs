//! Histories that lag, skip, never settle or are rejected, and numbers that jump: they cost what is new in them.

use simulator::{ApiError, InvokeId, List, Misbehaviour, Outcome};

use super::{costs, polls};
use crate::stage::*;

/// Quick polls whose pauses can grow.
const POLLING: &str = "poll: {interval: 200ms, sweep_interval: 1h, request_timeout: 5s}\n";

/// A first look at a schedule on one instance with 2,000 runs: 40 pages of history.
fn long_history() -> (Stage, InvokeId) {
    let mut schedule = None;
    let stage = Stage::new(POLLING, |region| {
        region.add_settled(60, Outcome::success());
        let id = region.schedule("s", "rate(60s)", ["i-1"]);
        for _ in 0..2_000 {
            region.run_once(&id, "i-1", Outcome::success());
        }
        schedule = Some(id);
    });
    stage.exporter.polled();
    (stage, schedule.unwrap())
}

fn assert_cheap(what: &str, costs: &[usize], at_most: usize) {
    let mean = costs.iter().sum::<usize>() as f64 / costs.len() as f64;
    println!("{what}: requests a poll {costs:?}, mean {mean:.1}");
    let most = costs.iter().max().unwrap();
    assert!(*most <= at_most, "{what}: {most} requests a poll: {costs:?}");
}

#[test]
fn a_run_under_way_that_the_history_does_not_show_yet() {
    let (stage, schedule) = long_history();
    stage.region(|region| {
        region.begin_run(&schedule, "i-1");
        region.misbehave(Misbehaviour::hides().of(&schedule).newest_runs(1));
    });
    assert_cheap("not in the history yet", &costs(&stage, 12), 4);
    stage.region(|region| {
        region.behave();
        region.finish_run(&schedule, "i-1", Outcome::failed(6));
    });
    stage.exporter.scrape_until("the run is counted", |scrape| {
        scrape.sum(RESULTS, &class("Failed", "ExitCodeNonzero", "6")) == Some(1.0)
    });
    stage.exact();
}

#[test]
fn repeats_that_jump_and_come_back() {
    let (stage, schedule) = long_history();
    let jump = Misbehaviour::shows("Repeats", 1_000_000).of(&schedule);
    stage.region(|region| region.misbehave(jump.for_answers(2)));
    assert_cheap("a jump", &costs(&stage, 12), 5);
    let (stage, _) = stage.restart();
    assert_cheap("after a restart", &costs(&stage, 8), 5);
    stage.region(|region| region.run_once(&schedule, "i-1", Outcome::failed(7)));
    stage.exporter.scrape_until("the next run is counted", |scrape| {
        scrape.sum(RESULTS, &class("Failed", "ExitCodeNonzero", "7")) == Some(1.0)
    });
    stage.exact();
}

#[test]
fn a_run_that_never_settles() {
    let (stage, schedule) = long_history();
    stage.region(|region| {
        region.run_once(&schedule, "i-1", Outcome::failed(3));
        let run = region.row(&schedule, "i-1").repeats;
        let stuck = Misbehaviour::shows("InvocationStatus", "Running");
        region.misbehave(stuck.of(&schedule).run(run));
    });
    polls(&stage, 2);
    let mut all = Vec::new();
    for round in 0..10 {
        stage.region(|region| {
            for _ in 0..100 {
                region.run_once(&schedule, "i-1", Outcome::success());
            }
        });
        let cost = costs(&stage, 4);
        println!("round {round}: {cost:?}");
        all.extend(cost);
    }
    let counted = stage.exporter.polled();
    assert_eq!(counted.sum(RESULTS, &class("Success", "", "0")), Some(1_000.0));
    let quiet = costs(&stage, 30);
    println!("quiet: {quiet:?}");
    let total: usize = quiet.iter().sum();
    // The list and what is Running, and the history now and then, further and further apart.
    assert!(
        total <= 30 * 3 + 2 * 21,
        "{total} requests in 30 polls: {quiet:?}"
    );
    stage.region(|region| region.behave());
    stage.exporter.scrape_until("it is counted", |scrape| {
        scrape.sum(RESULTS, &class("Failed", "ExitCodeNonzero", "3")) == Some(1.0)
    });
    stage.exact();
}

#[test]
fn a_number_that_is_missing_for_good_keeps_nothing_else_from_being_counted() {
    let mut schedule = None;
    let polling = "poll: {interval: 100ms, sweep_interval: 1s, request_timeout: 2s, timeout: 2s}\n";
    let stage = Stage::new(polling, |region| {
        schedule = Some(region.schedule("s", "rate(60s)", ["i-1"]));
        region.add_settled(60, Outcome::success());
    });
    let schedule = schedule.unwrap();
    stage.region(|region| {
        region.skip_runs(&schedule, "i-1", 1);
        for _ in 0..2_000 {
            region.run_once(&schedule, "i-1", Outcome::success());
        }
    });
    stage
        .exporter
        .scrape_until("2,000 runs", |scrape| scrape.sum(RESULTS, &[]) == Some(2_000.0));
    // 40 pages of a history take longer than a poll may.
    stage.simulator.set_latency(std::time::Duration::from_millis(80));
    stage.swept();
    stage.region(|region| region.add_settled(10, Outcome::failed(9)));
    let scrape = stage.swept();
    assert_eq!(
        scrape.sum(RESULTS, &class("Failed", "ExitCodeNonzero", "9")),
        Some(10.0)
    );
    let failures = scrape.value("cloud_assistant_exporter_poll_failures_total", &[]);
    assert_eq!(failures, 0.0);
    stage.exact();
}

#[test]
fn a_hundred_histories_that_are_rejected() {
    let (stage, _) = long_history();
    stage.region(|region| {
        for _ in 0..100 {
            let invoke_id = region.run("twice", 1);
            region.settle(&invoke_id, 0, Outcome::success());
            // No history is kept of what is no schedule: the API rejects the question.
            region.row_mut(&invoke_id, 0).repeats = 2;
        }
    });
    let all = costs(&stage, 24);
    println!("100 rejected histories: {all:?}");
    let total: usize = all.iter().sum();
    // At pauses of 1, 2, 4, 8 intervals …: five or six looks in 24 polls.
    assert!(total <= 7 * 100 + 24 * 3, "{total} requests in 24 polls");
    let log = stage.exporter.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("InvalidParameter.IncludeHistory"));
    assert!(lines.count() <= 700);
    stage.region(|region| region.add_settled(10, Outcome::failed(9)));
    let scrape = stage.exporter.polled();
    assert_eq!(
        scrape.sum(RESULTS, &class("Failed", "ExitCodeNonzero", "9")),
        Some(10.0)
    );
    assert_eq!(scrape.value(UP, &[]), 1.0);
}

/// Whether or not a run before it has settled.
#[test]
fn a_history_that_shows_a_counted_run_open_again() {
    for one_is_stuck in [false, true] {
        let (stage, schedule) = long_history();
        let open = |run| {
            Misbehaviour::shows("InvocationStatus", "Running")
                .of(&schedule)
                .run(run)
        };
        let run_once = |code| {
            stage.region(|region| {
                region.run_once(&schedule, "i-1", Outcome::failed(code).dropping(4));
                region.row(&schedule, "i-1").repeats
            })
        };
        let counted = |code: &str| {
            let labels = class("Failed", "ExitCodeNonzero", code);
            stage.exporter.scrape_until("a run is counted", |scrape| {
                scrape.sum(RESULTS, &labels) == Some(1.0)
            });
        };
        if one_is_stuck {
            let next = stage.region(|region| region.row(&schedule, "i-1").repeats + 1);
            stage.region(|region| region.misbehave(open(next)));
            run_once(1);
        }
        let reopened = run_once(2);
        counted("2");
        stage.region(|region| region.misbehave(open(reopened)));
        run_once(3);
        counted("3");
        polls(&stage, 3);
        stage.region(|region| region.behave());
        run_once(4);
        counted("4");
        if one_is_stuck {
            counted("1");
        }
        polls(&stage, 3);
        stage.exact();
        let (stage, _) = stage.restart();
        stage.exact();
    }
}

#[test]
fn a_history_that_lags_behind_and_is_refused_in_between_comes_to_every_run() {
    let (stage, schedule) = long_history();
    for code in 1..=9 {
        stage.region(|region| {
            region.behave();
            region.misbehave(match code % 3 {
                0 => Misbehaviour::refuses(ApiError::new(400, "InvalidParameter.InvokeId", "no"))
                    .only(List::History),
                1 => Misbehaviour::hides().of(&schedule).newest_runs(2),
                _ => Misbehaviour::hides().only(List::History),
            });
            region.run_once(&schedule, "i-1", Outcome::failed(code));
        });
        polls(&stage, 1);
    }
    stage.region(|region| region.behave());
    stage
        .exporter
        .scrape_until("all nine", |scrape| scrape.sum(RESULTS, &[]) >= Some(9.0));
    stage.exact();
}
