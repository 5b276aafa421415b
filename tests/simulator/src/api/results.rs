//! DescribeInvocationResults.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::clock::utc;
use crate::error::ApiError;
use crate::invocation::{Invocation, InvokeId, Row, tags_json};
use crate::listing::{Filter, Page};
use crate::region::EndOfList;
use crate::{Delivery, InvocationStatus, Region};

use super::parameters::Asked;
use super::{Encoding, Parameters};

const RECORD_STATUSES: [&str; 7] = [
    "Running",
    "Finished",
    "Success",
    "Failed",
    "PartialFailed",
    "Stopped",
    "Stopping",
];

pub(super) fn describe(
    region: &mut Region,
    parameters: &Parameters,
    request_id: &str,
) -> Result<Value, ApiError> {
    let filter = filter(region, parameters)?;
    let encoding = parameters.encoding()?;
    let asked = Asked::read(parameters, region, &filter)?;
    let now = region.now;
    let wrong = region
        .misbehaviours
        .of_answer(filter.list(), filter.invoke_id.as_deref(), now);
    let page = region.page(&filter, asked.place, asked.size, &wrong);
    region.misbehaviours.refuse(&wrong, page.first)?;
    let mut rows: Vec<Value> = Vec::with_capacity(page.entries.len());
    // Neighbours are mostly of one invocation, whose status takes a look at all its rows.
    let mut last: Option<(&InvokeId, &str)> = None;
    for subject in page.entries.iter().filter_map(|entry| region.entry(entry)) {
        let invocation = subject.invocation;
        let status = match last {
            Some((id, status)) if *id == invocation.invoke_id => status,
            _ => invocation.record_status(),
        };
        last = Some((&invocation.invoke_id, status));
        let mut row = row_json(invocation, status, subject.row(), encoding);
        wrong.change(&subject, &mut row);
        rows.push(row);
    }
    let mut invocation = paging_json(region, &filter, &asked, &page);
    invocation.insert(
        "InvocationResults".to_owned(),
        json!({ "InvocationResult": rows }),
    );
    Ok(json!({ "RequestId": request_id, "Invocation": invocation }))
}

fn filter(region: &Region, parameters: &Parameters) -> Result<Filter, ApiError> {
    let filter = Filter {
        invoke_id: parameters.text("InvokeId"),
        command_id: parameters.text("CommandId"),
        instance_id: parameters.text("InstanceId"),
        record_status: parameters.choice("InvokeRecordStatus", &RECORD_STATUSES)?,
        resource_group_id: parameters.text("ResourceGroupId"),
        tags: parameters.tags()?,
        history: parameters.flag("IncludeHistory")?.unwrap_or(false),
        call: "DescribeInvocationResults".to_owned(),
    };
    if filter.history {
        let id = filter
            .invoke_id
            .as_deref()
            .ok_or_else(|| ApiError::missing("InvokeId"))?;
        let sequence = region
            .sequences
            .get(id)
            .ok_or_else(|| ApiError::invalid("InvokeId"))?;
        let scheduled = region
            .invocations
            .get(sequence)
            .is_some_and(Invocation::is_scheduled);
        if !scheduled {
            return Err(ApiError::invalid("IncludeHistory"));
        }
    }
    Ok(filter)
}

/// The fields about the page, which this call has inside of Invocation and DescribeInvocations at the top.
pub(super) fn paging_json(
    region: &Region,
    filter: &Filter,
    asked: &Asked,
    page: &Page,
) -> Map<String, Value> {
    let mut fields = Map::new();
    // The documentation calls TotalCount meaningless under tokens, so it is of no use there.
    let total = if asked.number.is_some() {
        page.total
    } else {
        page.entries.len()
    };
    fields.insert("TotalCount".to_owned(), total.into());
    fields.insert("PageSize".to_owned(), asked.size.into());
    fields.insert("PageNumber".to_owned(), asked.number.unwrap_or(1).into());
    let next = page
        .next
        .filter(|_| asked.number.is_none())
        .map(|place| region.token(place, filter));
    let next = match (next, region.end_of_list) {
        (Some(token), _) => Some(Value::String(token)),
        (None, EndOfList::Empty) => Some(Value::String(String::new())),
        (None, EndOfList::Null) => Some(Value::Null),
        (None, EndOfList::Absent) => None,
    };
    if let Some(next) = next {
        fields.insert("NextToken".to_owned(), next);
    }
    fields
}

/// A row as this call shows it.
pub(crate) fn row_json(invocation: &Invocation, record_status: &str, row: &Row, encoding: Encoding) -> Value {
    if let Some(raw) = &row.raw {
        return raw.clone();
    }
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("CommandId", invocation.command_id.as_str().into());
    put("InvokeId", invocation.invoke_id.as_str().into());
    put("InstanceId", row.instance_id.as_str().into());
    put("InvocationStatus", row.status.as_str().into());
    put("InvokeRecordStatus", record_status.into());
    put("ErrorCode", row.error_code.as_str().into());
    put("ErrorInfo", row.error_info.as_str().into());
    put(
        "FinishedTime",
        row.finished_time.map(utc).unwrap_or_default().into(),
    );
    put("StopTime", row.stop_time.map(utc).unwrap_or_default().into());
    put("Repeats", row.repeats.into());
    put("Dropped", row.dropped.into());
    put("Username", invocation.username.as_str().into());
    put("ContainerId", row.container_id.as_str().into());
    put("ContainerName", row.container_name.as_str().into());
    put("Launcher", invocation.launcher.as_str().into());
    put("TerminationMode", invocation.termination_mode.as_str().into());
    put("Tags", tags_json(&invocation.tags));
    if let Some(start) = row.start_time {
        put("StartTime", utc(start).into());
    }
    if let Some(code) = row.exit_code {
        put("ExitCode", code.into());
    }
    put_delivery(&mut fields, invocation, row);
    put_output(&mut fields, row, encoding);
    fields.extend(row.extra.clone());
    for name in &row.without {
        fields.remove(name);
    }
    Value::Object(fields)
}

/// What became of the delivery of the output, for a command that asked for one.
pub(super) fn put_delivery(fields: &mut Map<String, Value>, invocation: &Invocation, row: &Row) {
    let target = invocation.oss_output_delivery.as_deref().unwrap_or_default();
    fields.insert("OssOutputDelivery".to_owned(), target.into());
    let Some(delivery) = &row.delivery else { return };
    let mut put = |name: &str, value: String| fields.insert(name.to_owned(), value.into());
    put("OssOutputStatus", delivery.status().to_owned());
    let delivered = *delivery == Delivery::Finished;
    let object = format!("{target}/{}/{}.txt", invocation.invoke_id, row.instance_id);
    put("OssOutputUri", if delivered { object } else { String::new() });
    if let Delivery::Failed(code) = delivery {
        put("OssOutputErrorCode", code.clone());
        put(
            "OssOutputErrorInfo",
            "the output could not be delivered.".to_owned(),
        );
    }
}

/// The output, of which there is none before it ran.
pub(super) fn put_output(fields: &mut Map<String, Value>, row: &Row, encoding: Encoding) {
    let ran = row.start_time.is_some() && row.status != InvocationStatus::Pending;
    let text = |bytes: usize| {
        "output of the command\n"
            .chars()
            .cycle()
            .take(bytes)
            .collect::<String>()
    };
    let output = match encoding {
        Encoding::NoOutput => return,
        _ if !ran => String::new(),
        Encoding::PlainText => text(row.output_bytes),
        Encoding::Base64 => STANDARD.encode(text(row.output_bytes)),
    };
    fields.insert("Output".to_owned(), output.into());
}
