//! The order of the list is no promise: whatever a poll cannot find, a sweep does, and says how much it was.

use simulator::{Order, Outcome, Simulator, unix_now};
use tempfile::{TempDir, tempdir};

use super::remembering_cloud;
use super::watch::{Watch, anomalies, differences};
use crate::cloud::{ACCOUNT, REGION, config};
use crate::exporter::Exporter;

const NO_SWEEPS: &str = "poll: {interval: 100ms, sweep_interval: 0, request_timeout: 2s}\n";
const SWEEPS: &str = "poll: {interval: 100ms, sweep_interval: 1s, request_timeout: 2s}\n";

struct Setting {
    directory: TempDir,
    simulator: Simulator,
    watch: Watch,
}

impl Setting {
    /// A first look at 200 results, listed in this order.
    fn new(order: Order) -> Self {
        let setting = Self {
            directory: tempdir().unwrap(),
            simulator: remembering_cloud(&[REGION], unix_now()),
            watch: Watch::default(),
        };
        {
            let mut cloud = setting.simulator.cloud();
            let region = cloud.region(ACCOUNT, REGION);
            region.order = order;
            region.add_settled(200, Outcome::success());
        }
        setting
    }

    fn start(&self, poll: &str) -> Exporter {
        let config = config(&self.simulator, self.directory.path(), &[REGION], poll);
        Exporter::start(self.directory.path(), &config)
    }

    /// Exact after the next sweep, and still after another; returns how many were late.
    fn late_after_a_sweep(&mut self) -> f64 {
        let truth = self.simulator.cloud().truth_since_baseline(ACCOUNT, REGION);
        let exporter = self.start(SWEEPS);
        self.watch.see(&exporter.scrape());
        self.watch.until_exact(&exporter, &[(REGION, &truth)]);
        let sweeps = "cloud_assistant_exporter_sweeps_total";
        let again = exporter.scrape_until("two sweeps", |scrape| scrape.value(sweeps, &[]) >= 2.0);
        self.watch.see(&again);
        assert_eq!(differences(&again, ACCOUNT, REGION, &truth), [""; 0]);
        let [lost, late, reclassified] = anomalies(&again, ACCOUNT, REGION);
        assert_eq!((lost, reclassified), (0.0, 0.0));
        late
    }
}

#[test]
fn oldest_first() {
    let mut setting = Setting::new(Order::OldestFirst);
    let exporter = setting.start(NO_SWEEPS);
    setting.watch.see(&exporter.looked());
    {
        let mut cloud = setting.simulator.cloud();
        cloud.mark_baseline();
        let region = cloud.region(ACCOUNT, REGION);
        region.add_settled(130, Outcome::failed(2));
    }
    // The first page is full of what is known.
    let polled = exporter.polled();
    assert_eq!(
        polled
            .counts("cloud_assistant_results_total", ACCOUNT, REGION)
            .len(),
        0
    );
    exporter.kill();
    assert_eq!(setting.late_after_a_sweep(), 130.0);
}

#[test]
fn in_no_order() {
    let mut setting = Setting::new(Order::Shuffled(7));
    let exporter = setting.start(NO_SWEEPS);
    setting.watch.see(&exporter.looked());
    {
        let mut cloud = setting.simulator.cloud();
        cloud.mark_baseline();
        let region = cloud.region(ACCOUNT, REGION);
        region.add_settled(130, Outcome::failed(2));
    }
    let polled = exporter.polled();
    let found = polled.value("cloud_assistant_results_total", &[]);
    assert!(found < 130.0, "{found} found without a sweep");
    exporter.kill();
    assert_eq!(setting.late_after_a_sweep(), 130.0 - found);
}

#[test]
fn rows_that_are_listed_minutes_late() {
    let mut setting = Setting::new(Order::NewestFirst);
    let exporter = setting.start(NO_SWEEPS);
    setting.watch.see(&exporter.looked());
    {
        let mut cloud = setting.simulator.cloud();
        cloud.mark_baseline();
        let region = cloud.region(ACCOUNT, REGION);
        let later = region.now() + 300;
        for _ in 0..6 {
            let invoke_id = region.command("slow").on(5).listed_from(later).run();
            region.settle_all(&invoke_id, &Outcome::failed(9));
        }
        region.add_settled(120, Outcome::success());
    }
    let polled = exporter.polled();
    assert_eq!(polled.value("cloud_assistant_results_total", &[]), 120.0);
    setting.simulator.cloud().advance(300);
    let polled = exporter.polled();
    assert_eq!(polled.value("cloud_assistant_results_total", &[]), 120.0);
    exporter.kill();
    assert_eq!(setting.late_after_a_sweep(), 30.0);
}
