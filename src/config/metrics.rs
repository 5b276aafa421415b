//! What the metrics may hold.

use std::time::Duration;

use super::commands::selection;
use super::fields::{Fields, Value};
use crate::selection::Selection;
use crate::shown::shown;

/// `metrics`: bounds and shapes of the exposed series.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    /// `metrics.new_series_hold`: how long a new series shows 0 before it shows its value, so that `increase()` sees
    /// the step. Default 90s, which is more than one scrape interval of a minute; 0 holds nothing back.
    pub new_series_hold: Duration,
    /// `metrics.max_error_codes`: distinct values of `error_code` for each scope. Default 100; from 1 to 10000.
    pub max_error_codes: u16,
    /// `metrics.max_exit_codes`: distinct values of `exit_code` for each scope. Default 100; from 1 to 10000.
    pub max_exit_codes: u16,
    /// `metrics.duration_buckets`: the upper bounds of the duration histogram, in seconds, ascending, without the
    /// infinite one. From 1 to 50 numbers above 0.
    pub duration_buckets: Vec<f64>,
    /// `metrics.commands`: which commands have series of their own. Default: none, and nothing is asked for names.
    pub commands: Selection,
    /// `metrics.max_commands`: distinct values of `command` for each scope. Default 200; from 1 to 10000.
    pub max_commands: u16,
    /// `metrics.command_durations`: whether selected commands have a histogram of durations. Default false.
    pub command_durations: bool,
    /// `metrics.native_histograms`: whether histograms of durations are native ones too, which only protobuf can say.
    /// Default false: a server that takes them leaves the buckets out.
    pub native_histograms: bool,
}

/// Each bucket is a series for every status of every scope.
const MAXIMUM_BUCKETS: usize = 50;

impl Default for Metrics {
    fn default() -> Self {
        Self {
            new_series_hold: Duration::from_secs(90),
            max_error_codes: 100,
            max_exit_codes: 100,
            duration_buckets: vec![
                1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0,
            ],
            commands: Selection::default(),
            max_commands: 200,
            command_durations: false,
            native_histograms: false,
        }
    }
}

impl Metrics {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let mut metrics = Self::default();
        fields.set(&mut metrics.new_series_hold, "new_series_hold", Value::duration);
        fields.set(&mut metrics.max_error_codes, "max_error_codes", codes);
        fields.set(&mut metrics.max_exit_codes, "max_exit_codes", codes);
        if let Some(buckets) = fields.part("duration_buckets").and_then(|value| buckets(&value)) {
            metrics.duration_buckets = buckets;
        }
        if let Some(value) = fields.part("commands") {
            metrics.commands = selection(&value);
        }
        fields.set(&mut metrics.max_commands, "max_commands", codes);
        fields.set(
            &mut metrics.command_durations,
            "command_durations",
            Value::boolean,
        );
        fields.set(
            &mut metrics.native_histograms,
            "native_histograms",
            Value::boolean,
        );
        metrics
    }
}

fn codes(value: &Value<'_>) -> Result<u16, String> {
    let number = value.integer(1..=10_000)?;
    u16::try_from(number).map_err(|error| error.to_string())
}

/// The bounds of the histogram; nothing where one of them was wrong and reported.
fn buckets(value: &Value<'_>) -> Option<Vec<f64>> {
    let items = value.items()?;
    if items.is_empty() || items.len() > MAXIMUM_BUCKETS {
        value.report(format!(
            "expected from 1 to {MAXIMUM_BUCKETS} numbers of seconds, found {}",
            items.len()
        ));
        return None;
    }
    let mut bounds: Vec<f64> = Vec::with_capacity(items.len());
    for item in &items {
        let bound = match item.text.parse::<f64>() {
            Ok(bound) if bound.is_finite() && bound > 0.0 => bound,
            _ => {
                let message = format!(
                    "expected a number of seconds above 0, found {}",
                    shown(&item.text)
                );
                item.value.report(message);
                return None;
            }
        };
        if let Some(last) = bounds.last().filter(|last| **last >= bound) {
            item.value
                .report(format!("buckets must ascend, but {bound} follows {last}"));
            return None;
        }
        bounds.push(bound);
    }
    Some(bounds)
}
