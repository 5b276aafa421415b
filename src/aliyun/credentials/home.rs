//! The region that an account is asked from.

use super::http::Services;
use super::metadata::{Metadata, ORIGIN};
use crate::config::{Endpoints, Network, is_region_id};

/// DescribeRegions knows no region, and every account may ask it here.
const DEFAULT: &str = "cn-hangzhou";

/// The home region: as configured, else cn-hangzhou; inside of a VPC the region that the instance metadata service
/// names, and where that does not answer the first one that is polled.
pub async fn home_region(endpoints: &Endpoints, services: &Services) -> String {
    let home = &endpoints.home;
    if let Some(region) = &home.region {
        return region.clone();
    }
    if home.network == Network::Public {
        return DEFAULT.to_owned();
    }
    match of_instance(endpoints, services).await {
        Ok(region) => region,
        Err(reason) => {
            let region = home.first_region.as_deref().unwrap_or(DEFAULT);
            tracing::warn!(region, reason, "the home region is not known; set home_region");
            region.to_owned()
        }
    }
}

/// The region of the instance; or why it is not known.
async fn of_instance(endpoints: &Endpoints, services: &Services) -> Result<String, String> {
    if services
        .environment
        .is_true("ALIBABA_CLOUD_ECS_METADATA_DISABLED")
    {
        return Err(String::from("the instance metadata service is turned off"));
    }
    let metadata = Metadata::open(endpoints, services).await?;
    let answer = metadata
        .get(ORIGIN, "region-id")
        .await
        .map_err(|error| error.problem.to_string())?;
    let region = answer.text();
    if answer.is_success() && is_region_id(region) {
        return Ok(region.to_owned());
    }
    let (address, status) = (metadata.address, answer.status);
    Err(format!(
        "the instance metadata service at {address} names no region (status {status})"
    ))
}
