//! Misbehaviour over the control plane.
//!
//! `effect=hide`, `effect=show&field=Repeats&value=1000000` or `effect=refuse&code=InvalidParameter.NextToken`; then
//! what it is about: `list=` (Pages, Question, Status, History, Invocations), `invoke_id=`, `instance_id=`, `run=`,
//! `newest_runs=`, `one_in=` with `seed=`, `behind=`; and how long: `in=` and `for=` (seconds from now), `answers=`.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::{Value, json};

use crate::error::documented;
use crate::{List, Misbehaviour, Region};

/// Reads one.
pub(super) fn read(parameters: &BTreeMap<String, String>, now: i64) -> Result<Misbehaviour, String> {
    let text = |name: &str| parameters.get(name).map(String::as_str);
    let needed = |name: &str| text(name).ok_or_else(|| format!("{name} is missing"));
    let mut read = match needed("effect")? {
        "hide" => Misbehaviour::hides(),
        "show" => {
            let value = needed("value")?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            Misbehaviour::shows(needed("field")?, value)
        }
        "refuse" => Misbehaviour::refuses(documented(needed("code")?)),
        other => return Err(format!("there is no effect {other}")),
    };
    if let Some(name) = text("list") {
        let named = |list: &List| format!("{list:?}") == name;
        let list = List::ALL.into_iter().find(named);
        read = read.only(list.ok_or_else(|| format!("there is no list {name}"))?);
    }
    if let Some(invoke_id) = text("invoke_id") {
        read = read.of(invoke_id);
    }
    if let Some(instance_id) = text("instance_id") {
        read = read.on(instance_id);
    }
    if let Some(run) = number(parameters, "run")? {
        read = read.run(run);
    }
    if let Some(runs) = number(parameters, "newest_runs")? {
        read = read.newest_runs(runs);
    }
    if let Some(rows) = number(parameters, "one_in")? {
        read = read.one_in(rows, number(parameters, "seed")?.unwrap_or(1));
    }
    if let Some(rows) = number(parameters, "behind")? {
        read = read.behind(rows);
    }
    let from = now + number::<i64>(parameters, "in")?.unwrap_or(0);
    if let Some(seconds) = number::<i64>(parameters, "for")? {
        read = read.until(from + seconds);
    }
    if let Some(answers) = number(parameters, "answers")? {
        read = read.for_answers(answers);
    }
    Ok(read.from(from))
}

/// What has not ended.
pub(super) fn show(region: &Region) -> Value {
    let shown = region.misbehaviours();
    shown
        .map(|(number, misbehaviour)| json!({"number": number, "misbehaviour": format!("{misbehaviour:?}")}))
        .collect()
}

/// A number, if it is given.
pub(super) fn number<T: FromStr>(
    parameters: &BTreeMap<String, String>,
    name: &str,
) -> Result<Option<T>, String> {
    let read = |text: &String| text.parse().map_err(|_| format!("{name} cannot be {text}"));
    parameters.get(name).map(read).transpose()
}
