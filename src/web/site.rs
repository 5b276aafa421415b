//! The work around every answer, in the order of the exporter-toolkit.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};

use super::routes::plain;
use super::{Body, Routes};

/// The body of a request is thrown away, up to here; no request needs one.
const REQUEST_BODY_BYTES: usize = 64 * 1024;
/// How long its bytes are waited for.
const REQUEST_BODY_TIME: Duration = Duration::from_secs(5);

/// Everything that is needed to answer a request.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) routes: Arc<Routes>,
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
        let is_drained = drain(body).await;
        let mut answer = if is_drained {
            self.admit(parts).await
        } else {
            plain(StatusCode::PAYLOAD_TOO_LARGE)
        };
        if is_http1 && (is_chunked || !is_drained) {
            answer
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if is_head { without_body(answer) } else { answer }
    }

    async fn admit(&self, parts: Parts) -> Response<Body> {
        Arc::clone(&self.routes).answer(parts).await
    }
}

/// Reads a request's body to its end and keeps nothing; false when it is too long or too slow.
async fn drain(mut body: Incoming) -> bool {
    if body.is_end_stream() {
        return true;
    }
    let to_the_end = async {
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            bytes += frame.data_ref().map_or(0, |data| data.len());
            if bytes > REQUEST_BODY_BYTES {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(REQUEST_BODY_TIME, to_the_end)
        .await
        .unwrap_or(false)
}

/// The answer to HEAD: what GET would get, with the length of its body in its place.
fn without_body(answer: Response<Body>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    parts
        .headers
        .insert(CONTENT_LENGTH, HeaderValue::from(body.length()));
    Response::from_parts(parts, Body::empty())
}
