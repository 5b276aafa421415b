//! Errors as the API answers them.

use serde_json::{Value, json};

/// An error body with its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// Code.
    pub code: String,
    /// Message.
    pub message: String,
}

impl ApiError {
    /// Any error.
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
        }
    }

    /// A parameter that is needed is missing.
    pub(crate) fn missing(parameter: &str) -> Self {
        let message = format!(
            "The input parameter \"{parameter}\" that is mandatory for processing this request is not supplied."
        );
        Self::new(400, format!("MissingParameter.{parameter}"), message)
    }

    /// A parameter has a value that it cannot have.
    pub(crate) fn invalid(parameter: &str) -> Self {
        let message = format!("The specified parameter {parameter} is not valid.");
        Self::new(400, format!("InvalidParameter.{parameter}"), message)
    }

    /// The body that is sent.
    pub(crate) fn body(&self, request_id: &str, host: &str) -> Value {
        let code = &self.code;
        let recommend =
            format!("https://api.aliyun.com/troubleshoot?q={code}&product=Ecs&requestId={request_id}");
        let mut body = json!({"RequestId": request_id, "HostId": host, "Code": code, "Message": self.message,
            "Recommend": recommend});
        if self.status == 403 && code.starts_with("Forbidden") {
            body["AccessDeniedDetail"] = json!({"AuthAction": "ecs:*", "NoPermissionType": "ImplicitDeny"});
        }
        body
    }
}

/// (status, code, message) of every error that is documented for the calls of the simulator.
pub const DOCUMENTED: [(u16, &str, &str); 31] = [
    (
        400,
        "RegionId.ApiNotSupported",
        "The api is not supported in this region.",
    ),
    (
        400,
        "NumberExceed.Tags",
        "The maximum number of Tags is exceeded.",
    ),
    (400, "Duplicate.TagKey", "The Tag.N.Key contain duplicate key."),
    (
        400,
        "InvalidTagKey.Malformed",
        "The specified Tag.n.Key is not valid.",
    ),
    (
        400,
        "InvalidTagValue.Malformed",
        "The specified Tag.n.Value is not valid.",
    ),
    (400, "MissingParameter.TagKey", "You must specify Tag.N.Key."),
    (
        400,
        "InvalidParam.PageNumber",
        "The specified parameter PageNumber is invalid.",
    ),
    (
        400,
        "InvalidParam.PageSize",
        "The specified parameter PageSize is invalid.",
    ),
    (
        400,
        "InvalidParameter.NextToken",
        "The specified parameter NextToken is not valid.",
    ),
    (
        400,
        "InvalidParameter.MaxResults",
        "The specified parameter MaxResults is not valid.",
    ),
    (
        400,
        "MissingParameter.RegionId",
        "The input parameter \"RegionId\" that is mandatory for processing this request is not supplied.",
    ),
    (403, "Operation.Forbidden", "The operation is not permitted."),
    (
        404,
        "InvalidRegionId.NotFound",
        "The RegionId provided does not exist in our records.",
    ),
    (
        500,
        "InternalError.Dispatch",
        "An error occurred when you dispatched the request.",
    ),
    (
        500,
        "ServiceUnavailable",
        "The request has failed due to a temporary failure of the server.",
    ),
    (
        503,
        "ServiceUnavailable",
        "The request has failed due to a temporary failure of the server.",
    ),
    (
        500,
        "InternalError",
        "The request processing has failed due to some unknown error.",
    ),
    (400, "Throttling", "Request was denied due to request throttling."),
    (
        400,
        "Throttling.User",
        "Request was denied due to user flow control.",
    ),
    (
        400,
        "Throttling.Api",
        "Request was denied due to api flow control.",
    ),
    (
        400,
        "InvalidSecurityToken.Expired",
        "Specified SecurityToken is expired.",
    ),
    (
        400,
        "InvalidSecurityToken.Malformed",
        "Specified SecurityToken is malformed.",
    ),
    (
        400,
        "InvalidSecurityToken.MismatchWithAccessKey",
        "Specified SecurityToken mismatch with the AccessKey.",
    ),
    (
        400,
        "MissingSecurityToken",
        "SecurityToken is mandatory for this action.",
    ),
    (
        404,
        "InvalidAccessKeyId.NotFound",
        "Specified access key is not found.",
    ),
    (
        400,
        "InvalidAccessKeyId.Inactive",
        "Specified access key is disabled.",
    ),
    (
        400,
        "SignatureDoesNotMatch",
        "Specified signature does not match our calculation.",
    ),
    (
        403,
        "Forbidden.RAM",
        "User not authorized to operate on the specified resource, or this API doesn't support RAM.",
    ),
    (
        400,
        "InvalidTimeStamp.Expired",
        "Specified time stamp or date value is expired.",
    ),
    (
        400,
        "SignatureNonceUsed",
        "Specified signature nonce was used already.",
    ),
    (
        404,
        "InvalidAction.NotFound",
        "The specified api is not found, please check your url and method.",
    ),
];

/// One of [`DOCUMENTED`], by its code.
pub(crate) fn documented(wanted: &str) -> ApiError {
    let found = DOCUMENTED.iter().find(|(_, code, _)| *code == wanted);
    let (status, message) = found.map_or((500, "undocumented"), |(status, _, message)| (*status, *message));
    ApiError::new(status, wanted, message)
}
