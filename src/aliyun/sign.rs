//! The signature ACS3-HMAC-SHA256 ("V3"), as a function of values.
//!
//! Source: Alibaba Cloud, "Request syntax and signature method V3". Everything is signed that the method asks for:
//! `host`, `content-type` when there is a body, and every `x-acs-*` header.

use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::macros::format_description;

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// All that is not `A-Z a-z 0-9 - _ . ~` is percent-encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What a request is signed with.
#[derive(Clone, Copy)]
pub(super) struct SigningKey<'a> {
    /// Sent in the clear, as `Credential`.
    pub access_key_id: &'a str,
    /// Never sent.
    pub access_key_secret: &'a str,
    /// Of temporary credentials; sent as `x-acs-security-token`.
    pub security_token: Option<&'a str>,
}

impl std::fmt::Debug for SigningKey<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// What is signed: a call of RPC style, whose path is always `/`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// The `Host` header, with the port where it is not the scheme's own.
    pub host: &'a str,
    /// `x-acs-action`.
    pub action: &'a str,
    /// `x-acs-version`, a date.
    pub version: &'a str,
    /// Parameters, not yet encoded, in any order.
    pub query: &'a [(String, String)],
    /// Signed and sent when there is a body.
    pub content_type: Option<&'a str>,
    /// The body's bytes.
    pub body: &'a [u8],
}

/// The headers to set on the request, `authorization` among them and `host` not (the HTTP client sets it).
///
/// `nonce` must be new for every attempt; `now` must lie within 15 minutes of the server's clock.
pub(super) fn sign(
    key: &SigningKey<'_>,
    request: &Request<'_>,
    now: SystemTime,
    nonce: &str,
) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("x-acs-action", request.action.to_owned()),
        ("x-acs-content-sha256", hex::encode(Sha256::digest(request.body))),
        ("x-acs-date", date(now)),
        ("x-acs-signature-nonce", nonce.to_owned()),
        ("x-acs-version", request.version.to_owned()),
    ];
    if let Some(content_type) = request.content_type {
        headers.push(("content-type", content_type.to_owned()));
    }
    if let Some(token) = key.security_token {
        headers.push(("x-acs-accesskey-id", key.access_key_id.to_owned()));
        headers.push(("x-acs-security-token", token.to_owned()));
    }
    let authorization = authorize(key, request, &headers);
    headers.push(("authorization", authorization));
    headers
}

/// The value of `authorization` for a request that carries exactly these `headers` and `host`.
fn authorize(key: &SigningKey<'_>, request: &Request<'_>, headers: &[(&'static str, String)]) -> String {
    let mut signed: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (*name, value.trim()))
        .collect();
    signed.push(("host", request.host));
    signed.sort_unstable();
    let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let canonical_headers: String = signed
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let canonical = format!(
        "{}\n/\n{}\n{canonical_headers}\n{names}\n{}",
        request.method,
        canonical_query(request.query),
        hex::encode(Sha256::digest(request.body)),
    );
    let to_sign = format!("{ALGORITHM}\n{}", hex::encode(Sha256::digest(canonical)));
    let signature = hmac_sha256(key.access_key_secret.as_bytes(), to_sign.as_bytes());
    format!(
        "{ALGORITHM} Credential={},SignedHeaders={names},Signature={signature}",
        key.access_key_id
    )
}

/// The query string as it is signed, and as it is sent: sorted by name, then encoded.
pub(super) fn canonical_query(query: &[(String, String)]) -> String {
    let mut sorted: Vec<&(String, String)> = query.iter().collect();
    sorted.sort_unstable();
    sorted
        .iter()
        .map(|(name, value)| {
            format!(
                "{}={}",
                utf8_percent_encode(name, RESERVED),
                utf8_percent_encode(value, RESERVED)
            )
        })
        .collect::<Vec<_>>()
        .join("&")
}

/// `x-acs-date`: UTC, whole seconds.
fn date(now: SystemTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    // Fails only for a year outside of four digits; an empty date is refused by the server, and said so.
    OffsetDateTime::from(now).format(&format).unwrap_or_default()
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> String {
    // An HMAC takes a key of any length, so the error cannot happen; it would end as a refused signature.
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mut hmac| {
            hmac.update(message);
            hex::encode(hmac.finalize().into_bytes())
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use time::format_description::well_known::Rfc3339;

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        algorithm: String,
        access_key_id: String,
        access_key_secret: String,
        security_token: Option<String>,
        method: String,
        host: String,
        query: BTreeMap<String, String>,
        headers: BTreeMap<String, String>,
        body: String,
        authorization: Option<String>,
        canonical_request: String,
    }

    fn vectors() -> Vec<Vector> {
        let text = include_str!("../../tests/data/signature-vectors.json");
        let all: Vec<Vector> = serde_json::from_str(text).unwrap();
        all.into_iter()
            .filter(|vector| vector.algorithm == ALGORITHM)
            .collect()
    }

    /// A vector fixes the set of headers that are signed, so the inner function is what it can check.
    #[test]
    fn every_known_answer() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 5);
        for vector in &vectors {
            let query: Vec<(String, String)> = vector.query.clone().into_iter().rev().collect();
            let headers: Vec<(&'static str, String)> = vector
                .headers
                .iter()
                .filter(|(name, _)| *name != "host")
                .map(|(name, value)| (&*Box::leak(name.clone().into_boxed_str()), value.clone()))
                .collect();
            let key = SigningKey {
                access_key_id: &vector.access_key_id,
                access_key_secret: &vector.access_key_secret,
                security_token: vector.security_token.as_deref(),
            };
            let request = request(vector, &query);
            assert_eq!(
                vector.canonical_request.lines().nth(2).unwrap(),
                canonical_query(&query),
                "{}",
                vector.name
            );
            assert_eq!(
                vector.authorization.as_deref(),
                Some(authorize(&key, &request, &headers).as_str()),
                "{}",
                vector.name
            );
        }
    }

    /// Where a vector has the very headers that the exporter sends, the whole call is checked.
    #[test]
    fn the_headers_that_are_sent() {
        let mut checked = 0;
        for vector in vectors() {
            let query: Vec<(String, String)> = vector.query.clone().into_iter().collect();
            let key = SigningKey {
                access_key_id: &vector.access_key_id,
                access_key_secret: &vector.access_key_secret,
                security_token: vector.security_token.as_deref(),
            };
            let at = OffsetDateTime::parse(&vector.headers["x-acs-date"], &Rfc3339).unwrap();
            let headers = sign(
                &key,
                &request(&vector, &query),
                at.into(),
                &vector.headers["x-acs-signature-nonce"],
            );
            let sent: BTreeMap<String, String> = headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            let names = |map: &BTreeMap<String, String>| {
                map.keys()
                    .filter(|name| !["host", "authorization"].contains(&name.as_str()))
                    .cloned()
                    .collect()
            };
            let (ours, theirs): (Vec<String>, Vec<String>) = (names(&sent), names(&vector.headers));
            if ours == theirs {
                assert_eq!(
                    vector.authorization.as_ref(),
                    sent.get("authorization"),
                    "{}",
                    vector.name
                );
                checked += 1;
            }
        }
        assert!(
            checked >= 3,
            "only {checked} vectors have the headers that are sent"
        );
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = SigningKey {
            access_key_id: "id",
            access_key_secret: "hunter2",
            security_token: Some("hunter3"),
        };
        assert!(!format!("{key:?}").contains("hunter"));
    }

    fn request<'a>(vector: &'a Vector, query: &'a [(String, String)]) -> Request<'a> {
        Request {
            method: &vector.method,
            host: &vector.host,
            action: &vector.headers["x-acs-action"],
            version: &vector.headers["x-acs-version"],
            query,
            content_type: vector.headers.get("content-type").map(String::as_str),
            body: vector.body.as_bytes(),
        }
    }
}
