//! Where a queue is.
//!
//! Source: Simple Message Queue, "Regions and endpoints". Inside of a VPC only `http` is documented; what is sent there is
//! signed, and holds no secret but the token of temporary credentials.

use crate::config::Network;

/// One queue: `scheme://host[:port]`, and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Without a path.
    pub base: String,
    /// QueueName.
    pub name: String,
}

impl Address {
    /// The documented place of a queue.
    pub fn of_region(account_id: &str, region_id: &str, network: Network, name: &str) -> Self {
        let base = match network {
            Network::Public => format!("https://{account_id}.mns.{region_id}.aliyuncs.com"),
            Network::Vpc => format!("http://{account_id}.mns.{region_id}-internal.aliyuncs.com"),
        };
        Self {
            base,
            name: name.to_owned(),
        }
    }

    /// A place from the configuration, in which `{account_id}` and `{region_id}` may stand.
    pub fn configured(template: &str, account_id: &str, region_id: &str, name: &str) -> Self {
        let base = template
            .replace("{account_id}", account_id)
            .replace("{region_id}", region_id);
        Self {
            base: base.trim_end_matches('/').to_owned(),
            name: name.to_owned(),
        }
    }

    /// The path of its messages, as it is signed and sent.
    pub(super) fn messages(&self) -> String {
        format!("/queues/{}/messages", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_hosts() {
        let base = |network| Address::of_region("12", "cn-hangzhou", network, "q").base;
        assert_eq!(base(Network::Public), "https://12.mns.cn-hangzhou.aliyuncs.com");
        assert_eq!(
            base(Network::Vpc),
            "http://12.mns.cn-hangzhou-internal.aliyuncs.com"
        );
        let own = Address::configured("http://{account_id}-{region_id}.example/", "12", "r", "q");
        assert_eq!(
            (own.base.as_str(), own.messages().as_str()),
            ("http://12-r.example", "/queues/q/messages")
        );
    }
}
