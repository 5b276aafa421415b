//! Answers with the headers that keep a browser on the safe side.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, REFRESH, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Response, StatusCode};
use sha2::{Digest, Sha256};

use crate::web::Body;

/// What a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Gzip,
}

/// Less is not worth it.
const LEAST_COMPRESSED: usize = 1024;

/// What every answer for a person or a script has. Nothing may be kept: it is old in a minute, and may be read by
/// somebody who is not allowed to.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Of what nothing is to be loaded for.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Content-Security-Policy of a page whose only ingredients are one style, and the icon that is within it.
#[derive(Debug, Clone)]
pub(super) struct Policy(HeaderValue);

impl Policy {
    /// Admits a style element with exactly this text.
    pub(super) fn with_style(style: &str) -> Self {
        let hash = STANDARD.encode(Sha256::digest(style));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'"
        );
        // Base64 and the words above are fit for a header; without the style the page is plain, and as safe.
        Self(HeaderValue::from_str(&policy).unwrap_or(NOTHING))
    }
}

/// A page; the browser loads it again after so many seconds.
pub(super) fn html(
    page: String,
    policy: &Policy,
    refresh_seconds: Option<u32>,
    encoding: Encoding,
) -> Response<Body> {
    let mut response = with_headers(page.into_bytes(), "text/html; charset=utf-8", encoding);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy.0.clone());
    if let Some(seconds) = refresh_seconds {
        // Without an address: the one of the page, its query included.
        headers.insert(REFRESH, HeaderValue::from(seconds));
    }
    response
}

/// A JSON document.
pub(super) fn json(status: StatusCode, document: Vec<u8>, encoding: Encoding) -> Response<Body> {
    let mut response = with_headers(document, "application/json", encoding);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, NOTHING);
    response
}

fn with_headers(body: Vec<u8>, content_type: &'static str, encoding: Encoding) -> Response<Body> {
    let compressed = match encoding {
        Encoding::Gzip if body.len() >= LEAST_COMPRESSED => gzip(&body),
        _ => None,
    };
    let is_compressed = compressed.is_some();
    let mut response = Response::new(Body::from(Bytes::from(compressed.unwrap_or(body))));
    let headers = response.headers_mut();
    headers.extend(HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if is_compressed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}
