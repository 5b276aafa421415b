//! What has been shown with its value stays shown, whatever the configuration says afterwards.

use std::fs;

use simulator::Outcome;

use crate::exporter::config_path;
use crate::scrape::Scrape;
use crate::stage::*;

const SHORT: &str = "metrics: {new_series_hold: 1s}\n";

fn shown(scrape: &Scrape) -> [Option<f64>; 3] {
    let timeout = [("invocation_status", "Failed")];
    [
        scrape.sum(RESULTS, &class("Failed", "ExitCodeNonzero", "7")),
        scrape.sum("cloud_assistant_result_duration_seconds_count", &timeout),
        scrape.sum(
            "cloud_assistant_output_deliveries_total",
            &[("delivery_status", "Finished")],
        ),
    ]
}

/// A series that has been held for a second and is shown.
fn past_its_hold() -> Stage {
    let stage = Stage::new(SHORT, |region| {
        region.add_settled(3, Outcome::success());
    });
    stage.region(|region| {
        let invoke_id = region.command("x").on(1).deliver_to("oss://b/p").run();
        let outcome = Outcome::failed(7).lasting(3);
        region.settle(&invoke_id, 0, outcome.delivery(simulator::Delivery::Finished));
    });
    stage
        .exporter
        .scrape_until("its value", |scrape| shown(scrape) == [Some(1.0); 3]);
    stage
}

fn reload(stage: &Stage, from: &str, to: &str) {
    let path = config_path(stage.directory.path());
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&path, text.replace(from, to)).unwrap();
    assert_eq!(stage.exporter.request("POST", "/-/reload", "").status, 200);
}

#[test]
fn a_longer_hold_takes_nothing_back() {
    let stage = past_its_hold();
    reload(&stage, "new_series_hold: 1s", "new_series_hold: 90s");
    for _ in 0..3 {
        assert_eq!(shown(&stage.exporter.polled()), [Some(1.0); 3]);
    }
}

#[test]
fn a_longer_hold_after_a_restart_takes_nothing_back() {
    let stage = past_its_hold();
    let Stage {
        exporter,
        simulator,
        directory,
        ..
    } = stage;
    assert!(exporter.terminate().0.success());
    let stage = Stage::on(simulator, directory, "metrics: {new_series_hold: 90s}\n");
    assert_eq!(shown(&stage.exporter.polled()), [Some(1.0); 3]);
    // What is new from now on is held as it says.
    stage.region(|region| region.add_settled(2, Outcome::failed(8)));
    let held = stage.exporter.polled();
    assert_eq!(
        held.sum(RESULTS, &class("Failed", "ExitCodeNonzero", "8")),
        Some(0.0)
    );
}

#[test]
fn other_buckets_and_the_first_ones_again_take_nothing_back() {
    let stage = past_its_hold();
    let first = "new_series_hold: 1s}";
    let other = "new_series_hold: 1s, duration_buckets: [2, 4]}";
    let sum = "cloud_assistant_result_duration_seconds_sum";
    reload(&stage, first, other);
    for (from, to) in [(other, first), (first, other)] {
        let scrape = stage.exporter.polled();
        assert_eq!(shown(&scrape), [Some(1.0); 3]);
        assert_eq!(scrape.sum(sum, &[("invocation_status", "Failed")]), Some(3.0));
        reload(&stage, from, to);
    }
    assert_eq!(shown(&stage.exporter.polled()), [Some(1.0); 3]);
}
