//! One wrong answer among right ones.

use serde_json::{Value, json};
use simulator::{Fault, FaultKind, Misbehaviour, Outcome};
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, REGION, cloud, config};
use crate::exporter::Exporter;
use crate::stage::*;

const DROPPED: &str = "cloud_assistant_output_dropped_bytes_total";
const FAILURES: &str = "cloud_assistant_exporter_poll_failures_total";

#[test]
fn dropped_that_is_no_int32_counts_nothing_and_no_counter_goes_down() {
    let stage = Stage::new("", |region| {
        region.add_settled(1, Outcome::success());
    });
    stage.region(|region| region.add_settled(1, Outcome::failed(1).dropping(1_000)));
    let before = stage.exact().value(DROPPED, &[]);
    for dropped in [i64::MAX, i64::from(i32::MAX) + 1, -5, i64::MIN] {
        stage.region(|region| region.add_settled(3, Outcome::failed(2).dropping(dropped)));
        let scrape = stage.exporter.polled();
        assert_eq!(scrape.value(DROPPED, &[]), before, "{dropped}");
    }
    stage.region(|region| region.add_settled(3, Outcome::failed(3).dropping(i32::MAX.into())));
    stage.exact();
}

#[test]
fn odd_values_of_dropped_cost_nothing_but_themselves() {
    let stage = Stage::new("", |region| {
        region.add_settled(1, Outcome::success());
    });
    let odd = [
        Value::Null,
        json!("12"),
        json!({"a": 1}),
        json!([1]),
        json!(true),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
    ];
    for value in odd {
        stage.region(|region| {
            let invoke_id = region.run("odd", 1);
            region.settle(&invoke_id, 0, Outcome::failed(2));
            region.misbehave(Misbehaviour::shows("Dropped", value).of(&invoke_id));
        });
    }
    let scrape = stage.exporter.polled();
    assert_eq!(scrape.counts(RESULTS, ACCOUNT, REGION), stage.truth().results);
    // "12" may be read as the number that it spells.
    assert!([0.0, 12.0].contains(&scrape.value(DROPPED, &[])));
}

/// Of a region that is named, and of one that was found.
#[test]
fn one_answer_that_the_region_is_not_supported_takes_no_counts_away() {
    for regions in ["[cn-hangzhou]", "[]"] {
        let directory = tempdir().unwrap();
        let simulator = cloud(&[REGION]);
        simulator
            .cloud()
            .region(ACCOUNT, REGION)
            .add_settled(60, Outcome::success());
        simulator.cloud().mark_baseline();
        let config = config(&simulator, directory.path(), &[REGION], "");
        let config = config.replace("regions: [cn-hangzhou]", &format!("regions: {regions}"));
        let exporter = Exporter::start(directory.path(), &config);
        exporter.looked();
        let settle = |code| {
            let mut cloud = simulator.cloud();
            cloud
                .region(ACCOUNT, REGION)
                .add_settled(5, Outcome::failed(code));
        };
        let truth = || simulator.cloud().truth_since_baseline(ACCOUNT, REGION);
        settle(3);
        assert_exact(&exporter.polled(), REGION, &truth());
        let wrong = FaultKind::documented("RegionId.ApiNotSupported");
        simulator
            .faults()
            .add(Fault::once(wrong).on("DescribeInvocationResults"));
        exporter.scrape_until("it is counted as a failure", |scrape| {
            let shown = scrape.counts(RESULTS, ACCOUNT, REGION);
            assert_eq!(shown, truth().results, "{regions}: no series goes away");
            scrape.sum(FAILURES, &[("reason", "rejected")]) == Some(1.0)
        });
        settle(4);
        let scrape = exporter.polled();
        assert_exact(&scrape, REGION, &truth());
        assert_eq!(scrape.value(UP, &[]), 1.0);
    }
}

#[test]
fn tokens_that_expire_in_the_middle_of_a_list_fail_that_poll_only() {
    let stage = Stage::new(
        "poll: {interval: 300ms, sweep_interval: 0, request_timeout: 2s}\n",
        |region| {
            region.add_settled(60, Outcome::success());
        },
    );
    stage.region(|region| {
        region.misbehave(Misbehaviour::tokens_end_behind(100).for_answers(1));
        region.add_settled(200, Outcome::failed(3));
    });
    let failed = stage.exporter.scrape_until("a poll fails", |scrape| {
        scrape.sum(FAILURES, &[("reason", "rejected")]) == Some(1.0)
    });
    let counted = failed.counts(RESULTS, ACCOUNT, REGION);
    assert!(counted.is_empty() || counted == stage.truth().results);
    stage.exact();
}
