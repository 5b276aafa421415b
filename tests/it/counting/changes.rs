//! Rules 6 to 8: what is open is followed, what changes keeps its one count, what is gone is forgotten.

use super::*;

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
