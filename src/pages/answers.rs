//! Answers with the headers that keep a browser on the safe side.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, REFRESH,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Response, StatusCode};
use sha2::{Digest, Sha256};

use crate::web::Body;

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

/// Content-Security-Policy of a page whose only ingredient is one style.
#[derive(Debug, Clone)]
pub(super) struct Policy(HeaderValue);

impl Policy {
    /// Admits a style element with exactly this text.
    pub(super) fn with_style(style: &str) -> Self {
        let hash = STANDARD.encode(Sha256::digest(style));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'"
        );
        // Base64 and the words above are fit for a header; without the style the page is plain, and as safe.
        Self(HeaderValue::from_str(&policy).unwrap_or(NOTHING))
    }
}

/// A page; the browser loads it again after so many seconds.
pub(super) fn html(page: String, policy: &Policy, refresh_seconds: Option<u32>) -> Response<Body> {
    let mut response = with_headers(page.into(), "text/html; charset=utf-8");
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy.0.clone());
    if let Some(seconds) = refresh_seconds {
        // Without an address: the one of the page, its query included.
        headers.insert(REFRESH, HeaderValue::from(seconds));
    }
    response
}

/// A JSON document.
pub(super) fn json(status: StatusCode, document: Vec<u8>) -> Response<Body> {
    let mut response = with_headers(document.into(), "application/json");
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, NOTHING);
    response
}

fn with_headers(body: Body, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.extend(HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
