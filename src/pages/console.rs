//! Where a person looks at a result: the console of Alibaba Cloud, and its command line.

use super::bounded::bounded;
use super::parameters::encode_text;
use crate::record::ShownIds;
use crate::scope::Scope;
use crate::view::View;

/// The console, where an account says nothing else.
const CONSOLE: &str = "https://ecs.console.aliyun.com";

/// The page of Cloud Assistant for an invocation on an instance.
pub(super) fn url(view: &View, scope: &Scope, ids: ShownIds<'_>) -> String {
    let account = view.accounts.get(&*scope.account);
    let console = account.and_then(|account| account.console.as_deref());
    let (region, instance) = (
        encode_text(&scope.region_id),
        encode_text(bounded(ids.instance_id)),
    );
    let invocation = encode_text(bounded(ids.invoke_id));
    format!(
        "{}/cloud-assistant/region/{region}?instanceId={instance}&invokeId={invocation}",
        console.unwrap_or(CONSOLE)
    )
}

/// What shows the output of a result in a terminal. Nothing that a shell would take for more than a word is in it.
pub(super) fn command_line(region_id: &str, instance_id: &str, invoke_id: &str) -> Option<String> {
    let is_plain = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let all = [region_id, instance_id, invoke_id];
    all.iter().all(|text| is_plain(text)).then(|| {
        format!(
            "aliyun ecs DescribeInvocationResults --RegionId {region_id} --InvokeId {invoke_id} \
             --InstanceId {instance_id} --ContentEncoding PlainText"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_leave_their_place() {
        let ids = ShownIds {
            invoke_id: "t-1",
            instance_id: "i-1#\"&a=b",
            container_id: "",
            command_id: "",
        };
        assert_eq!(
            url(&View::default(), &Scope::new("a", "../x?y"), ids),
            "https://ecs.console.aliyun.com/cloud-assistant/region/..%2Fx%3Fy?instanceId=i-1%23%22%26a%3Db&invokeId=t-1"
        );
        let line = command_line("cn-hangzhou", "i-1", "t-1");
        assert!(line.is_some_and(|line| line.contains("--InvokeId t-1 --InstanceId i-1")));
        for odd in ["", "i-1;reboot", "$(x)", "a b", "'"] {
            assert_eq!(command_line("cn-hangzhou", odd, "t-1"), None);
        }
    }
}
