//! What is printed: details as they come, and the targets at the end.

use std::fmt::Display;
use std::time::Duration;

/// One target with what was measured of it.
struct Target {
    what: String,
    figure: String,
    peer: String,
    limit: String,
    ratio: String,
    met: Option<bool>,
}

/// All targets, in the order they were measured.
#[derive(Default)]
pub struct Targets {
    rows: Vec<Target>,
}

/// What belongs beside a figure, each `""` where there is none.
#[derive(Default)]
pub struct Beside {
    pub peer: String,
    pub limit: String,
    pub ratio: String,
}

impl Targets {
    /// Adds a target; `met` is none for what was not measured.
    pub fn add(&mut self, what: &str, figure: impl Display, beside: Beside, met: Option<bool>) {
        self.rows.push(Target {
            what: what.to_owned(),
            figure: figure.to_string(),
            peer: beside.peer,
            limit: beside.limit,
            ratio: beside.ratio,
            met,
        });
    }

    /// Prints the table.
    pub fn print(&self) {
        println!("\n## Targets\n");
        header(&["target", "figure", "peer", "limit", "ratio", "met"]);
        for target in &self.rows {
            let met = match target.met {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "skipped",
            };
            row(&[
                &target.what,
                &target.figure,
                &target.peer,
                &target.limit,
                &target.ratio,
                met,
            ]);
        }
    }
}

/// The first two lines of a table of details.
pub fn header(columns: &[&str]) {
    println!("| {} |", columns.join(" | "));
    println!("|{}", "---|".repeat(columns.len()));
}

/// A line of a table of details.
pub fn row(cells: &[&str]) {
    println!("| {} |", cells.join(" | "));
}

/// A duration with three digits.
pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (value, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s if s >= 1e-6 => (s * 1e6, "µs"),
        s => (s * 1e9, "ns"),
    };
    format!("{} {unit}", digits(value))
}

/// Three digits, or all of those before the point.
pub fn digits(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Bytes as megabytes (10^6).
pub fn megabytes(bytes: u64) -> String {
    format!("{} MB", digits(bytes as f64 / 1e6))
}
