//! From bytes to a connection that is encrypted.

use std::io;
use std::ops::Range;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::StartHandshake;

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

/// Where the newest version that an old client speaks stands in its first record (RFC 5246 sections 6.2.1, 7.4.1.2).
const HELLO_VERSION: Range<usize> = 9..11;
const HANDSHAKE_RECORD: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const TLS12: [u8; 2] = [3, 3];
/// A fatal alert "protocol version". rustls would rather complain of the extensions such a client does not know.
const PROTOCOL_VERSION_ALERT: [u8; 7] = [21, 3, 1, 0, 2, 2, 70];

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
    let secured = async {
        let Some(hello) = read_hello(&mut transport).await? else {
            refuse_plain(transport).await;
            return Err(io::Error::other("HTTP was spoken"));
        };
        // Chosen for each connection, as in Go.
        let config = config
            .get()
            .await
            .ok_or_else(|| io::Error::other("the configuration is not usable"))?;
        StartHandshake::from_parts(hello, transport)
            .into_stream(config)
            .await
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

/// Reads the client's first message; none when it begins as HTTP does.
async fn read_hello(transport: &mut Box<dyn Transport>) -> io::Result<Option<Accepted>> {
    let mut acceptor = Acceptor::default();
    let mut begin = [0; HELLO_VERSION.end];
    let mut length = 0;
    // Read one after another, as a plain HTTP request may be shorter than this.
    while length < begin.len() {
        match transport.read(&mut begin[length..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => length += more,
        }
        if begin[0].is_ascii_uppercase() {
            return Ok(None);
        }
    }
    if begin[0] == HANDSHAKE_RECORD && begin[5] == CLIENT_HELLO && begin[HELLO_VERSION] < TLS12[..] {
        transport.write_all(&PROTOCOL_VERSION_ALERT).await?;
        return Err(io::Error::other(
            "the client speaks no version of TLS newer than 1.1",
        ));
    }
    let mut buffer = [0; 4096];
    buffer[..length].copy_from_slice(&begin);
    loop {
        let mut unread = &buffer[..length];
        while !unread.is_empty() {
            if acceptor.read_tls(&mut unread)? == 0 {
                return Err(io::Error::other("the first message is too long"));
            }
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => return Ok(Some(accepted)),
            Ok(None) => {}
            Err((error, mut alert)) => {
                let mut bytes = Vec::new();
                alert.write_all(&mut bytes)?;
                transport.write_all(&bytes).await?;
                return Err(io::Error::other(error));
            }
        }
        length = transport.read(&mut buffer).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
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
