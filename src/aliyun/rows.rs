//! From the JSON of DescribeInvocationResults to rows.
//!
//! Every field of a row is read by itself: whatever stands there, the row keeps what is usable. Output, which may
//! be most of a page, is skipped and never copied. Source: API reference, DescribeInvocationResults, response.

use std::num::NonZeroU32;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::answer::{Answer, Entry, Undocumented, object_of, text};
use super::tags;
use crate::result::{CommandOfRow, Delivery, Identity, Ids, KnownStatus, Row, Status, Times, label_text};
use crate::selection::Selection;
use crate::timestamp;

/// No id of a command is longer.
const MAX_COMMAND_ID: usize = 256;

/// What is read of a text for people, in bytes.
const MAX_SHORT: usize = 512;

/// One page.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order of the list, without the rows that have no ids.
    pub rows: Vec<Row>,
    /// How many rows had no InvokeId or InstanceId.
    pub skipped: u64,
    /// Absent at the end of the list.
    pub next_token: Option<String>,
}

/// Reads a page; rows that are plain successes come without their ids, and rows carry their command where it may be
/// in `selection`.
///
/// # Errors
/// When the body is not JSON, has no `Invocation.InvocationResults.InvocationResult` list, or one that is too long.
pub fn decode(body: &[u8], selection: Option<&Selection>) -> Result<Page, Undocumented> {
    page(body, selection, false)
}

/// Reads a page, every row with its ids.
///
/// # Errors
/// As [`decode`].
pub fn decode_with_ids(body: &[u8], selection: Option<&Selection>) -> Result<Page, Undocumented> {
    page(body, selection, true)
}

fn page(body: &[u8], selection: Option<&Selection>, every_id: bool) -> Result<Page, Undocumented> {
    let path = ["Invocation", "InvocationResults", "InvocationResult"];
    let answer = Answer::<Fields<'_>>::read(body, &path)?;
    let next_token = answer.next_token()?;
    let mut skipped = answer.odd;
    let mut rows: Vec<Row> = Vec::with_capacity(answer.entries.len());
    for fields in answer.entries {
        let command = selection.and_then(|selection| {
            let before = rows.last().and_then(|row| row.command.as_ref());
            fields.command(selection, before)
        });
        match fields.into_row(every_id) {
            Some(row) => rows.push(Row { command, ..row }),
            None => skipped += 1,
        }
    }
    Ok(Page {
        rows,
        skipped,
        next_token,
    })
}

object_of! {
    /// The fields of a row as they stand in the text, unread: a number out of any range or a broken escape in one
    /// of them must not cost the page.
    struct Fields {
        invoke_id: b"InvokeId",
        instance_id: b"InstanceId",
        container_id: b"ContainerId",
        command_id: b"CommandId",
        status: b"InvocationStatus",
        error_code: b"ErrorCode",
        exit_code: b"ExitCode",
        error_info: b"ErrorInfo",
        repeats: b"Repeats",
        started: b"StartTime",
        finished: b"FinishedTime",
        stopped: b"StopTime",
        dropped: b"Dropped",
        delivery_status: b"OssOutputStatus",
        delivery_error_code: b"OssOutputErrorCode",
        delivery_uri: b"OssOutputUri",
        tags: b"Tags",
    }
}

impl<'a> Entry<'a> for Fields<'a> {
    /// MaxResults is 50, and the most that the API allows; twice that, should it ever allow more.
    const MOST: usize = 100;
    const WHAT: &'static str = "rows";
}

impl Fields<'_> {
    /// The command, where a selector may take it: its name is not known here.
    fn command(
        &self,
        selection: &Selection,
        before: Option<&Arc<CommandOfRow>>,
    ) -> Option<Arc<CommandOfRow>> {
        let id = text(self.command_id).filter(|id| !id.is_empty() && id.len() <= MAX_COMMAND_ID)?;
        // It becomes a label where the name cannot be had.
        let id = label_text(&id);
        let tagged = match self.tags {
            Some(tags) if selection.looks_at_tags() => tags::chosen(tags, selection),
            _ => 0,
        };
        if selection.choose(&id, tagged, None) == 0 {
            return None;
        }
        match before.filter(|before| *before.id == *id && before.tagged == tagged) {
            Some(before) => Some(Arc::clone(before)),
            None => Some(Arc::new(CommandOfRow {
                id: id.as_ref().into(),
                tagged,
            })),
        }
    }

    /// A plain success has its ids only with `every_id`.
    fn into_row(self, every_id: bool) -> Option<Row> {
        let invoke_id = text(self.invoke_id).filter(|id| !id.is_empty())?;
        let instance_id = text(self.instance_id).filter(|id| !id.is_empty())?;
        let container_id = text(self.container_id).unwrap_or_default();
        let status = Status::parse(&code(self.status));
        let repeats = count(self.repeats);
        let scheduled = repeats > 1 || status == Status::Known(KnownStatus::Scheduled);
        let mut row = Row {
            scheduled,
            identity: Identity::of_row(&invoke_id, &instance_id, &container_id),
            status,
            error_code: code(self.error_code),
            exit_code: integer(self.exit_code),
            error_info: None,
            repeats,
            times: Times {
                started: time(self.started),
                finished: time(self.finished),
                stopped: time(self.stopped),
            },
            dropped: count(self.dropped).into(),
            delivery: delivery(self.delivery_status, self.delivery_error_code, self.delivery_uri),
            ids: None,
            command: None,
        };
        let has_failed = !row.status.is_open() && row.status != Status::Known(KnownStatus::Success);
        if has_failed {
            row.error_info = short(self.error_info).filter(|text| !text.is_empty());
        }
        if every_id || !row.is_plain() {
            row.ids = Some(Box::new(Ids {
                invoke_id: invoke_id.into(),
                instance_id: instance_id.into(),
                container_id: container_id.into(),
                command_id: text(self.command_id).unwrap_or_default().into(),
            }));
        }
        Some(row)
    }
}

/// A string that is a code, `""` where there is none.
fn code(raw: Option<&RawValue>) -> Box<str> {
    label_text(&text(raw).unwrap_or_default()).into()
}

/// A whole number, or a string that holds one.
fn integer(raw: Option<&RawValue>) -> Option<i64> {
    let raw_text = raw?.get();
    match raw_text.parse() {
        Ok(number) => Some(number),
        Err(_) => text(raw)?.trim().parse().ok(),
    }
}

/// A number that is an int32 in the API, 0 where there is none: a negative or a larger one is none.
fn count(raw: Option<&RawValue>) -> u32 {
    let number = integer(raw).and_then(|number| i32::try_from(number).ok());
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

fn time(raw: Option<&RawValue>) -> Option<NonZeroU32> {
    timestamp::parse(&text(raw)?)
}

/// The beginning of a text that may have any length.
fn short(raw: Option<&RawValue>) -> Option<Box<str>> {
    let text = text(raw)?;
    Some(text[..text.floor_char_boundary(MAX_SHORT)].into())
}

fn delivery(
    status: Option<&RawValue>,
    error_code: Option<&RawValue>,
    uri: Option<&RawValue>,
) -> Option<Box<Delivery>> {
    let status = text(status)?;
    let finished = status.eq_ignore_ascii_case("Finished");
    let ended = finished || status.eq_ignore_ascii_case("Failed");
    ended.then(|| {
        Box::new(Delivery {
            finished,
            error_code: code(error_code),
            uri: short(uri).unwrap_or_default(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(rows: &str) -> Page {
        let body = format!(
            r#"{{"RequestId":"R","Invocation":{{"PageSize":1,"NextToken":"n","InvocationResults":{{"InvocationResult":[{rows}]}}}}}}"#
        );
        decode(body.as_bytes(), None).unwrap()
    }

    #[test]
    fn the_official_sample_of_a_failed_row() {
        let page = page(
            r#"{"Dropped":7,"InvocationStatus":"Failed","InstanceId":"i-1","ExitCode":1,"ErrorInfo":"x","StartTime":"2020-05-11T09:01:40Z","Repeats":1,"InvokeRecordStatus":"Finished","FinishedTime":"2020-05-11T09:01:41Z","Output":"QUJD","CommandId":"c-1","ErrorCode":"ExitCodeNonzero","InvokeId":"t-1","StopTime":"","Tags":[]}"#,
        );
        assert_eq!((page.skipped, page.next_token.as_deref()), (0, Some("n")));
        let row = &page.rows[0];
        assert_eq!(row.status, Status::Known(KnownStatus::Failed));
        assert_eq!(
            (&*row.error_code, row.exit_code, row.run(), row.dropped),
            ("ExitCodeNonzero", Some(1), 1, 7)
        );
        assert_eq!(row.times.finished.map(NonZeroU32::get), Some(1_589_187_701));
        assert_eq!(row.times.stopped, None);
        assert_eq!(&*row.ids.as_ref().unwrap().command_id, "c-1");
    }

    #[test]
    fn a_plain_success_has_ids_only_where_they_are_asked_for() {
        let row = r#"{"InvocationStatus":"Success","InstanceId":"i-1","InvokeId":"t-1","CommandId":"c-1"}"#;
        assert_eq!(page(row).rows[0].ids, None);
        let body = format!(r#"{{"Invocation":{{"InvocationResults":{{"InvocationResult":[{row}]}}}}}}"#);
        let with_ids = decode_with_ids(body.as_bytes(), None).unwrap();
        assert_eq!(&*with_ids.rows[0].ids.as_ref().unwrap().command_id, "c-1");
    }

    #[test]
    fn odd_rows_keep_what_is_usable() {
        let page = page(
            r#"null, 5, "x", [1,[2]], {"InvokeId":"t"}, {"InvokeId":7,"InstanceId":"i"},
               {"InvokeId":"t","InstanceId":"i","InvocationStatus":4,"ExitCode":1e999,"ErrorCode":null,"Repeats":-1,"Dropped":"12","\udfff":0,"StartTime":17,"FinishedTime":"soon"},
               {"InvokeId":"t","InstanceId":"j","InvocationStatus":"Odd","ExitCode":"-3","ErrorCode":"\ud800","Repeats":99999999999},
               {"InvokeId":"t","InstanceId":"k","InvocationStatus":"success","ExitCode":1.5,"InvokeId":"t"}"#,
        );
        assert_eq!((page.skipped, page.rows.len()), (6, 3));
        let [first, second, third] = &page.rows[..] else {
            panic!("three rows")
        };
        assert_eq!(
            (&first.status, first.exit_code),
            (&Status::Unknown("".into()), None)
        );
        assert_eq!(
            (first.run(), first.dropped, first.times),
            (1, 12, Times::default())
        );
        assert_eq!(
            (&second.status, second.exit_code),
            (&Status::Unknown("Odd".into()), Some(-3))
        );
        assert_eq!((&*second.error_code, second.run()), ("", 1));
        assert_eq!(
            (&third.status, third.exit_code),
            (&Status::Known(KnownStatus::Success), None)
        );
    }

    #[test]
    fn elements_that_cannot_be_read_cost_no_other() {
        let page = page(
            r#"1e999, "\ud800", {"InvokeId":"t","InstanceId":"i","\ud800":1e999,"InvocationStatus":"Failed"}, [1e999], true"#,
        );
        assert_eq!((page.skipped, page.rows.len()), (4, 1));
        assert_eq!(page.rows[0].status, Status::Known(KnownStatus::Failed));
    }

    #[test]
    fn dropped_and_repeats_are_numbers_of_32_bits() {
        for (number, expected) in [
            ("49259", 49_259),
            ("2147483647", 2_147_483_647),
            ("2147483648", 0),
            ("9223372036854775807", 0),
            ("1e3", 0),
            ("-1", 0),
        ] {
            let row =
                format!(r#"{{"InvokeId":"t","InstanceId":"i","Dropped":{number},"Repeats":"{number}"}}"#);
            let row = &page(&row).rows[0];
            assert_eq!(
                (row.dropped, row.repeats),
                (expected, expected as u32),
                "{number}"
            );
        }
    }

    #[test]
    fn codes_are_one_line_and_not_long() {
        let row =
            r#"{"InvokeId":"t","InstanceId":"i","InvocationStatus":"a\u2028b","ErrorCode":"a\r\u0085b"}"#;
        let row = &page(row).rows[0];
        assert_eq!(row.status, Status::Unknown("a\u{fffd}b".into()));
        assert_eq!(&*row.error_code, "a\u{fffd}\u{fffd}b");
        let long = format!(
            r#"{{"InvokeId":"t","InstanceId":"i","ErrorCode":"{}"}}"#,
            "x".repeat(257)
        );
        assert_eq!(page(&long).rows[0].error_code.len(), 64);
    }

    /// So many that they would take gigabytes as rows; only the first are looked at.
    #[test]
    fn a_list_that_is_too_long_is_left_where_it_is() {
        let body =
            |rows: &str| format!(r#"{{"Invocation":{{"InvocationResults":{{"InvocationResult":[{rows}"#);
        let too_many = Err(Undocumented::TooMany {
            what: "rows",
            most: 100,
        });
        for element in ["{},", "7,", "{\"InvokeId\":\"t\"},"] {
            let many = body(&element.repeat(1 << 20));
            // The end is missing, which nobody has come to see.
            assert_eq!(decode(many.as_bytes(), None), too_many, "{element}");
        }
        let whole = |rows: usize| decode((body(&vec!["{}"; rows].join(",")) + "]}}}").as_bytes(), None);
        assert_eq!(whole(100).unwrap().skipped, 100);
        assert_eq!(whole(101), too_many);
    }

    #[test]
    fn a_token_that_cannot_be_used_is_not_the_end() {
        let with = |token: &str| {
            let body = format!(
                r#"{{"Invocation":{{"NextToken":{token},"InvocationResults":{{"InvocationResult":[]}}}}}}"#
            );
            decode(body.as_bytes(), None).map(|page| page.next_token)
        };
        assert_eq!(with("17"), Ok(Some("17".to_owned())));
        assert_eq!(with(r#""a\u002fb""#), Ok(Some("a/b".to_owned())));
        for token in [r#""\ud800""#, "[]", "{}", "true"] {
            assert_eq!(with(token), Err(Undocumented::Token), "{token}");
        }
    }

    #[test]
    fn what_is_not_the_documented_json_is_an_error() {
        for body in [
            "",
            "<html></html>",
            "{}",
            r#"{"Invocation":{}}"#,
            r#"{"Invocation":{"InvocationResults":{}}}"#,
            r#"{"Invocation":{"InvocationResults":{"InvocationResult":{}}}}"#,
            r#"{"Invocation":{"InvocationResults":{"InvocationResult":null}}}"#,
            r#"{"Invocation":{"InvocationResults":{"InvocationResult":[]}}},"#,
            r#"{"Invocation":{"InvocationResults":{"InvocationResult":[],"InvocationResult":[]}}}"#,
            r#"{"Invocation":[{"InvocationResults":{"InvocationResult":[]}}]}"#,
            r#"[]"#,
            "7",
            r#"{"Invocation":{"InvocationResults":{"InvocationResult":[{"InvokeId":"t""#,
        ] {
            assert!(decode(body.as_bytes(), None).is_err(), "{body}");
        }
    }

    #[test]
    fn a_token_may_be_missing_null_or_empty_at_the_end() {
        for token in ["", r#""NextToken":null,"#, r#""NextToken":"","#] {
            let body =
                format!(r#"{{"Invocation":{{{token}"InvocationResults":{{"InvocationResult":[]}}}}}}"#);
            assert_eq!(decode(body.as_bytes(), None).unwrap(), Page::default());
        }
    }

    #[test]
    fn rows_carry_the_commands_that_may_be_selected_and_only_then() {
        let tag = crate::selection::Tag {
            key: "team".into(),
            value: "data".into(),
        };
        let selector = |id: Option<&str>, tag| crate::selection::Selector {
            name: None,
            id: id.map(Into::into),
            tag,
        };
        let selection = Selection::new(vec![selector(Some("c-1"), None), selector(None, Some(tag))]);
        let body = r#"{"Invocation":{"InvocationResults":{"InvocationResult":[
            {"InvokeId":"t","InstanceId":"a","CommandId":"c-1"},
            {"InvokeId":"t","InstanceId":"b","CommandId":"c-1"},
            {"InvokeId":"t","InstanceId":"c","CommandId":"c-2","Tags":{"Tag":[{"TagKey":"team","TagValue":"data"}]}},
            {"InvokeId":"t","InstanceId":"d","CommandId":"c-2","Tags":[{"TagKey":"x"},7,{"TagKey":"team","TagValue":"data"}]},
            {"InvokeId":"t","InstanceId":"e","CommandId":"c-2","Tags":"team"},
            {"InvokeId":"t","InstanceId":"f"}]}}}"#;
        let page = decode(body.as_bytes(), Some(&selection)).unwrap();
        let commands: Vec<_> = page.rows.iter().map(|row| row.command.as_deref()).collect();
        let command = |id: &str, tagged| CommandOfRow {
            id: id.into(),
            tagged,
        };
        let (first, second) = (command("c-1", 0), command("c-2", 0b10));
        assert_eq!(
            commands,
            [
                Some(&first),
                Some(&first),
                Some(&second),
                Some(&second),
                None,
                None
            ]
        );
        assert!(Arc::ptr_eq(
            page.rows[0].command.as_ref().unwrap(),
            page.rows[1].command.as_ref().unwrap()
        ));
        assert!(
            decode(body.as_bytes(), None)
                .unwrap()
                .rows
                .iter()
                .all(|row| row.command.is_none())
        );
    }

    #[test]
    fn deliveries_count_when_they_have_ended() {
        let of = |fields: &str| {
            page(&format!(r#"{{"InvokeId":"t","InstanceId":"i",{fields}}}"#)).rows[0]
                .delivery
                .clone()
        };
        assert_eq!(of(r#""OssOutputStatus":"InProgress""#), None);
        assert_eq!(of(r#""OssOutputStatus":"""#), None);
        let failed = of(r#""OssOutputStatus":"Failed","OssOutputErrorCode":"OSS.AccessDenied""#).unwrap();
        assert_eq!(
            (failed.finished, &*failed.error_code),
            (false, "OSS.AccessDenied")
        );
        assert!(of(r#""OssOutputStatus":"Finished""#).unwrap().finished);
    }
}
