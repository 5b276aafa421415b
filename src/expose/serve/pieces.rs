//! Families of samples, cut into pieces.

use super::deflate::{Body, Deflater, Part};
use crate::expose::encode::{Encoder, OpenMetrics, Text};
use crate::expose::point::{Family, Label, Sink, Value};

/// A piece ends with the thing that makes it so long: then what one scope changes costs little, and no buffer is so
/// large that an allocator keeps it apart.
const PIECE_BYTES: usize = 48 * 1024;

/// The bodies of both formats, in pieces that they share where their bytes are the same.
#[derive(Debug, Clone, Default)]
pub(in crate::expose) struct Bodies {
    /// Text 0.0.4.
    pub text: Body,
    /// OpenMetrics 1.0.0, without its end.
    pub open_metrics: Body,
}

/// Bodies in the making. It takes families, and leaves out those without points.
pub(in crate::expose) struct Rendering<'a> {
    text: Pieces<'a, Text>,
    /// Encoded only where its samples are others than those of text; else the pieces of text are its own.
    open_metrics: Pieces<'a, OpenMetrics>,
    /// Whether they are: the piece under way has an exemplar.
    differs: bool,
    deflater: &'a mut Deflater,
}

/// The pieces of one format.
struct Pieces<'a, E> {
    encoder: E,
    /// Of the family under way, until its first piece.
    header: String,
    parts: Vec<Part>,
    /// Those that are served now.
    before: &'a Body,
}

impl<'a> Rendering<'a> {
    /// Nothing yet. What is still as it was `before` is neither compressed nor kept again.
    pub(in crate::expose) fn new(before: &'a Bodies, deflater: &'a mut Deflater) -> Self {
        Self {
            text: Pieces::new(&before.text),
            open_metrics: Pieces::new(&before.open_metrics),
            differs: false,
            deflater,
        }
    }

    /// The bodies, now that all families are in them.
    pub(in crate::expose) fn done(mut self) -> Bodies {
        self.end_piece();
        Bodies {
            text: Body::new(self.text.parts),
            open_metrics: Body::new(self.open_metrics.parts),
        }
    }

    /// Adds what `families` gives, headers and all, as one piece.
    pub(in crate::expose) fn one_piece(&mut self, families: impl Fn(&mut dyn Sink)) {
        self.end_piece();
        families(&mut self.text.encoder);
        self.text.add_written(self.deflater);
        families(&mut self.open_metrics.encoder);
        self.open_metrics.add_written(self.deflater);
    }

    /// Adds what has been written of a family, if anything; before its first piece, its header.
    fn end_piece(&mut self) {
        let Self {
            text,
            open_metrics,
            differs,
            deflater,
        } = self;
        if text.encoder.written().is_empty() {
            return;
        }
        text.add_header(deflater);
        open_metrics.add_header(deflater);
        if *differs && open_metrics.encoder.written() != text.encoder.written() {
            text.add_written(deflater);
            open_metrics.add_written(deflater);
        } else {
            text.add_written(deflater);
            open_metrics.encoder.clear();
            open_metrics.parts.extend(text.parts.last().cloned());
        }
        *differs = false;
    }
}

impl Sink for Rendering<'_> {
    fn family(&mut self, family: &Family<'_>) {
        self.end_piece();
        self.text.begin(family);
        self.open_metrics.begin(family);
    }

    fn of(&mut self, labels: &[Label<'_>]) {
        if self.text.encoder.written().len() >= PIECE_BYTES {
            self.end_piece();
        }
        self.text.encoder.of(labels);
        if self.differs {
            self.open_metrics.encoder.of(labels);
        }
    }

    fn point(&mut self, labels: &[Label<'_>], value: Value<'_>) {
        if matches!(value, Value::WithExemplar(..)) && !self.differs {
            self.open_metrics.encoder.go_on_from(&self.text.encoder);
            self.differs = true;
        }
        self.text.encoder.point(labels, value);
        if self.differs {
            self.open_metrics.encoder.point(labels, value);
        }
    }
}

impl<'a, E: Encoder + Default> Pieces<'a, E> {
    fn new(before: &'a Body) -> Self {
        Self {
            encoder: E::default(),
            header: String::new(),
            parts: Vec::new(),
            before,
        }
    }

    /// A family begins, whose header waits for its first sample.
    fn begin(&mut self, family: &Family<'_>) {
        self.encoder.family(family);
        self.header.clear();
        self.header.push_str(self.encoder.written());
        self.encoder.clear();
    }

    fn add_header(&mut self, deflater: &mut Deflater) {
        if !self.header.is_empty() {
            add(&mut self.parts, self.before, &self.header, deflater);
            self.header.clear();
        }
    }

    fn add_written(&mut self, deflater: &mut Deflater) {
        add(&mut self.parts, self.before, self.encoder.written(), deflater);
        self.encoder.clear();
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
    use crate::expose::point::Exemplar;

    const FAMILY: Family<'_> = Family::counter("a", "What.");

    /// A family of these values; the odd ones have exemplars.
    fn render(values: &[u32], before: &Bodies) -> Bodies {
        let mut deflater = Deflater::default();
        let mut rendering = Rendering::new(before, &mut deflater);
        rendering.family(&FAMILY);
        for value in values {
            rendering.of(&[]);
            let exemplar = Exemplar {
                labels: [("i", "x"), ("j", "y")],
                time: 9,
            };
            let value = match value % 2 {
                1 => Value::WithExemplar(u64::from(*value), exemplar),
                _ => (*value).into(),
            };
            rendering.point(&[], value);
        }
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
        let open_metrics =
            "# HELP a What.\n# TYPE a counter\n".to_owned() + &lines(" # {i=\"x\",j=\"y\"} 1 9");
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
    fn labels_before_an_exemplar_are_those_behind_it_too() {
        let (before, mut deflater) = (Bodies::default(), Deflater::default());
        let mut rendering = Rendering::new(&before, &mut deflater);
        rendering.family(&FAMILY);
        let exemplar = Exemplar {
            labels: [("i", "x"), ("j", "y")],
            time: 9,
        };
        for of in ["1", "2"] {
            rendering.of(&[("of", of)]);
            rendering.point(&[("b", "1")], 1_u64.into());
            rendering.point(&[("b", "2")], Value::WithExemplar(2, exemplar));
        }
        let bodies = rendering.done();
        let text = String::from_utf8(chunks(&bodies.text).concat()).unwrap();
        let open_metrics = String::from_utf8(chunks(&bodies.open_metrics).concat()).unwrap();
        let lines =
            |of: &str| format!("a_total{{of=\"{of}\",b=\"1\"}} 1\na_total{{of=\"{of}\",b=\"2\"}} 2\n");
        assert!(text.ends_with(&(lines("1") + &lines("2"))), "{text}");
        let without = open_metrics.replace(" # {i=\"x\",j=\"y\"} 1 9", "");
        assert!(without.ends_with(&(lines("1") + &lines("2"))), "{open_metrics}");
        assert_eq!(open_metrics.matches(" # {").count(), 2);
    }

    #[test]
    fn formats_share_what_is_the_same() {
        let bodies = render(&[2], &Bodies::default());
        let [text, open_metrics] = [&bodies.text, &bodies.open_metrics].map(chunks);
        assert_eq!(text[1].as_ptr(), open_metrics[1].as_ptr());
    }
}
