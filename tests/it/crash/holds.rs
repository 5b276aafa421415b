//! A new series is shown at 0 for a while. A crash neither cuts that short nor takes back what was shown after it.

use std::time::{Duration, Instant};

use simulator::{Fault, FaultKind, Outcome, unix_now};
use tempfile::tempdir;

use super::remembering_cloud;
use super::watch::Watch;
use crate::cloud::{ACCOUNT, REGION, config};
use crate::exporter::Exporter;
use crate::scrape::Scrape;

fn of_code_7(scrape: &Scrape) -> Option<f64> {
    scrape.sum("cloud_assistant_results_total", &[("exit_code", "7")])
}

#[test]
fn a_hold_goes_on_after_a_crash() {
    let directory = tempdir().unwrap();
    let simulator = remembering_cloud(&[REGION], unix_now());
    let config = config(
        &simulator,
        directory.path(),
        &[REGION],
        "metrics: {new_series_hold: 3s}\n",
    );
    let mut watch = Watch::default();
    let exporter = Exporter::start(directory.path(), &config);
    watch.see(&exporter.looked());
    simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .add_settled(4, Outcome::failed(7));
    let scrape = exporter.scrape_until("the series exists", |scrape| of_code_7(scrape).is_some());
    let began = Instant::now();
    assert_eq!(of_code_7(&scrape), Some(0.0));
    watch.see(&scrape);
    exporter.kill();
    let exporter = Exporter::start(directory.path(), &config);
    let scrape = exporter.scrape();
    if began.elapsed() < Duration::from_millis(1900) {
        assert_eq!(of_code_7(&scrape), Some(0.0), "a crash does not end it");
    }
    let shown = exporter.scrape_until("its value", |scrape| of_code_7(scrape) == Some(4.0));
    watch.see(&shown);
    exporter.kill();
    let exporter = Exporter::start(directory.path(), &config);
    let scrape = exporter.scrape();
    assert_eq!(of_code_7(&scrape), Some(4.0), "what was shown is not taken back");
    watch.see(&scrape);
}

/// With polls failing nothing is recorded, but time goes on: the value that it brings out must be saved as shown.
#[test]
fn what_was_shown_between_polls_is_not_held_again() {
    let directory = tempdir().unwrap();
    let simulator = remembering_cloud(&[REGION], unix_now());
    let config = config(
        &simulator,
        directory.path(),
        &[REGION],
        "metrics: {new_series_hold: 2s}\n",
    );
    let exporter = Exporter::start(directory.path(), &config);
    exporter.looked();
    simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .add_settled(4, Outcome::failed(7));
    exporter.scrape_until("the series exists", |scrape| of_code_7(scrape).is_some());
    simulator.faults().add(Fault::forever(FaultKind::Status429));
    let mut watch = Watch::default();
    let shown = exporter.scrape_until("its value", |scrape| of_code_7(scrape) == Some(4.0));
    watch.see(&shown);
    exporter.kill();
    let exporter = Exporter::start(directory.path(), &config);
    watch.see(&exporter.scrape());
}
