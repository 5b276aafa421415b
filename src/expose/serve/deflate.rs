//! Pieces of a body that are compressed once and joined for each answer.
//!
//! Each piece is raw DEFLATE that ends on a byte; joined, with a gzip header before and the combined checksum behind,
//! they are one gzip member (RFC 1951, RFC 1952). Several members would do for Prometheus, but browsers show the first
//! alone.

use bytes::Bytes;
use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress, Status};

/// Fixed: no name, no time, unknown system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// What one stored block holds at most.
const STORED_BYTES: usize = u16::MAX as usize;

/// A piece of a body.
#[derive(Debug, Clone, Default)]
pub(in crate::expose) struct Part {
    plain: Bytes,
    deflated: Bytes,
    checksum: u32,
}

impl Part {
    /// Whether it is the piece of these bytes.
    pub(in crate::expose) fn is(&self, plain: &[u8]) -> bool {
        self.plain == plain
    }

    /// As it is.
    pub(in crate::expose) fn plain(&self) -> &Bytes {
        &self.plain
    }
}

/// Compresses one piece after another.
///
/// It is kept from rendering to rendering: the state of DEFLATE has some 400 KB, and an allocator that hands it out
/// again and again leaves as large holes.
#[derive(Debug)]
pub(in crate::expose) struct Deflater {
    compress: Compress,
    /// What is compressed before its size is known.
    deflated: Vec<u8>,
}

impl Default for Deflater {
    fn default() -> Self {
        Self {
            compress: Compress::new(Compression::new(6), false),
            deflated: Vec::new(),
        }
    }
}

impl Deflater {
    /// Compresses a piece.
    pub(in crate::expose) fn part(&mut self, plain: &[u8]) -> Part {
        self.deflate(plain);
        Part {
            plain: Bytes::copy_from_slice(plain),
            deflated: Bytes::copy_from_slice(&self.deflated),
            checksum: crc32fast::hash(plain),
        }
    }

    /// Blocks that are not the last, ending on a byte, that refer to nothing before them: a full flush forgets it.
    fn deflate(&mut self, plain: &[u8]) {
        let Self { compress, deflated } = self;
        deflated.clear();
        let begun = compress.total_in();
        loop {
            deflated.reserve(plain.len() / 8 + 1024);
            let read = (compress.total_in() - begun) as usize;
            let before = deflated.len();
            let status = compress.compress_vec(&plain[read..], deflated, FlushCompress::Full);
            // With room left, all there is has been written. An error, or no progress: nothing more will come.
            let is_full = deflated.len() == deflated.capacity();
            if !is_full || !matches!(status, Ok(Status::Ok)) || deflated.len() == before {
                return;
            }
        }
    }
}

/// What every compressed answer of a body has in common.
#[derive(Debug)]
pub(in crate::expose) struct Joined {
    /// Header and pieces, one write for all of them.
    deflated: Bytes,
    checksum: Hasher,
    length: u32,
}

impl Joined {
    /// Joins the pieces that `parts` gives, each time the same.
    pub(in crate::expose) fn new<'a, I: Iterator<Item = &'a Part>>(parts: impl Fn() -> I) -> Self {
        let mut checksum = Hasher::new();
        let mut length = 0_u32;
        let deflated_bytes: usize = parts().map(|part| part.deflated.len()).sum();
        let mut deflated = Vec::with_capacity(GZIP_HEADER.len() + deflated_bytes);
        deflated.extend(GZIP_HEADER);
        for part in parts() {
            deflated.extend_from_slice(&part.deflated);
            let bytes = part.plain.len() as u64;
            checksum.combine(&Hasher::new_with_initial_len(part.checksum, bytes));
            length = length.wrapping_add(part.plain.len() as u32);
        }
        Self {
            deflated: deflated.into(),
            checksum,
            length,
        }
    }

    /// One gzip member, more behind it. That is not compressed: it is short, and would be again and again.
    pub(in crate::expose) fn gzip(&self, more: &[u8]) -> Vec<Bytes> {
        let mut checksum = self.checksum.clone();
        let mut behind = Hasher::new();
        behind.update(more);
        checksum.combine(&behind);
        let length = self.length.wrapping_add(more.len() as u32);
        let mut end = stored(more);
        end.extend(checksum.finalize().to_le_bytes());
        end.extend(length.to_le_bytes());
        vec![self.deflated.clone(), end.into()]
    }
}

/// Blocks that are stored as they are, the last of a member among them (RFC 1951, 3.2.4).
fn stored(plain: &[u8]) -> Vec<u8> {
    let mut blocks = Vec::with_capacity(plain.len() + 64);
    let mut left = plain;
    loop {
        let (block, rest) = left.split_at(left.len().min(STORED_BYTES));
        let length = block.len() as u16;
        blocks.push(u8::from(rest.is_empty()));
        blocks.extend(length.to_le_bytes());
        blocks.extend((!length).to_le_bytes());
        blocks.extend_from_slice(block);
        if rest.is_empty() {
            return blocks;
        }
        left = rest;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    /// What one gzip member holds; that is all there may be.
    fn read(body: &[Bytes]) -> String {
        let body = body.concat();
        let mut decoder = GzDecoder::new(&body[..]);
        let mut read = String::new();
        decoder.read_to_string(&mut read).unwrap();
        assert!(decoder.into_inner().is_empty(), "one member is all");
        read
    }

    fn gzip(texts: &[String], more: &str) -> Vec<Bytes> {
        let mut deflater = Deflater::default();
        let parts: Vec<Part> = texts.iter().map(|text| deflater.part(text.as_bytes())).collect();
        Joined::new(|| parts.iter()).gzip(more.as_bytes())
    }

    #[test]
    fn joined_pieces_are_one_member() {
        let texts = [
            String::new(),
            "a\n".to_owned(),
            "metric{x=\"y\"} 1\n".repeat(100_000),
            "# EOF\n".to_owned(),
        ];
        for count in 0..=texts.len() {
            for more in &texts {
                let expected = texts[..count].concat() + more;
                assert!(read(&gzip(&texts[..count], more)) == expected);
            }
        }
    }

    /// Pieces are joined anew in other bodies, behind other pieces.
    #[test]
    fn a_piece_refers_to_none_before_it() {
        let mut deflater = Deflater::default();
        let text = "metric{x=\"y\"} 1\n".repeat(100);
        let [_, second] = [(); 2].map(|()| deflater.part(text.as_bytes()));
        assert!(read(&Joined::new(|| [&second].into_iter()).gzip(b"")) == text);
    }

    proptest! {
        #[test]
        fn noise_is_whole_too(texts in prop::collection::vec("\\PC{0,3000}", 0..6), more in "\\PC{0,300}") {
            prop_assert_eq!(read(&gzip(&texts, &more)), texts.concat() + &more);
        }
    }

    #[test]
    fn much_noise_is_whole_too() {
        let noise: String = (0..300_000).map(|_| fastrand::alphanumeric()).collect();
        assert!(read(&gzip(std::slice::from_ref(&noise), &noise)) == noise.repeat(2));
    }
}
