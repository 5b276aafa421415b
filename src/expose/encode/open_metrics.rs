//! OpenMetrics 1.0.0: the lines of the older format with other headers, and exemplars.

use super::Encoder;
use super::text::{Text, write, write_header, write_labels};
use crate::expose::point::{Exemplar, Family, Label, Sink, Value};

/// Encodes OpenMetrics.
#[derive(Debug, Default)]
pub(in crate::expose) struct OpenMetrics {
    lines: Text,
}

impl OpenMetrics {
    /// The end of every body.
    pub(in crate::expose) const END: &str = "# EOF\n";

    /// Goes on where text is: what it has written so far is the same here.
    pub(in crate::expose) fn go_on_from(&mut self, text: &Text) {
        self.lines.go_on_from(text);
    }

    fn exemplar(&mut self, exemplar: Option<&Exemplar<'_>>) {
        write_exemplar(self.lines.end(), exemplar);
    }
}

impl Sink for OpenMetrics {
    fn family(&mut self, family: &Family<'_>) {
        self.lines.begin(family);
        let to = self.lines.end();
        write_header(to, family, "");
        if let Some(unit) = family.unit() {
            write(to, format_args!("# UNIT {} {unit}\n", family.name));
        }
    }

    fn of(&mut self, labels: &[Label<'_>]) {
        self.lines.of(labels);
    }

    fn point(&mut self, labels: &[Label<'_>], value: Value<'_>) {
        match value {
            Value::Counted(counted) => {
                self.lines.point(labels, value);
                self.exemplar(counted.exemplar.as_ref());
            }
            Value::Histogram(histogram) if !histogram.exemplars.is_empty() => {
                self.lines.histogram(labels, histogram, |lines, bucket| {
                    let exemplar = histogram.exemplars.get(bucket);
                    write_exemplar(lines, exemplar.and_then(Option::as_ref));
                });
            }
            _ => self.lines.point(labels, value),
        }
    }
}

impl Encoder for OpenMetrics {
    fn written(&self) -> &str {
        self.lines.written()
    }

    fn into_written(self) -> String {
        self.lines.into_written()
    }

    fn clear(&mut self) {
        self.lines.clear();
    }
}

/// Writes an exemplar behind the line that has been written.
fn write_exemplar(to: &mut String, exemplar: Option<&Exemplar<'_>>) {
    if let Some(exemplar) = exemplar.filter(|exemplar| exemplar.fits()) {
        to.pop();
        to.push_str(" # {");
        write_labels(to, &exemplar.labels);
        write(to, format_args!("}} {} {}\n", exemplar.value, exemplar.time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expose::point::{Counted, Histogram, Start};

    #[test]
    fn buckets_have_exemplars_of_their_own() {
        let exemplar = |value| Exemplar {
            labels: [("i", "x"), ("j", "y")],
            value,
            time: 9,
        };
        let mut open_metrics = OpenMetrics::default();
        open_metrics.lines.begin(&Family::histogram("a", ""));
        open_metrics.of(&[("b", "c")]);
        let histogram = Histogram {
            bounds: &[1.0, 5.0],
            cumulative: &[1, 1],
            count: 2,
            sum: 8_u64.into(),
            start: Start::Unknown,
            exemplars: &[Some(exemplar(1)), None, Some(exemplar(7))],
            native: None,
        };
        open_metrics.point(&[], Value::Histogram(histogram));
        assert_eq!(
            open_metrics.written(),
            "a_bucket{b=\"c\",le=\"1.0\"} 1 # {i=\"x\",j=\"y\"} 1 9\na_bucket{b=\"c\",le=\"5.0\"} 1\n\
             a_bucket{b=\"c\",le=\"+Inf\"} 2 # {i=\"x\",j=\"y\"} 7 9\na_sum{b=\"c\"} 8\na_count{b=\"c\"} 2\n"
        );
    }

    #[test]
    fn headers_of_both_formats() {
        let family = Family::counter("a_b_bytes", "What.");
        let (mut text, mut open_metrics) = (Text::default(), OpenMetrics::default());
        text.family(&family);
        open_metrics.family(&family);
        assert_eq!(
            text.written(),
            "# HELP a_b_bytes_total What.\n# TYPE a_b_bytes_total counter\n"
        );
        assert_eq!(
            open_metrics.written(),
            "# HELP a_b_bytes What.\n# TYPE a_b_bytes counter\n# UNIT a_b_bytes bytes\n"
        );
    }

    #[test]
    fn an_exemplar_that_is_too_long_is_left_out() {
        for (length, suffix) in [(124, " # {a=\"bc\",d=\"…\"} 1 7"), (125, "")] {
            let long = "…".repeat(length);
            let mut open_metrics = OpenMetrics::default();
            open_metrics.lines.begin(&Family::counter("x", ""));
            let exemplar = Exemplar {
                labels: [("a", "bc"), ("d", &long)],
                value: 1,
                time: 7,
            };
            let counted = Counted {
                value: 3,
                start: Start::Unknown,
                exemplar: Some(exemplar),
            };
            open_metrics.point(&[], Value::Counted(counted));
            let expected = format!("x_total 3{}\n", suffix.replace('…', &long));
            assert_eq!(open_metrics.written(), expected);
        }
    }
}
