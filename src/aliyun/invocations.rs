//! From the JSON of DescribeInvocations to what the exporter needs of it: which rows belong to a schedule, and what
//! commands are called.

use std::num::NonZeroU32;

use super::answer::{Answer, Entry, Undocumented, object_of, text};
use crate::result::{Identity, InvocationSummary, label_text};
use crate::timestamp;

/// One page.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct InvocationsPage {
    /// The rows of the results list that the invocations of this page have.
    pub rows: Vec<Identity>,
    /// The invocations with their commands, in the order of the list; read only where commands are selected.
    pub commands: Vec<InvocationSummary>,
    /// Absent at the end of the list.
    pub next_token: Option<String>,
}

/// Reads a page; `with_commands` where some are selected. An invocation without its InvokeId is left out.
///
/// # Errors
/// When the body is not the documented JSON.
pub fn decode(body: &[u8], with_commands: bool) -> Result<InvocationsPage, Undocumented> {
    let answer = Answer::<Invocation<'_>>::read(body, &["Invocations", "Invocation"])?;
    let mut page = InvocationsPage {
        next_token: answer.next_token()?,
        ..InvocationsPage::default()
    };
    for invocation in answer.entries {
        let Some(invoke_id) = text(invocation.invoke_id).filter(|id| !id.is_empty()) else {
            continue;
        };
        let container_id = text(invocation.container_id).unwrap_or_default();
        for instance in instances(&invocation)? {
            if let Some(instance_id) = text(instance.instance_id).filter(|id| !id.is_empty()) {
                page.rows
                    .push(Identity::of_row(&invoke_id, &instance_id, &container_id));
            }
        }
        if with_commands {
            page.commands.extend(invocation.named(&invoke_id));
        }
    }
    Ok(page)
}

/// The instances of an invocation; none where its list cannot be read.
fn instances<'a>(invocation: &Invocation<'a>) -> Result<Vec<InvokeInstance<'a>>, Undocumented> {
    let Some(raw) = invocation.invoke_instances else {
        return Ok(Vec::new());
    };
    match Answer::read_within(raw, &["InvokeInstance"]) {
        Ok(answer) => Ok(answer.entries),
        Err(error @ Undocumented::TooMany { .. }) => Err(error),
        Err(_) => Ok(Vec::new()),
    }
}

object_of! {
    struct Invocation {
        invoke_id: b"InvokeId",
        container_id: b"ContainerId",
        command_id: b"CommandId",
        command_name: b"CommandName",
        command_type: b"CommandType",
        repeat_mode: b"RepeatMode",
        frequency: b"Frequency",
        creation_time: b"CreationTime",
        invoke_instances: b"InvokeInstances",
    }
}

impl<'a> Entry<'a> for Invocation<'a> {
    /// MaxResults is 50, and the most that the API allows; twice that, should it ever allow more.
    const MOST: usize = 100;
    const WHAT: &'static str = "invocations";
}

impl Invocation<'_> {
    fn named(&self, invoke_id: &str) -> Option<InvocationSummary> {
        let label = |raw| label_text(&text(raw).unwrap_or_default()).into();
        Some(InvocationSummary {
            command_id: label_text(&text(self.command_id).filter(|id| !id.is_empty())?).into(),
            invoke_id: invoke_id.into(),
            name: label(self.command_name),
            kind: label(self.command_type),
            repeat_mode: label(self.repeat_mode),
            frequency: label(self.frequency),
            created: text(self.creation_time)
                .and_then(|time| timestamp::parse(&time))
                .map_or(0, NonZeroU32::get),
        })
    }
}

object_of! {
    struct InvokeInstance {
        instance_id: b"InstanceId",
    }
}

impl<'a> Entry<'a> for InvokeInstance<'a> {
    /// The API takes 100 instances for an invocation, and says that more can be had.
    const MOST: usize = 10_000;
    const WHAT: &'static str = "instances of an invocation";
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
            InvocationsPage {
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

    fn page(list: &str) -> InvocationsPage {
        let body = format!(r#"{{"NextToken":8,"Invocations":{{"Invocation":[{list}]}}}}"#);
        decode(body.as_bytes(), true).unwrap()
    }

    /// Each of these cost the whole answer once, and with it the baseline of the scope.
    #[test]
    fn one_odd_entry_costs_no_other() {
        let good = r#"{"InvokeId":"t-1","CommandId":"c-1","CommandName":"a","InvokeInstances":{"InvokeInstance":[{"InstanceId":"i-1"}]}}"#;
        let row = Identity::of_row("t-1", "i-1", "");
        for odd in [
            "null",
            "1e999",
            r#""\ud800""#,
            "[]",
            "{}",
            r#"{"InvokeId":null,"CommandId":"c-2","InvokeInstances":{"InvokeInstance":[{"InstanceId":"i-2"}]}}"#,
            r#"{"InvokeId":7}"#,
            r#"{"InvokeId":"t-2","InvokeInstances":null}"#,
            r#"{"InvokeId":"t-2","InvokeInstances":{"InvokeInstance":null}}"#,
            r#"{"InvokeId":"t-2","InvokeInstances":{"InvokeInstance":[null,{"InstanceId":null},{"InstanceId":4},1e999]}}"#,
            r#"{"InvokeId":"t-2","InvokeInstances":[]}"#,
        ] {
            for list in [format!("{good},{odd}"), format!("{odd},{good}")] {
                let page = page(&list);
                assert_eq!(page.rows, [row], "{odd}");
                assert_eq!(page.commands.len(), 1, "{odd}");
                assert_eq!(&*page.commands[0].name, "a");
                assert_eq!(page.next_token.as_deref(), Some("8"));
            }
        }
    }

    #[test]
    fn an_odd_member_costs_no_other() {
        let of = |odd: &str| {
            page(&format!(
                r#"{{"InvokeId":"t-1",{odd},"CommandId":"c-1","CommandType":"RunShellScript","InvokeInstances":{{"InvokeInstance":[{{"InstanceId":"i-1"}},null,{{"InstanceId":"i-2"}}]}}}}"#
            ))
        };
        for odd in [
            r#""ContainerId":null"#,
            r#""CommandName":12"#,
            r#""CommandName":"\ud800""#,
            r#""RepeatMode":null,"Frequency":1e999,"CreationTime":17"#,
            r#""\udc00":1,"CommandName":{}"#,
        ] {
            let page = of(odd);
            assert_eq!(
                page.rows,
                [
                    Identity::of_row("t-1", "i-1", ""),
                    Identity::of_row("t-1", "i-2", "")
                ],
                "{odd}"
            );
            let [named] = &page.commands[..] else {
                panic!("{odd}")
            };
            assert_eq!(
                (&*named.command_id, &*named.name, &*named.kind),
                ("c-1", "", "RunShellScript")
            );
        }
        assert_eq!(
            &*of(r#""CommandName":"a\u2028\nb""#).commands[0].name,
            "a\u{fffd}\u{fffd}b"
        );
    }

    #[test]
    fn lists_that_are_too_long_are_left_where_they_are() {
        let too_many = |what, most| Err(Undocumented::TooMany { what, most });
        let many = format!(r#"{{"Invocations":{{"Invocation":[{}"#, "{},".repeat(1 << 20));
        assert_eq!(decode(many.as_bytes(), true), too_many("invocations", 100));
        let many = format!(
            r#"{{"Invocations":{{"Invocation":[{{"InvokeId":"t","InvokeInstances":{{"InvokeInstance":[{}{{}}]}}}}]}}}}"#,
            "{},".repeat(1 << 20)
        );
        assert_eq!(
            decode(many.as_bytes(), true),
            too_many("instances of an invocation", 10_000)
        );
    }
}
