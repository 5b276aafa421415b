//! Where a person looks at a result: the console of Alibaba Cloud.

use super::parameters::encode_text;

/// The page of Cloud Assistant for an instance of a region.
pub(super) fn url(region_id: &str, instance_id: &str) -> String {
    let instance = encode_text(instance_id);
    let region = encode_text(region_id);
    format!("https://ecs.console.aliyun.com/cloud-assistant/region/{region}?instanceId={instance}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_leave_their_place() {
        assert_eq!(
            url("../x?y", "i-1#\"&a=b"),
            "https://ecs.console.aliyun.com/cloud-assistant/region/..%2Fx%3Fy?instanceId=i-1%23%22%26a%3Db"
        );
    }
}
