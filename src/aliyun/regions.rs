//! From the JSON of DescribeRegions to the regions and their hosts.

use std::collections::BTreeMap;

use serde::Deserialize;

/// RegionId to RegionEndpoint, a bare host.
pub type Regions = BTreeMap<String, String>;

/// More regions than this are none of Alibaba Cloud's.
const MAX_REGIONS: usize = 1000;

/// Reads the answer. A region without an id is left out.
///
/// # Errors
/// When the body is not the documented JSON.
pub fn decode(body: &[u8]) -> Result<Regions, serde_json::Error> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(rename = "Regions")]
        regions: List,
    }
    #[derive(Deserialize)]
    struct List {
        #[serde(rename = "Region")]
        list: Vec<Region>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Region {
        #[serde(default)]
        region_id: String,
        #[serde(default)]
        region_endpoint: String,
    }
    let body: Body = serde_json::from_slice(body)?;
    let named = body
        .regions
        .list
        .into_iter()
        .filter(|region| !region.region_id.is_empty());
    Ok(named
        .take(MAX_REGIONS)
        .map(|region| (region.region_id, region.region_endpoint))
        .collect())
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
}
