//! The families of a `prometheus` registry, in both formats.
//!
//! The crate's own encoder has no OpenMetrics, and writes infinity in a way that only some parsers take.

use prometheus::proto::{MetricFamily, MetricType};

use super::text::{Family, Format, Kind, canonical, float, labels, sample};

/// Renders what a registry gathered.
pub(super) fn render(families: &[MetricFamily], format: Format) -> String {
    let mut text = String::new();
    for family in families {
        let kind = match family.get_field_type() {
            MetricType::COUNTER => Kind::Counter,
            MetricType::HISTOGRAM => Kind::Histogram,
            // The exporter registers no summaries.
            _ => Kind::Gauge,
        };
        let name = match kind {
            Kind::Counter => family.name().trim_end_matches("_total"),
            Kind::Gauge | Kind::Histogram => family.name(),
        };
        text.push_str(
            &Family {
                name,
                kind,
                help: family.help(),
            }
            .header(format),
        );
        for metric in family.get_metric() {
            let labels = labels(metric.get_label().iter().map(|pair| (pair.name(), pair.value())));
            match kind {
                Kind::Counter => {
                    sample(
                        &mut text,
                        &format!("{name}_total"),
                        &labels,
                        float(metric.get_counter().get_value()),
                    );
                }
                Kind::Gauge => sample(&mut text, name, &labels, float(metric.get_gauge().get_value())),
                Kind::Histogram => {
                    let histogram = metric.get_histogram();
                    let comma = if labels.is_empty() { "" } else { "," };
                    let bucket = format!("{name}_bucket");
                    let finite = histogram
                        .get_bucket()
                        .iter()
                        .filter(|bucket| bucket.upper_bound().is_finite());
                    for bound in finite {
                        let le = canonical(bound.upper_bound());
                        sample(
                            &mut text,
                            &bucket,
                            &format!("{labels}{comma}le=\"{le}\""),
                            bound.cumulative_count(),
                        );
                    }
                    let count = histogram.get_sample_count();
                    sample(&mut text, &bucket, &format!("{labels}{comma}le=\"+Inf\""), count);
                    sample(
                        &mut text,
                        &format!("{name}_sum"),
                        &labels,
                        float(histogram.get_sample_sum()),
                    );
                    sample(&mut text, &format!("{name}_count"), &labels, count);
                }
            }
        }
    }
    text
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
