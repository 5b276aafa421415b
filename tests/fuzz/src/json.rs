//! JSON as an answer could have it, and worse.

use std::fmt;

use arbitrary::{Result, Unstructured};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// What stands where something else should.
const ODD: [&str; 22] = [
    "null",
    "true",
    "0",
    "-1",
    "-0",
    "1.0",
    "1e999",
    "-1e-999",
    "4294967296",
    "18446744073709551616",
    "\"\"",
    "\" \"",
    "[]",
    "{}",
    "[null]",
    "[[]]",
    "{\"\":{}}",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\"<script>\"",
    "\"\\u2028\\r\"",
    "[0,\"x\"]",
];

/// Values that fields of answers have.
const USUAL: [&str; 32] = [
    "Success",
    "Failed",
    "Running",
    "Pending",
    "Scheduled",
    "Stopping",
    "Timeout",
    "Exploded",
    "success",
    "ExitCodeNonzero",
    "t-1",
    "t-2",
    "i-1",
    "i-2",
    "c-1",
    "c-2",
    "Finished",
    "failed",
    "2026-01-02T03:04:05Z",
    "2026-01-02T03:04Z",
    "2026-01-02 03:04:05",
    "2026-01-02T03:04:05.5+08:00",
    "9999-12-31T23:59:59Z",
    "1",
    " 7 ",
    "+3",
    "Period",
    "Once",
    "cn-hangzhou",
    "ecs-cn-hangzhou.aliyuncs.com",
    "Throttling.User",
    "Forbidden.RAM",
];

/// A value: usual, odd, or a text or number of the fuzzer's own.
pub fn value(choices: &mut Unstructured<'_>) -> Result<String> {
    Ok(match choices.int_in_range(0..=7)? {
        0..=3 => text(choices.choose(&USUAL)?),
        4 | 5 => (*choices.choose(&ODD)?).to_owned(),
        6 => choices.arbitrary::<i64>()?.to_string(),
        _ => text(choices.arbitrary()?),
    })
}

/// An object with some of these fields, some of them twice, in any order.
pub fn object(choices: &mut Unstructured<'_>, fields: &[&str]) -> Result<String> {
    let mut members = Vec::new();
    for _ in 0..choices.int_in_range(0..=fields.len() + 1)? {
        let name = choices.choose(fields)?;
        members.push(format!("{}:{}", text(name), value(choices)?));
    }
    Ok(format!("{{{}}}", members.join(",")))
}

/// Elements of a list: objects of `fields`, now and then something else.
pub fn elements(
    choices: &mut Unstructured<'_>,
    most: usize,
    mut element: impl FnMut(&mut Unstructured<'_>) -> Result<String>,
) -> Result<Vec<String>> {
    let mut list = Vec::new();
    for _ in 0..choices.int_in_range(0..=most)? {
        list.push(match choices.ratio(1_u8, 12)? {
            true => value(choices)?,
            false => element(choices)?,
        });
    }
    Ok(list)
}

/// A JSON string.
pub fn text(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// Whether some object has a name twice, which [`serde_json::Value`] cannot tell.
pub fn has_duplicates(body: &[u8]) -> bool {
    serde_json::from_slice::<Names>(body).is_ok_and(|names| names.0)
}

struct Names(bool);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = bool;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("anything")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<bool, A::Error> {
                let (mut names, mut found) = (std::collections::HashSet::new(), false);
                while let Some((name, Names(within))) = map.next_entry::<String, Names>()? {
                    found |= within | !names.insert(name);
                }
                Ok(found)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<bool, A::Error> {
                let mut found = false;
                while let Some(Names(within)) = list.next_element()? {
                    found |= within;
                }
                Ok(found)
            }
            fn visit_bool<E>(self, _: bool) -> std::result::Result<bool, E> {
                Ok(false)
            }
            fn visit_i64<E>(self, _: i64) -> std::result::Result<bool, E> {
                Ok(false)
            }
            fn visit_u64<E>(self, _: u64) -> std::result::Result<bool, E> {
                Ok(false)
            }
            fn visit_f64<E>(self, _: f64) -> std::result::Result<bool, E> {
                Ok(false)
            }
            fn visit_str<E>(self, _: &str) -> std::result::Result<bool, E> {
                Ok(false)
            }
            fn visit_unit<E>(self) -> std::result::Result<bool, E> {
                Ok(false)
            }
        }
        deserializer.deserialize_any(Look).map(Self)
    }
}
