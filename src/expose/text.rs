//! The two text formats: what is the same in both, and what is not.
//!
//! Sources: Prometheus exposition formats, text 0.0.4; OpenMetrics 1.0.0. Sample lines are the same bytes in both,
//! but for exemplars; `le` too, in OpenMetrics' canonical form, since Prometheus 2.x takes `1` and `1.0` for two series.

use std::fmt::Write;

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
    /// The lines before the samples.
    pub(super) fn header(&self, format: Format) -> String {
        let Self { name, kind, help } = self;
        let (kind, suffix) = match (kind, format) {
            (Kind::Counter, Format::Text) => ("counter", "_total"),
            (Kind::Counter, Format::OpenMetrics) => ("counter", ""),
            (Kind::Gauge, _) => ("gauge", ""),
            (Kind::Histogram, _) => ("histogram", ""),
        };
        let mut header = format!("# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n");
        let unit = ["seconds", "bytes"]
            .into_iter()
            .find(|unit| name.ends_with(&format!("_{unit}")));
        if let (Format::OpenMetrics, Some(unit)) = (format, unit) {
            header.push_str(&format!("# UNIT {name} {unit}\n"));
        }
        header
    }
}

/// A value of a label, as it is written between quotes.
pub(super) fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// `name="value"` for each pair, joined by commas.
pub(super) fn labels<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{name}=\"{}\"", escape(value));
    }
    text
}

/// One line: `name{labels} value`.
pub(super) fn sample(to: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = match labels {
        "" => writeln!(to, "{name} {value}"),
        labels => writeln!(to, "{name}{{{labels}}} {value}"),
    };
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
    if !value.is_finite() || value == 0.0 {
        return if value == 0.0 {
            "0.0".to_owned()
        } else {
            float(value)
        };
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = value.to_string();
    if plain.contains('.') { plain } else { plain + ".0" }
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
        assert_eq!(
            family.header(Format::Text),
            "# HELP a_b_bytes_total What.\n# TYPE a_b_bytes_total counter\n"
        );
        let open_metrics = "# HELP a_b_bytes What.\n# TYPE a_b_bytes counter\n# UNIT a_b_bytes bytes\n";
        assert_eq!(family.header(Format::OpenMetrics), open_metrics);
    }

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(labels([("a", "x\"y\\z\n"), ("b", "")]), r#"a="x\"y\\z\n",b="""#);
        let mut line = String::new();
        sample(&mut line, "up", "", float(1.5));
        assert_eq!(line, "up 1.5\n");
    }
}
