//! The API's other answers: DescribeInvocations, DescribeRegions, errors and times. An odd entry costs that entry, never
//! its neighbours; an error has the reason that its status and code call for, and repeats nothing of its Message.

#![no_main]

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use cloud_assistant_exporter::aliyun::error::{Head, Reason, classify};
use cloud_assistant_exporter::aliyun::{invocations, regions};
use cloud_assistant_exporter::result::Identity;
use cloud_assistant_exporter::timestamp;
use cloud_assistant_exporter_fuzz::{Input, json, label};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// MaxResults of every request.
const ENTRIES_OF_A_PAGE: usize = 50;

/// Stands in Messages, which can hold what was signed.
const SECRET: &str = "hunter2";

fuzz_target!(|bytes: &[u8]| {
    match Input::read(bytes) {
        Some(Input::Text(text)) => match text.split_once('\n') {
            Some(("invocations", body)) => check_invocations(body.as_bytes()),
            Some(("regions", body)) => check_regions(body.as_bytes()),
            Some((head, body)) if head.starts_with("error ") => {
                let mut words = head.split(' ').skip(1);
                let status = words.next().and_then(|status| status.parse().ok()).unwrap_or(400);
                check_error(status, words.next(), words.next(), body.as_bytes());
            }
            _ => check_time(text),
        },
        Some(Input::Choices(mut choices)) => {
            let _ = made(&mut choices);
        }
        None => {
            let _ = invocations::decode(bytes, true);
            let _ = regions::decode(bytes);
            classify(&head(400, None, None), bytes);
        }
    }
});

fn made(choices: &mut Unstructured<'_>) -> Result<()> {
    let within =
        |choices: &mut Unstructured<'_>, outer: &str, inner: &str, list: &[String]| -> Result<String> {
            Ok(match choices.int_in_range(0..=30)? {
                0 => format!("\"{outer}\":{}", json::value(choices)?),
                1 => format!("\"{outer}\":{{\"{inner}\":{}}}", json::value(choices)?),
                _ => format!("\"{outer}\":{{\"{inner}\":[{}]}}", list.join(",")),
            })
        };
    let token = match choices.ratio(1_u8, 4)? {
        true => format!(",\"NextToken\":{}", json::value(choices)?),
        false => String::new(),
    };
    match choices.int_in_range(0..=3)? {
        0 => {
            const FIELDS: [&str; 10] = [
                "InvokeId",
                "InvokeId",
                "ContainerId",
                "CommandId",
                "CommandId",
                "CommandName",
                "CommandType",
                "RepeatMode",
                "Frequency",
                "CreationTime",
            ];
            let list = json::elements(choices, 5, |choices| {
                let invocation = json::object(choices, &FIELDS)?;
                let instances = json::elements(choices, 3, |choices| json::object(choices, &["InstanceId"]))?;
                let instances = within(choices, "InvokeInstances", "InvokeInstance", &instances)?;
                let comma = if invocation == "{}" { "" } else { "," };
                Ok(format!(
                    "{}{comma}{instances}}}",
                    &invocation[..invocation.len() - 1]
                ))
            })?;
            let list = within(choices, "Invocations", "Invocation", &list)?;
            check_invocations(format!("{{{list}{token}}}").as_bytes());
        }
        1 => {
            let fields = ["RegionId", "RegionId", "RegionEndpoint", "LocalName"];
            let list = json::elements(choices, 6, |choices| json::object(choices, &fields))?;
            let list = within(choices, "Regions", "Region", &list)?;
            check_regions(format!("{{{list}{token}}}").as_bytes());
        }
        2 => {
            let status = *choices.choose(&[200, 301, 302, 400, 403, 404, 429, 500, 502, 503, 599])?;
            let retry_after = *choices.choose(&[
                None,
                None,
                Some("250"),
                Some(" 7 "),
                Some("x"),
                Some("99999999999999"),
                Some("-1"),
            ])?;
            let code = *choices.choose(&CODES)?;
            let code = match choices.ratio(1_u8, 4)? {
                true => json::value(choices)?,
                false => json::text(code),
            };
            let request_id = json::value(choices)?;
            let body = format!(
                "{{\"Code\":{code},\"RequestId\":{request_id},\"Message\":\"{SECRET} {SECRET}\",\"HostId\":\"{SECRET}\"}}"
            );
            check_error(status, retry_after, None, body.as_bytes());
        }
        _ => {
            let number = |choices: &mut Unstructured<'_>, most: u32| choices.int_in_range(0..=most);
            let (year, month, day) = (number(choices, 2200)?, number(choices, 13)?, number(choices, 32)?);
            let (hour, minute, second) = (number(choices, 24)?, number(choices, 60)?, number(choices, 61)?);
            let mark = *choices.choose(&["T", " ", "t", "-"])?;
            let zone = *choices.choose(&["Z", "", "+08:00", ".123Z", "z", "-00:30"])?;
            let second = match choices.ratio(1_u8, 8)? {
                true => String::new(),
                false => format!(":{second:02}"),
            };
            check_time(&format!(
                "{year:04}-{month:02}-{day:02}{mark}{hour:02}:{minute:02}{second}{zone}"
            ));
            let seconds = choices.arbitrary::<u32>()?;
            let written = timestamp::rfc3339(seconds);
            assert_eq!(
                timestamp::parse(&written).map_or(0, |seconds| seconds.get()),
                seconds
            );
        }
    }
    Ok(())
}

const CODES: [&str; 20] = [
    "Throttling",
    "Throttling.User",
    "Forbidden.RAM",
    "Forbidden.AccessKeyDisabled",
    "Operation.Forbidden",
    "NoPermission",
    "UnauthorizedOperation",
    "InvalidAccessKeyId.NotFound",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "InvalidSecurityToken.Expired",
    "MissingSecurityToken",
    "IllegalTimestamp",
    "InvalidTimeStamp.Expired",
    "InvalidRegionId.NotFound",
    "RegionId.ApiNotSupported",
    "InternalError",
    "ServiceUnavailable",
    "",
    "SignatureNonceUsed",
];

/// The documented list, and whether the rest of the answer is of a kind that must be read.
fn list<'a>(
    value: &'a Value,
    body: &[u8],
    outer: &str,
    inner: &str,
    most: usize,
) -> Option<(&'a [Value], bool)> {
    let list = value[outer][inner].as_array()?;
    let token = &value["NextToken"];
    let is_plain = list.len() <= most && (token.is_null() || token.is_string());
    Some((list, is_plain && !json::has_duplicates(body)))
}

fn check_invocations(body: &[u8]) {
    let plain = invocations::decode(body, false).ok();
    let named = invocations::decode(body, true).ok();
    assert_eq!(plain.is_some(), named.is_some());
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    if json::has_duplicates(body) {
        return;
    }
    let Some((list, must_be_read)) = list(&value, body, "Invocations", "Invocation", ENTRIES_OF_A_PAGE)
    else {
        assert!(plain.is_none(), "an answer without its list");
        return;
    };
    let (Some(plain), Some(named)) = (plain, named) else {
        assert!(!must_be_read, "one odd entry cost all: {value}");
        return;
    };
    assert_eq!((&plain.rows, &plain.next_token), (&named.rows, &named.next_token));
    assert!(plain.commands.is_empty());
    if must_be_read {
        assert_eq!(
            plain.next_token.as_deref(),
            value["NextToken"].as_str().filter(|token| !token.is_empty())
        );
    }
    // Rows that are surely there, and those that may be.
    let (mut sure, mut possible, mut commands) = (Vec::new(), Vec::new(), Vec::new());
    for invocation in list {
        let text = |name: &str| invocation[name].as_str().unwrap_or_default();
        let is_plain = invocation.is_object()
            && invocation
                .as_object()
                .into_iter()
                .flatten()
                .all(|(name, value)| name == "InvokeInstances" || value.is_string());
        let instances = invocation["InvokeInstances"]["InvokeInstance"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        for instance in instances {
            let id = instance["InstanceId"].as_str();
            let row = Identity::of_row(text("InvokeId"), id.unwrap_or_default(), text("ContainerId"));
            possible.push(row);
            if is_plain && !text("InvokeId").is_empty() && id.is_some_and(|id| !id.is_empty()) {
                sure.push(row);
            }
        }
        if is_plain && !text("InvokeId").is_empty() && !text("CommandId").is_empty() {
            commands
                .push(["CommandId", "CommandName", "RepeatMode", "Frequency"].map(|name| label(text(name))));
        }
    }
    assert!(is_within(&sure, &plain.rows), "a row is missing: {value}");
    assert!(is_within(&plain.rows, &possible), "a row of nowhere: {value}");
    let found: Vec<[String; 4]> = named
        .commands
        .iter()
        .map(|named| {
            [
                &named.command_id,
                &named.name,
                &named.repeat_mode,
                &named.frequency,
            ]
            .map(|text| text.to_string())
        })
        .collect();
    assert!(is_within(&commands, &found), "a command is missing: {value}");
}

/// Whether one list is what is left of another, in its order, when some elements are taken out.
fn is_within<T: PartialEq>(part: &[T], whole: &[T]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|wanted| whole.any(|other| other == wanted))
}

fn check_regions(body: &[u8]) {
    let found = regions::decode(body).ok();
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    if json::has_duplicates(body) {
        return;
    }
    let Some((list, must_be_read)) = list(&value, body, "Regions", "Region", 1000) else {
        assert!(found.is_none(), "an answer without its list");
        return;
    };
    let Some(found) = found else {
        assert!(!must_be_read, "one odd entry cost all: {value}");
        return;
    };
    let of = |region: &Value| -> (Option<String>, Option<String>) {
        let text = |name: &str, longest: usize, may_hold: fn(char) -> bool| {
            let text = region[name].as_str()?;
            let is_right = !text.is_empty() && text.len() <= longest && text.chars().all(may_hold);
            is_right.then(|| text.to_owned())
        };
        (
            text("RegionId", 64, |c| matches!(c, 'a'..='z' | '0'..='9' | '-')),
            text(
                "RegionEndpoint",
                255,
                |c| matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | ':'),
            ),
        )
    };
    for (id, endpoint) in list.iter().map(of) {
        if let (Some(id), Some(_)) = (&id, &endpoint) {
            assert!(found.contains_key(id), "{id:?} is missing: {value}");
        }
    }
    for (id, endpoint) in &found {
        let known = list
            .iter()
            .map(of)
            .filter(|(other, _)| other.as_ref() == Some(id));
        let endpoints: Vec<String> = known.map(|(_, endpoint)| endpoint.unwrap_or_default()).collect();
        assert!(
            endpoints.contains(endpoint),
            "{id:?} at {endpoint:?} of nowhere: {value}"
        );
    }
}

fn head(status: u16, retry_after: Option<&str>, request_id: Option<&str>) -> Head {
    Head {
        status,
        retry_after: retry_after.map(str::to_owned),
        request_id: request_id.map(str::to_owned),
        clock_behind: None,
    }
}

fn check_error(status: u16, retry_after: Option<&str>, request_id: Option<&str>, body: &[u8]) {
    let error = classify(&head(status, retry_after, request_id), body);
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = error.to_string();
    assert!(text.len() < 2048, "an error of {} bytes", text.len());
    assert!(!text.contains(breaks_lines), "{text:?}");
    let elsewhere = ["Code", "code", "RequestId", "requestId", "request_id"];
    if value.is_object() && !elsewhere.iter().any(|name| shown(&value[*name]).contains(SECRET)) {
        let of_header = request_id.is_some_and(|id| id.contains(SECRET));
        assert!(of_header || !text.contains(SECRET), "{text}");
    }
    assert!(
        error
            .retry_after
            .is_none_or(|pause| pause <= Duration::from_secs(3600))
    );
    if json::has_duplicates(body) {
        return;
    }
    // An answer whose Code is no code has none, and keeps its RequestId.
    if let (Some(code), true) = (value["Code"].as_str(), value["code"].is_null()) {
        let code: String = code.chars().filter(|c| !breaks_lines(*c)).take(128).collect();
        assert_eq!(error.code.as_deref().unwrap_or_default(), code, "{value}");
    }
    if let (Some(id), true) = (
        value["RequestId"].as_str(),
        value["requestId"].is_null() && value["request_id"].is_null(),
    ) {
        let id: String = id.chars().filter(|c| !breaks_lines(*c)).take(128).collect();
        let has_id = error.request_id.as_deref() == Some(&id) || id.is_empty();
        assert!(has_id, "the request id is lost: {value}");
    }
    if status < 300 {
        return;
    }
    let code = error.code.as_deref().unwrap_or_default();
    let must_wait = retry_after.is_some_and(|text| text.trim().parse::<u64>().is_ok());
    let denied = [
        "Forbidden",
        "Operation.Forbidden",
        "NoPermission",
        "UnauthorizedOperation",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "InvalidSecurityToken",
        "MissingSecurityToken",
        "IllegalTimestamp",
        "InvalidTimeStamp",
    ];
    let expected = if code.starts_with("Throttling") || status == 429 || must_wait {
        Reason::Throttled
    } else if status >= 500 {
        Reason::Unavailable
    } else if denied.iter().any(|prefix| code.starts_with(prefix)) {
        Reason::Denied
    } else if status < 400 {
        Reason::Malformed
    } else {
        Reason::Rejected
    };
    assert_eq!(error.reason, expected, "status {status}, code {code:?}");
}

/// What is left of a value in one line.
fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().filter(|c| !breaks_lines(*c)).collect()
}

fn breaks_lines(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// Against the `time` crate, one form after another.
fn check_time(text: &str) {
    let expected = text.trim();
    let assumed = |form| {
        PrimitiveDateTime::parse(expected, form)
            .map(PrimitiveDateTime::assume_utc)
            .ok()
    };
    let seconds = OffsetDateTime::parse(expected, &Rfc3339)
        .ok()
        .or_else(|| {
            assumed(format_description!(
                "[year]-[month]-[day]T[hour]:[minute]:[second]"
            ))
        })
        .or_else(|| {
            assumed(format_description!(
                "[year]-[month]-[day] [hour]:[minute]:[second]"
            ))
        })
        .or_else(|| assumed(format_description!("[year]-[month]-[day]T[hour]:[minute]Z")))
        .and_then(|time| u32::try_from(time.unix_timestamp()).ok())
        .filter(|seconds| *seconds > 0);
    assert_eq!(
        timestamp::parse(text).map(|seconds| seconds.get()),
        seconds,
        "{text:?}"
    );
}
