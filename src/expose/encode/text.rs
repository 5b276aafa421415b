//! Text 0.0.4.
//!
//! Source: Prometheus exposition formats. Sample lines are the same bytes in OpenMetrics, but for exemplars; `le` too,
//! in its canonical form, since Prometheus 2.x takes `1` and `1.0` for two series.

use std::fmt::{Display, Write};

use super::Encoder;
use crate::expose::point::{Family, Histogram, Kind, Label, Number, Sink, Value};

/// Encodes text. All its buffers are kept from sample to sample.
#[derive(Debug, Default)]
pub(in crate::expose) struct Text {
    written: String,
    /// Of the family.
    name: String,
    is_counter: bool,
    /// The labels of what the points are of, as they are written.
    labels: String,
    bounds: Bounds,
}

/// The bounds of the last histogram, which are nearly always those of the next, and each as the label `le` has it.
#[derive(Debug, Default)]
struct Bounds {
    values: Vec<f64>,
    texts: String,
    ends: Vec<usize>,
}

impl Sink for Text {
    fn family(&mut self, family: &Family<'_>) {
        self.begin(family);
        let suffix = if self.is_counter { "_total" } else { "" };
        write_header(&mut self.written, family, suffix);
    }

    fn of(&mut self, labels: &[Label<'_>]) {
        self.labels.clear();
        write_labels(&mut self.labels, labels);
    }

    fn point(&mut self, labels: &[Label<'_>], value: Value<'_>) {
        match value {
            Value::Number(number) => self.number(labels, number),
            Value::OfProcess(number) => self.number(labels, number.into()),
            Value::Counted(counted) => self.number(labels, counted.value.into()),
            Value::Histogram(histogram) => self.histogram(labels, histogram, |_, _| {}),
        }
    }
}

impl Encoder for Text {
    fn written(&self) -> &str {
        &self.written
    }

    fn into_written(self) -> String {
        self.written
    }

    fn clear(&mut self) {
        self.written.clear();
    }
}

impl Text {
    /// A family begins, whose header is not written here.
    pub(super) fn begin(&mut self, family: &Family<'_>) {
        self.name.clear();
        self.name.push_str(family.name);
        self.is_counter = family.kind == Kind::Counter;
    }

    /// Goes on where another is that writes the same family.
    pub(super) fn go_on_from(&mut self, other: &Self) {
        self.written.clone_from(&other.written);
        self.labels.clone_from(&other.labels);
    }

    /// To write behind what has been written.
    pub(super) fn end(&mut self) -> &mut String {
        &mut self.written
    }

    /// The beginning of a counter's or gauge's line, up to its value.
    fn number(&mut self, labels: &[Label<'_>], number: Number) {
        let suffix = if self.is_counter { "_total" } else { "" };
        self.series(suffix, labels, &[]);
        self.value(number);
    }

    /// The lines of a histogram; behind that of each bucket `and` may write more, knowing which it is.
    pub(super) fn histogram(
        &mut self,
        labels: &[Label<'_>],
        histogram: Histogram<'_>,
        and: impl Fn(&mut String, usize),
    ) {
        let Histogram {
            bounds,
            cumulative,
            count,
            sum,
            ..
        } = histogram;
        // Taken out so that the lines can be written meanwhile.
        let mut known = std::mem::take(&mut self.bounds);
        known.become_those(bounds);
        for (place, (bound, count)) in known.texts().zip(cumulative).enumerate() {
            self.series("_bucket", labels, &[("le", bound)]);
            self.value((*count).into());
            and(&mut self.written, place);
        }
        self.bounds = known;
        self.series("_bucket", labels, &[("le", "+Inf")]);
        self.value(count.into());
        and(&mut self.written, bounds.len());
        self.series("_sum", labels, &[]);
        self.value(sum);
        self.series("_count", labels, &[]);
        self.value(count.into());
    }

    /// `name_suffix{labels,own,more} `.
    fn series(&mut self, suffix: &str, own: &[Label<'_>], more: &[Label<'_>]) {
        let to = &mut self.written;
        to.push_str(&self.name);
        to.push_str(suffix);
        let mut begin = '{';
        if !self.labels.is_empty() {
            to.push(begin);
            to.push_str(&self.labels);
            begin = ',';
        }
        for label in own.iter().chain(more) {
            to.push(begin);
            write_label(to, *label);
            begin = ',';
        }
        to.push_str(if begin == ',' { "} " } else { " " });
    }

    fn value(&mut self, number: Number) {
        write_number(&mut self.written, number);
        self.written.push('\n');
    }
}

impl Bounds {
    fn become_those(&mut self, values: &[f64]) {
        if self.values == values {
            return;
        }
        self.values.clear();
        self.values.extend_from_slice(values);
        self.texts.clear();
        self.ends.clear();
        for value in values {
            write_canonical(&mut self.texts, *value);
            self.ends.push(self.texts.len());
        }
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins
            .zip(&self.ends)
            .map(|(begin, end)| &self.texts[begin..*end])
    }
}

/// Writes the lines before the samples of a family. Its name there has a suffix, or none.
pub(super) fn write_header(to: &mut String, family: &Family<'_>, suffix: &str) {
    let Family { name, kind, help } = family;
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    write(
        to,
        format_args!("# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n"),
    );
}

/// Writes `name="value"` for each label, joined by commas.
pub(super) fn write_labels(to: &mut String, labels: &[Label<'_>]) {
    for (place, label) in labels.iter().enumerate() {
        if place > 0 {
            to.push(',');
        }
        write_label(to, *label);
    }
}

fn write_label(to: &mut String, (name, value): Label<'_>) {
    to.push_str(name);
    to.push_str("=\"");
    let mut left = value;
    // By bytes: all that is escaped is ASCII.
    let is_special = |byte: &u8| matches!(byte, b'\\' | b'"' | b'\n');
    while let Some(at) = left.as_bytes().iter().position(is_special) {
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

/// Writes a sample's value; of a float the shortest text that reads back the same.
fn write_number(to: &mut String, number: Number) {
    match number {
        Number::Whole(value) => write(to, value),
        Number::Float(value) if value.is_nan() => to.push_str("NaN"),
        Number::Float(f64::INFINITY) => to.push_str("+Inf"),
        Number::Float(f64::NEG_INFINITY) => to.push_str("-Inf"),
        Number::Float(value) => write(to, value),
    }
}

/// Writes a float in OpenMetrics' canonical form, as Go's `%g` with a fraction: `0.5`, `1.0`, `1e+06`.
fn write_canonical(to: &mut String, value: f64) {
    let begin = to.len();
    if value.is_finite() && value != 0.0 && !(1e-4..1e6).contains(&value.abs()) {
        write(to, format_args!("{value:e}"));
        let exponent = to[begin..].rfind('e').map(|at| begin + at);
        if let Some((at, exponent)) = exponent.and_then(|at| Some((at, to[at + 1..].parse::<i32>().ok()?))) {
            to.truncate(at);
            let sign = if exponent < 0 { '-' } else { '+' };
            write(to, format_args!("e{sign}{:02}", exponent.unsigned_abs()));
        }
        return;
    }
    write_number(to, Number::Float(value));
    if value.is_finite() && !to[begin..].contains('.') {
        to.push_str(".0");
    }
}

pub(super) fn write(to: &mut String, what: impl Display) {
    // Writing to a String cannot fail.
    let _ = write!(to, "{what}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expose::point::Start;

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
        for (value, expected) in table {
            let mut text = "1e5 ".to_owned();
            write_canonical(&mut text, value);
            assert_eq!(text, format!("1e5 {expected}"));
        }
    }

    #[test]
    fn label_values_are_escaped() {
        let mut text = String::new();
        write_labels(&mut text, &[("a", "x\"y\\z\n"), ("b", "")]);
        assert_eq!(text, r#"a="x\"y\\z\n",b="""#);
    }

    #[test]
    fn samples_with_and_without_labels() {
        let mut text = Text::default();
        text.begin(&Family::gauge("up", ""));
        text.point(&[], 1.5.into());
        text.point(&[("b", "2")], 1_u64.into());
        text.of(&[("a", "1")]);
        text.point(&[], 1_u64.into());
        text.point(&[("b", "2"), ("c", "\"")], 1_u64.into());
        assert_eq!(
            text.written(),
            "up 1.5\nup{b=\"2\"} 1\nup{a=\"1\"} 1\nup{a=\"1\",b=\"2\",c=\"\\\"\"} 1\n"
        );
    }

    #[test]
    fn histograms_of_other_bounds_follow_each_other() {
        let mut text = Text::default();
        text.begin(&Family::histogram("a", ""));
        for (bounds, cumulative) in [(&[0.5, 1.0][..], &[1, 2][..]), (&[7.0], &[3]), (&[7.0], &[4])] {
            let histogram = Histogram {
                bounds,
                cumulative,
                count: 9,
                sum: u64::MAX.into(),
                start: Start::Unknown,
                exemplars: &[],
                native: None,
            };
            text.point(&[("b", "c")], Value::Histogram(histogram));
        }
        let rest =
            "a_bucket{b=\"c\",le=\"+Inf\"} 9\na_sum{b=\"c\"} 18446744073709551615\na_count{b=\"c\"} 9\n";
        let expected = format!(
            "a_bucket{{b=\"c\",le=\"0.5\"}} 1\na_bucket{{b=\"c\",le=\"1.0\"}} 2\n{rest}\
             a_bucket{{b=\"c\",le=\"7.0\"}} 3\n{rest}a_bucket{{b=\"c\",le=\"7.0\"}} 4\n{rest}"
        );
        assert_eq!(text.written(), expected);
    }
}
