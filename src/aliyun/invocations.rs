//! From the JSON of DescribeInvocations to what the exporter needs of it: which rows belong to a schedule, and what
//! commands are called.

use serde::Deserialize;

use crate::result::{Identity, Named};
use crate::timestamp;

/// One page.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scheduled {
    /// The rows of the results list that the invocations of this page have.
    pub rows: Vec<Identity>,
    /// The invocations with their commands, in the order of the list; read only where commands are selected.
    pub commands: Vec<Named>,
    /// Absent at the end of the list.
    pub next_token: Option<String>,
}

/// Names have 128 characters at most; anything longer than this is cut.
const MAX_TEXT: usize = 256;

/// Reads a page; `with_commands` where some are selected.
///
/// # Errors
/// When the body is not the documented JSON.
pub fn decode(body: &[u8], with_commands: bool) -> Result<Scheduled, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Body {
        #[serde(default)]
        next_token: Option<String>,
        invocations: Invocations,
    }
    #[derive(Deserialize)]
    struct Invocations {
        #[serde(rename = "Invocation")]
        list: Vec<Invocation>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Invocation {
        #[serde(default)]
        invoke_id: String,
        #[serde(default)]
        container_id: String,
        #[serde(default)]
        command_id: Option<String>,
        #[serde(default)]
        command_name: Option<String>,
        #[serde(default)]
        command_type: Option<String>,
        #[serde(default)]
        repeat_mode: Option<String>,
        #[serde(default)]
        frequency: Option<String>,
        #[serde(default)]
        creation_time: Option<String>,
        #[serde(default)]
        invoke_instances: InvokeInstances,
    }
    #[derive(Deserialize, Default)]
    struct InvokeInstances {
        #[serde(rename = "InvokeInstance", default)]
        list: Vec<InvokeInstance>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct InvokeInstance {
        #[serde(default)]
        instance_id: String,
    }
    let body: Body = serde_json::from_slice(body)?;
    let rows = body
        .invocations
        .list
        .iter()
        .flat_map(|invocation| {
            invocation.invoke_instances.list.iter().map(|instance| {
                Identity::of_row(
                    &invocation.invoke_id,
                    &instance.instance_id,
                    &invocation.container_id,
                )
            })
        })
        .collect();
    let named = |invocation: Invocation| {
        let command_id = invocation.command_id.filter(|id| !id.is_empty())?;
        Some(Named {
            command_id: command_id.into(),
            invoke_id: invocation.invoke_id.into(),
            name: cut(invocation.command_name),
            kind: cut(invocation.command_type),
            repeat_mode: cut(invocation.repeat_mode),
            frequency: cut(invocation.frequency),
            created: invocation
                .creation_time
                .and_then(|time| timestamp::parse(&time))
                .map_or(0, std::num::NonZeroU32::get),
        })
    };
    let invocations = body.invocations.list.into_iter().filter(|_| with_commands);
    Ok(Scheduled {
        rows,
        commands: invocations.filter_map(named).collect(),
        next_token: body.next_token.filter(|token| !token.is_empty()),
    })
}

fn cut(text: Option<String>) -> Box<str> {
    match text.unwrap_or_default() {
        text if text.len() > MAX_TEXT => text.chars().take(MAX_TEXT / 4).collect(),
        text => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_each_instance() {
        let body = r#"{"TotalCount":1,"NextToken":"","Invocations":{"Invocation":[{"InvokeId":"t-1","RepeatMode":"Period",
            "InvokeInstances":{"InvokeInstance":[{"InstanceId":"i-1","Repeats":3},{"InstanceId":"i-2"}]}}]}}"#;
        let rows = ["i-1", "i-2"]
            .map(|instance| Identity::of_row("t-1", instance, ""))
            .to_vec();
        assert_eq!(
            decode(body.as_bytes(), false).unwrap(),
            Scheduled {
                rows,
                commands: Vec::new(),
                next_token: None
            }
        );
        assert!(decode(b"{}", false).is_err());
        let named = decode(body.as_bytes(), true).unwrap().commands;
        assert!(
            named.is_empty(),
            "without a CommandId it says nothing of a command"
        );
    }
}
