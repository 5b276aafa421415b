//! The signature of Simple Message Queue, version 2, as a function of values.
//!
//! Source: Simple Message Queue, "Request signatures". Version 4 (`MNS4-HMAC-SHA256`), which newer SDKs have besides,
//! would be another function of the same values and the region.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::aliyun::sign::SigningKey;

/// `x-mns-version`.
const VERSION: &str = "2015-06-06";

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    /// `GET` or `DELETE`.
    pub(super) method: &'a str,
    /// Path and query exactly as they are sent: neither sorted nor encoded.
    pub(super) resource: &'a str,
    /// Where there is a body.
    pub(super) content_type: Option<&'a str>,
}

/// The headers to set on the request, which are everything but `host`.
pub(super) fn sign(
    key: &SigningKey<'_>,
    request: &Request<'_>,
    now: SystemTime,
) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("date", httpdate::fmt_http_date(now)),
        ("x-mns-version", VERSION.to_owned()),
    ];
    if let Some(content_type) = request.content_type {
        headers.push(("content-type", content_type.to_owned()));
    }
    let authorization = authorize(key, request, &headers);
    headers.push(("authorization", authorization));
    if let Some(token) = key.security_token {
        // Sent, and not signed.
        headers.push(("security-token", token.to_owned()));
    }
    headers
}

fn authorize<'a>(key: &SigningKey<'_>, request: &Request<'_>, headers: &'a [(&'a str, String)]) -> String {
    let value = |name: &str| {
        let header = headers.iter().find(|(other, _)| *other == name);
        header.map_or("", |(_, value)| value.as_str())
    };
    let mut own: Vec<_> = headers
        .iter()
        .filter(|(name, _)| name.starts_with("x-mns-"))
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    own.sort_unstable();
    let to_sign = format!(
        "{}\n{}\n{}\n{}\n{}{}",
        request.method,
        value("content-md5"),
        value("content-type"),
        value("date"),
        own.concat(),
        request.resource
    );
    // An HMAC takes a key of any length, so the error cannot happen; it would end as a refused signature.
    let signature = Hmac::<Sha1>::new_from_slice(key.access_key_secret.as_bytes())
        .map(|mut hmac| {
            hmac.update(to_sign.as_bytes());
            STANDARD.encode(hmac.finalize().into_bytes())
        })
        .unwrap_or_default();
    format!("MNS {}:{signature}", key.access_key_id)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_known_answer() {
        let text = include_str!("../../../tests/data/mns-signature-vectors.json");
        let all: Value = serde_json::from_str(text).unwrap();
        let vectors = all["vectors"].as_array().unwrap().iter();
        let mut sent_as_we_do = 0;
        let mut checked = 0;
        for vector in vectors.filter(|vector| vector["algorithm"] == "MNS HMAC-SHA1 (V2)") {
            let text = |name: &str| vector[name].as_str();
            let headers: Vec<(String, String)> = vector["headers"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap().to_owned()))
                .collect();
            let borrowed: Vec<(&str, String)> = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.clone()))
                .collect();
            let key = SigningKey {
                access_key_id: text("access_key_id").unwrap(),
                access_key_secret: text("access_key_secret").unwrap(),
                security_token: text("security_token"),
            };
            let request = Request {
                method: text("method").unwrap(),
                resource: text("path_and_query").unwrap(),
                content_type: None,
            };
            let authorization = text("authorization").unwrap();
            assert_eq!(
                authorize(&key, &request, &borrowed),
                authorization,
                "{}",
                vector["name"]
            );
            checked += 1;
            // Where a vector has the very headers that are sent, the whole is checked.
            let header = |name: &str| {
                borrowed
                    .iter()
                    .find(|(other, _)| *other == name)
                    .map(|(_, value)| value)
            };
            if header("content-md5").is_none()
                && header("x-mns-version").is_some()
                && let Some(date) = header("date")
            {
                let now = httpdate::parse_http_date(date).unwrap();
                let sent = sign(&key, &request, now);
                assert!(
                    sent.contains(&("authorization", authorization.to_owned())),
                    "{}",
                    vector["name"]
                );
                let token = sent.iter().find(|(name, _)| *name == "security-token");
                assert_eq!(token.map(|(_, token)| token.as_str()), text("security_token"));
                sent_as_we_do += 1;
            }
        }
        assert_eq!((checked, sent_as_we_do), (7, 4));
    }
}
