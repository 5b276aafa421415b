//! Rule 9: each run of a schedule counts once, by its number.

use super::*;

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
    deny_histories(&simulator);
    let stage = Stage::on(simulator, directory, "");
    stage.region(|region| region.finish_run(&schedule, 0, Outcome::failed(3)));
    stage.exporter.polled();
    stage.simulator.faults().clear();
    stage.exact_in_time();
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

/// A schedule whose history is denied from after the first look on.
fn denied(name: &str, instances: usize) -> (Stage, InvokeId) {
    let mut schedule = None;
    let stage = Stage::new("", |region| {
        schedule = Some(region.schedule(name, "rate(1h)", instances));
    });
    deny_histories(&stage.simulator);
    (stage, schedule.unwrap())
}

fn deny_histories(simulator: &Simulator) {
    let denied = FaultKind::documented("Forbidden.RAM");
    simulator
        .faults()
        .add(Fault::forever(denied).having("IncludeHistory"));
}

#[test]
fn a_history_that_is_denied_is_left_out_and_asked_again() {
    let (stage, schedule) = denied("denied", 2);
    stage.region(|region| {
        region.run_once(&schedule, 0, Outcome::failed(1));
        region.run_once(&schedule, 0, Outcome::failed(2));
        region.add_settled(2, Outcome::success());
    });
    let scrape = stage.exporter.polled();
    assert_eq!(shown(&scrape, RESULTS), counts([("Success//0", 2)]));
    assert_eq!(scrape.value(UP, &[]), 1.0);
    stage.simulator.faults().clear();
    stage.exact_in_time();
}

#[test]
fn a_schedule_that_ends_while_its_history_is_denied_loses_no_run() {
    let (stage, schedule) = denied("ending", 1);
    stage.region(|region| {
        for exit_code in 1..4 {
            region.run_once(&schedule, 0, Outcome::failed(exit_code));
        }
        region.end_schedule(&schedule, InvocationStatus::Failed);
    });
    stage.exporter.polled();
    stage.simulator.faults().clear();
    stage.exact_in_time();
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
