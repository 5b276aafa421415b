//! From the JSON of DescribeInvocationResults to rows.
//!
//! Every field of a row is read by itself: whatever stands there, the row keeps what is usable. Output, which may
//! be most of a page, is skipped and never copied. Source: API reference, DescribeInvocationResults, response.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use super::tags;
use crate::result::{CommandOfRow, Delivery, Identity, Ids, KnownStatus, Row, Status, Times};
use crate::selection::Selection;
use crate::timestamp;

/// The longest ErrorCode or InvocationStatus that is kept whole; a longer one is no code.
const MAX_CODE: usize = 256;

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
/// When the body is not JSON or has no `Invocation.InvocationResults.InvocationResult` list.
pub fn decode(body: &[u8], selection: Option<&Selection>) -> Result<Page, serde_json::Error> {
    page(body, selection, false)
}

/// Reads a page, every row with its ids.
///
/// # Errors
/// As [`decode`].
pub fn decode_with_ids(body: &[u8], selection: Option<&Selection>) -> Result<Page, serde_json::Error> {
    page(body, selection, true)
}

fn page(body: &[u8], selection: Option<&Selection>, every_id: bool) -> Result<Page, serde_json::Error> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow, rename = "Invocation")]
        invocation: Invocation<'a>,
    }
    #[derive(Deserialize)]
    struct Invocation<'a> {
        #[serde(borrow, rename = "NextToken", default)]
        next_token: Option<Cow<'a, str>>,
        #[serde(borrow, rename = "InvocationResults")]
        results: InvocationResults<'a>,
    }
    #[derive(Deserialize)]
    struct InvocationResults<'a> {
        #[serde(borrow, rename = "InvocationResult")]
        rows: Rows<'a>,
    }
    let body: Body<'_> = serde_json::from_slice(body)?;
    let Rows {
        rows: fields,
        mut skipped,
    } = body.invocation.results.rows;
    let mut rows: Vec<Row> = Vec::with_capacity(fields.len());
    for fields in fields {
        let command = selection.and_then(|selection| {
            let before = rows.last().and_then(|row| row.command.as_ref());
            fields.command(selection, before)
        });
        match fields.into_row(every_id) {
            Some(row) => rows.push(Row { command, ..row }),
            None => skipped += 1,
        }
    }
    let next_token = body
        .invocation
        .next_token
        .filter(|token| !token.is_empty())
        .map(Cow::into_owned);
    Ok(Page {
        rows,
        skipped,
        next_token,
    })
}

struct Rows<'a> {
    rows: Vec<Fields<'a>>,
    /// Elements that are no objects.
    skipped: u64,
}

impl<'de: 'a, 'a> Deserialize<'de> for Rows<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RowsVisitor;
        impl<'de> Visitor<'de> for RowsVisitor {
            type Value = Rows<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of results")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Rows<'de>, A::Error> {
                let mut found = Rows {
                    rows: Vec::with_capacity(50),
                    skipped: 0,
                };
                while let Some(row) = list.next_element_seed(RowSeed)? {
                    match row {
                        Some(row) => found.rows.push(row),
                        None => found.skipped += 1,
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_seq(RowsVisitor)
    }
}

/// Reads one element of the list; `None` where it is no object.
struct RowSeed;

impl<'de> DeserializeSeed<'de> for RowSeed {
    type Value = Option<Fields<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(RowVisitor)
    }
}

struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = Option<Fields<'de>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a result")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        while let Some(slot) = map.next_key_seed(SlotSeed(&mut fields))? {
            match slot {
                Some(slot) => *slot = Some(map.next_value::<&'de RawValue>()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Some(fields))
    }

    // Anything that is not an object has no ids.
    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// Reads a name, which is not copied, and gives the place of what follows; `None` where that is of no use.
struct SlotSeed<'f, 'de>(&'f mut Fields<'de>);

impl<'f, 'de> DeserializeSeed<'de> for SlotSeed<'f, 'de> {
    type Value = Option<&'f mut Option<&'de RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'f, 'de> Visitor<'de> for SlotSeed<'f, 'de> {
    type Value = Option<&'f mut Option<&'de RawValue>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.slot(name))
    }
}

/// The fields of a row as they stand in the text, unread: a number out of any range or a broken escape in one
/// of them must not cost the page.
#[derive(Default)]
struct Fields<'a> {
    invoke_id: Option<&'a RawValue>,
    instance_id: Option<&'a RawValue>,
    container_id: Option<&'a RawValue>,
    command_id: Option<&'a RawValue>,
    status: Option<&'a RawValue>,
    error_code: Option<&'a RawValue>,
    exit_code: Option<&'a RawValue>,
    repeats: Option<&'a RawValue>,
    started: Option<&'a RawValue>,
    finished: Option<&'a RawValue>,
    stopped: Option<&'a RawValue>,
    dropped: Option<&'a RawValue>,
    delivery_status: Option<&'a RawValue>,
    delivery_error_code: Option<&'a RawValue>,
    tags: Option<&'a RawValue>,
}

impl<'a> Fields<'a> {
    fn slot(&mut self, name: &str) -> Option<&mut Option<&'a RawValue>> {
        Some(match name {
            "InvokeId" => &mut self.invoke_id,
            "InstanceId" => &mut self.instance_id,
            "ContainerId" => &mut self.container_id,
            "CommandId" => &mut self.command_id,
            "InvocationStatus" => &mut self.status,
            "ErrorCode" => &mut self.error_code,
            "ExitCode" => &mut self.exit_code,
            "Repeats" => &mut self.repeats,
            "StartTime" => &mut self.started,
            "FinishedTime" => &mut self.finished,
            "StopTime" => &mut self.stopped,
            "Dropped" => &mut self.dropped,
            "OssOutputStatus" => &mut self.delivery_status,
            "OssOutputErrorCode" => &mut self.delivery_error_code,
            "Tags" => &mut self.tags,
            _ => return None,
        })
    }

    /// The command, where a selector may take it: its name is not known here.
    fn command(
        &self,
        selection: &Selection,
        before: Option<&Arc<CommandOfRow>>,
    ) -> Option<Arc<CommandOfRow>> {
        let id = text(self.command_id).filter(|id| !id.is_empty() && id.len() <= MAX_CODE)?;
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
        let repeats = integer(self.repeats)
            .and_then(|repeats| u32::try_from(repeats).ok())
            .unwrap_or(0);
        // A run number is an int32 in the API; a larger one is no run number.
        let repeats = if repeats > i32::MAX as u32 { 0 } else { repeats };
        let scheduled = repeats > 1 || status == Status::Known(KnownStatus::Scheduled);
        let mut row = Row {
            scheduled,
            identity: Identity::of_row(&invoke_id, &instance_id, &container_id),
            status,
            error_code: code(self.error_code).into(),
            exit_code: integer(self.exit_code),
            repeats,
            times: Times {
                started: time(self.started),
                finished: time(self.finished),
                stopped: time(self.stopped),
            },
            dropped: integer(self.dropped)
                .and_then(|bytes| u64::try_from(bytes).ok())
                .unwrap_or(0),
            delivery: delivery(self.delivery_status, self.delivery_error_code),
            ids: None,
            command: None,
        };
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

/// A string, where there is one.
fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let raw = raw?.get();
    let inside = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside));
    }
    serde_json::from_str::<Text<'_>>(raw).ok().map(|text| text.0)
}

/// A string that is a code, `""` where there is none. One that is too long for a label is cut, which keeps it
/// different from every code that is not.
fn code(raw: Option<&RawValue>) -> Cow<'_, str> {
    match text(raw).unwrap_or_default() {
        code if code.len() > MAX_CODE => Cow::Owned(code.chars().take(MAX_CODE / 4).collect()),
        code => code,
    }
}

/// A whole number, or a string that holds one.
fn integer(raw: Option<&RawValue>) -> Option<i64> {
    let raw_text = raw?.get();
    match raw_text.parse() {
        Ok(number) => Some(number),
        Err(_) => text(raw)?.trim().parse().ok(),
    }
}

fn time(raw: Option<&RawValue>) -> Option<NonZeroU32> {
    timestamp::parse(&text(raw)?)
}

fn delivery(status: Option<&RawValue>, error_code: Option<&RawValue>) -> Option<Box<Delivery>> {
    let status = text(status)?;
    let finished = status.eq_ignore_ascii_case("Finished");
    let ended = finished || status.eq_ignore_ascii_case("Failed");
    ended.then(|| {
        Box::new(Delivery {
            finished,
            error_code: code(error_code).into(),
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
               {"InvokeId":"t","InstanceId":"i","InvocationStatus":4,"ExitCode":1e999,"ErrorCode":null,"Repeats":-1,"Dropped":"12","StartTime":17,"FinishedTime":"soon"},
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
    fn what_is_not_the_documented_json_is_an_error() {
        for body in [
            "",
            "<html></html>",
            "{}",
            r#"{"Invocation":{}}"#,
            r#"{"Invocation":{"InvocationResults":{}}}"#,
            r#"{"Invocation":{"InvocationResults":{"InvocationResult":{}}}}"#,
            r#"{"Invocation":{"InvocationResults":{"InvocationResult":null}}}"#,
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
