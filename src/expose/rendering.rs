//! Families of samples, cut into pieces.

use std::fmt::Display;

use prometheus::proto::MetricFamily;

use crate::record::Counts;
use crate::view::ScopeView;

use super::own;
use super::part::{Body, Deflater, Part};
use super::text::{Family, Format, Kind, labels, sample};

/// A piece ends with the scope that makes it so long: then what one scope changes costs little, and no buffer is so large
/// that an allocator keeps it apart.
const PIECE_BYTES: usize = 48 * 1024;

/// The bodies of both formats, in pieces that they share where their bytes are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Bodies {
    /// Text 0.0.4.
    pub text: Body,
    /// OpenMetrics 1.0.0, without its end.
    pub open_metrics: Body,
}

/// Bodies in the making.
pub(super) struct Rendering<'a> {
    text: Vec<Part>,
    open_metrics: Vec<Part>,
    /// Those that are served now.
    before: &'a Bodies,
    deflater: &'a mut Deflater,
}

/// Samples that are not in a piece yet.
#[derive(Default)]
pub(super) struct Samples {
    pub(super) text: String,
    /// Only where they are not the same.
    pub(super) open_metrics: String,
}

/// A scope with its labels as they are written.
pub(super) struct Labelled<'a> {
    pub(super) view: &'a ScopeView,
    pub(super) labels: String,
}

impl<'a> Labelled<'a> {
    pub(super) fn new(view: &'a ScopeView) -> Self {
        let labels = labels([
            ("account", &*view.scope.account),
            ("region_id", &*view.scope.region_id),
        ]);
        Self { view, labels }
    }
}

impl<'a> Rendering<'a> {
    /// Nothing yet. What is still as it was `before` is neither compressed nor kept again.
    pub(super) fn new(before: &'a Bodies, deflater: &'a mut Deflater) -> Self {
        Self {
            text: Vec::new(),
            open_metrics: Vec::new(),
            before,
            deflater,
        }
    }

    /// The bodies, now that all families are in them.
    pub(super) fn done(self) -> Bodies {
        Bodies {
            text: Body::new(self.text),
            open_metrics: Body::new(self.open_metrics),
        }
    }

    /// Adds a family of so many items, unless it has no samples.
    pub(super) fn family<T>(
        &mut self,
        family: Family<'_>,
        items: impl IntoIterator<Item = T>,
        samples: impl Fn(&mut String, T),
    ) {
        self.family_of_both(family, items, |to, item| samples(&mut to.text, item));
    }

    /// A family whose samples may be different in OpenMetrics.
    pub(super) fn family_of_both<T>(
        &mut self,
        family: Family<'_>,
        items: impl IntoIterator<Item = T>,
        samples: impl Fn(&mut Samples, T),
    ) {
        let mut written = Samples::default();
        let mut is_begun = false;
        for item in items {
            samples(&mut written, item);
            if written.text.len() >= PIECE_BYTES {
                self.piece(family, &mut is_begun, &mut written);
            }
        }
        self.piece(family, &mut is_begun, &mut written);
    }

    /// Adds what has been written of a family, if anything; before its first piece, its header.
    fn piece(&mut self, family: Family<'_>, is_begun: &mut bool, written: &mut Samples) {
        if written.text.is_empty() {
            return;
        }
        let Self {
            text,
            open_metrics,
            before,
            deflater,
        } = self;
        if !*is_begun {
            *is_begun = true;
            let mut header = String::new();
            family.header(&mut header, Format::Text);
            add(text, &before.text, &header, deflater);
            header.clear();
            family.header(&mut header, Format::OpenMetrics);
            add(open_metrics, &before.open_metrics, &header, deflater);
        }
        add(text, &before.text, &written.text, deflater);
        if written.open_metrics.is_empty() || written.open_metrics == written.text {
            open_metrics.extend(text.last().cloned());
        } else {
            add(
                open_metrics,
                &before.open_metrics,
                &written.open_metrics,
                deflater,
            );
        }
        written.text.clear();
        written.open_metrics.clear();
    }

    /// Adds what was registered with the `prometheus` crate.
    pub(super) fn registered(&mut self, families: &[MetricFamily]) {
        let Self {
            text,
            open_metrics,
            before,
            deflater,
        } = self;
        add(text, &before.text, &own::render(families, Format::Text), deflater);
        let rendered = own::render(families, Format::OpenMetrics);
        add(open_metrics, &before.open_metrics, &rendered, deflater);
    }

    pub(super) fn scopes(
        &mut self,
        scopes: &[Labelled<'_>],
        family: Family<'_>,
        samples: impl Fn(&mut String, &str, &ScopeView),
    ) {
        self.family(family, scopes, |to, Labelled { view, labels }| {
            samples(to, labels, view);
        });
    }

    /// A family of what has counts.
    pub(super) fn counts(
        &mut self,
        scopes: &[Labelled<'_>],
        family: Family<'_>,
        samples: impl Fn(&mut String, &str, &Counts),
    ) {
        self.scopes(scopes, family, |to, labels, view| {
            if let Some(counts) = &view.counts {
                samples(to, labels, counts);
            }
        });
    }

    /// A gauge with one series a scope.
    pub(super) fn gauge(
        &mut self,
        scopes: &[Labelled<'_>],
        name: &str,
        help: &str,
        value: impl Fn(&ScopeView) -> Option<String>,
    ) {
        let kind = Kind::Gauge;
        self.one_each(scopes, Family { name, kind, help }, name, value);
    }

    /// A counter with one series a scope.
    pub(super) fn counter(
        &mut self,
        scopes: &[Labelled<'_>],
        name: &str,
        help: &str,
        value: impl Fn(&ScopeView) -> Option<u64>,
    ) {
        let kind = Kind::Counter;
        self.one_each(
            scopes,
            Family { name, kind, help },
            &format!("{name}_total"),
            value,
        );
    }

    fn one_each<V: Display>(
        &mut self,
        scopes: &[Labelled<'_>],
        family: Family<'_>,
        name: &str,
        value: impl Fn(&ScopeView) -> Option<V>,
    ) {
        self.scopes(scopes, family, |to, labels, view| {
            if let Some(value) = value(view) {
                sample(to, name, labels, [], value);
            }
        });
    }

    pub(super) fn counter_of_counts(
        &mut self,
        scopes: &[Labelled<'_>],
        name: &str,
        help: &str,
        value: impl Fn(&Counts) -> u64,
    ) {
        self.counter(scopes, name, help, |view| view.counts.as_deref().map(&value));
    }
}

/// Adds a piece: the one that was there before, if its bytes are the same.
fn add(parts: &mut Vec<Part>, before: &Body, plain: &str, deflater: &mut Deflater) {
    let part = match before.parts().get(parts.len()) {
        Some(before) if before.is(plain) => before.clone(),
        _ => deflater.part(plain),
    };
    parts.push(part);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const FAMILY: Family<'_> = Family {
        name: "a",
        kind: Kind::Counter,
        help: "What.",
    };

    /// A family of these values; the odd ones have exemplars.
    fn render(values: &[u32], before: &Bodies) -> Bodies {
        let mut deflater = Deflater::default();
        let mut rendering = Rendering::new(before, &mut deflater);
        rendering.family_of_both(FAMILY, values, |to, value| {
            sample(&mut to.text, "a_total", "", [], value);
            let exemplar = if value % 2 == 1 { " # {} 1" } else { "" };
            sample(
                &mut to.open_metrics,
                "a_total",
                "",
                [],
                format!("{value}{exemplar}"),
            );
        });
        rendering.done()
    }

    fn chunks(body: &Body) -> Vec<Bytes> {
        body.plain(String::new())
    }

    #[test]
    fn a_family_of_many_pieces_has_one_header() {
        let values: Vec<u32> = (0..20_000).collect();
        let bodies = render(&values, &Bodies::default());
        let lines = |exemplar: &str| -> String {
            let line = |value: &u32| {
                let exemplar = if value % 2 == 1 { exemplar } else { "" };
                format!("a_total {value}{exemplar}\n")
            };
            values.iter().map(line).collect()
        };
        let text = "# HELP a_total What.\n# TYPE a_total counter\n".to_owned() + &lines("");
        let open_metrics = "# HELP a What.\n# TYPE a counter\n".to_owned() + &lines(" # {} 1");
        assert!(chunks(&bodies.text).len() > 5);
        assert!(chunks(&bodies.text).concat() == text.as_bytes());
        assert!(chunks(&bodies.open_metrics).concat() == open_metrics.as_bytes());
    }

    #[test]
    fn what_is_as_it_was_is_kept() {
        let mut values: Vec<u32> = (10_000..30_000).collect();
        let before = render(&values, &Bodies::default());
        values[10_000] = 10_000;
        let after = render(&values, &before);
        let pairs = chunks(&before.text).into_iter().zip(chunks(&after.text));
        let made_anew =
            pairs.filter(|(before, after)| before.as_ptr() != after.as_ptr() && !after.is_empty());
        assert_eq!(made_anew.count(), 1);
        let again = render(&values, &Bodies::default());
        assert!(chunks(&after.text).concat() == chunks(&again.text).concat());
    }

    #[test]
    fn a_family_without_samples_is_left_out() {
        assert!(chunks(&render(&[], &Bodies::default()).text).concat().is_empty());
    }

    #[test]
    fn formats_share_what_is_the_same() {
        let bodies = render(&[2], &Bodies::default());
        let [text, open_metrics] = [&bodies.text, &bodies.open_metrics].map(chunks);
        assert_eq!(text[1].as_ptr(), open_metrics[1].as_ptr());
    }
}
