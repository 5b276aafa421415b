//! What the results of a scope add up to.

use super::Points::{EachOfCounts, OneOfCounts};
use super::{OfScopes, polled};
use crate::expose::point::{Counted, Exemplar, Family, Label, Value};
use crate::record::{self, DurationExemplar, ShownTotal};

pub(in crate::expose) const RESULTS: Family<'static> = Family::counter(
    "cloud_assistant_results",
    polled!("Results that settled since the exporter first looked, each counted once."),
);

pub(in crate::expose) const DURATIONS: Family<'static> = Family::histogram(
    "cloud_assistant_result_duration_seconds",
    polled!("How long counted results ran: FinishedTime less StartTime."),
);

pub(super) static FAMILIES: [OfScopes; 8] = [
    (
        Family::gauge(
            "cloud_assistant_recent_results",
            polled!("Results in the look-back window by their newest state; open ones whatever their age."),
        ),
        EachOfCounts(|counts, to| {
            for shown in counts.recent() {
                to.point(&combination(&shown), shown.value.into());
            }
        }),
    ),
    (
        RESULTS,
        EachOfCounts(|counts, to| {
            for shown in counts.totals() {
                to.point(&combination(&shown), counted(&shown));
            }
        }),
    ),
    (
        DURATIONS,
        EachOfCounts(|counts, to| {
            for durations in &counts.durations {
                let status = ("invocation_status", counts.status_of(durations));
                let exemplars: Vec<Option<Exemplar<'_>>> = durations
                    .exemplars
                    .iter()
                    .map(|found| found.as_ref().map(of_bucket))
                    .collect();
                let histogram = super::histogram(&counts.duration_buckets, &durations.histogram, &exemplars);
                to.point(&[status], Value::Histogram(histogram));
            }
        }),
    ),
    (
        Family::gauge(
            "cloud_assistant_oldest_open_result_timestamp_seconds",
            polled!("When the oldest open result with that status started, or was first seen, in Unix time."),
        ),
        EachOfCounts(|counts, to| {
            for (status, time) in counts.oldest_open() {
                to.point(&[("invocation_status", status)], time.into());
            }
        }),
    ),
    (
        Family::gauge(
            "cloud_assistant_last_result_timestamp_seconds",
            polled!("Time of the newest settled result with that status, in Unix time."),
        ),
        EachOfCounts(|counts, to| {
            for (status, time) in counts.newest() {
                to.point(&[("invocation_status", status)], time.into());
            }
        }),
    ),
    (
        Family::counter(
            "cloud_assistant_output_dropped_bytes",
            polled!("Bytes of output that the API dropped from counted results."),
        ),
        OneOfCounts(|counts| counts.dropped_bytes),
    ),
    (
        Family::counter(
            "cloud_assistant_output_deliveries",
            polled!("Deliveries of output to OSS by how they ended, counted once each."),
        ),
        EachOfCounts(|counts, to| {
            for (status, error_code, start, value) in counts.deliveries() {
                let labels = [("delivery_status", status), ("error_code", error_code)];
                to.point(&labels, Value::counted(value, start.into()));
            }
        }),
    ),
    (
        Family::counter(
            "cloud_assistant_lost_results",
            polled!("Open results that the API stopped listing before they settled."),
        ),
        OneOfCounts(|counts| counts.lost),
    ),
];

fn combination<'a>(shown: &ShownTotal<'a>) -> [Label<'a>; 3] {
    [
        ("invocation_status", shown.invocation_status),
        ("error_code", shown.error_code),
        ("exit_code", shown.exit_code),
    ]
}

/// With the newest failure among them, where there is one.
fn counted<'a>(shown: &ShownTotal<'a>) -> Value<'a> {
    let exemplar = shown.exemplar.map(|result| exemplar(result, 1));
    Value::Counted(Counted {
        value: shown.value,
        start: shown.start.into(),
        exemplar,
    })
}

fn of_bucket(found: &DurationExemplar) -> Exemplar<'_> {
    exemplar(&found.of, found.seconds)
}

fn exemplar(of: &record::Exemplar, value: u32) -> Exemplar<'_> {
    Exemplar {
        labels: [("invoke_id", &*of.invoke_id), ("instance_id", &*of.instance_id)],
        value,
        time: of.time,
    }
}
