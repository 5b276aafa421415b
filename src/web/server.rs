//! Build, then run.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::accept::Accepting;
use super::limit::{Connections, connection_cap};
use super::listener::{Address, Bound};
use super::site::Site;
use super::{Routes, WebError};

/// What the flags say about the server.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--web.listen-address`, each as given: `host:port`, `:port` (every IPv4 and IPv6 address),
    /// `[IPv6 address]:port`, `unix:/path`. Port 0 lets the system choose.
    pub addresses: Vec<String>,
    /// `--web.systemd-socket`: the sockets that systemd hands over are used in place of the addresses.
    pub systemd_socket: bool,
    /// `--web.config.file`: TLS, users and headers; without it plain HTTP for everybody.
    pub web_config: Option<PathBuf>,
}

/// A server whose sockets are bound and whose web configuration is valid. It does not accept yet.
#[derive(Debug)]
pub struct Server {
    bound: Vec<Bound>,
}

impl Server {
    /// Reads the web configuration and binds every address; nothing is served when one of them fails.
    ///
    /// With [`Options::systemd_socket`] it must be called before other threads read the environment, because the
    /// variables of systemd are removed from it.
    ///
    /// # Errors
    /// The first thing that is wrong; a retry does not help.
    pub fn bind(options: &Options) -> Result<Self, WebError> {
        let bound = if options.systemd_socket {
            Bound::from_systemd()?
        } else {
            options
                .addresses
                .iter()
                .map(|address| Bound::bind(address))
                .collect::<Result<_, _>>()?
        };
        Ok(Self { bound })
    }

    /// Where it listens, in the order of the options, with the ports the system chose.
    pub fn addresses(&self) -> Vec<Address> {
        self.bound.iter().map(|bound| bound.address.clone()).collect()
    }

    /// Serves until `stop`, then for up to 5 s finishes the answers in hand.
    ///
    /// # Errors
    /// When a listener fails: at once, whatever the others do.
    pub async fn run(self, routes: Routes, stop: CancellationToken) -> Result<(), WebError> {
        let connections = Connections::new(connection_cap());
        let site = Arc::new(Site {
            routes: Arc::new(routes),
        });
        let mut listeners = JoinSet::new();
        for bound in self.bound {
            let address = bound.address.clone();
            let failed = |error: &dyn std::fmt::Display| WebError::Listener {
                address: address.to_string(),
                reason: error.to_string(),
            };
            let listener = bound.start().map_err(|error| failed(&error))?;
            tracing::info!(%address, "Listening on");
            tracing::info!(http2 = false, %address, "TLS is disabled.");
            let accepting = Accepting {
                address,
                listener,
                connections: Arc::clone(&connections),
                site: Arc::clone(&site),
            };
            listeners.spawn(accepting.run(stop.clone()));
        }
        while let Some(ended) = listeners.join_next().await {
            ended.map_err(|error| WebError::Listener {
                address: "of the web server".to_owned(),
                reason: error.to_string(),
            })??;
        }
        Ok(())
    }
}
