//! The rules of counting, through the real binary. Each test names the rule without which it fails.

use std::collections::BTreeMap;

use serde_json::json;
use simulator::{Delivery, Fault, FaultKind, InvocationStatus, Order, Outcome, Paging, unix_now, utc};
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, REGION, cloud};
use crate::scrape::Scrape;
use crate::stage::*;

const NEWEST: &str = "cloud_assistant_last_result_timestamp_seconds";
const OLDEST_OPEN: &str = "cloud_assistant_oldest_open_result_timestamp_seconds";
const OVERFLOW: &str = "cloud_assistant_exporter_label_overflow_total";
const SKIPPED: &str = "cloud_assistant_exporter_skipped_rows_total";
const DELIVERIES: &str = "cloud_assistant_output_deliveries_total";

/// Counts of a gauge or counter without its zeros, as short texts.
fn shown(scrape: &Scrape, name: &str) -> BTreeMap<String, u64> {
    let counts = scrape.counts(name, ACCOUNT, REGION).into_iter();
    counts
        .map(|((status, error_code, exit_code), count)| (format!("{status}/{error_code}/{exit_code}"), count))
        .collect()
}

fn counts<const N: usize>(expected: [(&str, u64); N]) -> BTreeMap<String, u64> {
    expected
        .into_iter()
        .map(|(class, count)| (class.to_owned(), count))
        .collect()
}

// Rules 1 and 2.

#[test]
fn what_was_settled_before_the_first_look_is_not_counted_and_all_after_is_once() {
    let mut open = None;
    let stage = Stage::new("", |region| {
        region.add_settled(70, Outcome::success());
        open = Some(region.run("backup", 3));
    });
    let open = open.unwrap();
    let first = stage.exporter.scrape();
    assert!(first.counts(RESULTS, ACCOUNT, REGION).is_empty());
    assert_eq!(
        shown(&first, RECENT),
        counts([("Success//0", 70), ("Pending//", 3)])
    );
    stage.region(|region| {
        region.settle(&open, 0, Outcome::failed(7));
        region.settle(&open, 1, Outcome::timeout());
        region.add_settled(120, Outcome::success());
    });
    let scrape = stage.exact();
    assert_eq!(stage.truth().total(), 122);
    assert_eq!(scrape.value(UP, &[]), 1.0);
    stage.exact();
}

#[test]
fn what_settled_while_the_exporter_was_down_counts_and_nothing_counts_twice_after_a_restart() {
    let stage = Stage::new("", |region| {
        region.add_settled(60, Outcome::success());
    });
    stage.region(|region| region.add_settled(3, Outcome::failed(4)));
    stage.exact();
    let (stage, _) = stage.restart();
    stage.region(|region| region.add_settled(55, Outcome::timeout()));
    stage.exact();
    let Stage {
        exporter,
        simulator,
        directory,
        ..
    } = stage;
    assert!(exporter.terminate().0.success());
    simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .add_settled(130, Outcome::failed(5));
    let stage = Stage::on(simulator, directory, "");
    stage.exact();
}

#[test]
fn a_result_that_is_listed_on_two_pages_is_counted_once_and_the_sweep_finds_what_was_stepped_over() {
    let stage = Stage::new(SWEEPING, |region| {
        region.paging = Paging::Offset;
        region.add_settled(1, Outcome::success());
    });
    // The second page shows the rows of the first one again, as if fifty had come in front meanwhile; the third is
    // right, and the fifty that have slipped through lie behind known rows from then on.
    let fault = Fault::once(FaultKind::RepeatPage)
        .having("NextToken")
        .on("DescribeInvocationResults");
    stage.simulator.faults().add(fault);
    stage.region(|region| region.add_settled(120, Outcome::failed(9)));
    stage
        .exporter
        .scrape_until("all are counted", |scrape| scrape.value(RESULTS, &[]) >= 120.0);
    let scrape = stage.swept();
    assert_exact(&scrape, REGION, &stage.truth());
    // Whether it was a poll or a sweep that met the fault, nothing is counted twice; what only a sweep found is late.
    assert!(
        [0.0, 50.0].contains(&scrape.value(LATE, &[])),
        "{}",
        scrape.shown(LATE)
    );
}

// Rule 4.

#[test]
fn a_poll_that_fails_in_the_middle_changes_nothing() {
    let stage = Stage::new("", |region| {
        region.add_settled(10, Outcome::success());
    });
    let before = stage.exporter.scrape();
    let denied = FaultKind::documented("Forbidden.RAM");
    stage
        .simulator
        .faults()
        .add(Fault::forever(denied).having("NextToken"));
    stage.region(|region| region.add_settled(120, Outcome::failed(2)));
    let failed = stage
        .exporter
        .scrape_until("a failed poll", |scrape| scrape.value(UP, &[]) == 0.0);
    for name in [RESULTS, RECENT] {
        assert_eq!(shown(&failed, name), shown(&before, name));
    }
    assert_eq!(failed.value(TRACKED, &[]), before.value(TRACKED, &[]));
    stage.simulator.faults().clear();
    let scrape = stage.exact();
    assert_eq!(scrape.value(UP, &[]), 1.0);
}

#[test]
fn a_question_that_is_denied_or_rejected_is_left_out_and_asked_again() {
    for code in [
        "Forbidden.RAM",
        "Operation.Forbidden",
        "InvalidParameter.MaxResults",
    ] {
        let mut open = None;
        let stage = Stage::new("", |region| {
            open = Some(region.run("slow", 2));
            region.add_settled(60, Outcome::success());
        });
        let open = open.unwrap();
        let fault = FaultKind::documented(code);
        stage
            .simulator
            .faults()
            .add(Fault::forever(fault).having("InvokeId"));
        stage.region(|region| {
            region.settle_all(&open, &Outcome::failed(3));
            region.add_settled(5, Outcome::timeout());
        });
        let scrape = stage.exporter.polled();
        assert_eq!(
            shown(&scrape, RESULTS),
            counts([("Timeout/ExecutionTimeout/", 5)])
        );
        assert_eq!(scrape.value(UP, &[]), 1.0, "{code}");
        assert_eq!(scrape.value(LOST, &[]), 0.0, "{code}");
        let line = stage.exporter.logged("left out of this poll");
        assert!(line.contains(code) && line.contains("request_id="), "{line}");
        stage.simulator.faults().clear();
        stage.exact();
    }
}

// Rule 5.

#[test]
fn what_only_a_sweep_finds_is_counted_and_called_late() {
    let stage = Stage::new(SWEEPING, |region| {
        region.add_settled(60, Outcome::success());
    });
    stage.region(|region| {
        let hour_ago = region.now() - 3600;
        let late = region.command("late").on(7).created_at(hour_ago).run();
        region.settle_all(&late, &Outcome::failed(6));
    });
    let scrape = stage.swept();
    assert_exact(&scrape, REGION, &stage.truth());
    assert_eq!(scrape.value(LATE, &[]), 7.0);
    let again = stage.swept();
    assert_eq!(again.value(LATE, &[]), 7.0);
    assert_exact(&again, REGION, &stage.truth());
}

#[test]
fn any_order_of_the_list_comes_to_the_same_counts() {
    for order in [Order::OldestFirst, Order::Shuffled(7)] {
        let stage = Stage::new(SWEEPING, |region| {
            region.order = order;
            region.add_settled(130, Outcome::success());
            region.run("open", 20);
        });
        for exit_code in 1..4 {
            stage.region(|region| {
                region.add_settled(90, Outcome::failed(exit_code));
                region.run("more", 3);
            });
            stage.exporter.polled();
        }
        let scrape = stage.swept();
        assert_exact(&scrape, REGION, &stage.truth());
        assert!(scrape.value(LATE, &[]) > 0.0, "{order:?}");
    }
}

#[test]
fn an_answer_shows_nothing_that_no_page_has_shown() {
    let mut open = None;
    let stage = Stage::new(SWEEPING, |region| {
        open = Some(region.run("wide", 2));
        region.add_settled(60, Outcome::success());
    });
    let open = open.unwrap();
    // Without sweeps first, so that only the question's answer shows the row.
    stage
        .simulator
        .faults()
        .add(Fault::forever(FaultKind::documented("Forbidden.RAM")).on("DescribeInvocations"));
    stage.simulator.faults().clear();
    let mut third = stage.region(|region| region.row(&open, 0).clone());
    third.instance_id = "i-unseen".to_owned();
    let sweeps = stage.exporter.scrape().value(SWEEPS, &[]);
    stage.region(|region| {
        region.invocation_mut(&open).rows.push(third);
        region.settle(&open, "i-unseen", Outcome::failed(8));
        region.settle(&open, 0, Outcome::failed(7));
    });
    // It is counted in the very view of the sweep that found it, and not before.
    let scrape = stage.exporter.scrape_until("a sweep found it", |scrape| {
        let unseen = scrape.sum(RESULTS, &class("Failed", "ExitCodeNonzero", "8"));
        let found = unseen.is_some_and(|count| count > 0.0);
        assert!(!found || scrape.value(SWEEPS, &[]) > sweeps);
        found
    });
    assert_eq!(scrape.value(LATE, &[]), 1.0);
    stage.exact();
}

// Rule 6.

#[test]
fn late_transitions_far_down_the_list_are_seen() {
    let mut open = Vec::new();
    let stage = Stage::new("", |region| {
        open = (0..8).map(|_| region.run("deep", 1)).collect();
        open.push(region.run("wide", 70));
        region.add_settled(1000, Outcome::success());
        open.push(region.run("middle", 5));
        region.add_settled(1000, Outcome::success());
    });
    for (invoke_id, outcome) in open.iter().zip(Outcome::every_kind().into_iter().cycle()) {
        stage.region(|region| region.start(invoke_id, 0));
        stage.region(|region| region.settle(invoke_id, 0, outcome));
        stage.exact();
    }
    stage.region(|region| {
        for invoke_id in &open[8..] {
            region.settle_all(invoke_id, &Outcome::failed(44));
        }
    });
    let scrape = stage.exact();
    assert_eq!(stage.truth().total(), 8 + 70 + 5);
    assert_eq!(scrape.value(LOST, &[]), 0.0);
}

#[test]
fn an_open_result_that_is_not_listed_for_seconds_is_followed_and_not_lost() {
    let mut open = None;
    let mut stage = Stage::new(ONE_POLL, |region| {
        open = Some(region.run("gone", 2));
        region.add_settled(60, Outcome::success());
    });
    let open = open.unwrap();
    stage.region(|region| region.forget_row(&open, 1));
    // A restart begins the looks anew.
    for _ in 0..3 {
        let (again, scrape) = stage.restart();
        stage = again;
        assert_eq!(scrape.value(LOST, &[]), 0.0);
        assert_eq!(shown(&scrape, RECENT)["Pending//"], 2);
        assert_eq!(scrape.value(TRACKED, &[]), 62.0);
    }
    stage.region(|region| region.settle(&open, 0, Outcome::success()));
    let (_stage, scrape) = stage.restart();
    assert_eq!(shown(&scrape, RESULTS), counts([("Success//0", 1)]));
    assert_eq!(shown(&scrape, RECENT)["Pending//"], 1);
}

#[test]
fn an_open_result_that_is_listed_again_in_between_is_not_lost() {
    let mut open = None;
    let stage = Stage::new(ONE_POLL, |region| {
        open = Some(region.run("flickers", 1));
        region.add_settled(60, Outcome::success());
    });
    let open = open.unwrap();
    let future = unix_now() + 1_000_000;
    let mut stage = stage;
    for listed in [false, true, false, true] {
        stage.region(|region| {
            region.row_mut(&open, 0).listed_from = if listed { i64::MIN } else { future };
        });
        let (again, scrape) = stage.restart();
        stage = again;
        assert_eq!(scrape.value(LOST, &[]), 0.0);
    }
    stage.region(|region| region.settle(&open, 0, Outcome::failed(2)));
    let (_stage, scrape) = stage.restart();
    assert_eq!(shown(&scrape, RESULTS), counts([("Failed/ExitCodeNonzero/2", 1)]));
}

// Rule 7.

#[test]
fn a_settled_result_that_changes_keeps_its_one_count() {
    let stage = Stage::new("", |region| {
        region.add_settled(3, Outcome::success());
    });
    let changing = stage.region(|region| {
        let changing = region.run("changing", 1);
        region.settle(&changing, 0, Outcome::failed(1));
        changing
    });
    let first = counts([("Failed/ExitCodeNonzero/1", 1)]);
    let scrape = stage.exact();
    assert_eq!(shown(&scrape, RESULTS), first);
    let table = [
        (Outcome::failed(2), "Failed/ExitCodeNonzero/2"),
        (Outcome::failed(2).code("Other"), "Failed/Other/2"),
        (Outcome::timeout(), "Timeout/ExecutionTimeout/"),
    ];
    for (turn, (outcome, now)) in table.into_iter().enumerate() {
        stage.region(|region| region.settle(&changing, 0, outcome));
        let scrape = stage.exporter.polled();
        assert_eq!(shown(&scrape, RESULTS), first);
        assert_eq!(shown(&scrape, RECENT), counts([("Success//0", 3), (now, 1)]));
        assert_eq!(scrape.value(RECLASSIFIED, &[]), turn as f64 + 1.0);
    }
    stage.region(|region| region.set_status(&changing, 0, InvocationStatus::Running));
    let scrape = stage.exporter.polled();
    assert_eq!(
        shown(&scrape, RECENT),
        counts([("Success//0", 3), ("Running//", 1)])
    );
    assert_eq!(shown(&scrape, RESULTS), first);
    stage.region(|region| region.settle(&changing, 0, Outcome::success()));
    let scrape = stage.exporter.polled();
    assert_eq!(shown(&scrape, RECENT), counts([("Success//0", 4)]));
    assert_eq!(shown(&scrape, RESULTS), first, "it is not counted again");
    let timeouts = scrape.sum(NEWEST, &[("invocation_status", "Timeout")]);
    assert_eq!(timeouts, None, "no result has that status any more");
}

#[test]
fn a_result_of_the_baseline_that_shows_open_again_is_not_counted() {
    let mut settled = None;
    let stage = Stage::new("", |region| {
        let invoke_id = region.run("early", 1);
        region.settle(&invoke_id, 0, Outcome::success());
        settled = Some(invoke_id);
    });
    let settled = settled.unwrap();
    stage.region(|region| region.set_status(&settled, 0, InvocationStatus::Running));
    let scrape = stage.exporter.polled();
    assert_eq!(shown(&scrape, RECENT), counts([("Running//", 1)]));
    stage.region(|region| region.settle(&settled, 0, Outcome::failed(1)));
    let scrape = stage.exporter.polled();
    assert_eq!(shown(&scrape, RESULTS), counts([]));
    assert_eq!(scrape.value(RECLASSIFIED, &[]), 1.0);
}

// Rule 8.

#[test]
fn what_two_sweeps_in_a_row_no_longer_list_is_forgotten() {
    let simulator = cloud(&[REGION]);
    let old = {
        let mut cloud = simulator.cloud();
        let old = cloud.region(ACCOUNT, REGION).add_settled(200, Outcome::success());
        // Only what is older than all that is listed is forgotten.
        cloud.advance(60);
        cloud.region(ACCOUNT, REGION).add_settled(60, Outcome::failed(1));
        cloud.mark_baseline();
        old
    };
    let stage = Stage::on(simulator, tempdir().unwrap(), SWEEPING);
    let first = stage.exporter.scrape();
    assert_eq!(first.value(TRACKED, &[]), 260.0);
    let sweeps = stage.region(|region| {
        old.iter().for_each(|invoke_id| region.forget(invoke_id));
        first.value(SWEEPS, &[])
    });
    let scrape = stage.exporter.scrape_until("it is forgotten", |scrape| {
        let forgotten = scrape.value(TRACKED, &[]) < 260.0;
        assert!(
            !forgotten || scrape.value(SWEEPS, &[]) >= sweeps + 2.0,
            "one sweep is not enough"
        );
        forgotten
    });
    assert_eq!(scrape.value(TRACKED, &[]), 60.0);
    assert_eq!(shown(&scrape, RECENT), counts([("Failed/ExitCodeNonzero/1", 60)]));
    assert_eq!(scrape.value(LOST, &[]), 0.0);
    assert!(shown(&scrape, RESULTS).is_empty());
}

// Rule 9.

#[test]
fn each_run_of_a_schedule_counts_once_by_its_number() {
    let mut daily = None;
    let stage = Stage::new(SWEEPING, |region| {
        let invoke_id = region.schedule("daily", "rate(1d)", 2);
        for _ in 0..3 {
            region.run_once(&invoke_id, 0, Outcome::success());
            region.run_once(&invoke_id, 1, Outcome::failed(1));
        }
        region.add_settled(60, Outcome::success());
        daily = Some(invoke_id);
    });
    let daily = daily.unwrap();
    let scrape = stage.exporter.scrape();
    assert_eq!(
        shown(&scrape, RECENT),
        counts([("Success//0", 60), ("Scheduled//", 2)]),
        "runs that the baseline knows by number are in no gauge"
    );
    stage.region(|region| {
        region.run_once(&daily, 0, Outcome::failed(3).lasting(40));
        region.run_once(&daily, 1, Outcome::timeout().dropping(7));
        // Two numbers that no history will show.
        region.skip_runs(&daily, 0, 2);
        region.run_once(&daily, 0, Outcome::success());
    });
    let scrape = stage.exact();
    assert_eq!(
        shown(&scrape, RECENT),
        counts([
            ("Success//0", 61),
            ("Scheduled//", 2),
            ("Failed/ExitCodeNonzero/3", 1),
            ("Timeout/ExecutionTimeout/", 1)
        ])
    );
    stage.region(|region| region.begin_run(&daily, 1));
    let scrape = stage.exact();
    assert_eq!(shown(&scrape, RECENT)["Running//"], 1);
    stage.region(|region| region.finish_run(&daily, 1, Outcome::failed(3)));
    stage.exact();
    stage.swept();
    stage.exact();
    stage.region(|region| region.end_schedule(&daily, InvocationStatus::Cancelled));
    let scrape = stage.exact();
    assert_eq!(stage.truth().total(), 4);
    assert_eq!(
        scrape.value(RECLASSIFIED, &[]),
        0.0,
        "known runs keep their outcome"
    );
    assert_eq!(shown(&scrape, RECENT).get("Scheduled//"), None);
    assert_eq!(scrape.value(LATE, &[]), 0.0);
    let swept = stage.swept();
    assert_exact(&swept, REGION, &stage.truth());
}

#[test]
fn a_schedule_that_is_first_seen_after_the_first_look_counts_from_its_first_run() {
    let stage = Stage::new("", |region| {
        region.add_settled(1, Outcome::success());
    });
    let (period, reboot) = stage.region(|region| {
        let period = region.schedule("hourly", "rate(1h)", 3);
        for exit_code in 1..4 {
            region.run_once(&period, 0, Outcome::failed(exit_code));
        }
        (period, region.command("at boot").on(2).on_every_reboot().run())
    });
    stage.exact();
    stage.region(|region| {
        region.begin_run(&period, 1);
        region.run_once(&reboot, 0, Outcome::timeout());
    });
    stage.exact();
    stage.region(|region| {
        region.finish_run(&period, 1, Outcome::success());
        region.run_once(&reboot, 0, Outcome::failed(5));
        region.run_once(&reboot, 1, Outcome::failed(5));
    });
    stage.exact();
    assert_eq!(stage.truth().total(), 7);
}

#[test]
fn a_run_that_is_under_way_at_the_first_look_counts_when_it_settles() {
    let mut schedule = None;
    let stage = Stage::new("", |region| {
        let invoke_id = region.schedule("long", "rate(1d)", 2);
        region.run_once(&invoke_id, 0, Outcome::success());
        region.begin_run(&invoke_id, 0);
        region.begin_run(&invoke_id, 1);
        schedule = Some(invoke_id);
    });
    let schedule = schedule.unwrap();
    assert!(shown(&stage.exporter.scrape(), RESULTS).is_empty());
    stage.region(|region| region.finish_run(&schedule, 0, Outcome::failed(3)));
    stage.exact();
    stage.region(|region| {
        region.finish_run(&schedule, 1, Outcome::failed(4));
        region.run_once(&schedule, 1, Outcome::failed(5));
    });
    stage.exact();
    assert_eq!(stage.truth().total(), 3);
}

#[test]
fn a_run_under_way_at_the_first_look_counts_although_its_history_was_denied_then() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let schedule = {
        let mut cloud = simulator.cloud();
        let region = cloud.region(ACCOUNT, REGION);
        let schedule = region.schedule("long", "rate(1d)", 2);
        region.run_once(&schedule, 0, Outcome::success());
        region.begin_run(&schedule, 0);
        region.run_once(&schedule, 1, Outcome::success());
        cloud.mark_baseline();
        schedule
    };
    let denied = FaultKind::documented("Forbidden.RAM");
    simulator
        .faults()
        .add(Fault::forever(denied).having("IncludeHistory"));
    let stage = Stage::on(simulator, directory, "");
    stage.region(|region| region.finish_run(&schedule, 0, Outcome::failed(3)));
    stage.exporter.polled();
    stage.simulator.faults().clear();
    stage.exact();
    assert_eq!(stage.truth().total(), 1);
}

#[test]
fn runs_that_overlap_count_when_each_of_them_settles() {
    let stage = Stage::new("", |region| {
        region.add_settled(1, Outcome::success());
    });
    let schedule = stage.region(|region| {
        let schedule = region.schedule("overlapping", "rate(1m)", 1);
        region.begin_run(&schedule, 0);
        schedule
    });
    stage.exact();
    stage.region(|region| region.begin_run(&schedule, 0));
    stage.exact();
    // The later one first.
    stage.region(|region| region.finish_run(&schedule, 0, Outcome::failed(2)));
    stage.exact();
    stage.region(|region| region.finish_run(&schedule, 0, Outcome::failed(1)));
    stage.exact();
    assert_eq!(stage.truth().total(), 2);
}

#[test]
fn a_history_that_is_denied_is_left_out_and_asked_again() {
    let mut schedule = None;
    let stage = Stage::new("", |region| {
        schedule = Some(region.schedule("denied", "rate(1h)", 2));
    });
    let schedule = schedule.unwrap();
    let denied = FaultKind::documented("Forbidden.RAM");
    stage
        .simulator
        .faults()
        .add(Fault::forever(denied).having("IncludeHistory"));
    stage.region(|region| {
        region.run_once(&schedule, 0, Outcome::failed(1));
        region.run_once(&schedule, 0, Outcome::failed(2));
        region.add_settled(2, Outcome::success());
    });
    let scrape = stage.exporter.polled();
    assert_eq!(shown(&scrape, RESULTS), counts([("Success//0", 2)]));
    assert_eq!(scrape.value(UP, &[]), 1.0);
    stage.simulator.faults().clear();
    stage.exact();
}

#[test]
fn a_schedule_that_ends_while_its_history_is_denied_loses_no_run() {
    let mut schedule = None;
    let stage = Stage::new("", |region| {
        schedule = Some(region.schedule("ending", "rate(1h)", 1));
    });
    let schedule = schedule.unwrap();
    let denied = FaultKind::documented("Forbidden.RAM");
    stage
        .simulator
        .faults()
        .add(Fault::forever(denied).having("IncludeHistory"));
    stage.region(|region| {
        for exit_code in 1..4 {
            region.run_once(&schedule, 0, Outcome::failed(exit_code));
        }
        region.end_schedule(&schedule, InvocationStatus::Failed);
    });
    stage.exporter.polled();
    stage.simulator.faults().clear();
    stage.exact();
    assert_eq!(stage.truth().total(), 3);
}

#[test]
fn a_schedule_whose_row_keeps_the_codes_of_its_last_run_is_one_gauge_more_and_no_count() {
    let mut schedule = None;
    let stage = Stage::new("", |region| {
        region.schedules_keep_codes = true;
        schedule = Some(region.schedule("keeps", "rate(1h)", 1));
    });
    let schedule = schedule.unwrap();
    stage.region(|region| region.run_once(&schedule, 0, Outcome::failed(6)));
    let scrape = stage.exact();
    assert_eq!(
        shown(&scrape, RECENT),
        counts([
            ("Scheduled/ExitCodeNonzero/6", 1),
            ("Failed/ExitCodeNonzero/6", 1)
        ])
    );
    let open = scrape.sum(RESULTS, &[("invocation_status", "Scheduled")]);
    assert_eq!(open, None, "what is open is in the gauge only");
}

// Rule 10.

#[test]
fn the_time_of_a_result_is_that_it_finished_or_stopped_or_started_or_of_its_neighbour() {
    let stage = Stage::new("", |region| {
        region.add_settled(1, Outcome::success());
    });
    let now = unix_now();
    let (old, day) = (now - 3 * 86_400, 86_400);
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
    assert!(!add(13, None, None, None), "then its neighbour's, three days ago");
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

// The metrics of section 3.

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
fn the_zero_combinations_exist_from_the_first_poll() {
    let stage = Stage::new("", |_| ());
    let scrape = stage.exporter.scrape();
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
    let open = ["Pending", "Running", "Stopping", "Scheduled"].map(|status| (status, "", ""));
    for (status, error_code, exit_code) in settled {
        let labels = class(status, error_code, exit_code);
        assert_eq!(scrape.sum(RESULTS, &labels), Some(0.0), "{labels:?}");
        assert_eq!(scrape.sum(RECENT, &labels), Some(0.0), "{labels:?}");
        let status = [("invocation_status", status)];
        let count = scrape.sum("cloud_assistant_result_duration_seconds_count", &status);
        assert_eq!(count, Some(0.0));
    }
    for (status, ..) in open {
        assert_eq!(scrape.sum(RECENT, &class(status, "", "")), Some(0.0));
        assert_eq!(scrape.sum(RESULTS, &[("invocation_status", status)]), None);
    }
    assert_eq!(scrape.all(RESULTS).count(), settled.len());
    assert_eq!(scrape.all(RECENT).count(), settled.len() + open.len());
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
    assert_eq!(scrape.sum(OLDEST_OPEN, &[]), None);
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

#[test]
fn however_a_schedule_ends_each_of_its_runs_counts_once() {
    let stage = Stage::new(SWEEPING, |region| {
        region.add_settled(1, Outcome::success());
    });
    // All between two polls: what is first seen has ended.
    stage.region(|region| {
        let invoke_id = region.schedule("over already", "rate(1m)", 2);
        for exit_code in 1..4 {
            region.run_once(&invoke_id, 0, Outcome::failed(exit_code));
            region.run_once(&invoke_id, 1, Outcome::timeout());
        }
        region.end_schedule(&invoke_id, InvocationStatus::Cancelled);
    });
    stage.exact();
    let (never, running, ended) = stage.region(|region| {
        let never = region.schedule("never ran", "rate(1d)", 1);
        let running = region.schedule("stopped in its run", "rate(1h)", 1);
        region.begin_run(&running, 0);
        let ended = region.schedule("ends with its last run", "rate(1h)", 1);
        region.run_once(&ended, 0, Outcome::failed(7));
        (never, running, ended)
    });
    stage.exact();
    stage.region(|region| {
        region.end_schedule(&never, InvocationStatus::Cancelled);
        region.end_schedule(&running, InvocationStatus::Terminated);
        region.run_once(&ended, 0, Outcome::success());
        region.end_schedule(&ended, InvocationStatus::Success);
    });
    let scrape = stage.exact();
    assert_eq!(scrape.value(RECLASSIFIED, &[]), 0.0);
    assert_eq!(stage.truth().total(), 6 + 1 + 1 + 2);
    let swept = stage.swept();
    assert_exact(&swept, REGION, &stage.truth());
    assert_eq!(swept.value(LATE, &[]), 0.0);
}

#[test]
fn a_number_that_was_missing_from_a_history_counts_when_it_comes() {
    let mut schedule = None;
    let stage = Stage::new(SWEEPING, |region| {
        schedule = Some(region.schedule("gaps", "rate(1h)", 1));
    });
    let schedule = schedule.unwrap();
    stage.region(|region| {
        region.run_once(&schedule, 0, Outcome::failed(1));
        region.skip_runs(&schedule, 0, 3);
        region.run_once(&schedule, 0, Outcome::failed(5));
    });
    stage.exact();
    stage.swept();
    stage.exact();
    stage.region(|region| {
        let row = region.row_mut(&schedule, 0);
        let mut third = row.history[0].clone();
        third.repeats = 3;
        third.exit_code = Some(3);
        row.history.insert(1, third);
    });
    let scrape = stage.swept();
    assert_exact(&scrape, REGION, &stage.truth());
    assert_eq!(stage.truth().total(), 3);
    assert_eq!(scrape.value(LATE, &[]), 1.0);
    stage.swept();
    stage.exact();
}

#[test]
fn runs_that_have_left_the_window_are_not_held_and_not_counted_again() {
    let more = "poll: {interval: 100ms, sweep_interval: 1s, window: 10s}\n";
    let mut schedule = None;
    let stage = Stage::new(more, |region| {
        schedule = Some(region.schedule("short", "rate(1m)", 1));
    });
    let schedule = schedule.unwrap();
    stage.region(|region| {
        for exit_code in 1..6 {
            region.run_once(&schedule, 0, Outcome::failed(exit_code));
            region
                .row_mut(&schedule, 0)
                .history
                .last_mut()
                .unwrap()
                .finished_time = Some(unix_now());
        }
    });
    stage
        .exporter
        .scrape_until("the runs are held", |scrape| scrape.value(TRACKED, &[]) == 6.0);
    let scrape = stage
        .exporter
        .scrape_until("they are no longer", |scrape| scrape.value(TRACKED, &[]) == 1.0);
    assert_eq!(shown(&scrape, RECENT), counts([("Scheduled//", 1)]));
    stage.region(|region| region.run_once(&schedule, 0, Outcome::failed(6)));
    stage.swept();
    let scrape = stage.exporter.polled();
    assert_eq!(scrape.counts(RESULTS, ACCOUNT, REGION), stage.truth().results);
    assert_eq!(stage.truth().total(), 6);
}

#[test]
fn what_runs_of_a_schedule_drop_and_deliver_counts_once() {
    let mut schedule = None;
    let stage = Stage::new(SWEEPING, |region| {
        let command = region.command("delivers").on(2).deliver_to("oss://bucket/prefix");
        let invoke_id = command.every("rate(1h)").run();
        region.run_once(&invoke_id, 0, Outcome::success().delivery(Delivery::Finished));
        schedule = Some(invoke_id);
    });
    let schedule = schedule.unwrap();
    let denied = Delivery::Failed("OSS.AccessDenied".to_owned());
    stage.region(|region| {
        for instance in 0..2 {
            let done = Outcome::success().dropping(10).delivery(Delivery::Finished);
            region.run_once(&schedule, instance, done);
            region.run_once(&schedule, instance, Outcome::failed(1).delivery(denied.clone()));
        }
    });
    stage.exact();
    stage.swept();
    let scrape = stage.exact();
    assert_eq!(scrape.value(DELIVERIES, &[]), 4.0);
    stage.region(|region| region.end_schedule(&schedule, InvocationStatus::Cancelled));
    stage.exact();
}

#[test]
fn polls_and_a_long_sweep_do_not_get_in_each_others_way() {
    let stage = Stage::new(SWEEPING, |region| {
        region.add_settled(700, Outcome::success());
        region.run("open before", 5);
    });
    stage.simulator.set_latency(std::time::Duration::from_millis(20));
    let mut open = Vec::new();
    for round in 0..20_i64 {
        stage.region(|region| {
            let invoke_id = region.run("churn", 3);
            region.start(&invoke_id, 0);
            region.settle(&invoke_id, 1, Outcome::failed(round % 3));
            open.push(invoke_id);
            if round % 2 == 0 {
                region.settle_all(&open.remove(0), &Outcome::timeout());
            }
        });
        stage.exporter.polled();
    }
    let scrape = stage.swept();
    assert_exact(&scrape, REGION, &stage.truth());
    for name in [LATE, LOST, RECLASSIFIED] {
        assert_eq!(scrape.value(name, &[]), 0.0, "{name}");
    }
}
