//! Bodies: families, each with its pieces in order, as they are handed out.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::deflate::{Deflater, Joined, Part};
use crate::expose::encode::Format;
use crate::expose::point::{Family, Sink};

/// A piece has about so many bytes at most: then what one scope changes costs little, and no buffer is so large that an
/// allocator keeps it apart.
pub(super) const PIECE_BYTES: usize = 48 * 1024;

/// A piece of a body, in one format or in several.
pub(in crate::expose) trait Piece: Clone {
    fn of(&self, format: Format) -> &Part;
}

/// Of one format.
impl Piece for Part {
    fn of(&self, _: Format) -> &Part {
        self
    }
}

/// What is written of one family for some neighbours; nothing where they have no samples.
pub(in crate::expose) type Pieces<P> = Arc<[P]>;

/// Takes points, and makes pieces of them.
pub(in crate::expose) trait Writer {
    type Piece: Piece;

    /// What comes before the samples of a family, which are in these blocks. `before` is what came before them last.
    fn header(
        &mut self,
        family: &Family<'_>,
        blocks: &[Pieces<Self::Piece>],
        before: Option<&Self::Piece>,
    ) -> Option<Self::Piece>;

    /// The pieces of points of a family. What is as it was `before` is neither compressed nor kept again.
    fn points(
        &mut self,
        family: &Family<'_>,
        before: &Pieces<Self::Piece>,
        points: impl FnOnce(&mut dyn Sink),
    ) -> Pieces<Self::Piece>;

    /// The pieces of whole families, headers and all.
    fn section(
        &mut self,
        before: &Pieces<Self::Piece>,
        families: impl FnOnce(&mut dyn Sink),
    ) -> Pieces<Self::Piece>;
}

/// The pieces that a writer has made so far, beside what was written of the same before.
pub(super) struct Made<'a, P> {
    pub(super) pieces: Vec<P>,
    pub(super) before: Pieces<P>,
    /// Whether everything has been the same so far.
    pub(super) is_as_before: bool,
    deflater: &'a mut Deflater,
}

impl<'a, P> Made<'a, P> {
    /// Nothing yet.
    pub(super) fn new(deflater: &'a mut Deflater) -> Self {
        Self {
            pieces: Vec::new(),
            before: Pieces::default(),
            is_as_before: true,
            deflater,
        }
    }

    /// These bytes, compressed anew only where they are others than before.
    pub(super) fn part(&mut self, plain: &[u8], before: Option<&Part>) -> Part {
        match before {
            Some(before) if before.is(plain) => before.clone(),
            _ => {
                self.is_as_before = false;
                self.deflater.part(plain)
            }
        }
    }

    /// What comes now was written like this before.
    pub(super) fn begin(&mut self, before: &Pieces<P>) {
        self.before = Arc::clone(before);
        self.is_as_before = true;
    }

    /// All pieces; those of before where nothing has changed.
    pub(super) fn end(&mut self) -> Pieces<P> {
        let before = std::mem::take(&mut self.before);
        match self.is_as_before && self.pieces.len() == before.len() {
            true => {
                self.pieces.clear();
                before
            }
            false => self.pieces.drain(..).collect(),
        }
    }
}

/// A family as it is served: of each block of scopes its pieces.
#[derive(Debug, Clone, Default)]
pub(in crate::expose) struct Written<P> {
    /// What comes before the samples, where there are any.
    pub header: Option<P>,
    pub blocks: Vec<Pieces<P>>,
}

/// The bodies of the formats that a piece is in.
#[derive(Debug)]
pub(in crate::expose) struct Bodies<P> {
    /// In their order.
    families: Vec<Arc<Written<P>>>,
    /// What every compressed answer has in common, made for the first one; by format.
    joined: [OnceLock<Joined>; 3],
}

impl<P> Default for Bodies<P> {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl<P> Bodies<P> {
    /// Families in their order.
    pub(in crate::expose) fn new(families: Vec<Arc<Written<P>>>) -> Self {
        Self {
            families,
            joined: Default::default(),
        }
    }

    /// A family by its place.
    pub(in crate::expose) fn family(&self, place: usize) -> Option<&Arc<Written<P>>> {
        self.families.get(place)
    }
}

impl<P: Piece> Written<P> {
    /// In their order; without samples there is no header.
    fn parts(&self, format: Format) -> impl Iterator<Item = &Part> {
        let has_samples = self.blocks.iter().any(|pieces| !pieces.is_empty());
        let header = self.header.iter().filter(move |_| has_samples);
        let pieces = self.blocks.iter().flat_map(|pieces| pieces.iter());
        header.chain(pieces).map(move |piece| piece.of(format))
    }
}

impl<P: Piece> Bodies<P> {
    /// An answer, with more behind it. That is not compressed: it is short, and would be again and again.
    pub(in crate::expose) fn answer(&self, format: Format, gzip: bool, more: Vec<u8>) -> Vec<Bytes> {
        match gzip {
            true => {
                let joined = self.joined[format as usize].get_or_init(|| Joined::new(|| self.parts(format)));
                joined.gzip(&more)
            }
            false => {
                let parts = self.parts(format).map(|part| part.plain().clone());
                parts.chain([more.into()]).collect()
            }
        }
    }

    fn parts(&self, format: Format) -> impl Iterator<Item = &Part> {
        self.families.iter().flat_map(move |family| family.parts(format))
    }
}
