//! What a replica says that does not lead.

use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::answers::{self, Policy};
use super::{encoding, status};
use crate::timestamp;
use crate::view::{Replica, Standby};
use crate::web::Body;

/// How often the page is loaded again: whoever waits for the database to come back wants to see it.
const REFRESH_SECONDS: u32 = 10;

/// Whether it is one.
pub(super) fn is(replica: Replica) -> Option<Standby> {
    match replica {
        Replica::Standby(standby) => Some(standby),
        Replica::Alone | Replica::Leader { .. } => None,
    }
}

/// In place of the pages.
pub(super) fn page(standby: &Standby, policy: &Policy, host: &str, parts: &Parts) -> Response<Body> {
    let page = status::standby_page(standby, host);
    answers::html(page, policy, Some(REFRESH_SECONDS), encoding(parts))
}

/// In place of the API's answers.
pub(super) fn json(standby: &Standby, parts: &Parts) -> Response<Body> {
    let document = Refused {
        error: Reason {
            message: "this replica is a standby; ask the one that leads",
            leader: standby.leader.as_ref().map(|leader| &*leader.by),
            leads_since: standby.leader.as_ref().map(|led| timestamp::rfc3339(led.since)),
            trouble: standby.trouble.as_deref(),
        },
    };
    // Texts cannot fail to be written.
    let mut text = serde_json::to_vec_pretty(&document).unwrap_or_default();
    text.push(b'\n');
    answers::json(StatusCode::SERVICE_UNAVAILABLE, text, encoding(parts))
}

/// In a line.
pub(super) fn line(standby: &Standby) -> String {
    match (&standby.leader, &standby.trouble) {
        (_, Some(trouble)) => format!("Standby; the database cannot be had: {trouble}\n"),
        (Some(led), None) => {
            let since = timestamp::rfc3339(led.since);
            format!("Standby; {} leads since {since}.\n", led.by)
        }
        (None, None) => "Standby; no replica leads yet.\n".to_owned(),
    }
}

#[derive(Serialize)]
struct Refused<'a> {
    error: Reason<'a>,
}

#[derive(Serialize)]
struct Reason<'a> {
    message: &'a str,
    leader: Option<&'a str>,
    leads_since: Option<String>,
    trouble: Option<&'a str>,
}
