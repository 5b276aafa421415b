//! The calls: parameters in, the documented JSON out. Nothing here knows of HTTP or of signatures.

mod invocations;
mod parameters;
mod regions;
mod results;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::error::{ApiError, documented};
use crate::{Cloud, Region};

pub use parameters::Parameters;
pub(crate) use results::row_json;

/// The version of the ECS API.
pub(crate) const VERSION: &str = "2014-05-26";

/// How Output is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Base64,
    PlainText,
    /// Not at all: for those who only count.
    NoOutput,
}

/// Answers a call of an account whose signature has been checked.
pub(crate) fn call(
    cloud: &mut Cloud,
    account: &str,
    action: &str,
    parameters: &Parameters,
    request_id: &str,
) -> Result<Value, ApiError> {
    match action {
        "DescribeInvocationResults" => results::describe(
            region(cloud, account, action, parameters)?,
            parameters,
            request_id,
        ),
        "DescribeInvocations" => invocations::describe(
            region(cloud, account, action, parameters)?,
            parameters,
            request_id,
        ),
        "DescribeRegions" => {
            if cloud.is_denied(account, action, "") {
                return Err(documented("Forbidden.RAM"));
            }
            regions::describe(cloud, account, parameters, request_id)
        }
        _ => Err(documented("InvalidAction.NotFound")),
    }
}

/// The region that a call is about, if the account may ask there.
fn region<'a>(
    cloud: &'a mut Cloud,
    account: &str,
    action: &str,
    parameters: &Parameters,
) -> Result<&'a mut Region, ApiError> {
    let id = parameters
        .get("RegionId")
        .filter(|id| !id.is_empty())
        .ok_or_else(|| ApiError::missing("RegionId"))?;
    if cloud.is_unsupported(id) {
        return Err(documented("RegionId.ApiNotSupported"));
    }
    if !cloud.knows_region(id) {
        return Err(documented("InvalidRegionId.NotFound"));
    }
    if cloud.is_denied(account, action, id) {
        return Err(documented("Forbidden.RAM"));
    }
    let region = cloud.region_asked(account, id);
    region.enforce_retention();
    Ok(region)
}
