//! OpenMetrics 1.0.0: the lines of the older format with other headers, and exemplars.

use super::Encoder;
use super::text::{Text, write, write_header, write_labels};
use crate::expose::point::{Exemplar, Family, Label, Sink, Value};

/// The units that a name may end with, which are told apart.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// An exemplar's names and values together have at most so many characters.
const MAX_EXEMPLAR: usize = 128;

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
}

impl Sink for OpenMetrics {
    fn family(&mut self, family: &Family<'_>) {
        self.lines.begin(family);
        let to = self.lines.end();
        write_header(to, family, "");
        let unit = family.name.rsplit('_').next();
        if let Some(unit) = unit.filter(|unit| UNITS.contains(unit)) {
            write(to, format_args!("# UNIT {} {unit}\n", family.name));
        }
    }

    fn of(&mut self, labels: &[Label<'_>]) {
        self.lines.of(labels);
    }

    fn point(&mut self, labels: &[Label<'_>], value: Value<'_>) {
        self.lines.point(labels, value);
        if let Value::WithExemplar(_, exemplar) = value
            && exemplar.fits()
        {
            let to = self.lines.end();
            to.pop();
            to.push_str(" # {");
            write_labels(to, &exemplar.labels);
            write(to, format_args!("}} 1 {}\n", exemplar.time));
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

impl Exemplar<'_> {
    fn fits(&self) -> bool {
        let characters = self
            .labels
            .map(|(name, value)| name.len() + value.chars().count());
        characters.iter().sum::<usize>() <= MAX_EXEMPLAR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                time: 7,
            };
            open_metrics.point(&[], Value::WithExemplar(3, exemplar));
            let expected = format!("x_total 3{}\n", suffix.replace('…', &long));
            assert_eq!(open_metrics.written(), expected);
        }
    }
}
