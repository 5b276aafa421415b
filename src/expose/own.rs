//! The families of a `prometheus` registry, in both formats.
//!
//! The crate's own encoder has no OpenMetrics, and writes infinity in a way that only some parsers take.

use prometheus::proto::{Histogram, MetricFamily, MetricType};

use super::text::{Family, Format, Kind, canonical, float, labels, sample};

/// Renders what a registry gathered.
pub(super) fn render(families: &[MetricFamily], format: Format) -> String {
    let mut text = String::with_capacity(8 * 1024);
    for family in families {
        let kind = match family.get_field_type() {
            MetricType::COUNTER => Kind::Counter,
            MetricType::HISTOGRAM => Kind::Histogram,
            // The exporter registers no summaries.
            _ => Kind::Gauge,
        };
        let header = Family {
            name: match kind {
                Kind::Counter => family.name().trim_end_matches("_total"),
                Kind::Gauge | Kind::Histogram => family.name(),
            },
            kind,
            help: family.help(),
        };
        header.header(&mut text, format);
        for metric in family.get_metric() {
            let labels = labels(metric.get_label().iter().map(|pair| (pair.name(), pair.value())));
            match kind {
                // Its samples have the `_total` with which it was registered.
                Kind::Counter => {
                    let value = float(metric.get_counter().get_value());
                    sample(&mut text, family.name(), &labels, [], value);
                }
                Kind::Gauge => {
                    let value = float(metric.get_gauge().get_value());
                    sample(&mut text, family.name(), &labels, [], value);
                }
                Kind::Histogram => histogram(&mut text, family.name(), &labels, metric.get_histogram()),
            }
        }
    }
    text
}

fn histogram(to: &mut String, name: &str, labels: &str, histogram: &Histogram) {
    let count = histogram.get_sample_count();
    let bucket = format!("{name}_bucket");
    for bound in histogram.get_bucket() {
        if bound.upper_bound().is_finite() {
            let le = canonical(bound.upper_bound());
            sample(to, &bucket, labels, [("le", &*le)], bound.cumulative_count());
        }
    }
    sample(to, &bucket, labels, [("le", "+Inf")], count);
    let sum = float(histogram.get_sample_sum());
    sample(to, &format!("{name}_sum"), labels, [], sum);
    sample(to, &format!("{name}_count"), labels, [], count);
}

#[cfg(test)]
mod tests {
    use prometheus::{Histogram, HistogramOpts, IntCounter, Registry};

    use super::*;

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
        assert_eq!(
            render(&families, Format::Text),
            "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n# HELP b_seconds B.\n# TYPE b_seconds histogram\n\
             b_seconds_bucket{le=\"1.0\"} 1\nb_seconds_bucket{le=\"+Inf\"} 1\nb_seconds_sum 0.5\nb_seconds_count 1\n"
        );
        assert_eq!(
            render(&families, Format::OpenMetrics),
            "# HELP a A.\n# TYPE a counter\na_total 1\n# HELP b_seconds B.\n# TYPE b_seconds histogram\n\
             # UNIT b_seconds seconds\nb_seconds_bucket{le=\"1.0\"} 1\nb_seconds_bucket{le=\"+Inf\"} 1\n\
             b_seconds_sum 0.5\nb_seconds_count 1\n"
        );
    }
}
