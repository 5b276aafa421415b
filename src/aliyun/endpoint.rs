//! Which host answers for a region.
//!
//! Source: the rules of Alibaba Cloud's SDKs: a map of exceptions, else `ecs.<region>.aliyuncs.com`. Inside of a VPC
//! always `ecs-vpc.<region>.aliyuncs.com`: that the SDKs apply the map there too is known as a mistake, since its hosts
//! are public.

use crate::config::Network;

/// What the hosts inside of VPCs begin with.
const VPC_PREFIX: &str = "ecs-vpc.";

/// Where requests go, as `scheme://host[:port]`, without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `http` or `https`.
    pub scheme: String,
    /// Host, and the port where it is not the scheme's own: the value of the `Host` header.
    pub host: String,
}

impl Endpoint {
    /// The documented host of a region.
    pub fn of_region(region_id: &str, network: Network) -> Self {
        let host = match network {
            Network::Vpc => format!("{VPC_PREFIX}{region_id}.aliyuncs.com"),
            Network::Public => public_exception(region_id)
                .map_or_else(|| format!("ecs.{region_id}.aliyuncs.com"), str::to_owned),
        };
        Self {
            scheme: "https".to_owned(),
            host,
        }
    }

    /// An address from the configuration, `http(s)://host[:port]`, in which `{region_id}` stands for the region.
    ///
    /// Its form was checked when the configuration was read; a port that is the scheme's own is left out of the
    /// host, since HTTP clients leave it out of the header that is signed.
    pub fn configured(template: &str, region_id: &str) -> Self {
        let address = template.replace("{region_id}", region_id);
        let (scheme, host) = address.split_once("://").unwrap_or(("https", &address));
        let host = host.trim_end_matches('/').to_ascii_lowercase();
        let own_port = if scheme.eq_ignore_ascii_case("http") {
            ":80"
        } else {
            ":443"
        };
        let host = host
            .strip_suffix(own_port)
            .map_or_else(|| host.clone(), str::to_owned);
        Self {
            scheme: scheme.to_ascii_lowercase(),
            host,
        }
    }

    /// Whether it is a host that answers only inside of a VPC of its region.
    pub fn is_of_vpc(&self) -> bool {
        self.host.starts_with(VPC_PREFIX)
    }

    /// The host that DescribeRegions names for a region.
    pub fn named(host: &str) -> Self {
        Self {
            scheme: "https".to_owned(),
            host: host.to_ascii_lowercase(),
        }
    }
}

/// The regions that the SDKs send elsewhere than their name says.
fn public_exception(region_id: &str) -> Option<&'static str> {
    match region_id {
        "cn-hangzhou" | "cn-shanghai-finance-1" | "cn-shenzhen-finance-1" => {
            Some("ecs-cn-hangzhou.aliyuncs.com")
        }
        "cn-north-2-gov-1"
        | "cn-hangzhou-finance"
        | "cn-wuhan"
        | "cn-zhangbei"
        | "cn-yushanfang"
        | "cn-beijing-gov-1" => Some("ecs.aliyuncs.com"),
        "cn-huhehaote-nebula-1" | "cn-zhengzhou-nebula-1" | "cn-edge-1" => {
            Some("ecs.cn-qingdao-nebula.aliyuncs.com")
        }
        "cn-zhangjiakou-na62-a01" => Some("ecs.cn-zhangjiakou.aliyuncs.com"),
        "eu-west-1-oxs" => Some("ecs.cn-shenzhen-cloudstone.aliyuncs.com"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_hosts() {
        let host = |region, network| Endpoint::of_region(region, network).host;
        assert_eq!(
            host("eu-central-1", Network::Public),
            "ecs.eu-central-1.aliyuncs.com"
        );
        assert_eq!(
            host("eu-central-1", Network::Vpc),
            "ecs-vpc.eu-central-1.aliyuncs.com"
        );
        assert_eq!(
            host("cn-hangzhou", Network::Public),
            "ecs-cn-hangzhou.aliyuncs.com"
        );
        assert_eq!(host("cn-north-2-gov-1", Network::Public), "ecs.aliyuncs.com");
        for region in [
            "cn-hangzhou",
            "cn-shanghai-finance-1",
            "cn-shenzhen-finance-1",
            "cn-north-2-gov-1",
        ] {
            assert_eq!(
                host(region, Network::Vpc),
                format!("ecs-vpc.{region}.aliyuncs.com"),
                "the exceptions are public hosts"
            );
        }
    }

    #[test]
    fn configured_addresses() {
        let of = |template| Endpoint::configured(template, "cn-hangzhou");
        let endpoint = of("http://127.0.0.1:8080");
        assert_eq!(
            (endpoint.scheme.as_str(), endpoint.host.as_str()),
            ("http", "127.0.0.1:8080")
        );
        assert_eq!(
            of("https://ecs.{region_id}.example.com:443/").host,
            "ecs.cn-hangzhou.example.com"
        );
        assert_eq!(of("http://ECS.example.com:80").host, "ecs.example.com");
    }
}
