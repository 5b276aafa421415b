//! Versions, cipher suites and curves, by Go's names.

use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion, version};

use super::schema::Tls;
use crate::shown::cut;

/// The suites of Go's `tls.CipherSuites()` that TLS 1.2 uses and rustls has.
const TLS12_SUITES: [(&str, SupportedCipherSuite); 6] = [
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        ring::cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        ring::cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        ring::cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// Those of TLS 1.3, which a list does not govern: Go offers them whatever it says.
const TLS13_SUITES: [&str; 3] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];

/// Those that rustls does not have, because they encrypt in a way that has been attacked too often.
const CBC_SUITES: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];

/// The versions from the oldest to the newest.
const VERSIONS: [&str; 4] = ["TLS10", "TLS11", "TLS12", "TLS13"];
const TLS12: usize = 2;
const TLS13: usize = 3;

/// What of TLS is offered. Every name is known; what rustls does not have is left out, with a warning.
#[derive(Debug)]
pub(in crate::web) struct Preferences {
    /// Indexes of [`VERSIONS`].
    oldest: usize,
    newest: usize,
    /// The suites for TLS 1.2, best first; none: the default.
    suites: Option<Vec<SupportedCipherSuite>>,
    /// Whether the order of the list decides, not that of the client.
    pub(super) keeps_order: bool,
    /// The curves, best first; none: the default.
    curves: Option<Vec<&'static dyn SupportedKxGroup>>,
    /// What is in the file and has no effect.
    pub(in crate::web) warnings: Vec<String>,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            oldest: TLS12,
            newest: TLS13,
            suites: None,
            keeps_order: true,
            curves: None,
            warnings: Vec::new(),
        }
    }
}

impl Preferences {
    pub(in crate::web) fn read(tls: &Tls) -> Result<Self, String> {
        let mut preferences = Self {
            keeps_order: tls.prefer_server_cipher_suites.unwrap_or(true),
            ..Self::default()
        };
        if !tls.min_version.is_empty() {
            preferences.oldest = version_of(&tls.min_version)?;
        }
        if !tls.max_version.is_empty() {
            preferences.newest = version_of(&tls.max_version)?;
        }
        if preferences.oldest < TLS12 {
            preferences.warn(format!(
                "min_version {}: TLS 1.2 is the oldest there is",
                tls.min_version
            ));
        }
        if !tls.cipher_suites.is_empty() {
            let mut suites = Vec::new();
            for name in &tls.cipher_suites {
                match TLS12_SUITES.iter().find(|(known, _)| known == name) {
                    Some((_, suite)) => suites.push(*suite),
                    None if TLS13_SUITES.contains(&name.as_str()) => {}
                    None if CBC_SUITES.contains(&name.as_str()) => {
                        preferences.warn(format!("cipher suite {name} does not exist here, and is ignored"));
                    }
                    None => return Err(format!("unknown cipher: {}", cut(name))),
                }
            }
            preferences.suites = Some(suites);
        }
        if !tls.curve_preferences.is_empty() {
            let mut curves: Vec<&'static dyn SupportedKxGroup> = Vec::new();
            for name in &tls.curve_preferences {
                match name.as_str() {
                    "X25519" => curves.push(ring::kx_group::X25519),
                    "CurveP256" => curves.push(ring::kx_group::SECP256R1),
                    "CurveP384" => curves.push(ring::kx_group::SECP384R1),
                    "CurveP521" => {
                        preferences.warn("CurveP521 does not exist here, and is ignored".to_owned());
                    }
                    _ => return Err(format!("unknown curve: {}", cut(name))),
                }
            }
            preferences.curves = Some(curves);
        }
        Ok(preferences)
    }

    /// The versions to offer, newest first.
    pub(in crate::web) fn versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
        let has_tls12 = self.suites.as_ref().is_none_or(|suites| !suites.is_empty());
        let offers = |version| (self.oldest..=self.newest).contains(&version);
        let mut versions = Vec::new();
        if offers(TLS13) {
            versions.push(&version::TLS13);
        }
        if offers(TLS12) && has_tls12 {
            versions.push(&version::TLS12);
        }
        if versions.is_empty() {
            return Err(
                "min_version, max_version and cipher_suites leave nothing that can be spoken \
                        (TLS 1.2 and 1.3 exist, without CBC suites)"
                    .to_owned(),
            );
        }
        Ok(versions)
    }

    /// The algorithms to offer.
    pub(in crate::web) fn provider(&self) -> Result<CryptoProvider, String> {
        let mut provider = ring::default_provider();
        if let Some(suites) = &self.suites {
            provider.cipher_suites.retain(|suite| suite.tls13().is_some());
            provider.cipher_suites.extend(suites);
        }
        if let Some(curves) = &self.curves {
            if curves.is_empty() {
                return Err(
                    "curve_preferences: CurveP521 is not supported; add X25519, CurveP256 or \
                            CurveP384"
                        .to_owned(),
                );
            }
            provider.kx_groups.clone_from(curves);
        }
        Ok(provider)
    }

    /// Go's HTTP/2 server does not start with a list that lacks what RFC 7540 section 9.2.2 demands of TLS 1.2.
    pub(in crate::web) fn check_http2(&self) -> Result<(), String> {
        let required = [
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        ];
        let is_required = |suite: &SupportedCipherSuite| {
            TLS12_SUITES
                .iter()
                .any(|(name, known)| known == suite && required.contains(name))
        };
        match &self.suites {
            Some(suites) if self.oldest < TLS13 && !suites.iter().any(is_required) => Err(format!(
                "cipher_suites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher (need at least one of \
                 {} or {}), or set http_server_config.http2 to false",
                required[0], required[1]
            )),
            _ => Ok(()),
        }
    }

    pub(in crate::web) fn has_suite_order(&self) -> bool {
        self.keeps_order && self.suites.is_some()
    }

    /// Once, however often it is in the file.
    fn warn(&mut self, text: String) {
        let text = format!("tls_server_config: {text}");
        if !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }
}

fn version_of(name: &str) -> Result<usize, String> {
    VERSIONS
        .iter()
        .position(|known| *known == name)
        .ok_or_else(|| format!("unknown TLS version: {}", cut(name)))
}
