//! From the JSON of DescribeInvocations to what the exporter needs of it: which rows belong to a schedule.

use serde::Deserialize;

use crate::result::Identity;

/// One page.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scheduled {
    /// The rows of the results list that the invocations of this page have.
    pub rows: Vec<Identity>,
    /// Absent at the end of the list.
    pub next_token: Option<String>,
}

/// Reads a page.
///
/// # Errors
/// When the body is not the documented JSON.
pub fn decode(body: &[u8]) -> Result<Scheduled, serde_json::Error> {
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
    Ok(Scheduled {
        rows,
        next_token: body.next_token.filter(|token| !token.is_empty()),
    })
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
            decode(body.as_bytes()).unwrap(),
            Scheduled {
                rows,
                next_token: None
            }
        );
        assert!(decode(b"{}").is_err());
    }
}
