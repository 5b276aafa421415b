//! Files for a test: web configurations, certificates, password hashes, all made when it runs.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;

/// A directory of files, gone with the test.
pub(super) struct Folder(TempDir);

impl Folder {
    /// Holds `server.crt` and `server.key`, which match.
    pub(super) fn with_server(server: &Pair) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("server.crt", &server.certificate);
        folder.write("server.key", &server.key);
        folder
    }

    /// Replaces a file at once, as careful tools do.
    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        let beside = self.0.path().join(format!("{name}.new"));
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, &path).unwrap();
        path
    }

    /// Replaces `web.yml`.
    pub(super) fn configure(&self, text: &str) -> PathBuf {
        self.write("web.yml", text)
    }

    pub(super) fn remove(&self, name: &str) {
        fs::remove_file(self.0.path().join(name)).unwrap();
    }
}

/// A certificate that signs itself, and its key, in PEM.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) der: CertificateDer<'static>,
    key_der: Vec<u8>,
}

impl Pair {
    /// For `localhost`.
    pub(super) fn server() -> Self {
        Self::new(vec![SanType::DnsName("localhost".try_into().unwrap())], false)
    }

    /// With such names.
    pub(super) fn client(names: Vec<SanType>) -> Self {
        Self::new(names, false)
    }

    /// Marked CA:TRUE, as `openssl req -x509` does.
    pub(super) fn authority() -> Self {
        Self::new(Vec::new(), true)
    }

    fn new(names: Vec<SanType>, is_authority: bool) -> Self {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        if is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().clone(),
            key_der: key.serialize_der(),
        }
    }

    pub(super) fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key_der.clone()).into()
    }
}

/// A name for [`Pair::client`].
pub(super) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// `basic_auth_users` with alice, bob, carol and dave, whose passwords are their names and `123`.
pub(super) fn users() -> String {
    let lines: Vec<_> = ["alice", "bob", "carol", "dave"]
        .map(|user| format!("  {user}: {}\n", hash(&format!("{user}123"))))
        .into();
    format!("basic_auth_users:\n{}", lines.concat())
}

/// A cheap hash in the form of htpasswd.
pub(super) fn hash(password: &str) -> String {
    bcrypt::hash_with_result(password, 4)
        .unwrap()
        .format_for_version(bcrypt::Version::TwoY)
}

/// Text as a YAML block under a key.
pub(super) fn block(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("    {line}\n")).collect();
    format!("|\n{}", lines.concat())
}

/// A line of a head.
pub(super) fn basic(user: &str, password: &str) -> String {
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Authorization: Basic {encoded}\r\n")
}
