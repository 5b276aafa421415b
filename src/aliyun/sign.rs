//! Signature V3, ACS3-HMAC-SHA256: pure functions of key, request, time and nonce.

use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::macros::format_description;

/// The key a request is signed with.
#[expect(missing_debug_implementations, reason = "it holds a secret")]
pub struct SigningKey<'a> {
    /// The id of the key, sent as it is.
    pub access_key_id: &'a str,
    /// The secret of the key, never sent.
    pub access_key_secret: &'a str,
    /// The token that goes with a temporary key.
    pub security_token: Option<&'a str>,
}

/// What is signed of a request.
#[expect(missing_debug_implementations, reason = "its body may hold a secret")]
pub struct Request<'a> {
    /// GET or POST.
    pub method: &'a str,
    /// The Host header as it is sent.
    pub host: &'a str,
    /// The API action, such as `AssumeRole`.
    pub action: &'a str,
    /// The API version, such as `2015-04-01`.
    pub version: &'a str,
    /// The parameters of the query, not encoded.
    pub query: &'a [(String, String)],
    /// The Content-Type header, where there is a body.
    pub content_type: Option<&'a str>,
    /// The body, empty where there is none.
    pub body: &'a [u8],
}

/// What is not percent-encoded, besides letters and digits.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// All headers to set but `host`, with `authorization` among them.
pub fn sign(
    key: &SigningKey<'_>,
    request: &Request<'_>,
    now: SystemTime,
    nonce: &str,
) -> Vec<(&'static str, String)> {
    let date = OffsetDateTime::from(now)
        .format(format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second]Z"
        ))
        .unwrap_or_default();
    let body_hash = hex::encode(Sha256::digest(request.body));
    let mut headers = vec![
        ("x-acs-action", request.action.to_owned()),
        ("x-acs-content-sha256", body_hash.clone()),
        ("x-acs-date", date),
        ("x-acs-signature-nonce", nonce.to_owned()),
        ("x-acs-version", request.version.to_owned()),
    ];
    if let Some(content_type) = request.content_type {
        headers.push(("content-type", content_type.to_owned()));
    }
    if let Some(token) = key.security_token {
        headers.push(("x-acs-security-token", token.to_owned()));
    }
    let mut signed: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (*name, value.trim()))
        .collect();
    signed.push(("host", request.host));
    signed.sort_unstable();
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let canonical_headers: String = signed
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let mut query: Vec<&(String, String)> = request.query.iter().collect();
    query.sort_unstable();
    let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let query: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    let canonical = format!(
        "{}\n/\n{}\n{canonical_headers}\n{names}\n{body_hash}",
        request.method,
        query.join("&")
    );
    let text = format!("ACS3-HMAC-SHA256\n{}", hex::encode(Sha256::digest(canonical)));
    let signature = Hmac::<Sha256>::new_from_slice(key.access_key_secret.as_bytes())
        .map(|mac| hex::encode(mac.chain_update(text).finalize().into_bytes()))
        .unwrap_or_default();
    let authorization = format!(
        "ACS3-HMAC-SHA256 Credential={},SignedHeaders={names},Signature={signature}",
        key.access_key_id
    );
    headers.push(("authorization", authorization));
    headers
}
