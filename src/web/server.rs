//! Build, then run.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use rustls::ServerConfig;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::accept::Accepting;
use super::auth::Auth;
use super::config::{Settings, configuration};
use super::files::{Live, Reader};
use super::limit::{Connections, connection_cap};
use super::listener::{Address, Bound};
use super::site::Site;
use super::{Routes, WebError, secure, tls};
use crate::token_bucket::TokenBucket;

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
    web: Web,
}

/// What the web configuration was at the start, and follows it.
#[derive(Debug, Default)]
struct Web {
    settings: Option<Live<Settings>>,
    tls: Option<Arc<Live<ServerConfig>>>,
    http2: bool,
    rate_limit: Option<TokenBucket>,
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
        if options.addresses.is_empty() && !options.systemd_socket {
            let reason = "no address to listen on".to_owned();
            return Err(WebError::Address {
                address: String::new(),
                reason,
            });
        }
        let web = options
            .web_config
            .as_deref()
            .map(Web::read)
            .transpose()?
            .unwrap_or_default();
        let bound = if options.systemd_socket {
            Bound::from_systemd()?
        } else {
            options
                .addresses
                .iter()
                .map(|address| Bound::bind(address))
                .collect::<Result<_, _>>()?
        };
        Ok(Self { bound, web })
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
        let Web {
            settings,
            tls,
            http2,
            rate_limit,
        } = self.web;
        let site = Arc::new(Site {
            settings,
            rate_limit,
            auth: Auth::default(),
            routes,
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
            if tls.is_some() {
                tracing::info!(http2, %address, "TLS is enabled.");
            } else {
                tracing::info!(http2 = false, %address, "TLS is disabled.");
            }
            let accepting = Accepting {
                address,
                listener,
                connections: Arc::clone(&connections),
                tls: tls.clone(),
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

impl Web {
    /// Reads and checks the file, and prepares to read it again.
    fn read(path: &Path) -> Result<Self, WebError> {
        let mut reader = Reader::default();
        let wrong = |reason| configuration(path, reason);
        let settings = Settings::read(path, &mut reader).map_err(wrong)?;
        let is_secure = settings.tls.is_enabled();
        let http2 = is_secure && settings.http2;
        tls::check(&settings, &mut reader).map_err(wrong)?;
        if is_secure {
            for warning in &settings.preferences.warnings {
                tracing::warn!("{warning}");
            }
        }
        let rate_limit = settings.rate_limit.map(|(interval, burst)| {
            tracing::info!(burst, ?interval, "Rate Limiter is enabled.");
            TokenBucket::new(interval, burst, Instant::now())
        });
        let was_empty = settings.is_empty;
        let tls = is_secure.then(|| {
            let path = path.to_owned();
            Arc::new(Live::new("the TLS configuration", move |reader| {
                let settings = follow(&path, was_empty, reader)?;
                if !settings.tls.is_enabled() {
                    return Err("tls_server_config is gone; serving without TLS needs a restart".to_owned());
                }
                let mut config = tls::server_config(&settings, reader)?;
                config.alpn_protocols = secure::protocols(http2);
                Ok(Arc::new(config))
            }))
        });
        let path = path.to_owned();
        let told = Once::new();
        let settings = Live::new("the web configuration", move |reader| {
            let settings = follow(&path, was_empty, reader)?;
            if settings.tls.is_enabled() && !is_secure {
                told.call_once(|| tracing::warn!("tls_server_config is new; TLS needs a restart"));
            }
            Ok(Arc::new(settings))
        });
        Ok(Self {
            settings: Some(settings),
            tls,
            http2,
            rate_limit,
        })
    }
}

/// Reads the file of a running server.
///
/// An empty file is valid, and opens everything to everybody. One that was not empty at the start is more likely
/// being written at this moment.
fn follow(path: &Path, was_empty: bool, reader: &mut Reader) -> Result<Settings, String> {
    let settings = Settings::read(path, reader)?;
    if settings.is_empty && !was_empty {
        return Err("the file has become empty; write {} to serve without any settings".to_owned());
    }
    Ok(settings)
}
