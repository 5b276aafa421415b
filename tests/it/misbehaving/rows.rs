//! Rows that are not listed for a while, one, some or all: nothing is lost within seconds, and nothing counts anew.

use simulator::{Delivery, InvokeId, List, Misbehaviour, Outcome};

use super::{OLD, polls};
use crate::cloud::REGION;
use crate::stage::*;

/// A first look at 320 results, open ones among them, and a schedule with 200 runs; then some of everything counted.
fn counted() -> (Stage, InvokeId, InvokeId) {
    let mut ids = None;
    let stage = Stage::new(SWEEPING, |region| {
        region.add_settled(300, Outcome::success().dropping(7));
        let open = region.run("open", 20);
        let schedule = region.schedule("schedule", "rate(60s)", ["i-1", "i-2"]);
        for _ in 0..200 {
            region.run_once(&schedule, "i-1", Outcome::success().dropping(5).lasting(60));
        }
        ids = Some((open, schedule));
    });
    let (open, schedule) = ids.unwrap();
    stage.region(|region| {
        for code in 1..=3 {
            region.run_once(&schedule, "i-1", Outcome::failed(code).dropping(3).lasting(9));
        }
        let once = region.command("delivered").on(5).deliver_to("oss://b/p").run();
        let outcome = Outcome::failed(9).dropping(1_000).lasting(70);
        region.settle_all(&once, &outcome.delivery(Delivery::Finished));
        region.settle(&open, 0, Outcome::timeout());
    });
    stage.exact();
    assert_eq!(stage.truth().total(), 9);
    (stage, open, schedule)
}

/// While this lasts, for three sweeps, nothing changes; and afterwards neither.
fn assert_nothing_counts_anew(stage: &Stage, misbehaviour: Misbehaviour) {
    let before = stage.exporter.scrape().value(TRACKED, &[]);
    let number = stage.region(|region| region.misbehave(misbehaviour));
    let during = [stage.swept(), stage.swept()];
    stage.region(|region| region.lift(number));
    stage.swept();
    let after = stage.exact();
    for scrape in during {
        assert_exact(&scrape, REGION, &stage.truth());
    }
    for name in [LOST, LATE, RECLASSIFIED] {
        assert_eq!(after.value(name, &[]), 0.0, "{name}");
    }
    assert_eq!(after.value(TRACKED, &[]), before);
    assert_eq!(after.value(OLD, &[]), 0.0);
    // What settles from now on counts as ever.
    stage.region(|region| region.add_settled(2, Outcome::failed(77)));
    stage.exact();
}

/// What the next start makes of the state: nothing else.
fn assert_same_after_a_restart(stage: Stage) {
    let (stage, _) = stage.restart();
    stage.exact();
}

#[test]
fn a_row_of_a_schedule_that_is_unlisted_and_listed_again() {
    let (stage, _, schedule) = counted();
    assert_nothing_counts_anew(&stage, Misbehaviour::hides().of(&schedule));
    assert_same_after_a_restart(stage);
}

#[test]
fn one_row_of_several_of_a_schedule() {
    let (stage, _, schedule) = counted();
    assert_nothing_counts_anew(&stage, Misbehaviour::hides().of(&schedule).on("i-1"));
    assert_same_after_a_restart(stage);
}

#[test]
fn a_row_that_only_questions_show() {
    let (stage, open, _) = counted();
    assert_nothing_counts_anew(&stage, Misbehaviour::hides().of(&open).only(List::Pages));
}

#[test]
fn answers_without_any_row() {
    let (stage, ..) = counted();
    assert_nothing_counts_anew(&stage, Misbehaviour::hides());
    assert_same_after_a_restart(stage);
}

#[test]
fn lists_with_holes() {
    let (stage, ..) = counted();
    assert_nothing_counts_anew(&stage, Misbehaviour::hides().one_in(3, 5));
    assert_nothing_counts_anew(&stage, Misbehaviour::hides().one_in(3, 6));
    assert_same_after_a_restart(stage);
}

#[test]
fn empty_answers_for_three_polls_and_a_restart_in_between() {
    let (stage, ..) = counted();
    stage.region(|region| region.misbehave(Misbehaviour::hides()));
    polls(&stage, 3);
    let (stage, scrape) = stage.restart();
    assert_exact(&scrape, REGION, &stage.truth());
    stage.region(|region| region.behave());
    stage.swept();
    stage.exact();
}

#[test]
fn a_sweep_and_the_poll_beside_it_are_not_ten_minutes_apart() {
    let mut open = None;
    let stage = Stage::new(
        "poll: {interval: 3s, sweep_interval: 4s, request_timeout: 2s}\n",
        |region| {
            region.add_settled(60, Outcome::success());
            let schedule = region.schedule("schedule", "rate(60s)", ["i-1"]);
            for _ in 0..200 {
                region.run_once(&schedule, "i-1", Outcome::success());
            }
            open = Some(region.run("open", 3));
        },
    );
    let open = open.unwrap();
    stage.region(|region| region.misbehave(Misbehaviour::hides()));
    stage.swept();
    stage.region(|region| {
        region.behave();
        region.settle(&open, 1, Outcome::failed(3));
    });
    let scrape = stage.exact();
    assert_eq!(scrape.value(LOST, &[]), 0.0);
}

/// Counted once, whatever it shows afterwards.
#[test]
fn a_result_that_shows_open_again_is_not_listed_and_comes_back_settled() {
    let stage = Stage::new(SWEEPING, |region| {
        region.add_settled(60, Outcome::success());
    });
    let counted = stage.region(|region| {
        let counted = region.command("x").on(3).deliver_to("oss://b/p").run();
        let outcome = Outcome::failed(5).dropping(10).lasting(3);
        region.settle_all(&counted, &outcome.delivery(Delivery::Finished));
        counted
    });
    stage.exact();
    let reopened = Misbehaviour::shows("InvocationStatus", "Running").of(&counted);
    stage.region(|region| region.misbehave(reopened));
    let scrape = stage.exporter.polled();
    assert_eq!(scrape.value(RECENT, &[("invocation_status", "Running")]), 3.0);
    stage.region(|region| region.misbehave(Misbehaviour::hides().of(&counted)));
    stage.swept();
    stage.swept();
    stage.region(|region| region.behave());
    stage.swept();
    let scrape = stage.exact();
    assert_eq!(scrape.value(LOST, &[]), 0.0);
    // Rule 7: each has shown another InvocationStatus after it had settled.
    assert_eq!(scrape.value(RECLASSIFIED, &[]), 3.0);
    assert_same_after_a_restart(stage);
}

/// An identity that is held twice cannot be loaded.
#[test]
fn a_row_that_is_a_schedules_and_then_is_not_can_be_loaded_again() {
    let stage = Stage::new(SWEEPING, |_| ());
    let schedule = stage.region(|region| {
        let schedule = region.schedule("x", "rate(60s)", ["i-1"]);
        region.run_once(&schedule, "i-1", Outcome::failed(1));
        schedule
    });
    stage.exact();
    stage.region(|region| region.misbehave(Misbehaviour::hides().of(&schedule)));
    stage.swept();
    stage.swept();
    stage.region(|region| {
        region.behave();
        region.misbehave(Misbehaviour::hides().only(List::Invocations));
        region.misbehave(Misbehaviour::hides().only(List::History));
        region.misbehave(Misbehaviour::shows("InvocationStatus", "Failed").of(&schedule));
        region.misbehave(Misbehaviour::shows("ErrorCode", "ExitCodeNonzero").of(&schedule));
        region.misbehave(Misbehaviour::shows("ExitCode", 1).of(&schedule));
    });
    let as_failed = stage.swept();
    assert_eq!(
        as_failed.counts(RESULTS, crate::cloud::ACCOUNT, REGION),
        stage.truth().results
    );
    stage.region(|region| {
        region.behave();
        region.run_once(&schedule, "i-1", Outcome::failed(2));
    });
    stage.exact();
    let (stage, _) = stage.restart();
    stage.exact();
}
