//! The bytes of a connection, and the bytes of an answer, as [`Progress`] sees them pass.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Buf;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Body;
use super::listener::Transport;
use super::progress::{Answering, Progress};

/// A connection whose bytes are noticed.
pub(super) struct Watched {
    transport: Box<dyn Transport>,
    progress: Arc<Progress>,
}

impl Watched {
    pub(super) fn new(transport: Box<dyn Transport>, progress: Arc<Progress>) -> Self {
        Self { transport, progress }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.transport).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.progress.received();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    // hyper comes here only when it has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.transport).poll_flush(context);
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.progress.flushed();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(context)
    }
}

/// A body whose [`Answering`] ends when the last of its bytes is dropped, wherever hyper or h2 keeps it.
#[derive(Debug)]
pub(super) struct WatchedBody {
    /// None once it was handed over.
    unsent: Option<WatchedBytes>,
}

/// The bytes of an answer, which stays open for as long as anybody holds them.
#[derive(Debug)]
pub(super) struct WatchedBytes {
    body: Body,
    _answering: Answering,
}

impl WatchedBody {
    pub(super) fn new(body: Body, answering: Answering) -> Self {
        let unsent = WatchedBytes {
            body,
            _answering: answering,
        };
        Self { unsent: Some(unsent) }
    }
}

impl hyper::body::Body for WatchedBody {
    type Data = WatchedBytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<WatchedBytes>, Infallible>>> {
        let unsent = self.unsent.take().filter(WatchedBytes::has_remaining);
        Poll::Ready(unsent.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.unsent.as_ref().is_none_or(|bytes| !bytes.has_remaining())
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.unsent.as_ref().map_or(0, |bytes| bytes.body.length()))
    }
}

impl Buf for WatchedBytes {
    fn remaining(&self) -> usize {
        self.body.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.body.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.body.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        self.body.advance(count);
    }
}
