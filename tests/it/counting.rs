//! The rules of counting, through the real binary. Each test names the rule without which it fails.

mod changes;
mod once;
mod schedules;
mod series;
mod values;

use std::collections::BTreeMap;

use serde_json::json;
use simulator::{
    Delivery, Fault, FaultKind, InvocationStatus, InvokeId, Order, Outcome, Paging, Simulator, unix_now, utc,
};
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, REGION, cloud};
use crate::scrape::Scrape;
use crate::stage::*;

const NEWEST: &str = "cloud_assistant_last_result_timestamp_seconds";
const OLDEST_OPEN: &str = "cloud_assistant_oldest_open_result_timestamp_seconds";
const OVERFLOW: &str = "cloud_assistant_exporter_label_overflow_total";
const SKIPPED: &str = "cloud_assistant_exporter_skipped_rows_total";
const DELIVERIES: &str = "cloud_assistant_output_deliveries_total";

/// Counts of a gauge or counter without its zeros, as short texts.
fn shown(scrape: &Scrape, name: &str) -> BTreeMap<String, u64> {
    let counts = scrape.counts(name, ACCOUNT, REGION).into_iter();
    counts
        .map(|((status, error_code, exit_code), count)| (format!("{status}/{error_code}/{exit_code}"), count))
        .collect()
}

fn counts<const N: usize>(expected: [(&str, u64); N]) -> BTreeMap<String, u64> {
    expected
        .into_iter()
        .map(|(class, count)| (class.to_owned(), count))
        .collect()
}
