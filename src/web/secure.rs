//! From bytes to a connection that is encrypted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;

use super::connection::Protocol;
use super::files::Live;
use super::listener::Transport;

/// What Go answers to HTTP where TLS is spoken, byte for byte.
const NOT_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
/// How much of such a request is read, and for how long, so that its answer is not lost in a reset.
const NOT_TLS_REQUEST: (u64, Duration) = (64 * 1024, Duration::from_secs(1));

/// The protocols offered by ALPN.
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// The protocols to offer, best first.
pub(super) fn protocols(http2: bool) -> Vec<Vec<u8>> {
    let offered: &[&[u8]] = if http2 { &[HTTP2, HTTP1] } else { &[HTTP1] };
    offered.iter().map(|name| name.to_vec()).collect()
}

/// Does the handshake with the configuration as it is now. None, with a line in the log at debug level, when there
/// is no connection to serve. The caller bounds the time.
pub(super) async fn handshake(
    mut transport: Box<dyn Transport>,
    config: &Live<ServerConfig>,
) -> Option<(Box<dyn Transport>, Protocol)> {
    let mut first = [0];
    let read = transport.read_exact(&mut first).await;
    read.ok()?;
    if first[0].is_ascii_uppercase() {
        refuse_plain(transport).await;
        return None;
    }
    let begun = Begun {
        first: Some(first[0]),
        transport,
    };
    let secured = async {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), begun).await?;
        match config.get().await {
            None => Err(io::Error::other("the web configuration is not usable")),
            Some(config) => hello.into_stream(Arc::clone(&config)).await,
        }
    };
    match secured.await {
        Ok(stream) => {
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
            let protocol = if is_http2 {
                Protocol::Http2
            } else {
                Protocol::Http1
            };
            Some((Box::new(stream), protocol))
        }
        Err(error) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
    }
}

async fn refuse_plain(mut transport: Box<dyn Transport>) {
    let (bytes, time) = NOT_TLS_REQUEST;
    // Whether it arrives is for the client to know.
    let answered = async {
        transport.write_all(NOT_TLS).await?;
        transport.shutdown().await?;
        tokio::io::copy(&mut transport.take(bytes), &mut tokio::io::sink()).await
    };
    let _ = timeout(time, answered).await;
}

/// A connection whose first byte has been read, and is given back.
struct Begun {
    first: Option<u8>,
    transport: Box<dyn Transport>,
}

impl AsyncRead for Begun {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0
            && let Some(first) = self.first.take()
        {
            buffer.put_slice(&[first]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.transport).poll_read(context, buffer)
    }
}

impl AsyncWrite for Begun {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(context)
    }
}
