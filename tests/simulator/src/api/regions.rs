//! DescribeRegions.

use serde_json::{Value, json};

use crate::Cloud;
use crate::error::ApiError;

use super::Parameters;

const CHARGE_TYPES: [&str; 4] = ["PrePaid", "PostPaid", "SpotWithPriceLimit", "SpotAsPriceGo"];
const RESOURCE_TYPES: [&str; 4] = ["instance", "disk", "reservedinstance", "scu"];
const LANGUAGES: [&str; 7] = ["zh-CN", "zh-TW", "en-US", "ja", "fr", "de", "ko"];

pub(super) fn describe(
    cloud: &Cloud,
    account: &str,
    parameters: &Parameters,
    request_id: &str,
) -> Result<Value, ApiError> {
    parameters.choice("InstanceChargeType", &CHARGE_TYPES)?;
    parameters.choice("ResourceType", &RESOURCE_TYPES)?;
    parameters.choice("AcceptLanguage", &LANGUAGES)?;
    let regions: Vec<Value> = cloud
        .regions_of(account)
        .iter()
        .map(|region| {
            let endpoint = cloud.region_endpoint.replace("{region_id}", region);
            json!({"RegionId": region, "RegionEndpoint": endpoint, "LocalName": format!("Region {region}"),
                "Status": "available"})
        })
        .collect();
    Ok(json!({"RequestId": request_id, "Regions": {"Region": regions}}))
}
