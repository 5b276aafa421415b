//! What an answer carries.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// The body of an answer: chunks that are sent one after another, shared with whoever else holds them.
///
/// Nothing is copied on the way to the socket, so that a page of many megabytes which hundreds of clients read at
/// once is in memory once. The length is known, and is sent as `Content-Length`.
#[derive(Debug, Clone, Default)]
pub struct Body {
    /// What is left to send; none of the chunks is empty.
    chunks: VecDeque<Bytes>,
    /// How many bytes that is.
    length: usize,
}

impl Body {
    /// A body of several chunks, sent in order.
    pub fn from_chunks(chunks: Vec<Bytes>) -> Self {
        let length = chunks.iter().map(Bytes::len).sum();
        let chunks = chunks.into_iter().filter(|chunk| !chunk.is_empty()).collect();
        Self { chunks, length }
    }

    /// A body of no bytes.
    pub fn empty() -> Self {
        Self::default()
    }

    /// How many bytes are left to send.
    pub fn length(&self) -> u64 {
        self.length as u64
    }
}

/// As a whole, so that one call of the system writes many chunks; each in a call of its own, a page of many megabytes took
/// a quarter more.
impl Buf for Body {
    fn remaining(&self) -> usize {
        self.length
    }

    fn chunk(&self) -> &[u8] {
        self.chunks.front().map_or(&[], Bytes::as_ref)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let both = slices.iter_mut().zip(&self.chunks);
        both.map(|(slice, chunk)| *slice = IoSlice::new(chunk)).count()
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.length, "there are not so many bytes");
        self.length -= count;
        let mut left = count;
        while let Some(first) = self.chunks.front_mut() {
            if left < first.len() {
                first.advance(left);
                return;
            }
            left -= first.len();
            self.chunks.pop_front();
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::from_chunks(vec![bytes])
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::from(Bytes::from_static(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_shared_and_empty_ones_left_out() {
        let page = Bytes::from(vec![b'x'; 100]);
        let mut body = Body::from_chunks(vec![page.clone(), Bytes::new(), page.slice(..10)]);
        assert_eq!(body.length(), 110);
        let mut slices = [IoSlice::new(&[]); 3];
        assert_eq!(body.chunks_vectored(&mut slices), 2);
        assert!(slices[..2].iter().all(|slice| slice.as_ptr() == page.as_ptr()));
        body.advance(100);
        assert_eq!((body.chunk().as_ptr(), body.remaining()), (page.as_ptr(), 10));
        body.advance(10);
        assert!(!body.has_remaining() && body.chunk().is_empty());
        assert!(!Body::empty().has_remaining());
    }

    #[test]
    fn it_is_sent_in_steps_of_any_size() {
        for step in 1..12 {
            let chunks = ["ab", "", "cdef", "g", "hij"].map(|chunk| Bytes::from_static(chunk.as_bytes()));
            let mut body = Body::from_chunks(chunks.to_vec());
            let mut sent = Vec::new();
            while body.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 2];
                let filled = body.chunks_vectored(&mut slices);
                let ready: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
                assert!(ready.starts_with(body.chunk()) && !body.chunk().is_empty());
                let step = step.min(ready.len());
                sent.extend_from_slice(&ready[..step]);
                body.advance(step);
            }
            assert_eq!(sent, b"abcdefghij");
        }
    }
}
