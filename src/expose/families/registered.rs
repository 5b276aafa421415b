//! The families of a `prometheus` registry.
//!
//! Counters are of the process; the one histogram is of its requests, which begin anew with its work.
//!
//! The crate's own encoder has no OpenMetrics, and writes infinity in a way that only some parsers take.

use prometheus::proto::{Metric, MetricFamily, MetricType};

use crate::expose::point::{Family, Histogram, Kind, Label, Sink, Start, Value};

/// Gives what a registry gathered.
pub(in crate::expose) fn registered(families: &[MetricFamily], to: &mut dyn Sink) {
    for family in families {
        let kind = match family.get_field_type() {
            MetricType::COUNTER => Kind::Counter,
            MetricType::HISTOGRAM => Kind::Histogram,
            // The exporter registers no summaries.
            _ => Kind::Gauge,
        };
        let (name, help) = (family.name(), family.help());
        let name = match kind {
            // It is registered under the name of its samples.
            Kind::Counter => name.trim_end_matches("_total"),
            Kind::Gauge | Kind::Histogram => name,
        };
        to.family(&Family { name, kind, help });
        for metric in family.get_metric() {
            let labels: Vec<Label<'_>> = metric
                .get_label()
                .iter()
                .map(|pair| (pair.name(), pair.value()))
                .collect();
            to.of(&labels);
            match kind {
                Kind::Counter => to.point(&[], Value::OfProcess(metric.get_counter().get_value())),
                Kind::Gauge => to.point(&[], metric.get_gauge().get_value().into()),
                Kind::Histogram => histogram(metric, to),
            }
        }
    }
}

fn histogram(metric: &Metric, to: &mut dyn Sink) {
    let histogram = metric.get_histogram();
    let buckets = histogram.get_bucket().iter();
    let (bounds, cumulative): (Vec<f64>, Vec<u64>) = buckets
        .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
        .filter(|(bound, _)| bound.is_finite())
        .unzip();
    let histogram = Histogram {
        bounds: &bounds,
        cumulative: &cumulative,
        count: histogram.get_sample_count(),
        sum: histogram.get_sample_sum().into(),
        start: Start::Work,
        exemplars: &[],
        native: None,
    };
    to.point(&[], Value::Histogram(histogram));
}

#[cfg(test)]
mod tests {
    use prometheus::{Histogram, HistogramOpts, IntCounter, Registry};

    use super::*;
    use crate::expose::encode::{Encoder, OpenMetrics, Text};

    #[test]
    fn both_formats() {
        let registry = Registry::new();
        let counter = IntCounter::new("a_total", "A.").unwrap();
        let histogram =
            Histogram::with_opts(HistogramOpts::new("b_seconds", "B.").buckets(vec![1.0])).unwrap();
        registry.register(Box::new(counter.clone())).unwrap();
        registry.register(Box::new(histogram.clone())).unwrap();
        counter.inc();
        histogram.observe(0.5);
        let families = registry.gather();
        let (mut text, mut open_metrics) = (Text::default(), OpenMetrics::default());
        registered(&families, &mut text);
        registered(&families, &mut open_metrics);
        assert_eq!(
            text.written(),
            "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n# HELP b_seconds B.\n# TYPE b_seconds histogram\n\
             b_seconds_bucket{le=\"1.0\"} 1\nb_seconds_bucket{le=\"+Inf\"} 1\nb_seconds_sum 0.5\nb_seconds_count 1\n"
        );
        assert_eq!(
            open_metrics.written(),
            "# HELP a A.\n# TYPE a counter\na_total 1\n# HELP b_seconds B.\n# TYPE b_seconds histogram\n\
             # UNIT b_seconds seconds\nb_seconds_bucket{le=\"1.0\"} 1\nb_seconds_bucket{le=\"+Inf\"} 1\n\
             b_seconds_sum 0.5\nb_seconds_count 1\n"
        );
    }
}
