//! What was really run: the counts that whoever watches must arrive at.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::invocation::{Invocation, Row};
use crate::{Delivery, InvocationStatus, api};

/// (InvocationStatus, ErrorCode, ExitCode), as they are sent; `""` where one is absent or cannot be used.
pub type Class = (String, String, String);

/// Counts of results. Each row of a one-time task is one, and each run of a schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Settled results.
    pub results: BTreeMap<Class, u64>,
    /// Results that can still change, by their status; a schedule is one for each instance.
    pub open: BTreeMap<String, u64>,
    /// FinishedTime − StartTime of the settled results that have both: status, then seconds, then how many.
    pub durations: BTreeMap<String, BTreeMap<i64, u64>>,
    /// The sum of Dropped over the settled results.
    pub dropped_bytes: u64,
    /// Deliveries of output that have come to an end, by (OssOutputStatus, OssOutputErrorCode).
    pub deliveries: BTreeMap<(String, String), u64>,
}

impl Truth {
    /// How many results have settled.
    pub fn total(&self) -> u64 {
        self.results.values().sum()
    }

    /// How many have settled with each status.
    pub fn by_status(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for ((status, ..), count) in &self.results {
            *counts.entry(status.clone()).or_default() += count;
        }
        counts
    }

    /// How many have settled just so.
    pub fn count(&self, status: &str, error_code: &str, exit_code: &str) -> u64 {
        let class = (status.to_owned(), error_code.to_owned(), exit_code.to_owned());
        self.results.get(&class).copied().unwrap_or(0)
    }

    /// As the control plane shows it.
    pub fn to_json(&self) -> Value {
        let results: Vec<Value> = self
            .results
            .iter()
            .map(|((status, error_code, exit_code), count)| {
                json!({"invocation_status": status, "error_code": error_code, "exit_code": exit_code,
                    "count": count})
            })
            .collect();
        let deliveries: Vec<Value> = self
            .deliveries
            .iter()
            .map(|((status, code), count)| {
                json!({"delivery_status": status, "error_code": code, "count": count})
            })
            .collect();
        let durations: Map<String, Value> = self
            .durations
            .iter()
            .map(|(status, seconds)| {
                let count: u64 = seconds.values().sum();
                let sum: i64 = seconds
                    .iter()
                    .map(|(value, times)| value * times.cast_signed())
                    .sum();
                (status.clone(), json!({"count": count, "sum": sum}))
            })
            .collect();
        json!({"total": self.total(), "results": results, "by_status": self.by_status(), "open": self.open,
            "durations": durations, "dropped_bytes": self.dropped_bytes, "deliveries": deliveries})
    }

    /// Adds what one invocation has come to; only what was not known at the baseline if `since` says so.
    pub(crate) fn add_invocation(&mut self, invocation: &Invocation, since: bool) {
        for row in &invocation.rows {
            self.add_row(invocation, row, since);
        }
    }

    /// Adds one row with its runs.
    pub(crate) fn add_row(&mut self, invocation: &Invocation, row: &Row, since: bool) {
        for (result, known) in results_of(invocation, row) {
            self.add_result(invocation, result, since && known, since && result.delivery_known);
        }
        if is_told(row) && row.status.is_open() {
            *self.open.entry(row.status.to_string()).or_default() += 1;
        }
    }

    /// Adds all counts of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        add_all(&mut self.results, &other.results);
        add_all(&mut self.open, &other.open);
        add_all(&mut self.deliveries, &other.deliveries);
        self.dropped_bytes += other.dropped_bytes;
        for (status, seconds) in &other.durations {
            add_all(self.durations.entry(status.clone()).or_default(), seconds);
        }
    }

    fn add_result(&mut self, invocation: &Invocation, row: &Row, known: bool, delivery_known: bool) {
        let Some(seen) = Seen::of(invocation, row) else {
            return;
        };
        if !delivery_known
            && let Some(delivery) = &row.delivery
            && *delivery != Delivery::InProgress
        {
            let key = (delivery.status().to_owned(), delivery.error_code().to_owned());
            *self.deliveries.entry(key).or_default() += 1;
        }
        if seen.open {
            // An open run shows in the row of its schedule, which is counted for it.
            if !row.is_run {
                *self.open.entry(seen.class.0).or_default() += 1;
            }
            return;
        }
        if known {
            return;
        }
        self.dropped_bytes += seen.dropped;
        if let Some(seconds) = seen.duration {
            let seconds_of = self.durations.entry(seen.class.0.clone()).or_default();
            *seconds_of.entry(seconds).or_default() += 1;
        }
        *self.results.entry(seen.class).or_default() += 1;
    }
}

/// Each result of an invocation that has settled since the baseline, for those who look at one by one.
pub(crate) fn settled_since_baseline(invocation: &Invocation) -> impl Iterator<Item = Value> {
    let results = invocation.rows.iter().flat_map(|row| results_of(invocation, row));
    results.filter(|(_, known)| !known).filter_map(|(row, _)| {
        let seen = Seen::of(invocation, row).filter(|seen| !seen.open)?;
        let (status, error_code, exit_code) = seen.class;
        Some(
            json!({"invoke_id": invocation.invoke_id.as_str(), "instance_id": row.instance_id,
            "command": invocation.command_name, "invocation_status": status, "error_code": error_code,
            "exit_code": exit_code, "seconds": seen.duration,
            "time": row.finished_time.or(row.stop_time).or(row.start_time)}),
        )
    })
}

/// The results that a row stands for: the runs of its history, and itself unless they tell of it; and whether the
/// baseline knew each.
fn results_of<'a>(invocation: &Invocation, row: &'a Row) -> impl Iterator<Item = (&'a Row, bool)> {
    // The row of a schedule that has ended stands for its last run: one more only if the history lacks it.
    let known = row.known || (invocation.is_scheduled() && row.repeats.max(1) <= row.known_run);
    let runs = row.history.iter().map(|run| (run, run.known));
    runs.chain((!is_told(row)).then_some((row, known)))
}

/// Whether the history has the run that the row shows.
fn is_told(row: &Row) -> bool {
    let run = row.repeats.max(1);
    row.history.iter().any(|entry| entry.repeats == run)
}

/// What a reader can make of a row.
struct Seen {
    class: Class,
    open: bool,
    dropped: u64,
    duration: Option<i64>,
}

impl Seen {
    /// Nothing for a row without ids, which cannot be counted.
    fn of(invocation: &Invocation, row: &Row) -> Option<Self> {
        if row.raw.is_some() || !row.extra.is_empty() || !row.without.is_empty() {
            return Self::of_json(&api::row_json(invocation, "", row, api::Encoding::NoOutput));
        }
        let exit_code = row.exit_code.map(|code| code.to_string()).unwrap_or_default();
        let finished = row.start_time.zip(row.finished_time);
        Some(Self {
            class: (row.status.to_string(), row.error_code.clone(), exit_code),
            open: row.status.is_open(),
            dropped: dropped(row.dropped),
            duration: finished
                .map(|(start, end)| end - start)
                .filter(|seconds| *seconds >= 0),
        })
    }

    fn of_json(row: &Value) -> Option<Self> {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("InvokeId").is_empty() || text("InstanceId").is_empty() {
            return None;
        }
        let exit_code = match row.get("ExitCode") {
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(digits)) => digits.parse().ok(),
            _ => None,
        };
        let status = text("InvocationStatus");
        let time = |name: &str| crate::clock::parse_utc(text(name));
        let duration = time("StartTime")
            .zip(time("FinishedTime"))
            .map(|(start, end)| end - start);
        Some(Self {
            class: (
                status.to_owned(),
                text("ErrorCode").to_owned(),
                exit_code.map(|code| code.to_string()).unwrap_or_default(),
            ),
            open: status
                .parse::<InvocationStatus>()
                .is_ok_and(InvocationStatus::is_open),
            dropped: row.get("Dropped").and_then(Value::as_i64).map_or(0, dropped),
            duration: duration.filter(|seconds| *seconds >= 0),
        })
    }
}

/// Dropped is an int32: what is none cannot be used.
fn dropped(sent: i64) -> u64 {
    i32::try_from(sent).map_or(0, |dropped| dropped.max(0).unsigned_abs().into())
}

fn add_all<K: Ord + Clone>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key.clone()).or_default() += count;
    }
}
