//! Which paths exist, which methods they take, and who answers.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use tokio::sync::Semaphore;

use super::unread::Unread;
use super::upload::Room;
use super::{Body, Upload};

/// A boxed answer that is being made.
type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// The table of paths. Paths match exactly; an unknown one is 404, a wrong method is 405 with `Allow`.
///
/// A handler gets the head of the request only, but for those of [`Routes::upload`]. It is asked for HEAD as for GET,
/// and its body is then left out.
#[derive(Default)]
pub struct Routes {
    by_path: BTreeMap<String, Route>,
    room: Room,
}

/// What is known of one path.
struct Route {
    takes: Takes,
    /// Requests that may be answered at the same time; none where there is no limit.
    slots: Option<Slots>,
    handler: Handler,
}

/// Who answers.
enum Handler {
    OfHead(Box<dyn Fn(Parts) -> Answer + Send + Sync>),
    OfUpload(Box<dyn Fn(Parts, Upload) -> Answer + Send + Sync>),
}

/// The limit of `--web.max-requests`.
struct Slots {
    free: Semaphore,
    limit: usize,
}

/// The methods of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    GetAndHead,
    Post,
}

impl Routes {
    /// A table without paths.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers GET and HEAD of a path.
    #[must_use]
    pub fn get<H, F>(self, path: &str, handler: H) -> Self
    where
        H: Fn(Parts) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        self.with(path, Takes::GetAndHead, None, handler)
    }

    /// Answers GET and HEAD of a path, at most `limit` at once (0: no limit); above it the answer is 503 with the
    /// words of the official exporters. A place is held while the answer is made, not while the client reads it.
    #[must_use]
    pub fn get_limited<H, F>(self, path: &str, limit: usize, handler: H) -> Self
    where
        H: Fn(Parts) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let slots = (limit > 0).then(|| Slots {
            free: Semaphore::new(limit.min(Semaphore::MAX_PERMITS)),
            limit,
        });
        self.with(path, Takes::GetAndHead, slots, handler)
    }

    /// Answers POST of a path.
    #[must_use]
    pub fn post<H, F>(self, path: &str, handler: H) -> Self
    where
        H: Fn(Parts) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        self.with(path, Takes::Post, None, handler)
    }

    /// Answers POST of a path, with the body of the request: the handler reads it, or does not where it refuses the
    /// request for its head.
    #[must_use]
    pub fn upload<H, F>(mut self, path: &str, handler: H) -> Self
    where
        H: Fn(Parts, Upload) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let handler = Box::new(move |parts, upload| Box::pin(handler(parts, upload)) as Answer);
        self.add(path, Takes::Post, None, Handler::OfUpload(handler));
        self
    }

    fn with<H, F>(mut self, path: &str, takes: Takes, slots: Option<Slots>, handler: H) -> Self
    where
        H: Fn(Parts) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let handler = Box::new(move |parts| Box::pin(handler(parts)) as Answer);
        self.add(path, takes, slots, Handler::OfHead(handler));
        self
    }

    fn add(&mut self, path: &str, takes: Takes, slots: Option<Slots>, handler: Handler) {
        self.by_path.insert(
            path.to_owned(),
            Route {
                takes,
                slots,
                handler,
            },
        );
    }

    /// Whether the body of this request is for a handler to read.
    pub(super) fn takes_body(&self, parts: &Parts) -> bool {
        let route = self.by_path.get(parts.uri.path());
        route.is_some_and(|route| {
            matches!(route.handler, Handler::OfUpload(_)) && route.takes.includes(&parts.method)
        })
    }

    /// The answer to one request; `body` is there where `takes_body` says that it is wanted.
    pub async fn answer(&self, mut parts: Parts, body: Option<Unread>) -> Response<Body> {
        let Some(route) = self.by_path.get(parts.uri.path()) else {
            return plain(StatusCode::NOT_FOUND);
        };
        if !route.takes.includes(&parts.method) {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED);
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static(route.takes.allow()));
            return answer;
        }
        // Held to the end of this function: while the answer is made, not while it is read.
        let _slot = match &route.slots {
            None => None,
            Some(slots) => match slots.free.try_acquire() {
                Ok(slot) => Some(slot),
                Err(_) => return slots.refuse(),
            },
        };
        if parts.method == Method::HEAD {
            parts.method = Method::GET;
        }
        let path = parts.uri.path().to_owned();
        match (&route.handler, body) {
            (Handler::OfHead(handler), _) => without_panic(&path, || handler(parts)).await,
            (Handler::OfUpload(handler), Some(body)) => {
                let upload = Upload::new(body, &self.room);
                without_panic(&path, || handler(parts, upload)).await
            }
            (Handler::OfUpload(_), None) => plain(StatusCode::BAD_REQUEST),
        }
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_map()
            .entries(self.by_path.iter().map(|(path, route)| (path, route.takes)))
            .finish()
    }
}

impl Slots {
    fn refuse(&self) -> Response<Body> {
        let text = format!(
            "Limit of concurrent requests reached ({}), try again later.\n",
            self.limit
        );
        error(StatusCode::SERVICE_UNAVAILABLE, text)
    }
}

impl Takes {
    fn includes(self, method: &Method) -> bool {
        match self {
            Self::GetAndHead => method == Method::GET || method == Method::HEAD,
            Self::Post => method == Method::POST,
        }
    }

    fn allow(self) -> &'static str {
        match self {
            Self::GetAndHead => "GET, HEAD",
            Self::Post => "POST",
        }
    }
}

/// An error answer whose body is the text of its status and a line feed, as Go's `http.Error` makes it.
pub(super) fn plain(status: StatusCode) -> Response<Body> {
    error(
        status,
        format!("{}\n", status.canonical_reason().unwrap_or("Error")),
    )
}

/// An error answer in the form of Go's `http.Error`: plain text which no browser may take for anything else.
pub fn error(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    let mut answer = Response::new(text.into());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// Runs a handler; one that panics costs its own request only, which gets 500.
async fn without_panic(path: &str, handle: impl FnOnce() -> Answer) -> Response<Body> {
    // A handler that panicked is not polled again, and what handlers share is immutable or guarded by locks.
    let begun = std::panic::catch_unwind(AssertUnwindSafe(handle));
    let answer = match begun {
        Err(_) => None,
        Ok(mut answer) => {
            std::future::poll_fn(move |context| {
                let polled = std::panic::catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context)));
                polled.map_or(std::task::Poll::Ready(None), |poll| poll.map(Some))
            })
            .await
        }
    };
    answer.unwrap_or_else(|| {
        tracing::error!(path, "a handler panicked");
        plain(StatusCode::INTERNAL_SERVER_ERROR)
    })
}
