//! Families in protobuf, where the length of a whole family comes before it: its metrics are written in pieces, as lines
//! are, and what comes before them is made when all of them are there.

use std::sync::Arc;

use super::bodies::{Made, PIECE_BYTES, Pieces, Writer};
use super::deflate::{Deflater, Part};
use crate::expose::encode::Protobuf;
use crate::expose::point::{Family, Label, Sink, Value};

/// Takes points, and makes pieces of messages of them.
pub(in crate::expose) struct Messages<'a> {
    protobuf: Protobuf,
    /// How the family under way is cut; none where it is still short.
    cut: Option<Cut>,
    made: Made<'a, Part>,
}

/// A family whose metrics are in pieces of their own.
struct Cut {
    /// The place of the piece that comes before them; none where that is kept apart.
    head: Option<usize>,
    /// Of metrics in the pieces so far.
    bytes: usize,
}

impl<'a> Messages<'a> {
    /// Nothing yet.
    pub(in crate::expose) fn new(protobuf: Protobuf, deflater: &'a mut Deflater) -> Self {
        Self {
            protobuf,
            cut: None,
            made: Made::new(deflater),
        }
    }

    fn end_family(&mut self) {
        if let Some(mut cut) = self.cut.take() {
            self.cut_metrics(&mut cut);
            if let Some(place) = cut.head {
                self.made.replace(place, &self.protobuf.head(cut.bytes));
            }
        }
        self.protobuf.end_family();
    }

    /// Whole families become a piece.
    fn cut_families(&mut self) {
        self.made.push(self.protobuf.written());
        self.protobuf.clear_written();
    }

    /// The metrics of the family under way become a piece.
    fn cut_metrics(&mut self, cut: &mut Cut) {
        cut.bytes += self.protobuf.metrics().len();
        self.made.push(self.protobuf.metrics());
        self.protobuf.clear_metrics();
    }
}

impl Made<'_, Part> {
    /// Adds a piece, unless it is empty.
    fn push(&mut self, plain: &[u8]) {
        if !plain.is_empty() {
            self.pieces.push(Part::default());
            self.replace(self.pieces.len() - 1, plain);
        }
    }

    /// A place for what is not known yet.
    fn reserve(&mut self) -> usize {
        self.pieces.push(Part::default());
        self.pieces.len() - 1
    }

    fn replace(&mut self, place: usize, plain: &[u8]) {
        let before = Arc::clone(&self.before);
        self.pieces[place] = self.part(plain, before.get(place));
    }
}

impl Writer for Messages<'_> {
    type Piece = Part;

    fn header(
        &mut self,
        family: &Family<'_>,
        blocks: &[Pieces<Part>],
        before: Option<&Part>,
    ) -> Option<Part> {
        let parts = blocks.iter().flat_map(|pieces| pieces.iter());
        let metrics: usize = parts.map(|part| part.plain().len()).sum();
        self.protobuf.family(family);
        let head = self.protobuf.head(metrics);
        Some(self.made.part(&head, before))
    }

    fn points(
        &mut self,
        family: &Family<'_>,
        before: &Pieces<Part>,
        points: impl FnOnce(&mut dyn Sink),
    ) -> Pieces<Part> {
        self.made.begin(before);
        self.protobuf.family(family);
        self.cut = Some(Cut { head: None, bytes: 0 });
        points(self);
        self.end_family();
        self.made.end()
    }

    fn section(&mut self, before: &Pieces<Part>, families: impl FnOnce(&mut dyn Sink)) -> Pieces<Part> {
        self.made.begin(before);
        families(self);
        self.end_family();
        self.cut_families();
        self.made.end()
    }
}

impl Sink for Messages<'_> {
    fn family(&mut self, family: &Family<'_>) {
        self.end_family();
        if self.protobuf.written().len() >= PIECE_BYTES {
            self.cut_families();
        }
        self.protobuf.family(family);
    }

    fn of(&mut self, labels: &[Label<'_>]) {
        self.protobuf.of(labels);
    }

    fn point(&mut self, labels: &[Label<'_>], value: Value<'_>) {
        if self.protobuf.metrics().len() >= PIECE_BYTES {
            let mut cut = self.cut.take().unwrap_or_else(|| {
                self.cut_families();
                let head = Some(self.made.reserve());
                Cut { head, bytes: 0 }
            });
            self.cut_metrics(&mut cut);
            self.cut = Some(cut);
        }
        self.protobuf.point(labels, value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::bodies::{Bodies, Written};
    use super::*;
    use crate::expose::encode::Format;

    const FAMILIES: [Family<'_>; 3] = [
        Family::gauge("a", "What."),
        Family::counter("b_bytes", "How many."),
        Family::gauge("c", ""),
    ];

    fn points(values: std::ops::Range<u32>, to: &mut dyn Sink) {
        for value in values {
            to.of(&[("of", &value.to_string())]);
            to.point(&[("and", "more")], value.into());
        }
    }

    /// In one piece, as the encoder alone writes it.
    fn whole(families: impl FnOnce(&mut dyn Sink)) -> Vec<u8> {
        let mut protobuf = Protobuf::new(7.5, 7.5);
        families(&mut protobuf);
        protobuf.into_written()
    }

    fn plain(pieces: Pieces<Part>, header: Option<Part>) -> Vec<u8> {
        let blocks = vec![pieces];
        let bodies = Bodies::new(vec![Arc::new(Written { header, blocks })]);
        bodies.answer(Format::Protobuf, false, Vec::new()).concat()
    }

    #[test]
    fn a_family_of_many_pieces_is_one_message() {
        let mut deflater = Deflater::default();
        let mut messages = Messages::new(Protobuf::new(7.5, 7.5), &mut deflater);
        for [first, second] in [[0, 0], [0, 7], [3, 9000], [9000, 20_000]] {
            let blocks = [(0, first), (first, second)].map(|(begin, end)| {
                let write = |to: &mut dyn Sink| points(begin..end, to);
                messages.points(&FAMILIES[1], &Pieces::default(), write)
            });
            let header = messages.header(&FAMILIES[1], &blocks, None);
            let bodies = Bodies::new(vec![Arc::new(Written {
                header,
                blocks: blocks.to_vec(),
            })]);
            let body = bodies.answer(Format::Protobuf, false, Vec::new()).concat();
            let expected = whole(|to| {
                to.family(&FAMILIES[1]);
                points(0..second, to);
            });
            assert!(
                body == expected,
                "{first} {second}: {} {}",
                body.len(),
                expected.len()
            );
        }
    }

    #[test]
    fn short_families_share_a_piece_and_long_ones_have_several() {
        let mut deflater = Deflater::default();
        let mut messages = Messages::new(Protobuf::new(7.5, 7.5), &mut deflater);
        for (lengths, expected_pieces) in [
            ([3, 4, 5], 1),
            ([3, 5000, 5], 8),
            ([5000, 0, 5000], 10),
            ([0, 0, 0], 0),
        ] {
            let families = |to: &mut dyn Sink| {
                for (family, length) in FAMILIES.iter().zip(lengths) {
                    to.family(family);
                    points(0..length, to);
                }
            };
            let pieces = messages.section(&Pieces::default(), families);
            assert_eq!(pieces.len(), expected_pieces, "{lengths:?}");
            assert!(plain(Arc::clone(&pieces), None) == whole(families), "{lengths:?}");
            let again = messages.section(&pieces, families);
            assert!(Arc::ptr_eq(&again, &pieces), "what is as it was is kept");
        }
    }
}
