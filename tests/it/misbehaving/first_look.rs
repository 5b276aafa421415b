//! What the list of the first look missed is not counted, however late it is shown.

use simulator::{InvokeId, Misbehaviour, Outcome};
use tempfile::tempdir;

use super::{DAY, HOUR, OLD, cloud_with_a_past};
use crate::cloud::{ACCOUNT, REGION};
use crate::stage::*;

const MINUTE: i64 = 60;

#[test]
fn one_empty_answer_at_the_first_look_makes_nothing_new_of_what_is_old() {
    let simulator = cloud_with_a_past(&mut [(5 * DAY, &mut |region| {
        region.add_settled(800, Outcome::failed(4).dropping(9).lasting(3));
    })]);
    simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .misbehave(Misbehaviour::hides().for_answers(1));
    let stage = Stage::on(simulator, tempdir().unwrap(), SWEEPING);
    stage.swept();
    let scrape = stage.exact();
    assert_eq!(scrape.value(OLD, &[]), 800.0);
    stage.region(|region| region.add_settled(3, Outcome::timeout()));
    stage.exact();
    let (stage, _) = stage.restart();
    let scrape = stage.exact();
    assert_eq!(scrape.value(OLD, &[]), 800.0);
}

#[test]
fn a_row_of_a_schedule_that_the_first_look_missed_brings_no_runs_of_days_ago() {
    let mut schedule: Option<InvokeId> = None;
    let simulator = cloud_with_a_past(&mut [
        (3 * DAY, &mut |region| {
            let id = region.schedule("s", "rate(60s)", ["i-1"]);
            for _ in 0..300 {
                region.run_once(&id, "i-1", Outcome::failed(2).dropping(3));
            }
            schedule = Some(id);
        }),
        (HOUR, &mut |region| {
            region.add_settled(10, Outcome::success());
        }),
    ]);
    let schedule = schedule.unwrap();
    simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .misbehave(Misbehaviour::hides().of(&schedule));
    let stage = Stage::on(simulator, tempdir().unwrap(), SWEEPING);
    stage.region(|region| {
        region.behave();
        region.run_once(&schedule, "i-1", Outcome::failed(7));
        region.run_once(&schedule, "i-1", Outcome::failed(8));
    });
    stage.swept();
    stage.swept();
    let scrape = stage.exact();
    assert_eq!(stage.truth().total(), 2);
    assert_eq!(scrape.value(OLD, &[]), 300.0);
}

#[test]
fn what_the_first_look_missed_counts_if_it_is_younger_than_fifteen_minutes_before_it() {
    let simulator = cloud_with_a_past(&mut [
        (20 * MINUTE, &mut |region| {
            region.add_settled(40, Outcome::failed(20));
        }),
        (10 * MINUTE, &mut |region| {
            region.add_settled(30, Outcome::failed(10));
        }),
    ]);
    simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .misbehave(Misbehaviour::hides().for_answers(1));
    let stage = Stage::on(simulator, tempdir().unwrap(), SWEEPING);
    let scrape = stage.swept();
    assert_eq!(
        scrape.sum(RESULTS, &class("Failed", "ExitCodeNonzero", "10")),
        Some(30.0)
    );
    assert_eq!(
        scrape.sum(RESULTS, &class("Failed", "ExitCodeNonzero", "20")),
        None
    );
    assert_eq!(scrape.value(OLD, &[]), 40.0);
}

#[test]
fn holes_at_the_first_look_count_nothing() {
    let simulator = cloud_with_a_past(&mut [(DAY, &mut |region| {
        region.add_settled(400, Outcome::success().dropping(2));
        let schedule = region.schedule("s", "rate(60s)", 8);
        for instance in 0..8 {
            region.run_once(&schedule, instance, Outcome::success());
        }
    })]);
    let holes = Misbehaviour::hides().one_in(3, 11);
    simulator.cloud().region(ACCOUNT, REGION).misbehave(holes);
    let stage = Stage::on(simulator, tempdir().unwrap(), SWEEPING);
    let first = stage.exporter.scrape().value(TRACKED, &[]);
    stage.region(|region| region.behave());
    stage.swept();
    let scrape = stage.exact();
    assert!(first < 400.0 && stage.truth().total() == 0);
    // A row that has settled, or one run of a row.
    assert!(scrape.value(OLD, &[]) > 100.0, "{}", scrape.shown(OLD));
}
