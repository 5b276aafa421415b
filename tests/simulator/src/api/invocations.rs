//! DescribeInvocations.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::clock::utc;
use crate::error::ApiError;
use crate::invocation::{Invocation, Row, tags_json};
use crate::listing::{Filter, Page, Subject};
use crate::misbehaviour::{List, Wrong};
use crate::page_token::Place;
use crate::{Region, RepeatMode};

use super::parameters::Asked;
use super::results::{paging_json, put_delivery, put_output};
use super::{Encoding, Parameters};

const STATUSES: [&str; 9] = [
    "Running",
    "Finished",
    "Success",
    "Failed",
    "Stopped",
    "Stopping",
    "PartialFailed",
    "Pending",
    "Scheduled",
];
const TYPES: [&str; 3] = ["RunBatScript", "RunPowerShellScript", "RunShellScript"];
const MODES: [&str; 4] = ["Once", "Period", "NextRebootOnly", "EveryReboot"];

/// What this call filters by, besides what both calls do.
#[derive(Debug)]
struct Wanted {
    filter: Filter,
    name: Option<String>,
    kind: Option<String>,
    status: Option<String>,
    mode: Option<String>,
    timed: Option<bool>,
}

pub(super) fn describe(
    region: &mut Region,
    parameters: &Parameters,
    request_id: &str,
) -> Result<Value, ApiError> {
    let wanted = Wanted::read(parameters)?;
    let encoding = parameters.encoding()?;
    let include_output = parameters.flag("IncludeOutput")?.unwrap_or(false);
    if include_output && wanted.filter.invoke_id.is_none() && wanted.filter.instance_id.is_none() {
        return Err(ApiError::missing("InvokeId"));
    }
    let asked = Asked::read(parameters, region, &wanted.filter)?;
    let Place::Offset(first) = asked.place else {
        return Err(ApiError::invalid("NextToken"));
    };
    let asked_id = wanted.filter.invoke_id.as_deref();
    let now = region.now;
    let wrong = region.misbehaviours.of_answer(List::Invocations, asked_id, now);
    region.misbehaviours.refuse(&wrong, first)?;
    // Few invocations make many rows, so that these are looked through anew for each page.
    let mut found: Vec<&Invocation> = region
        .invocations()
        .filter(|invocation| wanted.takes(invocation) && !hides(&wrong, invocation))
        .collect();
    // Of those created in one second the last one is the newest.
    found.reverse();
    found.sort_by_key(|invocation| std::cmp::Reverse(invocation.creation_time));
    let end = found.len().min(first.saturating_add(asked.size));
    let shown = found.get(first..end).unwrap_or_default();
    let output = if include_output {
        encoding
    } else {
        Encoding::NoOutput
    };
    let list: Vec<Value> = shown
        .iter()
        .map(|invocation| wanted.invocation_json(invocation, encoding, output))
        .collect();
    let next = (end < found.len() && !shown.is_empty()).then_some(Place::Offset(end));
    let total = if asked.number.is_some() {
        found.len()
    } else {
        shown.len()
    };
    let page = Page {
        entries: Vec::new(),
        first,
        next,
        total,
    };
    let mut body = paging_json(region, &wanted.filter, &asked, &page);
    body.insert("TotalCount".to_owned(), total.into());
    body.insert("RequestId".to_owned(), request_id.into());
    body.insert("Invocations".to_owned(), json!({ "Invocation": list }));
    Ok(Value::Object(body))
}

/// An invocation is hidden with the last of its instances.
fn hides(wrong: &Wrong, invocation: &Invocation) -> bool {
    let hidden = |instance: &Row| {
        wrong.hides(&Subject {
            invocation,
            instance,
            run: None,
        })
    };
    wrong.hides_anything() && invocation.rows.iter().all(hidden)
}

impl Wanted {
    fn read(parameters: &Parameters) -> Result<Self, ApiError> {
        let filter = Filter {
            invoke_id: parameters.text("InvokeId"),
            command_id: parameters.text("CommandId"),
            instance_id: parameters.text("InstanceId"),
            record_status: None,
            resource_group_id: parameters.text("ResourceGroupId"),
            tags: parameters.tags()?,
            history: false,
            call: String::new(),
        };
        let mut wanted = Self {
            name: parameters.text("CommandName"),
            kind: parameters.choice("CommandType", &TYPES)?,
            status: parameters.choice("InvokeStatus", &STATUSES)?,
            mode: parameters.choice("RepeatMode", &MODES)?,
            timed: parameters.flag("Timed")?,
            filter,
        };
        if wanted.filter.instance_id.is_some() {
            wanted.name = None;
            wanted.mode = None;
            wanted.status = wanted.status.filter(|status| status != "PartialFailed");
        }
        wanted.filter.call = format!("{wanted:?}");
        Ok(wanted)
    }

    fn takes(&self, invocation: &Invocation) -> bool {
        let is =
            |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        let status = |wanted: &str| wanted == invocation.record_status() || wanted == invocation.status();
        let instance = |id: &String| invocation.rows.iter().any(|row| row.instance_id == *id);
        !invocation.rows.iter().all(|row| row.raw.is_some())
            && self.filter.takes_invocation(invocation)
            && self.filter.instance_id.as_ref().is_none_or(instance)
            && is(&self.name, &invocation.command_name)
            && is(&self.kind, &invocation.command_type)
            && is(&self.mode, invocation.repeat_mode.as_str())
            && self.status.as_deref().is_none_or(status)
            && self.timed.is_none_or(|wanted| wanted == timed(invocation))
    }

    fn invocation_json(&self, invocation: &Invocation, content: Encoding, output: Encoding) -> Value {
        let instances: Vec<Value> = invocation
            .rows
            .iter()
            .filter(|row| {
                self.filter
                    .instance_id
                    .as_ref()
                    .is_none_or(|id| row.instance_id == *id)
            })
            .map(|row| instance_json(invocation, row, output))
            .collect();
        let command = match content {
            Encoding::PlainText => invocation.command_content.clone(),
            Encoding::Base64 | Encoding::NoOutput => STANDARD.encode(&invocation.command_content),
        };
        let container = invocation.rows.first();
        json!({
            "InvokeId": invocation.invoke_id.as_str(),
            "CommandId": invocation.command_id,
            "CommandName": invocation.command_name,
            "CommandDescription": invocation.command_description,
            "CommandType": invocation.command_type,
            "CommandContent": command,
            "Parameters": invocation.parameters,
            "CreationTime": utc(invocation.creation_time),
            "Frequency": invocation.frequency,
            "RepeatMode": invocation.repeat_mode.as_str(),
            "Timed": timed(invocation),
            "Timeout": invocation.timeout,
            "WorkingDir": invocation.working_dir,
            "Username": invocation.username,
            "Launcher": invocation.launcher,
            "TerminationMode": invocation.termination_mode,
            "OssOutputDelivery": invocation.oss_output_delivery.as_deref().unwrap_or_default(),
            "ContainerId": container.map(|row| row.container_id.as_str()).unwrap_or_default(),
            "ContainerName": container.map(|row| row.container_name.as_str()).unwrap_or_default(),
            "InvocationStatus": invocation.status(),
            "InvokeStatus": invocation.record_status(),
            "Tags": tags_json(&invocation.tags),
            "InvokeInstances": {"InvokeInstance": instances},
        })
    }
}

/// One that is over counts as one that was never timed.
fn timed(invocation: &Invocation) -> bool {
    invocation.repeat_mode != RepeatMode::Once && !invocation.is_settled()
}

fn instance_json(invocation: &Invocation, row: &Row, output: Encoding) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("InstanceId", row.instance_id.as_str().into());
    put("InvocationStatus", row.status.as_str().into());
    put("InstanceInvokeStatus", row.status.legacy().into());
    put("ErrorCode", row.error_code.as_str().into());
    put("ErrorInfo", row.error_info.as_str().into());
    put("Repeats", row.repeats.into());
    put("Dropped", row.dropped.into());
    put("CreationTime", utc(invocation.creation_time).into());
    put("StartTime", row.start_time.map(utc).unwrap_or_default().into());
    put(
        "FinishTime",
        row.finished_time.map(utc).unwrap_or_default().into(),
    );
    put("StopTime", row.stop_time.map(utc).unwrap_or_default().into());
    put("UpdateTime", utc(row.update_time).into());
    put("Timed", timed(invocation).into());
    put("Output", "".into());
    if let Some(code) = row.exit_code {
        put("ExitCode", code.into());
    }
    put_delivery(&mut fields, invocation, row);
    put_output(&mut fields, row, output);
    Value::Object(fields)
}
