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

/// An empty last block.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// A piece of a body.
#[derive(Debug, Clone)]
pub(super) struct Part {
    plain: Bytes,
    deflated: Bytes,
    checksum: Hasher,
}

impl Part {
    /// Compresses a piece.
    pub(super) fn new(plain: impl Into<Bytes>) -> Self {
        let plain = plain.into();
        let mut checksum = Hasher::new();
        checksum.update(&plain);
        let deflated = deflate(&plain).into_boxed_slice().into();
        Self {
            plain,
            deflated,
            checksum,
        }
    }

    /// Whether it is the piece of these bytes.
    pub(super) fn is(&self, plain: &str) -> bool {
        self.plain == plain.as_bytes()
    }
}

/// The pieces as one plain body.
pub(super) fn plain<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Vec<Bytes> {
    parts.into_iter().map(|part| part.plain.clone()).collect()
}

/// The pieces as one gzip body.
pub(super) fn gzip<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Vec<Bytes> {
    let mut chunks = vec![Bytes::from_static(&GZIP_HEADER)];
    let mut checksum = Hasher::new();
    let mut length = 0_u32;
    for part in parts {
        chunks.push(part.deflated.clone());
        checksum.combine(&part.checksum);
        length = length.wrapping_add(part.plain.len() as u32);
    }
    let mut end = LAST_BLOCK.to_vec();
    end.extend(checksum.finalize().to_le_bytes());
    end.extend(length.to_le_bytes());
    chunks.push(end.into());
    chunks
}

/// Blocks that are not the last, ending on a byte, that refer to nothing before them.
fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::new(6), false);
    let mut deflated = Vec::with_capacity(plain.len() / 8 + 64);
    loop {
        let read = compress.total_in() as usize;
        let before = compress.total_out();
        let status = compress.compress_vec(&plain[read..], &mut deflated, FlushCompress::Full);
        let is_full = deflated.len() == deflated.capacity();
        let is_done = compress.total_in() as usize == plain.len() && !is_full;
        // An error, or no progress with room to write: nothing more will come.
        if is_done
            || !matches!(status, Ok(Status::Ok)) && !is_full
            || (compress.total_out() == before && !is_full)
        {
            return deflated;
        }
        deflated.reserve(deflated.capacity().max(1024));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn joined_pieces_are_one_member() {
        let texts = [
            String::new(),
            "a\n".to_owned(),
            "metric{x=\"y\"} 1\n".repeat(100_000),
            "# EOF\n".to_owned(),
        ];
        for count in 0..=texts.len() {
            let parts: Vec<Part> = texts[..count]
                .iter()
                .map(|text| Part::new(text.clone()))
                .collect();
            let body = gzip(&parts).concat();
            // Reads one member only.
            let mut decoder = GzDecoder::new(&body[..]);
            let mut read = String::new();
            decoder.read_to_string(&mut read).unwrap();
            assert_eq!(read, texts[..count].concat());
            assert!(decoder.into_inner().is_empty(), "one member is all");
        }
    }

    #[test]
    fn noise_is_whole_too() {
        let noise: Vec<u8> = (0..300_000).map(|_| fastrand::u8(..)).collect();
        let body = gzip(&[Part::new(noise.clone())]).concat();
        let mut read = Vec::new();
        GzDecoder::new(&body[..]).read_to_end(&mut read).unwrap();
        assert!(read == noise);
    }
}
