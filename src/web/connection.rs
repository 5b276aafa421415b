//! One connection: its protocol, its deadlines, its end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper::{Request, Version, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::listener::Transport;
use super::progress::Progress;
use super::site::Site;
use super::watched::{Watched, WatchedBody};

/// The head of a request at most; above it 431. Browsers and proxies stay below 16 KiB.
const HEAD_BYTES: usize = 32 * 1024;
/// Header lines at most; above it 431.
const HEAD_LINES: usize = 100;
/// Requests at the same time on one HTTP/2 connection.
const STREAMS: u32 = 32;
/// Streams that a client has reset before they were answered; above it the connection ends (CVE-2023-44487).
const RESET_STREAMS: usize = 20;
/// Streams that we reset because of a client's mistakes; above it the connection ends (CVE-2025-8671).
const ERROR_STREAMS: usize = 100;
/// What HTTP/2 may send to us before we have read it; requests have next to no body.
const WINDOW_BYTES: u32 = 64 * 1024;

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Serves the requests of one connection until it is closed by either side, a deadline passes, it must make room
/// for another, or `stop` lets it finish the answers in hand.
pub(super) async fn serve(
    transport: Box<dyn Transport>,
    protocol: Protocol,
    site: Arc<Site>,
    progress: Arc<Progress>,
    stop: CancellationToken,
) {
    let io = TokioIo::new(Watched::new(transport, Arc::clone(&progress)));
    let service = service_fn(|request: Request<Incoming>| {
        let answering = progress.begin(request.version() == Version::HTTP_2);
        let site = Arc::clone(&site);
        async move {
            let answer = site.answer(request).await;
            answering.made();
            Ok::<_, Infallible>(answer.map(|body| WatchedBody::new(body, answering)))
        }
    });
    let builder = builder(protocol);
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut timer = pin!(sleep_until(progress.deadline()));
    let mut is_stopping = false;
    loop {
        // The deadline is looked at after every move of the connection, which comes first here.
        let expired = std::future::poll_fn(|context| {
            let deadline = progress.deadline();
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            timer.as_mut().poll(context)
        });
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                }
                return;
            }
            () = expired => {
                tracing::debug!("connection closed: a request or an answer took too long, or none came");
                return;
            }
            () = progress.evicted.cancelled() => return,
            () = stop.cancelled(), if !is_stopping => {
                if progress.is_untouched() {
                    return;
                }
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn builder(protocol: Protocol) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Heads have their deadline from `Progress`, which lets a scraper pause between two of them.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_LINES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESET_STREAMS)
        .max_local_error_reset_streams(ERROR_STREAMS)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES);
    // Which of the two is spoken is known from TLS; without it, it is HTTP/1 as in Go.
    match protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_only(),
    }
}
