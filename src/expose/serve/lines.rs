//! Families in the formats of lines, cut into pieces that are written anew only where what they show has changed.

use std::sync::Arc;

use super::bodies::{self, Made, PIECE_BYTES, Pieces};
use super::deflate::{Deflater, Part};
use crate::expose::encode::{Encoder, Format, OpenMetrics, Text};
use crate::expose::point::{Family, Label, Sink, Value};

/// A piece in every format of lines; they share it where its bytes are the same.
#[derive(Debug, Clone)]
pub(in crate::expose) struct Piece {
    text: Part,
    /// None where its samples are those of text.
    open_metrics: Option<Part>,
}

impl bodies::Piece for Piece {
    fn of(&self, format: Format) -> &Part {
        match format {
            Format::OpenMetrics => self.open_metrics.as_ref().unwrap_or(&self.text),
            Format::Text | Format::Protobuf => &self.text,
        }
    }
}

/// Takes points, and makes pieces of them in every format of lines.
pub(in crate::expose) struct Lines<'a> {
    text: Text,
    /// Encoded only where its samples are others than those of text.
    open_metrics: OpenMetrics,
    /// Whether they are: the piece under way has an exemplar or a header.
    differs: bool,
    made: Made<'a, Piece>,
}

impl<'a> Lines<'a> {
    /// Nothing yet.
    pub(in crate::expose) fn new(deflater: &'a mut Deflater) -> Self {
        Self {
            text: Text::default(),
            open_metrics: OpenMetrics::default(),
            differs: false,
            made: Made::new(deflater),
        }
    }
}

impl bodies::Writer for Lines<'_> {
    type Piece = Piece;

    fn header(&mut self, family: &Family<'_>, _: &[Pieces<Piece>], before: Option<&Piece>) -> Option<Piece> {
        let write = |to: &mut dyn Sink| to.family(family);
        let new = || self.section(&Pieces::default(), write).first().cloned();
        before.cloned().or_else(new)
    }

    fn points(
        &mut self,
        family: &Family<'_>,
        before: &Pieces<Piece>,
        points: impl FnOnce(&mut dyn Sink),
    ) -> Pieces<Piece> {
        self.text.family(family);
        self.open_metrics.family(family);
        self.text.clear();
        self.open_metrics.clear();
        self.section(before, points)
    }

    fn section(&mut self, before: &Pieces<Piece>, families: impl FnOnce(&mut dyn Sink)) -> Pieces<Piece> {
        self.made.begin(before);
        families(self);
        self.end_piece();
        self.made.end()
    }
}

impl Lines<'_> {
    /// Adds what has been written, if anything.
    fn end_piece(&mut self) {
        let Self {
            text,
            open_metrics,
            differs,
            made,
        } = self;
        if text.written().is_empty() {
            return;
        }
        let all_before = Arc::clone(&made.before);
        let (text_before, other_before) = match all_before.get(made.pieces.len()) {
            Some(before) => (Some(&before.text), before.open_metrics.as_ref()),
            None => (None, None),
        };
        let has_other = *differs && open_metrics.written() != text.written();
        made.is_as_before &= other_before.is_some() == has_other;
        let piece = Piece {
            text: made.part(text.written().as_bytes(), text_before),
            open_metrics: has_other.then(|| made.part(open_metrics.written().as_bytes(), other_before)),
        };
        made.pieces.push(piece);
        text.clear();
        open_metrics.clear();
        *differs = false;
    }

    fn end_piece_if_full(&mut self) {
        if self.text.written().len() >= PIECE_BYTES {
            self.end_piece();
        }
    }

    /// From here on OpenMetrics is written for itself.
    fn differ(&mut self) {
        if !self.differs {
            self.open_metrics.go_on_from(&self.text);
            self.differs = true;
        }
    }
}

impl Sink for Lines<'_> {
    fn family(&mut self, family: &Family<'_>) {
        self.end_piece_if_full();
        self.differ();
        self.text.family(family);
        self.open_metrics.family(family);
    }

    fn of(&mut self, labels: &[Label<'_>]) {
        self.text.of(labels);
        self.open_metrics.of(labels);
    }

    fn point(&mut self, labels: &[Label<'_>], value: Value<'_>) {
        self.end_piece_if_full();
        if value.has_exemplars() {
            self.differ();
        }
        self.text.point(labels, value);
        if self.differs {
            self.open_metrics.point(labels, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bodies::{Bodies, Writer, Written};
    use super::*;
    use crate::expose::point::{Counted, Exemplar, Start};

    const FAMILY: Family<'_> = Family::counter("a", "What.");

    const EXEMPLAR: Exemplar<'_> = Exemplar {
        labels: [("i", "x"), ("j", "y")],
        value: 1,
        time: 9,
    };

    fn with_exemplar(value: u64) -> Value<'static> {
        Value::Counted(Counted {
            value,
            start: Start::Unknown,
            exemplar: Some(EXEMPLAR),
        })
    }

    /// A family of these values; the odd ones have exemplars.
    fn write(values: &[u32], before: &Pieces<Piece>) -> Pieces<Piece> {
        let mut deflater = Deflater::default();
        Lines::new(&mut deflater).points(&FAMILY, before, |to| {
            for value in values {
                to.of(&[]);
                let value = match value % 2 {
                    1 => with_exemplar(u64::from(*value)),
                    _ => (*value).into(),
                };
                to.point(&[], value);
            }
        })
    }

    fn bodies(pieces: Pieces<Piece>) -> Bodies<Piece> {
        let mut deflater = Deflater::default();
        let header = Lines::new(&mut deflater).header(&FAMILY, &[], None);
        let blocks = vec![Pieces::default(), pieces];
        Bodies::new(vec![Arc::new(Written { header, blocks })])
    }

    fn body(pieces: Pieces<Piece>, format: Format) -> String {
        let chunks = bodies(pieces).answer(format, false, Vec::new());
        String::from_utf8(chunks.concat()).unwrap()
    }

    #[test]
    fn a_family_of_many_pieces_has_one_header() {
        let values: Vec<u32> = (0..20_000).collect();
        let pieces = write(&values, &Pieces::default());
        assert!(pieces.len() > 5);
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
        assert!(body(Arc::clone(&pieces), Format::Text) == text);
        assert!(body(pieces, Format::OpenMetrics) == open_metrics);
    }

    #[test]
    fn what_is_as_it_was_is_kept() {
        let mut values: Vec<u32> = (10_000..30_000).collect();
        let before = write(&values, &Pieces::default());
        assert!(Arc::ptr_eq(&before, &write(&values, &before)));
        values[10_000] = 10_000;
        let after = write(&values, &before);
        let pairs = before.iter().zip(&*after);
        let made_anew =
            pairs.filter(|(before, after)| before.text.plain().as_ptr() != after.text.plain().as_ptr());
        assert_eq!((made_anew.count(), before.len()), (1, after.len()));
        let again = write(&values, &Pieces::default());
        for format in [Format::Text, Format::OpenMetrics] {
            assert!(body(Arc::clone(&after), format) == body(Arc::clone(&again), format));
        }
        let none = write(&[], &after);
        assert!(none.is_empty(), "what is gone is not kept");
    }

    #[test]
    fn a_family_without_samples_is_left_out() {
        assert_eq!(body(write(&[], &Pieces::default()), Format::Text), "");
    }

    #[test]
    fn labels_before_an_exemplar_are_those_behind_it_too() {
        let mut deflater = Deflater::default();
        let pieces = Lines::new(&mut deflater).points(&FAMILY, &Pieces::default(), |to| {
            for of in ["1", "2"] {
                to.of(&[("of", of)]);
                to.point(&[("b", "1")], 1_u64.into());
                to.point(&[("b", "2")], with_exemplar(2));
            }
        });
        let text = body(Arc::clone(&pieces), Format::Text);
        let open_metrics = body(pieces, Format::OpenMetrics);
        let lines =
            |of: &str| format!("a_total{{of=\"{of}\",b=\"1\"}} 1\na_total{{of=\"{of}\",b=\"2\"}} 2\n");
        assert!(text.ends_with(&(lines("1") + &lines("2"))), "{text}");
        let without = open_metrics.replace(" # {i=\"x\",j=\"y\"} 1 9", "");
        assert!(without.ends_with(&(lines("1") + &lines("2"))), "{open_metrics}");
        assert_eq!(open_metrics.matches(" # {").count(), 2);
    }

    #[test]
    fn formats_share_what_is_the_same() {
        let bodies = bodies(write(&[2], &Pieces::default()));
        let [text, open_metrics] =
            [Format::Text, Format::OpenMetrics].map(|format| bodies.answer(format, false, Vec::new()));
        assert_eq!(text[1].as_ptr(), open_metrics[1].as_ptr());
    }
}
