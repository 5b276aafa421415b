//! A client of which everything can be chosen.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, ClientConfig, RootCertStore, SupportedCipherSuite};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::fixtures::Pair;
use super::site::PATIENCE;

/// What the client offers; all that there is unless chosen.
#[derive(Clone, Default)]
pub(super) struct TlsClient {
    trusted: Vec<CertificateDer<'static>>,
    suites: Option<Vec<SupportedCipherSuite>>,
    curves: Option<Vec<&'static dyn SupportedKxGroup>>,
    protocols: Vec<Vec<u8>>,
    identity: Option<Pair>,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) suite: CipherSuite,
    pub(super) certificate: CertificateDer<'static>,
}

impl TlsClient {
    pub(super) fn trusting(servers: &[&Pair]) -> Self {
        Self {
            trusted: servers.iter().map(|server| server.der.clone()).collect(),
            ..Self::default()
        }
    }

    pub(super) fn suites(self, suites: &[SupportedCipherSuite]) -> Self {
        Self {
            suites: Some(suites.to_vec()),
            ..self
        }
    }

    pub(super) fn curves(self, curves: &[&'static dyn SupportedKxGroup]) -> Self {
        Self {
            curves: Some(curves.to_vec()),
            ..self
        }
    }

    pub(super) fn protocols(self, names: &[&str]) -> Self {
        Self {
            protocols: names.iter().map(|name| name.as_bytes().to_vec()).collect(),
            ..self
        }
    }

    pub(super) fn identity(self, pair: &Pair) -> Self {
        Self {
            identity: Some(pair.clone()),
            ..self
        }
    }

    /// The handshake alone. With TLS 1.3 a client certificate is refused only later.
    pub(super) async fn connect(&self, address: SocketAddr) -> Result<TlsStream<TcpStream>, String> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| error.to_string())?;
        let connector = TlsConnector::from(Arc::new(self.config()));
        timeout(
            PATIENCE,
            connector.connect("localhost".try_into().unwrap(), stream),
        )
        .await
        .expect("the handshake hung")
        .map_err(|error| error.to_string())
    }

    /// GET with HTTP/1.1 on a connection of its own.
    pub(super) async fn get(&self, address: SocketAddr, path: &str, lines: &str) -> Result<Answer, String> {
        let mut stream = self.connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .map_err(|error| error.to_string())?;
        let mut text = String::new();
        let read = timeout(PATIENCE, stream.read_to_string(&mut text))
            .await
            .expect("the answer hung");
        read.map_err(|error| error.to_string())?;
        let session = stream.get_ref().1;
        Ok(Answer {
            text,
            suite: session.negotiated_cipher_suite().unwrap().suite(),
            certificate: session.peer_certificates().unwrap()[0].clone().into_owned(),
        })
    }

    fn config(&self) -> ClientConfig {
        let mut provider: CryptoProvider = ring::default_provider();
        if let Some(suites) = &self.suites {
            provider.cipher_suites.clone_from(suites);
        }
        if let Some(curves) = &self.curves {
            provider.kx_groups.clone_from(curves);
        }
        let has = |is_tls13| {
            provider
                .cipher_suites
                .iter()
                .any(|suite| suite.tls13().is_some() == is_tls13)
        };
        let mut versions = Vec::new();
        if has(true) {
            versions.push(&rustls::version::TLS13);
        }
        if has(false) {
            versions.push(&rustls::version::TLS12);
        }
        let mut roots = RootCertStore::empty();
        for certificate in &self.trusted {
            roots.add(certificate.clone()).unwrap();
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(pair) => builder
                .with_client_auth_cert(vec![pair.der.clone()], pair.key_der())
                .unwrap(),
        };
        config.alpn_protocols.clone_from(&self.protocols);
        config
    }
}
