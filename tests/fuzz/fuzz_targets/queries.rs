//! The pages' queries against a naive model: filters and paging find what the model finds, JSON is JSON, and nothing from
//! outside becomes markup.

#![no_main]

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::UNIX_EPOCH;

use arbitrary::{Result, Unstructured};
use cloud_assistant_exporter::aliyun::error::{CallError, Reason};
use cloud_assistant_exporter::expose::{Exposition, Process};
use cloud_assistant_exporter::pages::{Site, routes};
use cloud_assistant_exporter::record::{Findings, Record, Sweep};
use cloud_assistant_exporter::requests::Requests;
use cloud_assistant_exporter::result::{Identity, Ids, Row, Seconds, Status};
use cloud_assistant_exporter::scope::Scope;
use cloud_assistant_exporter::view::{Board, Failed, LastPoll, ScopeView};
use cloud_assistant_exporter::web::{Body, Routes};
use cloud_assistant_exporter_fuzz::record::{at, row, settings};
use cloud_assistant_exporter_fuzz::{Input, html};
use hyper::body::Buf as _;
use hyper::{Request, Response};
use libfuzzer_sys::fuzz_target;
use prometheus::Registry;
use serde_json::Value;

const NOW: Seconds = 1_800_000_000;

/// The longest text of a query, and of an answer, in bytes.
const LONGEST: usize = 512;

const TEXTS: [&str; 19] = [
    "cn-hangzhou",
    "production",
    "Failed",
    "failed",
    "Timeout",
    "c-1",
    "c-2",
    "",
    " ",
    "a&b=c+d%",
    " Timeout",
    "\"Timeout\"",
    "\"\"",
    "\"><script>alert('x')</script>",
    "é\u{2028}\u{202e}\0\r\n",
    "</style><b onclick=x>",
    "../..//%2e",
    "ExitCodeNonzero",
    "javascript:alert(1)",
];

fuzz_target!(|bytes: &[u8]| {
    let built = match Input::read(bytes) {
        Some(Input::Text(text)) => {
            view(&mut Unstructured::new(text.as_bytes())).map(|view| (view, text.to_owned()))
        }
        Some(Input::Choices(mut choices)) => {
            view(&mut choices).and_then(|view| Ok((view, query(&mut choices)?)))
        }
        None => return,
    };
    if let Ok(((scopes, long), query)) = built {
        check(scopes, &query, long);
    }
});

/// Scopes with failures; whether one of the texts is long.
fn view(choices: &mut Unstructured<'_>) -> Result<(Vec<ScopeView>, bool)> {
    let mut scopes = Vec::new();
    let mut long = false;
    let mut text = |choices: &mut Unstructured<'_>| -> Result<Box<str>> {
        Ok(match choices.int_in_range(0..=40)? {
            0 => {
                long = true;
                "€x".repeat(300).into()
            }
            _ => (*choices.choose(&TEXTS)?).into(),
        })
    };
    for region in 0..choices.int_in_range(0..=2_u32)? {
        let region_id = format!("{}{}", text(choices)?, if region == 0 { "" } else { "-1" });
        let mut rows = Vec::new();
        for number in 0..choices.int_in_range(0..=15_u32)? {
            let status = Status::parse(&text(choices)?);
            let finished = NOW - choices.int_in_range(0..=20)?;
            rows.push(Row {
                identity: Identity([number, region, 0, 0]),
                error_code: text(choices)?,
                exit_code: choices.ratio(1_u8, 2)?.then_some(i64::from(number)),
                ids: Some(Box::new(Ids {
                    invoke_id: format!("t-{number}").into(),
                    instance_id: text(choices)?,
                    container_id: text(choices)?,
                    command_id: text(choices)?,
                })),
                ..row(number, status, 0, finished, Some(finished))
            });
        }
        let mut record = Record::new(settings(90));
        let findings = Findings {
            sweep: Some(Sweep {
                front: rows.len(),
                ..Sweep::default()
            }),
            pages: rows,
            ..Findings::default()
        };
        record.apply(findings, at(NOW));
        let mut scope = ScopeView::new(Scope::new(&text(choices)?, &region_id));
        scope.counts = record.counts(at(NOW).steady).map(Arc::new);
        if choices.arbitrary()? {
            let error = CallError::new(Reason::Rejected, text(choices)?);
            scope.error = Some(Failed::new(NOW, &error));
            scope.last_poll = Some(LastPoll {
                up: false,
                took: std::time::Duration::from_millis(u64::from(choices.arbitrary::<u16>()?)),
            });
        }
        scopes.push(scope);
    }
    Ok((scopes, long))
}

fn query(choices: &mut Unstructured<'_>) -> Result<String> {
    const NAMES: [&str; 10] = [
        "account",
        "region_id",
        "invocation_status",
        "error_code",
        "command_id",
        "command",
        "limit",
        "offset",
        "refresh",
        "unknown",
    ];
    let mut pairs = Vec::new();
    for _ in 0..choices.int_in_range(0..=4)? {
        let place = match choices.ratio(1_u8, 16)? {
            true => 9,
            false => choices.choose_index(9)?,
        };
        let value = match NAMES[place] {
            "limit" | "offset" if !choices.ratio(1_u8, 16)? => choices.int_in_range(0..=60_u32)?.to_string(),
            "limit" | "offset" => {
                (*choices.choose(&["1000", "1001", "+5", "-1", "", "x", "99999999999999999999"])?).to_owned()
            }
            "refresh" => "off".to_owned(),
            _ => {
                let text = choices.choose(&TEXTS)?;
                percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
            }
        };
        pairs.push(format!("{}={value}", NAMES[place]));
    }
    Ok(pairs.join("&"))
}

fn check(scopes: Vec<ScopeView>, query: &str, long: bool) {
    let ask = |path: &str| {
        let uri = hyper::Uri::try_from(format!("{path}?{query}")).ok()?;
        Some(Request::builder().uri(uri).body(()).ok()?.into_parts().0)
    };
    let (Some(api), Some(home), Some(page), Some(status)) = (
        ask("/api/v1/failures"),
        ask("/"),
        ask("/failures"),
        ask("/api/v1/status"),
    ) else {
        return;
    };
    // What the server is asked for is what is left of the query in an address.
    let query = api.uri.query().unwrap_or_default().to_owned();
    let board = Board::new();
    for scope in &scopes {
        board.publish(scope.clone());
    }
    let routes = site(&board);
    let (code, body) = answer(&routes, api);
    let found: Value = serde_json::from_slice(&body).expect("JSON");
    match naive(&board, &query) {
        Err(()) => {
            assert_eq!(code, 400, "{query}");
            assert!(found["error"]["parameter"].is_string() && found["error"]["message"].is_string());
        }
        Ok((total, failures)) => {
            assert_eq!(code, 200, "{query}");
            assert_eq!(found["total"], total, "{query}");
            let names = [
                "time",
                "account",
                "region_id",
                "invoke_id",
                "instance_id",
                "container_id",
                "command_id",
                "exit_code",
            ];
            let rows = found["failures"].as_array().expect("a list");
            let rows: Vec<Vec<&str>> = rows
                .iter()
                .map(|row| {
                    names
                        .iter()
                        .map(|name| row[*name].as_str().expect("a text"))
                        .collect()
                })
                .collect();
            assert_eq!(rows, failures, "{query}");
        }
    }
    for page in [home, page] {
        let (code, body) = answer(&routes, page);
        if code == 200 {
            let text = String::from_utf8(body).expect("UTF-8");
            html::check(&text);
            assert!(long || text.len() < 1 << 20);
        } else {
            assert_eq!(code, 400, "{query}");
        }
    }
    let (code, body) = answer(&routes, status);
    assert_eq!(
        code,
        if parameters(&query).is_ok_and(|parameters| parameters.is_empty()) {
            200
        } else {
            400
        },
        "{query}"
    );
    serde_json::from_slice::<Value>(&body).expect("JSON");
}

fn site(board: &Board) -> Routes {
    let requests = Arc::new(Requests::new(&Registry::new()).expect("metrics"));
    routes(Site {
        board: board.clone(),
        exposition: Arc::new(Exposition::new(
            Registry::new(),
            Process::new(UNIX_EPOCH),
            Arc::clone(&requests),
        )),
        requests,
        started: UNIX_EPOCH,
        telemetry_path: "/metrics".to_owned(),
        host: String::new(),
        max_requests: 0,
        stopping: tokio_util::sync::CancellationToken::new(),
        reload: Arc::new(|| Box::pin(async { Ok(()) })),
    })
}

/// Pages wait for nothing: one look at the answer is enough.
fn answer(routes: &Routes, parts: hyper::http::request::Parts) -> (u16, Vec<u8>) {
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(response) = pin!(routes.answer(parts, None)).poll(&mut context) else {
        panic!("a page that waits");
    };
    let response: Response<Body> = response;
    assert_ne!(response.status(), 500, "a handler that panicked");
    let code = response.status().as_u16();
    let mut body = response.into_body();
    let bytes = body.copy_to_bytes(body.remaining()).to_vec();
    (code, bytes)
}

/// The parameters of `application/x-www-form-urlencoded`, each once.
fn parameters(query: &str) -> std::result::Result<BTreeMap<String, String>, ()> {
    let mut found = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name).ok_or(())?, decoded(value).ok_or(())?);
        if value.len() > LONGEST || found.insert(name, value).is_some() {
            return Err(());
        }
    }
    Ok(found)
}

fn decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut place = 0;
    while let Some(byte) = bytes.get(place) {
        let digit = |place: usize| bytes.get(place).and_then(|digit| char::from(*digit).to_digit(16));
        match (byte, digit(place + 1), digit(place + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high << 4 | low) as u8);
                place += 3;
                continue;
            }
            (b'+', ..) => decoded.push(b' '),
            (other, ..) => decoded.push(*other),
        }
        place += 1;
    }
    String::from_utf8(decoded).ok()
}

type Found = (usize, Vec<Vec<String>>);

/// How many failures match, and the part of them that is asked for.
fn naive(board: &Board, query: &str) -> std::result::Result<Found, ()> {
    let mut parameters = parameters(query)?;
    let mut take = |name: &str| parameters.remove(name).filter(|text| !text.is_empty());
    let filters = [
        "account",
        "region_id",
        "invocation_status",
        "error_code",
        "command_id",
        "command",
    ]
    .map(|name| {
        let text = take(name).map(|text| text.trim().to_owned());
        text.filter(|text| !text.is_empty())
    });
    let is_quoted = |wanted: &str| wanted.len() > 1 && wanted.starts_with('"') && wanted.ends_with('"');
    let is = |wanted: &str, value: &str| match is_quoted(wanted) {
        true => wanted == format!("\"{value}\""),
        false => wanted == value,
    };
    let number = |text: Option<String>, least: u64, most: u64, usual: u64| match text {
        None => Ok(usual),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text
            .parse()
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or(()),
        Some(_) => Err(()),
    };
    let limit = number(take("limit"), 1, 1000, 100)?;
    let offset = number(take("offset"), 0, 100_000_000, 0)?;
    if !parameters.is_empty() {
        return Err(());
    }
    let view = board.view();
    let mut all = Vec::new();
    for (scope, shown) in &view.scopes {
        let failures = shown.counts.iter().flat_map(|counts| counts.failures());
        all.extend(failures.map(|failure| (scope, failure)));
    }
    all.retain(|(scope, failure)| {
        let values: [&str; 5] = [
            &scope.account,
            &scope.region_id,
            failure.invocation_status(),
            failure.error_code(),
            failure.ids().command_id,
        ];
        let plain = filters
            .iter()
            .zip(values)
            .enumerate()
            .all(|(place, (wanted, value))| match (place, wanted) {
                (_, None) => true,
                (2, Some(wanted)) => is(wanted, value) || wanted.eq_ignore_ascii_case(value),
                (_, Some(wanted)) => is(wanted, value),
            });
        plain
            && filters[5]
                .as_deref()
                .is_none_or(|wanted| match failure.command() {
                    Some(name) => is(wanted, name),
                    None => is(wanted, "") || is(wanted, failure.ids().command_id),
                })
    });
    // In two steps, as they say it: newest first, and by scope and identity where times are equal.
    all.sort_by_key(|(scope, failure)| (*scope, failure.identity()));
    all.sort_by_key(|(_, failure)| std::cmp::Reverse(failure.time()));
    let rows = all
        .iter()
        .skip(offset as usize)
        .take(limit as usize)
        .map(|(scope, failure)| {
            let ids = failure.ids();
            let short = |text: &str| text[..text.floor_char_boundary(LONGEST)].to_owned();
            vec![
                cloud_assistant_exporter::timestamp::rfc3339(failure.time()),
                scope.account.to_string(),
                scope.region_id.to_string(),
                short(ids.invoke_id),
                short(ids.instance_id),
                short(ids.container_id),
                short(ids.command_id),
                failure.exit_code().to_string(),
            ]
        });
    Ok((all.len(), rows.collect()))
}
