//! The loop that accepts connections on one listener.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::connection::{self, Protocol};
use super::files::Live;
use super::limit::Connections;
use super::listener::{Address, Listener, Transport};
use super::progress::Progress;
use super::site::Site;
use super::{WebError, secure};

/// Answers in hand may be finished for so long after the stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// A TLS handshake, from the connection to its last message.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// The first and the longest wait after an accept that failed, as in Go.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// EBADF, EINVAL, ENOTSOCK: the socket is no listener any more. Everything else passes: a client that has gone, no
/// descriptors or memory left, a network that is down.
const FATAL: [i32; 3] = [9, 22, 88];

/// One listener at work.
#[derive(Debug)]
pub(super) struct Accepting {
    pub(super) address: Address,
    pub(super) listener: Listener,
    pub(super) connections: Arc<Connections>,
    /// With it, TLS is spoken.
    pub(super) tls: Option<Arc<Live<ServerConfig>>>,
    pub(super) site: Arc<Site>,
}

impl Accepting {
    /// Accepts until `stop`, then waits a little for the answers in hand. An error when the listener fails.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), WebError> {
        let mut tasks = JoinSet::new();
        let mut wait = BACKOFF.0;
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    report(ended);
                    continue;
                }
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok(transport) => {
                    wait = BACKOFF.0;
                    self.begin(transport, &mut tasks, &stop);
                }
                Err(error) if error.raw_os_error().is_some_and(|code| FATAL.contains(&code)) => {
                    return Err(WebError::Listener {
                        address: self.address.to_string(),
                        reason: error.to_string(),
                    });
                }
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    tracing::warn!(address = %self.address, %error, "cannot accept connections; trying again");
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = sleep(wait) => wait = (wait * 2).min(BACKOFF.1),
                    }
                }
            }
        }
        let Self { listener, .. } = self;
        drop(listener);
        let drained = timeout(DRAIN_LIMIT, async {
            while let Some(ended) = tasks.join_next().await {
                report(ended);
            }
        });
        if drained.await.is_err() {
            tracing::warn!(
                connections = tasks.len(),
                "closing connections that did not finish in time"
            );
        }
        Ok(())
    }

    /// Serves one connection in a task of its own, if there is a place for it.
    fn begin(&self, transport: Box<dyn Transport>, tasks: &mut JoinSet<()>, stop: &CancellationToken) {
        let progress = Progress::new(Instant::now());
        let Some(place) = self.connections.enter(&progress) else {
            tracing::debug!(address = %self.address, "connection refused: all are busy");
            return;
        };
        let (tls, site, stop) = (self.tls.clone(), Arc::clone(&self.site), stop.clone());
        tasks.spawn(async move {
            let ready = match &tls {
                None => Some((transport, Protocol::Http1)),
                Some(config) => tokio::select! {
                    () = stop.cancelled() => None,
                    () = progress.evicted.cancelled() => None,
                    done = timeout(HANDSHAKE_LIMIT, secure::handshake(transport, config)) => done.ok().flatten(),
                },
            };
            if let Some((transport, protocol)) = ready {
                progress.established();
                connection::serve(transport, protocol, site, progress, stop).await;
            }
            drop(place);
        });
    }
}

/// A connection's task must not die unseen.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "the task of a connection panicked");
    }
}

/// Errors that concern the connection which was to be accepted, not the listener: no reason to wait.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
