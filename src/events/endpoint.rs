//! `POST /api/v1/events`: whoever knows that a task has ended says so.
//!
//! Answered before any poll begins. Nothing of what was sent is logged or told back.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use hyper::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use super::hints::{Hints, Outcomes};
use super::message::{self, About};
use super::token::TokenFile;
use crate::config;
use crate::view::{Outcome, Source};
use crate::web::{self, Body, Routes, Upload};

/// Where events are sent to.
pub const PATH: &str = "/api/v1/events";

/// EventBridge sends an event of at most 256 KB.
const LONGEST: usize = 256 << 10;

/// The endpoint; clones are the same. It is there where `events.http` says so.
#[derive(Debug, Clone)]
pub struct Endpoint {
    hints: Hints,
    door: Arc<ArcSwapOption<Door>>,
}

/// Who may send.
#[derive(Debug)]
struct Door {
    config: config::Events,
    token: Option<TokenFile>,
}

impl Endpoint {
    /// Of events for these scopes; it is not there until [`Endpoint::configure`] opens it.
    pub fn new(hints: Hints) -> Self {
        Self {
            hints,
            door: Arc::default(),
        }
    }

    /// Opens or closes it.
    pub fn configure(&self, config: &config::Events) {
        let is_same = self
            .door
            .load()
            .as_ref()
            .is_some_and(|door| door.config == *config);
        if config.http && is_same {
            return;
        }
        self.door.store(config.http.then(|| {
            Arc::new(Door {
                config: config.clone(),
                token: config.token_file.clone().map(TokenFile::new),
            })
        }));
    }

    /// Adds it to the table of paths.
    pub fn on(self, routes: Routes) -> Routes {
        routes.upload(PATH, move |parts, upload| {
            let endpoint = self.clone();
            async move { endpoint.answer(parts, upload).await }
        })
    }

    async fn answer(&self, parts: Parts, upload: Upload) -> Response<Body> {
        let Some(door) = self.door.load_full() else {
            return web::error(StatusCode::NOT_FOUND, "events are off: events.http is not true\n");
        };
        if let Some(token) = &door.token
            && !token.admits(&parts.headers).await
        {
            let mut answer = web::error(StatusCode::UNAUTHORIZED, "Unauthorized\n");
            let bearer = HeaderValue::from_static("Bearer");
            answer.headers_mut().insert(WWW_AUTHENTICATE, bearer);
            return answer;
        }
        let body = match upload.whole(LONGEST).await {
            Ok(body) => body,
            Err(status) => {
                let reason = status.canonical_reason().unwrap_or_default();
                return web::error(status, format!("{reason}\n"));
            }
        };
        if !self.hints.are_of_use() {
            // Passed on to nobody: whoever leads finds the result at its next poll.
            let mut answer = Response::new(Body::from("this replica is a standby\n".to_owned()));
            *answer.status_mut() = StatusCode::ACCEPTED;
            return answer;
        }
        self.received(parts.uri.query(), &body)
    }

    /// What is answered to the body of a request that may be sent.
    pub fn received(&self, query: Option<&str>, body: &[u8]) -> Response<Body> {
        let messages = message::read(body, &About::of_query(query));
        let outcomes = self.hints.tell(Source::Http, &About::default(), &messages);
        tracing::debug!(?outcomes, "events received");
        told(outcomes)
    }
}

/// What came of it. Only where nothing could be read it is the sender's mistake: whatever else is refused would be sent
/// again.
fn told(outcomes: Outcomes) -> Response<Body> {
    let counts =
        Outcome::ALL.map(|outcome| format!("\"{}\":{}", outcome.as_str(), outcomes[outcome as usize]));
    let mut answer = Response::new(Body::from(format!("{{{}}}\n", counts.join(","))));
    let unreadable = outcomes[Outcome::Unreadable as usize];
    if unreadable > 0 && unreadable == outcomes.iter().sum::<u64>() {
        *answer.status_mut() = StatusCode::BAD_REQUEST;
    }
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
