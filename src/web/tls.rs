//! TLS, as `tls_server_config` describes it, by rustls.

mod client;
mod names;
mod pem;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::sign::SingleCertAndKey;

use self::client::{Policy, Verifier};
use super::config::Settings;
use super::files::Reader;
use crate::shown;

/// The longest certificate, key or bundle of authorities; that of a system is about 250 KB.
const LONGEST_FILE: u64 = 8 << 20;

/// Reads certificate, key and client CA, and makes what rustls needs of them and of the settings.
///
/// The reason of an error is in the words of the exporter-toolkit where it has any, and shows no key.
pub(super) fn server_config(settings: &Settings, reader: &mut Reader) -> Result<ServerConfig, String> {
    let tls = &settings.tls;
    let certificate = Source::of(&tls.cert_file, &tls.cert).ok_or("missing one of cert or cert_file")?;
    let key_text = tls.key.as_ref().map_or("", |key| key.expose());
    let key = Source::of(&tls.key_file, key_text).ok_or("missing one of key or key_file")?;
    let (certificate_from, key_from) = (
        certificate.place("cert", &settings.directory),
        key.place("key", &settings.directory),
    );
    let certificate = certificate.read("cert", &settings.directory, reader)?;
    let key = key.read("key", &settings.directory, reader)?;
    let provider = Arc::new(settings.preferences.provider()?);
    let chain = pem::chain(&certificate, &certificate_from)?;
    let key = pem::private_key(&key, &key_from)?;
    let certified = pem::certified((chain, &certificate_from), (key, &key_from), &provider)?;

    let authorities = match Source::of(&tls.client_ca_file, &tls.client_ca) {
        None => None,
        Some(source) => Some(pem::certificates(&source.read(
            "client_ca",
            &settings.directory,
            reader,
        )?)),
    };
    let policy = Policy::read(&tls.client_auth_type)?;
    if authorities.is_some() && policy == Policy::None {
        return Err("client CA's have been configured without a Client Auth Policy".to_owned());
    }

    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&settings.preferences.versions()?)
        .map_err(|error| error.to_string())?;
    let builder = if policy == Policy::None {
        builder.with_no_client_auth()
    } else {
        let authorities = authorities.unwrap_or_else(|| of_the_system(policy));
        let verifier = Verifier::new(policy, authorities, tls.client_allowed_sans.clone(), provider)?;
        builder.with_client_cert_verifier(Arc::new(verifier))
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.ignore_client_order = settings.preferences.has_suite_order();
    Ok(config)
}

/// Checks what the settings say of TLS, where it is on, and the files that they name.
pub(super) fn check(settings: &Settings, reader: &mut Reader) -> Result<(), String> {
    if !settings.tls.is_enabled() {
        return Ok(());
    }
    if settings.http2 {
        settings.preferences.check_http2()?;
    }
    server_config(settings, reader).map(drop)
}

/// PEM in a file or in the configuration.
enum Source<'a> {
    File(&'a str),
    Inline(&'a str),
}

impl<'a> Source<'a> {
    /// The file wins, as upstream.
    fn of(file: &'a str, inline: &'a str) -> Option<Self> {
        match (file, inline) {
            ("", "") => None,
            ("", inline) => Some(Self::Inline(inline)),
            (file, _) => Some(Self::File(file)),
        }
    }

    /// Where it is, for messages about what is in it.
    fn place(&self, what: &str, directory: &Path) -> String {
        match self {
            Self::Inline(_) => what.to_owned(),
            Self::File(name) => format!("{what}_file ({})", shown::path(&directory.join(name))),
        }
    }

    fn read(&self, what: &str, directory: &Path, reader: &mut Reader) -> Result<Vec<u8>, String> {
        match self {
            Self::Inline(text) => Ok(text.as_bytes().to_owned()),
            Self::File(name) => {
                let path: PathBuf = directory.join(name);
                reader
                    .read(&path, LONGEST_FILE)
                    .map_err(|error| format!("failed to read {what}_file ({}): {error}", shown::path(&path)))
            }
        }
    }
}

/// The authorities this machine trusts, which count when a policy needs some and none is configured.
fn of_the_system(policy: Policy) -> Vec<CertificateDer<'static>> {
    match policy {
        Policy::None | Policy::Request | Policy::RequireAny => Vec::new(),
        Policy::VerifyIfGiven | Policy::RequireAndVerify => rustls_native_certs::load_native_certs().certs,
    }
}
