//! What happened while the exporter was away, or was told to look away.

use std::fs;

use simulator::{InvokeId, Outcome, unix_now};
use tempfile::tempdir;

use super::remembering_cloud;
use super::watch::{Watch, anomalies, differences};
use crate::cloud::{ACCOUNT, REGION, config};
use crate::exporter::{Exporter, config_path};

#[test]
fn what_settled_in_a_day_away_is_counted_once() {
    let directory = tempdir().unwrap();
    let simulator = remembering_cloud(&[REGION], unix_now());
    let open: Vec<InvokeId> = {
        let mut cloud = simulator.cloud();
        let region = cloud.region(ACCOUNT, REGION);
        region.add_settled(300, Outcome::success());
        (0..10).map(|_| region.run("long", 20)).collect()
    };
    let config = config(
        &simulator,
        directory.path(),
        &[REGION],
        "poll: {interval: 100ms, sweep_interval: 0, request_timeout: 2s, window: 30d}\n",
    );
    let mut watch = Watch::default();
    let exporter = Exporter::start(directory.path(), &config);
    watch.see(&exporter.looked());
    simulator.cloud().mark_baseline();
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{log}");

    for hour in 0..24 {
        let mut cloud = simulator.cloud();
        cloud.advance(3600);
        let region = cloud.region(ACCOUNT, REGION);
        region.add_settled(
            200,
            if hour % 3 == 0 {
                Outcome::failed(2)
            } else {
                Outcome::success()
            },
        );
        if let Some(invoke_id) = open.get(hour) {
            region.settle_all(invoke_id, &Outcome::timeout());
        }
    }
    let truth = simulator.cloud().truth_since_baseline(ACCOUNT, REGION);
    assert_eq!(truth.total(), 5000);

    let exporter = Exporter::start(directory.path(), &config);
    let before = exporter.scrape();
    watch.see(&before);
    watch.until_exact(&exporter, &[(REGION, &truth)]);
    exporter.kill();
    for _ in 0..2 {
        let exporter = Exporter::start(directory.path(), &config);
        watch.see(&exporter.scrape());
        let again = exporter.polled();
        watch.see(&again);
        assert_eq!(differences(&again, ACCOUNT, REGION, &truth), [""; 0]);
        assert_eq!(anomalies(&again, ACCOUNT, REGION), [0.0; 3]);
        assert!(exporter.terminate().0.success());
    }
}

#[test]
fn a_region_that_was_taken_out_of_the_configuration_goes_on_where_it_was() {
    const OTHER: &str = "cn-beijing";
    let directory = tempdir().unwrap();
    let simulator = remembering_cloud(&[REGION, OTHER], unix_now());
    let both = config(&simulator, directory.path(), &[REGION, OTHER], "");
    let one = config(&simulator, directory.path(), &[OTHER], "");
    let exporter = Exporter::start(directory.path(), &both);
    exporter.looked();
    let settle = |count| {
        let mut cloud = simulator.cloud();
        cloud
            .region(ACCOUNT, REGION)
            .add_settled(count, Outcome::failed(5));
    };
    let reload = |config: &str| {
        fs::write(config_path(directory.path()), config).unwrap();
        assert_eq!(exporter.request("POST", "/-/reload", "").status, 200);
    };
    simulator.cloud().mark_baseline();
    settle(7);
    exporter.polled();
    reload(&one);
    let without = exporter.polled();
    let counted = "cloud_assistant_results_total";
    assert_eq!(without.sum(counted, &[("region_id", REGION)]), None);
    settle(4);
    reload(&both);
    let again = exporter.scrape_until("the region is back", |scrape| {
        scrape.sum(counted, &[("region_id", REGION)]).is_some()
    });
    assert!(again.value(counted, &[("region_id", REGION)]) >= 7.0);
    let truth = simulator.cloud().truth_since_baseline(ACCOUNT, REGION);
    let then = exporter.polled();
    assert_eq!(differences(&then, ACCOUNT, REGION, &truth), [""; 0]);
    assert_eq!(truth.total(), 11);
}
