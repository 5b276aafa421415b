//! Rules 1 to 5: each result once, a poll whole or not at all, and the list in any order.

use super::*;

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
