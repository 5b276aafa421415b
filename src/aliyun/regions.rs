//! From the JSON of DescribeRegions to the regions and their hosts.

use std::collections::BTreeMap;

use super::answer::{Answer, Entry, Undocumented, object_of, text};

/// RegionId to RegionEndpoint, a bare host; `""` where none is named.
pub type Regions = BTreeMap<String, String>;

/// Reads the answer. A region without an id that can be one is left out.
///
/// # Errors
/// When the body is not the documented JSON.
pub fn decode(body: &[u8]) -> Result<Regions, Undocumented> {
    let answer = Answer::<Region<'_>>::read(body, &["Regions", "Region"])?;
    let named = answer.entries.into_iter().filter_map(|region| {
        let region_id = text(region.region_id).filter(|id| is_region_id(id))?;
        let host = text(region.region_endpoint).filter(|host| is_host(host));
        Some((region_id.into_owned(), host.unwrap_or_default().into_owned()))
    });
    Ok(named.collect())
}

object_of! {
    struct Region {
        region_id: b"RegionId",
        region_endpoint: b"RegionEndpoint",
    }
}

impl<'a> Entry<'a> for Region<'a> {
    /// Alibaba Cloud has some thirty.
    const MOST: usize = 1000;
    const WHAT: &'static str = "regions";
}

/// As in the configuration: it becomes a label, a part of hosts, and a key of saved state.
fn is_region_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// A host, perhaps with a port. Requests are signed for it and sent to it.
fn is_host(host: &str) -> bool {
    (1..=255).contains(&host.len())
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_and_their_hosts() {
        let body = br#"{"RequestId":"R","Regions":{"Region":[{"RegionId":"cn-hangzhou","RegionEndpoint":"ecs-cn-hangzhou.aliyuncs.com","LocalName":"x","Status":"available"},{"RegionId":""}]}}"#;
        let expected = [(
            "cn-hangzhou".to_owned(),
            "ecs-cn-hangzhou.aliyuncs.com".to_owned(),
        )];
        assert_eq!(decode(body).unwrap(), Regions::from(expected));
        assert!(decode(b"{}").is_err());
    }

    #[test]
    fn one_odd_region_costs_no_other() {
        let good = r#"{"RegionId":"cn-beijing","RegionEndpoint":"ecs.cn-beijing.aliyuncs.com"}"#;
        let host = |host: &str| Some(host.to_owned());
        for (odd, endpoint) in [
            ("null", None),
            ("1e999", None),
            (r#"{"RegionId":null,"RegionEndpoint":"x"}"#, None),
            (r#"{"RegionId":"../cn","RegionEndpoint":"x"}"#, None),
            (r#"{"RegionId":"cn-odd","RegionEndpoint":null}"#, host("")),
            (r#"{"RegionId":"cn-odd","RegionEndpoint":7}"#, host("")),
            (r#"{"RegionId":"cn-odd","RegionEndpoint":"a/b@c"}"#, host("")),
            (r#"{"RegionId":"cn-odd"}"#, host("")),
        ] {
            let body = format!(r#"{{"Regions":{{"Region":[{odd},{good}]}}}}"#);
            let mut found = decode(body.as_bytes()).unwrap();
            assert_eq!(
                found.remove("cn-beijing").as_deref(),
                Some("ecs.cn-beijing.aliyuncs.com")
            );
            assert_eq!(found.remove("cn-odd"), endpoint, "{odd}");
            assert!(found.is_empty(), "{odd}");
        }
        let many = format!(r#"{{"Regions":{{"Region":[{}"#, "{},".repeat(1 << 20));
        assert_eq!(
            decode(many.as_bytes()),
            Err(Undocumented::TooMany {
                what: "regions",
                most: 1000
            })
        );
    }
}
