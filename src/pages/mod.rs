//! What is answered at each path.
//!
//! | path | answer |
//! |---|---|
//! | `/` | the status page, unless the metrics are there |
//! | `/failures` | what has failed, where there is a status page |
//! | `/api/v1/status` | what it shows of the exporter, as JSON |
//! | `/api/v1/failures` | recent failures, as JSON |
//! | `--web.telemetry-path` | the metrics |
//! | `/runbooks/…` | what to do about each alert |
//! | `/-/healthy` | 200 while the process works |
//! | `/-/ready` | 200 once every scope's first poll has ended, and not while stopping; on a standby while the database answers |
//! | `/-/leader` | 200 where the counts are shown, 503 on a standby |
//! | `POST /-/reload` | reads the configuration again |
//!
//! Everything is answered from the view: no page waits for the cloud, for a poll or for the disk.

mod answers;
mod api;
mod bounded;
mod console;
mod cursor;
mod filter;
mod groups;
mod overview;
mod parameters;
mod ready;
mod runbooks;
mod standby;
mod status;

#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Response, StatusCode};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::expose::{Answer, Exposition};
use crate::requests::Requests;
use crate::view::Board;
use crate::web::{self, Body, Routes};
use answers::{Encoding, Policy};
use overview::Overview;
use parameters::BadParameter;
use status::{FailuresAsked, Frame, HomeAsked};

/// How often a page is loaded again: often enough to watch a scan, seldom enough to read it.
const REFRESH_SECONDS: u32 = 30;

/// Reads the configuration again; the error says why it was not taken.
pub type ReloadFn = dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync;

/// What the pages show.
pub struct Site {
    /// The view.
    pub board: Board,
    /// The metrics.
    pub exposition: Arc<Exposition>,
    /// For how many were sent in the last hour.
    pub requests: Arc<Requests>,
    /// When the process began.
    pub started: SystemTime,
    /// Where the metrics are.
    pub telemetry_path: String,
    /// The name of the machine, for the pages.
    pub host: String,
    /// How many scrapes are answered at once; 0 for no limit.
    pub max_requests: usize,
    /// Cancelled when the process begins to stop.
    pub stopping: CancellationToken,
    /// For `POST /-/reload`.
    pub reload: Arc<ReloadFn>,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Site")
            .field("telemetry_path", &self.telemetry_path)
            .finish_non_exhaustive()
    }
}

/// The table of all paths.
pub fn routes(site: Site) -> Routes {
    let Site {
        board,
        exposition,
        requests,
        started,
        telemetry_path,
        host,
        max_requests,
        stopping,
        reload,
    } = site;
    let seen = Seen {
        board: board.clone(),
        requests,
        started,
        stopping: stopping.clone(),
    };
    let shown = Arc::clone(&exposition);
    let (readiness, leadership) = (board.leadership().clone(), board.leadership().clone());
    let mut routes = Routes::new();
    // As in the official exporters, which have no landing page where the metrics are at its place.
    if telemetry_path != "/" {
        let around = Around {
            policy: Policy::with_style(status::STYLE),
            telemetry_path: telemetry_path.clone(),
            host,
        };
        let (home_of, around_home) = (seen.clone(), around.clone());
        let failures_of = seen.clone();
        routes = routes
            .get("/", move |parts| {
                let page = home_of.home(&parts, &around_home);
                async move { page }
            })
            .get("/failures", move |parts| {
                let page = failures_of.failures(&parts, &around);
                async move { page }
            });
    }
    for (path, runbook) in runbooks::RUNBOOKS {
        routes = routes.get(path, move |_| async move { text(StatusCode::OK, runbook) });
    }
    let (status_of, failures_of) = (seen.clone(), seen);
    routes
        .get("/api/v1/status", move |parts| {
            let answer = match standby::is(status_of.board.leadership().now()) {
                Some(standby) => standby::json(&standby, &parts),
                None => {
                    let status = status_of.overview(|overview| api::status(overview, parts.uri.query()));
                    json(status, encoding(&parts))
                }
            };
            async move { answer }
        })
        .get("/api/v1/failures", move |parts| {
            let answer = match standby::is(failures_of.board.leadership().now()) {
                Some(standby) => standby::json(&standby, &parts),
                None => {
                    let failures = api::failures(&failures_of.board.view(), parts.uri.query());
                    json(failures, encoding(&parts))
                }
            };
            async move { answer }
        })
        .get_limited(&telemetry_path, max_requests, move |parts| {
            let exposition = Arc::clone(&exposition);
            async move { metrics(exposition, &parts).await }
        })
        .get("/-/healthy", |_| async { text(StatusCode::OK, "Healthy.\n") })
        .get("/-/ready", move |_| {
            // Who waits for this wants to scrape next, so what counts is what a scrape shows.
            let missing = ready::missing(&readiness.now(), &shown.view(), stopping.is_cancelled());
            async move {
                match missing.as_slice() {
                    [] => text(StatusCode::OK, "Ready.\n"),
                    missing => web::error(StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n"),
                }
            }
        })
        .get("/-/leader", move |_| {
            let standby = standby::is(leadership.now());
            async move {
                match standby {
                    None => text(StatusCode::OK, "Leader.\n"),
                    Some(standby) => web::error(StatusCode::SERVICE_UNAVAILABLE, standby::line(&standby)),
                }
            }
        })
        .post("/-/reload", move |_| {
            let reloading = reload();
            async move {
                match reloading.await {
                    Ok(()) => text(StatusCode::OK, "Reloaded.\n"),
                    Err(reason) => web::error(StatusCode::INTERNAL_SERVER_ERROR, reason + "\n"),
                }
            }
        })
}

/// What the status page and its JSON are made of.
#[derive(Debug, Clone)]
struct Seen {
    board: Board,
    requests: Arc<Requests>,
    started: SystemTime,
    stopping: CancellationToken,
}

impl Seen {
    fn overview<T>(&self, show: impl FnOnce(&Overview<'_>) -> T) -> T {
        let view = self.board.view();
        let stopping = self.stopping.is_cancelled();
        let now = SystemTime::now();
        show(&Overview::new(&view, &self.requests, self.started, now, stopping))
    }

    fn home(&self, parts: &Parts, around: &Around) -> Response<Body> {
        if let Some(standby) = standby::is(self.board.leadership().now()) {
            return standby::page(&standby, &around.policy, &around.host, parts);
        }
        match HomeAsked::read(parts.uri.query()) {
            Ok(asked) => {
                let page = self.overview(|overview| status::home_page(overview, &asked, around.frame()));
                around.answer(page, asked.refreshes(), parts)
            }
            Err(bad) => refused(&bad),
        }
    }

    fn failures(&self, parts: &Parts, around: &Around) -> Response<Body> {
        if let Some(standby) = standby::is(self.board.leadership().now()) {
            return standby::page(&standby, &around.policy, &around.host, parts);
        }
        match FailuresAsked::read(parts.uri.query()) {
            Ok(asked) => {
                let page = self.overview(|overview| status::failures_page(overview, &asked, around.frame()));
                around.answer(page, asked.refreshes(), parts)
            }
            Err(bad) => refused(&bad),
        }
    }
}

/// What pages have around them.
#[derive(Debug, Clone)]
struct Around {
    policy: Policy,
    telemetry_path: String,
    host: String,
}

impl Around {
    fn frame(&self) -> Frame<'_> {
        Frame {
            telemetry_path: &self.telemetry_path,
            refresh_seconds: REFRESH_SECONDS,
            host: &self.host,
        }
    }

    fn answer(&self, page: String, refreshes: bool, parts: &Parts) -> Response<Body> {
        let refresh = refreshes.then_some(REFRESH_SECONDS);
        answers::html(page, &self.policy, refresh, encoding(parts))
    }
}

fn refused(bad: &BadParameter) -> Response<Body> {
    web::error(StatusCode::BAD_REQUEST, format!("{bad}\n"))
}

fn encoding(parts: &Parts) -> Encoding {
    let accepted = joined(&parts.headers, ACCEPT_ENCODING);
    match Answer::to(None, accepted.as_deref()).gzip {
        true => Encoding::Gzip,
        false => Encoding::Plain,
    }
}

fn json(answer: Result<Vec<u8>, BadParameter>, encoding: Encoding) -> Response<Body> {
    match answer {
        Ok(document) => answers::json(StatusCode::OK, document, encoding),
        Err(bad) => answers::json(StatusCode::BAD_REQUEST, api::refusal(&bad), encoding),
    }
}

async fn metrics(exposition: Arc<Exposition>, parts: &Parts) -> Response<Body> {
    let accept = joined(&parts.headers, ACCEPT);
    let accept_encoding = joined(&parts.headers, ACCEPT_ENCODING);
    let answer = Answer::to(accept.as_deref(), accept_encoding.as_deref());
    let chunks = match exposition.is_written(answer.format) {
        true => Ok(exposition.body(answer)),
        // As long as a rendering.
        false => spawn_blocking(move || exposition.body(answer)).await,
    };
    let Ok(chunks) = chunks else {
        let what = "the metrics cannot be written\n".to_owned();
        return web::error(StatusCode::INTERNAL_SERVER_ERROR, what);
    };
    let mut response = Response::new(Body::from_chunks(chunks));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type()));
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if answer.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// A header that may have been sent in several lines.
fn joined(headers: &HeaderMap, name: hyper::header::HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
