//! The work around every answer, in the order of the exporter-toolkit.

use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderValue, TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};

use tokio::time::Instant;

use super::auth::Auth;
use super::config::Settings;
use super::files::Live;
use super::routes::plain;
use super::unread::{Unread, drain};
use super::{Body, Routes};
use crate::token_bucket::TokenBucket;

/// The body of a request that needs none is thrown away, up to here.
const REQUEST_BODY_BYTES: usize = 64 * 1024;
/// So is what is left of one that a handler, or the web configuration, has refused. It may be longer than handlers read.
const REFUSED_BODY_BYTES: usize = 1024 * 1024;

/// Everything that is needed to answer a request.
#[derive(Debug)]
pub(super) struct Site {
    /// The web configuration; none: everybody may ask, and no header is set.
    pub(super) settings: Option<Live<Settings>>,
    /// As it was at the start, for all listeners together.
    pub(super) rate_limit: Option<TokenBucket>,
    pub(super) auth: Auth,
    pub(super) routes: Routes,
}

impl Site {
    /// The answer to one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let is_head = parts.method == Method::HEAD;
        // An intermediary may have seen another end of a chunked request than hyper: nothing that follows on the
        // connection can be trusted to be a request of its own.
        let is_chunked = parts.headers.contains_key(TRANSFER_ENCODING);
        let is_http1 = parts.version < Version::HTTP_2;
        // Who asks whether to send a body sends none when it is refused; reading it would ask for it.
        let waits = parts.headers.contains_key(EXPECT);
        let (body, drained) = match self.routes.takes_body(&parts) {
            true => (Some(Unread::new(body)), Ok(())),
            false => (None, drain(body, REQUEST_BODY_BYTES).await),
        };
        let has_host = parts.version != Version::HTTP_11 || parts.headers.get_all(HOST).iter().count() == 1;
        // RFC 9112 section 3.2.
        let sound = if has_host {
            drained
        } else {
            Err(StatusCode::BAD_REQUEST)
        };
        let mut answer = match sound {
            Ok(()) => self.admit(parts, body.clone()).await,
            Err(status) => plain(status),
        };
        if let Some(unread) = body
            && !waits
        {
            unread.drain(REFUSED_BODY_BYTES).await;
        }
        if is_http1 && (is_chunked || sound.is_err()) {
            answer
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if is_head { without_body(answer) } else { answer }
    }

    /// The order of the exporter-toolkit, on which hangs which answers carry the configured headers: those of
    /// handlers and 401, not 500 and 429.
    async fn admit(&self, parts: Parts, body: Option<Unread>) -> Response<Body> {
        let settings = match &self.settings {
            None => None,
            Some(live) => match live.get().await {
                None => return plain(StatusCode::INTERNAL_SERVER_ERROR),
                settings => settings,
            },
        };
        if self
            .rate_limit
            .as_ref()
            .is_some_and(|limit| limit.take(1.0, Instant::now()).is_err())
        {
            return plain(StatusCode::TOO_MANY_REQUESTS);
        }
        let Some(settings) = settings else {
            return self.routes.answer(parts, body).await;
        };
        let authorization = parts.headers.get(AUTHORIZATION);
        let mut answer =
            if settings.users.is_empty() || self.auth.admits(&settings.users, authorization).await {
                self.routes.answer(parts, body).await
            } else {
                let mut answer = plain(StatusCode::UNAUTHORIZED);
                answer
                    .headers_mut()
                    .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
                answer
            };
        for (name, value) in &settings.headers {
            // As in Go, where a handler sets its own headers after these.
            answer.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        answer
    }
}

/// The answer to HEAD: what GET would get, with the length of its body in its place.
fn without_body(answer: Response<Body>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    parts
        .headers
        .insert(CONTENT_LENGTH, HeaderValue::from(body.length()));
    Response::from_parts(parts, Body::empty())
}
