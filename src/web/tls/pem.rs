//! Certificates and keys in PEM, and what is often given in place of them.
//!
//! `from` says in messages where something was: the key of the web configuration, and the path of a file. No message
//! shows a line of what may be a key.

use ring::rsa;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// The first byte of everything that is DER here, a sequence; in text it is a digit.
const DER: u8 = b'0';

/// The certificates in a bundle; whatever else is in it is passed over.
pub(super) fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .collect()
}

/// The certificate of the server with those of its issuers.
pub(super) fn chain(bytes: &[u8], from: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain = certificates(bytes);
    if !chain.is_empty() {
        return Ok(chain);
    }
    let reason = if is_der(bytes) {
        "is DER, not PEM; convert it: openssl x509 -inform DER -in FILE -out FILE.pem"
    } else if holds(bytes, "PRIVATE KEY-----") {
        "holds a private key and no certificate; are cert and key mixed up?"
    } else if holds(bytes, "-----BEGIN CERTIFICATE-----") {
        "holds a certificate that is cut off or damaged"
    } else {
        "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)"
    };
    Err(format!("{from} {reason}"))
}

/// The first private key.
pub(super) fn private_key(bytes: &[u8], from: &str) -> Result<PrivateKeyDer<'static>, String> {
    let is_encrypted =
        holds(bytes, "-----BEGIN ENCRYPTED PRIVATE KEY-----") || holds(bytes, "Proc-Type: 4,ENCRYPTED");
    let reason = if is_encrypted {
        "is encrypted, and nobody is there to type its passphrase; decrypt it: openssl pkey -in FILE -out FILE.pem"
    } else {
        match PrivateKeyDer::from_pem_slice(bytes) {
            Ok(key) => return Ok(key),
            Err(pem::Error::NoItemsFound) if is_der(bytes) => {
                "is DER, not PEM; convert it: openssl pkey -inform DER -in FILE -out FILE.pem"
            }
            Err(pem::Error::NoItemsFound) if holds(bytes, "-----BEGIN CERTIFICATE-----") => {
                "holds a certificate and no private key; are cert and key mixed up?"
            }
            Err(pem::Error::NoItemsFound) => "holds no private key in PEM (-----BEGIN PRIVATE KEY-----)",
            Err(_) => "is not valid PEM: it is cut off or damaged",
        }
    };
    Err(format!("{from} {reason}"))
}

/// Certificate and key together.
pub(super) fn certified(
    (chain, chain_from): (Vec<CertificateDer<'static>>, &str),
    (key, key_from): (PrivateKeyDer<'static>, &str),
    provider: &CryptoProvider,
) -> Result<CertifiedKey, String> {
    if provider.key_provider.load_private_key(key.clone_key()).is_err() {
        return Err(format!("{key_from} {}", unusable(&key)));
    }
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            format!("{chain_from} and {key_from}: the private key does not match the certificate")
        }
        error => format!("{chain_from}: {error}"),
    })
}

/// Why a key that is PEM cannot be used.
fn unusable(key: &PrivateKeyDer<'_>) -> &'static str {
    let rsa = match key {
        PrivateKeyDer::Pkcs1(key) => rsa::KeyPair::from_der(key.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(key) => rsa::KeyPair::from_pkcs8(key.secret_pkcs8_der()),
        _ => return UNKNOWN,
    };
    // The error has no other interface than its text, which a test holds.
    match rsa.err().map(|rejected| rejected.to_string()).as_deref() {
        Some("TooSmall") => {
            "is an RSA key of less than 2048 bits, which is too weak to be used; make a longer one"
        }
        Some("TooLarge") => "is an RSA key of more than 8192 bits, which cannot be used; make a shorter one",
        _ => UNKNOWN,
    }
}

const UNKNOWN: &str = "is damaged, or of a kind that cannot be used: RSA from 2048 bits, ECDSA on P-256 or P-384, and \
                       Ed25519 can";

/// Its numbers begin with a byte for their kind that is in no text.
fn is_der(bytes: &[u8]) -> bool {
    bytes.first() == Some(&DER) && bytes.contains(&0x02)
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
