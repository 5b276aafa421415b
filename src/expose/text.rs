//! The two text formats: what is the same in both, and what is not.
//!
//! Sources: Prometheus exposition formats, text 0.0.4; OpenMetrics 1.0.0. Sample lines are the same bytes in both,
//! but for exemplars; `le` too, in OpenMetrics' canonical form, since Prometheus 2.x takes `1` and `1.0` for two series.

use std::fmt::{Display, Write};

/// The units that a name may end with, which OpenMetrics wants told apart.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// A format that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`.
    Text,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
}

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Never goes back; its samples end in `_total`.
    Counter,
    /// A value.
    Gauge,
    /// Cumulative buckets, sum and count.
    Histogram,
}

/// Name, type and help of a family. A counter's `name` has no `_total`, which its samples add.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family<'a> {
    /// Without a suffix.
    pub name: &'a str,
    /// Type.
    pub kind: Kind,
    /// Help; holds no quote, backslash or line feed, so that it is the same in both formats.
    pub help: &'a str,
}

impl Family<'_> {
    /// Adds the lines before the samples.
    pub(super) fn header(&self, to: &mut String, format: Format) {
        let Self { name, kind, help } = self;
        let (kind, suffix) = match (kind, format) {
            (Kind::Counter, Format::Text) => ("counter", "_total"),
            (Kind::Counter, Format::OpenMetrics) => ("counter", ""),
            (Kind::Gauge, _) => ("gauge", ""),
            (Kind::Histogram, _) => ("histogram", ""),
        };
        // Writing to a String cannot fail.
        let _ = write!(to, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n");
        let unit = name.rsplit('_').next().filter(|unit| UNITS.contains(unit));
        if let (Format::OpenMetrics, Some(unit)) = (format, unit) {
            let _ = writeln!(to, "# UNIT {name} {unit}");
        }
    }
}

/// `name="value"` for each pair, joined by commas.
pub(super) fn labels<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push(',');
        }
        label(&mut text, name, value);
    }
    text
}

fn label(to: &mut String, name: &str, value: &str) {
    to.push_str(name);
    to.push_str("=\"");
    let mut left = value;
    while let Some(at) = left.find(['\\', '"', '\n']) {
        let (before, special) = left.split_at(at);
        to.push_str(before);
        to.push_str(match special.as_bytes() {
            [b'\\', ..] => "\\\\",
            [b'"', ..] => "\\\"",
            _ => "\\n",
        });
        left = &special[1..];
    }
    to.push_str(left);
    to.push('"');
}

/// One line: `name{labels,more} value`.
pub(super) fn sample<'a>(
    to: &mut String,
    name: &str,
    labels: &str,
    more: impl IntoIterator<Item = (&'a str, &'a str)>,
    value: impl Display,
) {
    to.push_str(name);
    let mut begin = '{';
    if !labels.is_empty() {
        to.push(begin);
        to.push_str(labels);
        begin = ',';
    }
    for (name, value) in more {
        to.push(begin);
        label(to, name, value);
        begin = ',';
    }
    let end = if begin == ',' { "}" } else { "" };
    let _ = writeln!(to, "{end} {value}");
}

/// A float as a sample's value: the shortest text that reads back the same.
pub(super) fn float(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

/// A float in OpenMetrics' canonical form, as Go's `%g` with a fraction: `0.5`, `1.0`, `1e+06`.
pub(super) fn canonical(value: f64) -> String {
    if value.is_finite() && value != 0.0 && !(1e-4..1e6).contains(&value.abs()) {
        let scientific = format!("{value:e}");
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    let mut plain = float(value);
    if value.is_finite() && !plain.contains('.') {
        plain.push_str(".0");
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_floats_are_those_of_go() {
        let table = [
            (0.5, "0.5"),
            (1.0, "1.0"),
            (1800.0, "1800.0"),
            (100_000.0, "100000.0"),
            (1e6, "1e+06"),
            (1_500_000.0, "1.5e+06"),
            (0.0001, "0.0001"),
            (1e-5, "1e-05"),
            (-1e-5, "-1e-05"),
            (1e100, "1e+100"),
            (-2.0, "-2.0"),
            (999_999.999_999_999_9, "999999.9999999999"),
            (0.0, "0.0"),
            (f64::INFINITY, "+Inf"),
        ];
        for (value, text) in table {
            assert_eq!(canonical(value), text);
        }
    }

    #[test]
    fn headers_of_both_formats() {
        let family = Family {
            name: "a_b_bytes",
            kind: Kind::Counter,
            help: "What.",
        };
        let header = |format| {
            let mut header = String::new();
            family.header(&mut header, format);
            header
        };
        assert_eq!(
            header(Format::Text),
            "# HELP a_b_bytes_total What.\n# TYPE a_b_bytes_total counter\n"
        );
        assert_eq!(
            header(Format::OpenMetrics),
            "# HELP a_b_bytes What.\n# TYPE a_b_bytes counter\n# UNIT a_b_bytes bytes\n"
        );
    }

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(labels([("a", "x\"y\\z\n"), ("b", "")]), r#"a="x\"y\\z\n",b="""#);
    }

    #[test]
    fn samples_with_and_without_labels() {
        let mut lines = String::new();
        sample(&mut lines, "up", "", [], float(1.5));
        sample(&mut lines, "up", "a=\"1\"", [], 1);
        sample(&mut lines, "up", "", [("b", "2")], 1);
        sample(&mut lines, "up", "a=\"1\"", [("b", "2"), ("c", "\"")], 1);
        assert_eq!(
            lines,
            "up 1.5\nup{a=\"1\"} 1\nup{b=\"2\"} 1\nup{a=\"1\",b=\"2\",c=\"\\\"\"} 1\n"
        );
    }
}
