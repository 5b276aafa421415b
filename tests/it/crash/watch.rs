//! What was seen must not go back, and must come to what is true.

use std::collections::BTreeMap;

use std::time::{Duration, Instant};

use simulator::Truth;

use crate::cloud::ACCOUNT;
use crate::exporter::{Exporter, pause};
use crate::scrape::{Labels, Scrape};

/// The counters of results, which survive everything.
const COUNTERS: [&str; 11] = [
    "cloud_assistant_results_total",
    "cloud_assistant_result_duration_seconds_bucket",
    "cloud_assistant_result_duration_seconds_sum",
    "cloud_assistant_result_duration_seconds_count",
    "cloud_assistant_output_dropped_bytes_total",
    "cloud_assistant_output_deliveries_total",
    "cloud_assistant_lost_results_total",
    "cloud_assistant_exporter_late_results_total",
    "cloud_assistant_exporter_old_results_total",
    "cloud_assistant_exporter_reclassified_results_total",
    "cloud_assistant_exporter_label_overflow_total",
];

/// The highest values seen.
#[derive(Default)]
pub struct Watch {
    highest: BTreeMap<(&'static str, Labels), f64>,
}

impl Watch {
    /// No counter is lower than in any scrape before, or gone.
    pub fn see(&mut self, scrape: &Scrape) {
        let mut now = BTreeMap::new();
        for name in COUNTERS {
            for (labels, value) in scrape.all(name) {
                now.insert((name, labels.clone()), value);
            }
        }
        for (key, highest) in &self.highest {
            match now.get(key) {
                Some(value) => assert!(value >= highest, "{key:?} went from {highest} to {value}"),
                None => panic!(
                    "{key:?} was {highest} and is gone from\n{}",
                    scrape.shown("cloud")
                ),
            }
        }
        self.highest = now;
    }

    /// The same where a counter may not be shown for a while: it is not lower than it ever was when it is.
    pub fn see_what_is_shown(&mut self, scrape: &Scrape) {
        for name in COUNTERS {
            for (labels, value) in scrape.all(name) {
                let highest = self.highest.entry((name, labels.clone())).or_insert(value);
                assert!(
                    value >= *highest,
                    "{name} {labels:?} went from {highest} to {value}"
                );
                *highest = value;
            }
        }
    }

    /// Scrapes until every counter of these regions is what the truth says.
    pub fn until_exact(&mut self, exporter: &Exporter, truths: &[(&str, &Truth)]) -> Scrape {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let scrape = exporter.scrape();
            self.see(&scrape);
            let wrong: Vec<String> = truths
                .iter()
                .flat_map(|(region, truth)| differences(&scrape, ACCOUNT, region, truth))
                .collect();
            if wrong.is_empty() {
                return scrape;
            }
            assert!(
                Instant::now() < deadline,
                "not exact:\n{}\n{}",
                wrong.join("\n"),
                exporter.log()
            );
            pause();
        }
    }
}

/// Every counter of a scope that is not what the truth says.
pub fn differences(scrape: &Scrape, account: &str, region: &str, truth: &Truth) -> Vec<String> {
    let mut differences = Vec::new();
    let mut differ = |what: &str, shown: &dyn std::fmt::Debug, truth: &dyn std::fmt::Debug| {
        let (shown, truth) = (format!("{shown:?}"), format!("{truth:?}"));
        if shown != truth {
            differences.push(format!("{region} {what}: {shown} is not {truth}"));
        }
    };
    let scope = [("account", account), ("region_id", region)];
    let mut shown = scrape.counts("cloud_assistant_results_total", account, region);
    let mut expected = truth.results.clone();
    // Only what differs, as there are many.
    shown.retain(|class, count| {
        let is_right = expected.get(class) == Some(count);
        if is_right {
            expected.remove(class);
        }
        !is_right
    });
    differ("results", &shown, &expected);
    for (name, value) in [("_count", 0_i64), ("_sum", 1)] {
        let shown: BTreeMap<String, i64> = of_scope(
            scrape,
            &format!("cloud_assistant_result_duration_seconds{name}"),
            account,
            region,
        )
        .map(|(labels, value)| (labels["invocation_status"].clone(), value as i64))
        .filter(|(_, value)| *value > 0)
        .collect();
        let truth: BTreeMap<String, i64> = truth
            .durations
            .iter()
            .map(|(status, seconds)| {
                let all = seconds
                    .iter()
                    .map(|(seconds, times)| if value == 1 { *seconds } else { 1 } * *times as i64);
                (status.clone(), all.sum())
            })
            .filter(|(_, value)| *value > 0)
            .collect();
        differ(&format!("durations{name}"), &shown, &truth);
    }
    let buckets: BTreeMap<(String, String), u64> = of_scope(
        scrape,
        "cloud_assistant_result_duration_seconds_bucket",
        account,
        region,
    )
    .map(|(labels, value)| {
        (
            (labels["invocation_status"].clone(), labels["le"].clone()),
            value as u64,
        )
    })
    .collect();
    for ((status, bound), shown) in &buckets {
        let limit: f64 = bound.replace("+Inf", "inf").parse().unwrap();
        let true_count: u64 = truth
            .durations
            .get(status)
            .into_iter()
            .flatten()
            .filter(|(seconds, _)| **seconds as f64 <= limit)
            .map(|(_, times)| times)
            .sum();
        differ(&format!("bucket {status} {bound}"), shown, &true_count);
    }
    differ(
        "dropped bytes",
        &scrape.sum("cloud_assistant_output_dropped_bytes_total", &scope),
        &Some(truth.dropped_bytes as f64),
    );
    let deliveries: BTreeMap<(String, String), u64> =
        of_scope(scrape, "cloud_assistant_output_deliveries_total", account, region)
            .map(|(labels, value)| {
                (
                    (labels["delivery_status"].clone(), labels["error_code"].clone()),
                    value as u64,
                )
            })
            .filter(|(_, value)| *value > 0)
            .collect();
    differ("deliveries", &deliveries, &truth.deliveries);
    differ(
        "overflow",
        &scrape.sum("cloud_assistant_exporter_label_overflow_total", &scope),
        &Some(0.0),
    );
    differences
}

/// Lost, late and reclassified results of a scope.
pub fn anomalies(scrape: &Scrape, account: &str, region: &str) -> [f64; 3] {
    [
        "cloud_assistant_lost_results_total",
        "cloud_assistant_exporter_late_results_total",
        "cloud_assistant_exporter_reclassified_results_total",
    ]
    .map(|name| scrape.value(name, &[("account", account), ("region_id", region)]))
}

fn of_scope<'a>(
    scrape: &'a Scrape,
    name: &'a str,
    account: &'a str,
    region: &'a str,
) -> impl Iterator<Item = (&'a Labels, f64)> {
    scrape
        .all(name)
        .filter(move |(labels, _)| labels["account"] == account && labels["region_id"] == region)
}
