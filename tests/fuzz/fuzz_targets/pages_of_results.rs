//! A page of DescribeInvocationResults, read by the decoder and, naively, from a `serde_json::Value`.

#![no_main]

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use cloud_assistant_exporter::aliyun::rows::{Page, decode, decode_with_ids};
use cloud_assistant_exporter::result::{Delivery, Identity, Ids, KnownStatus, Row, Status, Times};
use cloud_assistant_exporter::selection::{Selection, Selector, Tag};
use cloud_assistant_exporter::timestamp;
use cloud_assistant_exporter_fuzz::{Input, json, label};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// MaxResults of every request: a page with more is not the API's.
const ROWS_OF_A_PAGE: usize = 50;

/// So much is kept of a text that may have any length.
const SHORT: usize = 512;

const FIELDS: [&str; 20] = [
    "InvokeId",
    "InstanceId",
    "InvokeId",
    "InstanceId",
    "ContainerId",
    "CommandId",
    "InvocationStatus",
    "ErrorCode",
    "ExitCode",
    "Repeats",
    "StartTime",
    "FinishedTime",
    "StopTime",
    "Dropped",
    "OssOutputStatus",
    "OssOutputErrorCode",
    "OssOutputUri",
    "ErrorInfo",
    "Output",
    "Tags",
];

static SELECTION: LazyLock<Selection> = LazyLock::new(|| {
    let selector = |id: Option<&str>, tag: Option<(&str, &str)>| Selector {
        name: None,
        id: id.map(Into::into),
        tag: tag.map(|(key, value)| Tag {
            key: key.into(),
            value: value.into(),
        }),
    };
    Selection::new(vec![
        selector(Some("c-1"), None),
        selector(None, Some(("k", "v"))),
        selector(Some("c-2"), Some(("k", ""))),
    ])
});

fuzz_target!(|bytes: &[u8]| {
    match Input::read(bytes) {
        Some(Input::Text(text)) => check(text.as_bytes()),
        Some(Input::Choices(mut choices)) => {
            if let Ok(body) = made(&mut choices) {
                check(body.as_bytes());
            }
        }
        // Not UTF-8: nothing to compare with, but it is to be survived.
        None => {
            let _ = decode(bytes, Some(&SELECTION));
        }
    }
});

fn made(choices: &mut Unstructured<'_>) -> Result<String> {
    let rows = json::elements(choices, 8, |choices| {
        let row = json::object(choices, &FIELDS)?;
        if choices.ratio(1_u8, 3)? {
            let tags = *choices.choose(&[
                r#"[{"TagKey":"k","TagValue":"v"}]"#,
                r#"{"Tag":[{"TagKey":"k","TagValue":"v"},null]}"#,
                r#"{"Tag":[7,{"TagKey":"k"}]}"#,
                r#"{"Tag":{"TagKey":"k"}}"#,
                r#"[{"TagKey":"k","TagValue":7},{"TagKey":"k","TagValue":null}]"#,
            ])?;
            let comma = if row == "{}" { "" } else { "," };
            return Ok(format!("{}{comma}\"Tags\":{tags}}}", &row[..row.len() - 1]));
        }
        Ok(row)
    })?;
    let next_token = match choices.ratio(1_u8, 2)? {
        true => format!("\"NextToken\":{},", json::value(choices)?),
        false => String::new(),
    };
    let list = match choices.ratio(1_u8, 16)? {
        true => json::value(choices)?,
        false => format!("[{}]", rows.join(",")),
    };
    Ok(format!(
        "{{\"RequestId\":\"R\",\"Invocation\":{{{next_token}\"InvocationResults\":{{\"InvocationResult\":{list}}}}}}}"
    ))
}

fn check(body: &[u8]) {
    let plain = decode(body, None).ok();
    let with_ids = decode_with_ids(body, None).ok();
    let selected = decode(body, Some(&SELECTION)).ok();
    assert_eq!(plain.is_some(), with_ids.is_some());
    assert_eq!(plain.is_some(), selected.is_some());
    if let (Some(plain), Some(with_ids), Some(selected)) = (&plain, &with_ids, &selected) {
        assert_eq!(
            *plain,
            without(with_ids, |row| row.ids =
                row.ids.take().filter(|_| !row.is_plain()))
        );
        assert_eq!(*plain, without(selected, |row| row.command = None));
    }
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        // Numbers out of any range and broken escapes are read over.
        return;
    };
    if json::has_duplicates(body) {
        return;
    }
    let list = &value["Invocation"]["InvocationResults"]["InvocationResult"];
    let Some(list) = list.as_array() else {
        assert!(plain.is_none(), "a page without its list");
        return;
    };
    let token = &value["Invocation"]["NextToken"];
    if list.len() > ROWS_OF_A_PAGE || !(token.is_null() || token.is_string()) {
        return;
    }
    let (Some(with_ids), Some(selected)) = (with_ids, selected) else {
        panic!("a page was refused: {}", String::from_utf8_lossy(body));
    };
    let expected: Vec<(&Value, Row)> = list.iter().filter_map(|row| Some((row, naive(row)?))).collect();
    assert_eq!(with_ids.skipped as usize, list.len() - expected.len());
    assert_eq!(
        with_ids.next_token.as_deref(),
        token.as_str().filter(|token| !token.is_empty())
    );
    assert_eq!(with_ids.rows.len(), expected.len());
    for ((found, selected), (value, expected)) in with_ids.rows.iter().zip(&selected.rows).zip(&expected) {
        let mut expected = expected.clone();
        // `-0` is a whole number, `-0.0` is none; a value does not tell which it was.
        if value["ExitCode"].as_f64() == Some(0.0) {
            expected.exit_code = found.exit_code;
        }
        assert_eq!(*found, expected);
        let wanted = command(value);
        let command = selected
            .command
            .as_ref()
            .map(|command| (command.id.to_string(), command.tagged));
        assert_eq!(command, wanted);
    }
}

fn without(page: &Page, mut change: impl FnMut(&mut Row)) -> Page {
    let mut rows = page.rows.clone();
    rows.iter_mut().for_each(&mut change);
    Page {
        rows,
        skipped: page.skipped,
        next_token: page.next_token.clone(),
    }
}

fn naive(row: &Value) -> Option<Row> {
    let text = |name: &str| row[name].as_str().unwrap_or_default();
    let code = |name: &str| -> Box<str> { label(text(name)).into() };
    let short = |name: &str| -> Box<str> {
        let ends = text(name).char_indices().map(|(at, char)| at + char.len_utf8());
        let end = ends.take_while(|end| *end <= SHORT).last().unwrap_or(0);
        text(name)[..end].into()
    };
    let number = |name: &str| match &row[name] {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let (invoke_id, instance_id, container_id) = (text("InvokeId"), text("InstanceId"), text("ContainerId"));
    if !row.is_object() || invoke_id.is_empty() || instance_id.is_empty() {
        return None;
    }
    let status = Status::parse(&code("InvocationStatus"));
    let repeats = number("Repeats").filter(|repeats| (0..=i64::from(i32::MAX)).contains(repeats));
    let repeats = repeats.unwrap_or(0) as u32;
    let delivery = text("OssOutputStatus").to_ascii_lowercase();
    let has_failed = !matches!(status, Status::Known(KnownStatus::Success)) && !status.is_open();
    Some(Row {
        identity: Identity::of_row(invoke_id, instance_id, container_id),
        scheduled: repeats > 1 || status == Status::Known(KnownStatus::Scheduled),
        status,
        error_code: code("ErrorCode"),
        exit_code: number("ExitCode"),
        error_info: Some(short("ErrorInfo")).filter(|text| has_failed && !text.is_empty()),
        repeats,
        times: Times {
            started: timestamp::parse(text("StartTime")),
            finished: timestamp::parse(text("FinishedTime")),
            stopped: timestamp::parse(text("StopTime")),
        },
        dropped: number("Dropped")
            .filter(|bytes| (0..=i64::from(i32::MAX)).contains(bytes))
            .unwrap_or(0) as u64,
        delivery: matches!(&*delivery, "finished" | "failed").then(|| {
            Box::new(Delivery {
                finished: delivery == "finished",
                error_code: code("OssOutputErrorCode"),
                uri: short("OssOutputUri"),
            })
        }),
        ids: Some(Box::new(Ids {
            invoke_id: invoke_id.into(),
            instance_id: instance_id.into(),
            container_id: container_id.into(),
            command_id: text("CommandId").into(),
        })),
        command: None,
    })
}

/// The command of a row that a selector may take, with the selectors that ask for its tags.
fn command(row: &Value) -> Option<(String, u64)> {
    let id = row["CommandId"]
        .as_str()
        .filter(|id| !id.is_empty() && id.len() <= 256)?;
    let tags = match &row["Tags"] {
        Value::Array(list) => list.as_slice(),
        tags => tags["Tag"].as_array().map_or(&[][..], Vec::as_slice),
    };
    let has = |wanted: &str| {
        tags.iter().any(|tag| {
            let value = match &tag["TagValue"] {
                Value::Null => Some(""),
                value => value.as_str(),
            };
            tag["TagKey"] == "k" && value == Some(wanted)
        })
    };
    let tagged = u64::from(has("v")) << 1 | u64::from(has("")) << 2;
    let taken = id == "c-1" || has("v") || id == "c-2" && has("");
    taken.then_some((label(id), tagged))
}
