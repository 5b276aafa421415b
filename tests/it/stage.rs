//! One scope of a simulated cloud with the exporter in front of it, past its first look.

use std::collections::BTreeMap;

use simulator::{Region, Simulator, Truth};
use tempfile::{TempDir, tempdir};

use crate::cloud::{ACCOUNT, REGION, cloud, config};
use crate::exporter::Exporter;
use crate::scrape::Scrape;

pub const RESULTS: &str = "cloud_assistant_results_total";
pub const RECENT: &str = "cloud_assistant_recent_results";
pub const POLLS: &str = "cloud_assistant_exporter_polls_total";
pub const SWEEPS: &str = "cloud_assistant_exporter_sweeps_total";
pub const LATE: &str = "cloud_assistant_exporter_late_results_total";
pub const LOST: &str = "cloud_assistant_lost_results_total";
pub const RECLASSIFIED: &str = "cloud_assistant_exporter_reclassified_results_total";
pub const TRACKED: &str = "cloud_assistant_exporter_tracked_results";
pub const UP: &str = "cloud_assistant_up";

/// A configuration line for sweeping often.
pub const SWEEPING: &str = "poll: {interval: 100ms, sweep_interval: 1s, request_timeout: 2s}\n";

/// A configuration line with which each start of the process polls once, and then no more.
pub const ONE_POLL: &str = "poll: {interval: 1h, sweep_interval: 0, request_timeout: 2s}\n";

const OPEN: [&str; 4] = ["Pending", "Running", "Stopping", "Scheduled"];

pub struct Stage {
    // Dropped before the cloud that it asks.
    pub exporter: Exporter,
    pub simulator: Simulator,
    pub directory: TempDir,
    config: String,
}

impl Stage {
    /// `prepare` is what the first look finds; what has settled in it is the baseline.
    pub fn new(more: &str, prepare: impl FnOnce(&mut Region)) -> Self {
        let directory = tempdir().unwrap();
        let simulator = cloud(&[REGION]);
        prepare(simulator.cloud().region(ACCOUNT, REGION));
        simulator.cloud().mark_baseline();
        Self::on(simulator, directory, more)
    }

    /// The same on a simulator that was prepared otherwise.
    pub fn on(simulator: Simulator, directory: TempDir, more: &str) -> Self {
        let config = config(&simulator, directory.path(), &[REGION], more);
        let exporter = Exporter::start(directory.path(), &config);
        exporter.looked();
        Self {
            exporter,
            simulator,
            directory,
            config,
        }
    }

    pub fn region<T>(&self, change: impl FnOnce(&mut Region) -> T) -> T {
        change(self.simulator.cloud().region(ACCOUNT, REGION))
    }

    pub fn truth(&self) -> Truth {
        self.simulator.cloud().truth_since_baseline(ACCOUNT, REGION)
    }

    /// Starts the process anew on the state that it left, and waits for its first poll.
    pub fn restart(self) -> (Self, Scrape) {
        let Self {
            exporter,
            simulator,
            directory,
            config,
        } = self;
        let (status, log) = exporter.terminate();
        assert!(status.success(), "{log}");
        let exporter = Exporter::start(directory.path(), &config);
        let scrape = exporter.scrape_until("the first poll", |scrape| {
            scrape.sum(POLLS, &[]).is_some_and(|polls| polls >= 1.0)
        });
        let stage = Self {
            exporter,
            simulator,
            directory,
            config,
        };
        (stage, scrape)
    }

    /// A scrape after two more sweeps: the second one began after this call.
    pub fn swept(&self) -> Scrape {
        let before = self.exporter.fresh().value(SWEEPS, &[]);
        self.exporter.scrape_until("two more sweeps", |scrape| {
            scrape.value(SWEEPS, &[]) >= before + 2.0
        })
    }

    /// Polls, and compares everything that is counted with what was really run.
    pub fn exact(&self) -> Scrape {
        let scrape = self.exporter.polled();
        assert_exact(&scrape, REGION, &self.truth());
        scrape
    }
}

impl Stage {
    /// The same, once what was looked for in vain has been looked for again.
    pub fn exact_in_time(&self) -> Scrape {
        let truth = self.truth();
        self.exporter.scrape_until("everything is counted", |scrape| {
            scrape.counts(RESULTS, ACCOUNT, REGION) == truth.results
        });
        self.exact()
    }
}

/// Everything that is counted of a scope is what was really run.
pub fn assert_exact(scrape: &Scrape, region: &str, truth: &Truth) {
    assert_eq!(scrape.counts(RESULTS, ACCOUNT, region), truth.results, "{region}");
    let of = |name: &str, labels: &[(&str, &str)]| {
        let labels: Vec<(&str, &str)> = labels.iter().copied().chain([("region_id", region)]).collect();
        let shown = scrape.sum(name, &labels);
        // Before its first result a scope has none of these.
        let has_listed = scrape.sum(TRACKED, &[("region_id", region)]).is_some();
        assert!(shown.is_some() || !has_listed, "{region}: {name} {labels:?}");
        shown.unwrap_or(0.0)
    };
    let dropped = of("cloud_assistant_output_dropped_bytes_total", &[]);
    assert_eq!(dropped, truth.dropped_bytes as f64, "{region}: dropped bytes");
    let deliveries: BTreeMap<(String, String), u64> = scrape
        .all("cloud_assistant_output_deliveries_total")
        .filter(|(labels, value)| labels["region_id"] == region && *value > 0.0)
        .map(|(labels, value)| {
            let key = (labels["delivery_status"].clone(), labels["error_code"].clone());
            (key, value as u64)
        })
        .collect();
    assert_eq!(deliveries, truth.deliveries, "{region}: deliveries");
    for status in OPEN {
        let open = truth.open.get(status).copied().unwrap_or(0);
        let shown = of(RECENT, &[("invocation_status", status)]);
        assert_eq!(
            shown,
            open as f64,
            "{region}: open {status}\n{}",
            scrape.shown(RECENT)
        );
    }
    for (status, seconds) in &truth.durations {
        let status = [("invocation_status", status.as_str())];
        let count: u64 = seconds.values().sum();
        let sum: i64 = seconds.iter().map(|(value, times)| value * *times as i64).sum();
        assert_eq!(
            of("cloud_assistant_result_duration_seconds_count", &status),
            count as f64
        );
        assert_eq!(
            of("cloud_assistant_result_duration_seconds_sum", &status),
            sum as f64
        );
        for (labels, value) in scrape.all("cloud_assistant_result_duration_seconds_bucket") {
            if labels["region_id"] != region || labels["invocation_status"] != status[0].1 {
                continue;
            }
            let bound: f64 = labels["le"].replace("+Inf", "inf").parse().unwrap();
            let within: u64 = seconds
                .iter()
                .filter(|(value, _)| **value as f64 <= bound)
                .map(|(_, times)| times)
                .sum();
            assert_eq!(value, within as f64, "{labels:?}");
        }
    }
}

/// A combination of the labels of a result.
pub fn class<'a>(status: &'a str, error_code: &'a str, exit_code: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("invocation_status", status),
        ("error_code", error_code),
        ("exit_code", exit_code),
    ]
}
