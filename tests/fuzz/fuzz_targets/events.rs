//! The body of `POST /api/v1/events` against a naive reading of its `serde_json::Value`: what it comes to, and whom it
//! hurries. Whatever is sent is answered, shortly, and creates nothing.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use cloud_assistant_exporter::config;
use cloud_assistant_exporter::events::Hints;
use cloud_assistant_exporter::events::endpoint::Endpoint;
use cloud_assistant_exporter::scope::Scope;
use cloud_assistant_exporter::view::{Board, Outcome, Source};
use cloud_assistant_exporter_fuzz::{Input, json};
use hyper::body::Buf as _;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Scopes that are polled. The accounts have no numbers yet, so that each may have any.
const SCOPES: [(&str, &str); 4] = [
    ("production", "cn-hangzhou"),
    ("production", "cn-beijing"),
    ("staging", "cn-hangzhou"),
    ("staging", "ap-southeast-1"),
];

/// Events in one list.
const MOST: usize = 1000;

/// The longest text of an event that is looked at.
const LONGEST_TEXT: usize = 512;

const TASK_COMPLETED: &str = "ecs:CloudAssistant:TaskCompleted";

/// Members of events, of alerts, and of what is in those.
const FIELDS: [&str; 11] = [
    "type",
    "type",
    "aliyunaccountid",
    "aliyunregionid",
    "name",
    "userId",
    "regionId",
    "account",
    "region_id",
    "alert",
    "data",
];

const VALUES: [&str; 10] = [
    TASK_COMPLETED,
    "CloudAssistant:TaskCompleted",
    "ecs:CloudAssistant:FirstHeartbeat",
    "production",
    "staging",
    "1234567890123456",
    "cn-hangzhou",
    "cn-beijing",
    "ap-southeast-1",
    "nowhere",
];

fuzz_target!(|bytes: &[u8]| {
    match Input::read(bytes) {
        Some(Input::Text(text)) => match text.split_once('\n') {
            Some((query, body)) if query.starts_with('?') => check(&query[1..], body.as_bytes()),
            _ => check("", text.as_bytes()),
        },
        Some(Input::Choices(mut choices)) => {
            let _ = made(&mut choices);
        }
        None => {
            sent("", bytes);
        }
    }
});

fn made(choices: &mut Unstructured<'_>) -> Result<()> {
    let query = match choices.ratio(1_u8, 4)? {
        true => format!("account={}&region_id={}", value(choices)?, value(choices)?),
        false => String::new(),
    };
    let body = match choices.ratio(1_u8, 2)? {
        true => event(choices)?,
        false => format!("[{}]", json::elements(choices, 4, event)?.join(",")),
    };
    check(&query, body.as_bytes());
    Ok(())
}

fn value(choices: &mut Unstructured<'_>) -> Result<&'static str> {
    choices.choose(&VALUES).copied()
}

fn event(choices: &mut Unstructured<'_>) -> Result<String> {
    object(choices, &FIELDS, |choices, name| match name {
        "alert" => object(
            choices,
            &["eventName", "userId", "meta"],
            |choices, name| match name {
                "meta" => object(choices, &["sysEventMeta"], |choices, _| {
                    object(choices, &["regionId"], |choices, _| {
                        Ok(json::text(value(choices)?))
                    })
                }),
                _ => Ok(json::text(value(choices)?)),
            },
        ),
        _ => Ok(json::text(value(choices)?)),
    })
}

/// An object of some of these members, each once; now and then something odd in the place of one.
fn object(
    choices: &mut Unstructured<'_>,
    fields: &[&'static str],
    mut member: impl FnMut(&mut Unstructured<'_>, &'static str) -> Result<String>,
) -> Result<String> {
    let mut members = BTreeMap::new();
    for name in fields {
        if choices.ratio(2_u8, 5)? {
            let value = match choices.ratio(1_u8, 8)? {
                true => json::value(choices)?,
                false => member(choices, name)?,
            };
            members.insert(*name, value);
        }
    }
    let members: Vec<String> = members
        .into_iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    Ok(format!("{{{}}}", members.join(",")))
}

/// What came of it: how many events to each outcome, and whom they hurried.
#[derive(Debug, Default, PartialEq, Eq)]
struct Came {
    outcomes: [u64; 4],
    hurried: BTreeSet<(&'static str, &'static str)>,
}

/// Sends it, and looks at what is to be seen.
fn sent(query: &str, body: &[u8]) -> Came {
    let board = Board::new();
    let hints = Hints::new(board.clone());
    let inboxes = SCOPES.map(|(account, region_id)| hints.open(&Scope::new(account, region_id)));
    let endpoint = Endpoint::new(hints);
    endpoint.configure(&config::Events {
        http: true,
        min_interval: Duration::from_secs(1),
        token_file: None,
    });
    let answer = endpoint.received(Some(query), body);
    let events = board.view().events.clone();
    let came = Came {
        outcomes: events.received[Source::Http as usize],
        hurried: SCOPES
            .into_iter()
            .zip(&inboxes)
            .filter(|(_, inbox)| inbox.take())
            .map(|(scope, _)| scope)
            .collect(),
    };
    let shown: BTreeSet<(&str, &str)> = events
        .scopes
        .keys()
        .map(|scope| (&*scope.account, &*scope.region_id))
        .collect();
    assert_eq!(shown, came.hurried, "nothing is made of what nobody polls");
    let all: u64 = came.outcomes.iter().sum();
    assert!(all <= MOST as u64);
    let unreadable = came.outcomes[Outcome::Unreadable as usize];
    let status = if all > 0 && unreadable == all { 400 } else { 200 };
    assert_eq!(answer.status(), status);
    let told: Value = serde_json::from_slice(&read(answer.into_body())).expect("JSON");
    for outcome in Outcome::ALL {
        assert_eq!(told[outcome.as_str()], came.outcomes[outcome as usize]);
    }
    assert_eq!(
        told.as_object().map(serde_json::Map::len),
        Some(4),
        "and nothing else"
    );
    came
}

fn read(mut body: cloud_assistant_exporter::web::Body) -> Vec<u8> {
    body.copy_to_bytes(body.remaining()).to_vec()
}

fn check(query: &str, body: &[u8]) {
    let came = sent(query, body);
    assert_eq!(came, sent(query, body), "the same each time");
    // What the query names is left to the tests beside the code, and a form to those.
    let plain = query.is_empty()
        || query
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"=&-_:".contains(&byte));
    let trimmed = body.trim_ascii();
    let is_json = trimmed.starts_with(b"{") || trimmed.starts_with(b"[");
    if !plain || !is_json || json::has_duplicates(body) {
        return;
    }
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let named = Named::of_query(query);
    let mut expected = Came::default();
    match &value {
        Value::Array(list) if list.len() > MOST => said(&Value::Null, &named, &mut expected),
        Value::Array(list) => list.iter().for_each(|event| said(event, &named, &mut expected)),
        event => said(event, &named, &mut expected),
    }
    assert_eq!(came, expected, "{query}: {value}");
}

/// An account and a region, each where it is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Named {
    account: Option<String>,
    region_id: Option<String>,
}

impl Named {
    fn of_query(query: &str) -> Self {
        let mut named = Self::default();
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("account", value)) => named.account = bounded(value),
                Some(("region_id", value)) => named.region_id = bounded(value),
                _ => {}
            }
        }
        named
    }
}

/// What one event comes to.
fn said(event: &Value, query: &Named, came: &mut Came) {
    let alert = &event["alert"];
    let first = |values: &[&Value]| values.iter().find_map(|value| text(value));
    let kind = first(&[&event["type"], &alert["eventName"], &event["name"]]);
    let own = Named {
        account: first(&[
            &event["aliyunaccountid"],
            &event["userId"],
            &alert["userId"],
            &event["account"],
        ]),
        region_id: first(&[
            &event["aliyunregionid"],
            &alert["meta"]["sysEventMeta"]["regionId"],
            &event["regionId"],
            &event["region_id"],
        ]),
    };
    let is_hint = match &kind {
        Some(kind) if !kind.ends_with("CloudAssistant:TaskCompleted") => {
            came.outcomes[Outcome::Ignored as usize] += 1;
            return;
        }
        Some(_) => true,
        None => own != Named::default() || *query != Named::default(),
    };
    if !is_hint {
        came.outcomes[Outcome::Unreadable as usize] += 1;
        return;
    }
    let account = query.account.clone().or(own.account);
    let region_id = query.region_id.clone().or(own.region_id);
    let concerned: Vec<_> = SCOPES
        .into_iter()
        .filter(|(name, region)| {
            account
                .as_deref()
                .is_none_or(|account| account == *name || config::is_account_id(account))
                && region_id.as_deref().is_none_or(|region_id| region_id == *region)
        })
        .collect();
    let outcome = if concerned.is_empty() {
        Outcome::Unknown
    } else {
        Outcome::Hint
    };
    came.outcomes[outcome as usize] += 1;
    came.hurried.extend(concerned);
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => bounded(text),
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        _ => None,
    }
}

fn bounded(text: &str) -> Option<String> {
    (1..=LONGEST_TEXT).contains(&text.len()).then(|| text.to_owned())
}
