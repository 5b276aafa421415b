//! The rules of counting, through the real binary.

use simulator::Outcome;
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, REGION, cloud, config};
use crate::exporter::Exporter;

const RESULTS: &str = "cloud_assistant_results_total";
const RECENT: &str = "cloud_assistant_recent_results";

#[test]
fn what_was_settled_before_the_first_look_is_not_counted_and_all_after_is_once() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let open = {
        let mut cloud = simulator.cloud();
        let region = cloud.region(ACCOUNT, REGION);
        region.add_settled(70, Outcome::success());
        region.run("backup", 3)
    };
    let exporter = Exporter::start(
        directory.path(),
        &config(&simulator, directory.path(), &[REGION], ""),
    );
    let first = exporter.looked();
    assert!(first.counts(RESULTS, ACCOUNT, REGION).is_empty());
    assert_eq!(first.value(RECENT, &[("invocation_status", "Success")]), 70.0);
    assert_eq!(first.value(RECENT, &[("invocation_status", "Pending")]), 3.0);
    {
        let mut cloud = simulator.cloud();
        cloud.mark_baseline();
        let region = cloud.region(ACCOUNT, REGION);
        region.settle(&open, 0, Outcome::failed(7));
        region.settle(&open, 1, Outcome::timeout());
        region.add_settled(120, Outcome::success());
    }
    let scrape = exporter.polled();
    let truth = simulator.cloud().truth_since_baseline(ACCOUNT, REGION);
    assert_eq!(truth.total(), 122);
    assert_eq!(scrape.counts(RESULTS, ACCOUNT, REGION), truth.results);
    assert_eq!(
        exporter.polled().counts(RESULTS, ACCOUNT, REGION),
        truth.results,
        "once"
    );
    assert_eq!(scrape.value("cloud_assistant_up", &[]), 1.0);
}
