//! Families of samples, cut into pieces that are written anew only where what they show has changed.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::deflate::{Deflater, Joined, Part};
use crate::expose::encode::{Encoder, Format, OpenMetrics, Text};
use crate::expose::point::{Family, Label, Sink, Value};

/// A piece has about so many bytes at most: then what one scope changes costs little, and no buffer is so large that an
/// allocator keeps it apart.
const PIECE_BYTES: usize = 48 * 1024;

/// A piece in every format; they share it where its bytes are the same.
#[derive(Debug, Clone)]
pub(in crate::expose) struct Piece {
    text: Part,
    /// None where its samples are those of text.
    open_metrics: Option<Part>,
}

/// What is written of one family for some neighbours; nothing where they have no samples.
pub(in crate::expose) type Pieces = Arc<[Piece]>;

/// A family as it is served: of each block of scopes its pieces.
#[derive(Debug, Clone, Default)]
pub(in crate::expose) struct Written {
    /// What comes before the samples, where there are any.
    pub header: Option<Piece>,
    pub blocks: Vec<Pieces>,
}

/// The bodies of all formats.
#[derive(Debug, Default)]
pub(in crate::expose) struct Bodies {
    /// In their order.
    families: Vec<Arc<Written>>,
    /// What every compressed answer has in common, made for the first one: text, OpenMetrics.
    joined: [OnceLock<Joined>; 2],
}

/// Takes points, and makes pieces of them in every format.
pub(in crate::expose) struct Writer<'a> {
    text: Text,
    /// Encoded only where its samples are others than those of text.
    open_metrics: OpenMetrics,
    /// Whether they are: the piece under way has an exemplar or a header.
    differs: bool,
    pieces: Vec<Piece>,
    /// What was written of the same before, and whether everything has been the same so far.
    before: Pieces,
    is_as_before: bool,
    deflater: &'a mut Deflater,
}

impl Piece {
    fn of(&self, format: Format) -> &Part {
        match format {
            Format::Text => &self.text,
            Format::OpenMetrics => self.open_metrics.as_ref().unwrap_or(&self.text),
        }
    }
}

impl Written {
    /// In their order; without samples there is no header.
    fn parts(&self, format: Format) -> impl Iterator<Item = &Part> {
        let has_samples = self.blocks.iter().any(|pieces| !pieces.is_empty());
        let header = self.header.iter().filter(move |_| has_samples);
        let pieces = self.blocks.iter().flat_map(|pieces| pieces.iter());
        header.chain(pieces).map(move |piece| piece.of(format))
    }
}

impl Bodies {
    /// Families in their order.
    pub(in crate::expose) fn new(families: Vec<Arc<Written>>) -> Self {
        Self {
            families,
            joined: Default::default(),
        }
    }

    /// A family by its place.
    pub(in crate::expose) fn family(&self, place: usize) -> Option<&Arc<Written>> {
        self.families.get(place)
    }

    /// As it is, and more text behind it.
    pub(in crate::expose) fn plain(&self, format: Format, more: String) -> Vec<Bytes> {
        let parts = self.parts(format).map(|part| part.plain().clone());
        parts.chain([more.into()]).collect()
    }

    /// As one gzip member, more text behind it. That is not compressed: it is short, and would be again and again.
    pub(in crate::expose) fn gzip(&self, format: Format, more: &str) -> Vec<Bytes> {
        let joined = self.joined[format as usize].get_or_init(|| Joined::new(|| self.parts(format)));
        joined.gzip(more)
    }

    fn parts(&self, format: Format) -> impl Iterator<Item = &Part> {
        self.families.iter().flat_map(move |family| family.parts(format))
    }
}

impl<'a> Writer<'a> {
    /// Nothing yet.
    pub(in crate::expose) fn new(deflater: &'a mut Deflater) -> Self {
        Self {
            text: Text::default(),
            open_metrics: OpenMetrics::default(),
            differs: false,
            pieces: Vec::new(),
            before: Pieces::default(),
            is_as_before: true,
            deflater,
        }
    }

    /// What comes before the samples of a family.
    pub(in crate::expose) fn header(&mut self, family: &Family<'_>) -> Option<Piece> {
        let pieces = self.section(&Pieces::default(), |to| to.family(family));
        pieces.first().cloned()
    }

    /// The pieces of points of a family. What is as it was `before` is neither compressed nor kept again.
    pub(in crate::expose) fn points(
        &mut self,
        family: &Family<'_>,
        before: &Pieces,
        points: impl FnOnce(&mut dyn Sink),
    ) -> Pieces {
        self.text.family(family);
        self.open_metrics.family(family);
        self.text.clear();
        self.open_metrics.clear();
        self.section(before, points)
    }

    /// The pieces of whole families, headers and all.
    pub(in crate::expose) fn section(
        &mut self,
        before: &Pieces,
        families: impl FnOnce(&mut dyn Sink),
    ) -> Pieces {
        self.before = Arc::clone(before);
        self.is_as_before = true;
        families(self);
        self.end_piece();
        let before = std::mem::take(&mut self.before);
        match self.is_as_before && self.pieces.len() == before.len() {
            true => {
                self.pieces.clear();
                before
            }
            false => self.pieces.drain(..).collect(),
        }
    }

    /// Adds what has been written, if anything.
    fn end_piece(&mut self) {
        let Self {
            text,
            open_metrics,
            pieces,
            before,
            deflater,
            ..
        } = self;
        if text.written().is_empty() {
            return;
        }
        let before = before.get(pieces.len());
        let mut is_as_before = true;
        let mut part = |plain: &str, before: Option<&Part>| match before {
            Some(before) if before.is(plain.as_bytes()) => before.clone(),
            _ => {
                is_as_before = false;
                deflater.part(plain.as_bytes())
            }
        };
        let piece = Piece {
            text: part(text.written(), before.map(|before| &before.text)),
            open_metrics: (self.differs && open_metrics.written() != text.written()).then(|| {
                let before = before.and_then(|before| before.open_metrics.as_ref());
                part(open_metrics.written(), before)
            }),
        };
        let had_other = before.is_some_and(|before| before.open_metrics.is_some());
        self.is_as_before &= is_as_before && had_other == piece.open_metrics.is_some();
        pieces.push(piece);
        text.clear();
        open_metrics.clear();
        self.differs = false;
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

impl Sink for Writer<'_> {
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
        if matches!(value, Value::WithExemplar(..)) {
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
    use super::*;
    use crate::expose::point::Exemplar;

    const FAMILY: Family<'_> = Family::counter("a", "What.");

    const EXEMPLAR: Exemplar<'_> = Exemplar {
        labels: [("i", "x"), ("j", "y")],
        time: 9,
    };

    /// A family of these values; the odd ones have exemplars.
    fn write(values: &[u32], before: &Pieces) -> Pieces {
        let mut deflater = Deflater::default();
        Writer::new(&mut deflater).points(&FAMILY, before, |to| {
            for value in values {
                to.of(&[]);
                let value = match value % 2 {
                    1 => Value::WithExemplar(u64::from(*value), EXEMPLAR),
                    _ => (*value).into(),
                };
                to.point(&[], value);
            }
        })
    }

    fn bodies(pieces: Pieces) -> Bodies {
        let mut deflater = Deflater::default();
        let header = Writer::new(&mut deflater).header(&FAMILY);
        let blocks = vec![Pieces::default(), pieces];
        Bodies::new(vec![Arc::new(Written { header, blocks })])
    }

    fn body(pieces: Pieces, format: Format) -> String {
        let chunks = bodies(pieces).plain(format, String::new());
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
        let pieces = Writer::new(&mut deflater).points(&FAMILY, &Pieces::default(), |to| {
            for of in ["1", "2"] {
                to.of(&[("of", of)]);
                to.point(&[("b", "1")], 1_u64.into());
                to.point(&[("b", "2")], Value::WithExemplar(2, EXEMPLAR));
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
            [Format::Text, Format::OpenMetrics].map(|format| bodies.plain(format, String::new()));
        assert_eq!(text[1].as_ptr(), open_metrics[1].as_ptr());
    }
}
