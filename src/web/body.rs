//! What an answer carries.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// The body of an answer: chunks that are sent one after another, shared with whoever else holds them.
///
/// Nothing is copied on the way to the socket, so that a page of many megabytes which hundreds of clients read at
/// once is in memory once. The length is known, and is sent as `Content-Length`.
#[derive(Debug, Clone, Default)]
pub struct Body {
    /// What is left to send; none of the chunks is empty.
    chunks: VecDeque<Bytes>,
}

impl Body {
    /// A body of several chunks, sent in order.
    pub fn from_chunks(chunks: Vec<Bytes>) -> Self {
        Self {
            chunks: chunks.into_iter().filter(|chunk| !chunk.is_empty()).collect(),
        }
    }

    /// A body of no bytes.
    pub fn empty() -> Self {
        Self::default()
    }

    /// How many bytes are left to send.
    pub fn length(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.len() as u64).sum()
    }

    /// The next chunk, none at the end.
    pub(super) fn next_chunk(&mut self) -> Option<Bytes> {
        self.chunks.pop_front()
    }

    /// Whether everything has been handed over.
    pub(super) fn is_finished(&self) -> bool {
        self.chunks.is_empty()
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

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().next_chunk().map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_finished()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length())
    }
}

#[cfg(test)]
mod tests {
    use hyper::body::Body as _;

    use super::*;

    #[test]
    fn chunks_are_shared_and_empty_ones_left_out() {
        let page = Bytes::from(vec![b'x'; 100]);
        let mut body = Body::from_chunks(vec![page.clone(), Bytes::new(), page.slice(..10)]);
        assert_eq!(body.size_hint().exact(), Some(110));
        assert_eq!(body.next_chunk().unwrap().as_ptr(), page.as_ptr());
        assert_eq!(body.next_chunk().unwrap().as_ptr(), page.as_ptr());
        assert!(body.is_end_stream());
        assert!(Body::empty().is_end_stream());
    }
}
