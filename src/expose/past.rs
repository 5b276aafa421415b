//! The past of counters and histograms: series whose samples have times, for whoever fills a database with them.
//!
//! Names, labels and bounds are written by the encoder of `/metrics`, so that they are those of the live series.

use super::encode::{Encoder, OpenMetrics};
use super::families::{commands, results};
use super::point::{Family, Histogram, Label, Sink, Start, Value};

/// A family that has a past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PastFamily {
    /// `cloud_assistant_results_total`.
    Results,
    /// `cloud_assistant_result_duration_seconds`.
    Durations,
    /// `cloud_assistant_command_results_total`.
    CommandResults,
    /// `cloud_assistant_command_result_duration_seconds`.
    CommandDurations,
}

impl PastFamily {
    /// In the order in which they are served.
    pub const ALL: [Self; 4] = [
        Self::Results,
        Self::Durations,
        Self::CommandResults,
        Self::CommandDurations,
    ];

    /// The last line of a file.
    pub const END: &'static str = OpenMetrics::END;

    fn family(self) -> Family<'static> {
        match self {
            Self::Results => results::RESULTS,
            Self::Durations => results::DURATIONS,
            Self::CommandResults => commands::RESULTS,
            Self::CommandDurations => commands::DURATIONS,
        }
    }

    /// Whether a point is a number, and not a histogram.
    pub fn is_counter(self) -> bool {
        matches!(self, Self::Results | Self::CommandResults)
    }

    /// The lines before its samples.
    pub fn header(self) -> String {
        let mut encoder = OpenMetrics::default();
        encoder.family(&self.family());
        encoder.into_written()
    }

    /// The series of one point, as a sample of each begins: of a counter one; of a histogram its buckets in the order of
    /// `bounds`, the infinite one, the sum and the count.
    pub fn series(self, labels: &[Label<'_>], bounds: &[f64]) -> Vec<String> {
        let mut encoder = OpenMetrics::default();
        encoder.family(&self.family());
        encoder.clear();
        let value = match self.is_counter() {
            true => 0_u64.into(),
            false => Value::Histogram(Histogram {
                bounds,
                cumulative: &vec![0; bounds.len()],
                count: 0,
                sum: 0_u64.into(),
                start: Start::Unknown,
                exemplars: &[],
                native: None,
            }),
        };
        encoder.of(labels);
        encoder.point(&[], value);
        let lines = encoder.written().lines();
        lines.map(|line| line.trim_end_matches('0').to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_those_of_the_live_ones() {
        let labels = [("job", "a"), ("region_id", "r\"0")];
        assert_eq!(
            PastFamily::Results.series(&labels, &[]),
            ["cloud_assistant_results_total{job=\"a\",region_id=\"r\\\"0\"} "]
        );
        let series = PastFamily::CommandDurations.series(&labels[..1], &[1.0, 60.0]);
        let name = "cloud_assistant_command_result_duration_seconds";
        assert_eq!(series[0], format!("{name}_bucket{{job=\"a\",le=\"1.0\"}} "));
        assert_eq!(series[2], format!("{name}_bucket{{job=\"a\",le=\"+Inf\"}} "));
        assert_eq!(series[4], format!("{name}_count{{job=\"a\"}} "));
        assert!(
            PastFamily::Results
                .header()
                .starts_with("# HELP cloud_assistant_results Results")
        );
    }
}
