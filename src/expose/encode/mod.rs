//! The formats: each an encoder that takes families and their points.

mod open_metrics;
mod protobuf;
mod text;

pub(super) use open_metrics::OpenMetrics;
pub(super) use protobuf::Protobuf;
pub(super) use text::Text;

use super::point::Sink;

/// A format that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`.
    Text,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
    /// Delimited `io.prometheus.client.MetricFamily`.
    Protobuf,
}

/// Writes what it takes in a format of lines.
pub(super) trait Encoder: Sink {
    /// What has been written since it was last cleared.
    fn written(&self) -> &str;

    /// The same, to keep.
    fn into_written(self) -> String;

    /// Drops what has been written. What was said of the family and its thing holds on.
    fn clear(&mut self);
}
