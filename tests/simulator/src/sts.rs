//! Where temporary keys come from.

use hyper::Response;
use serde_json::Value;

use crate::Cloud;
use crate::answer::Answer;
use crate::api::Parameters;
use crate::cloud::KnownKey;
use crate::error::ApiError;
use crate::shared::Shared;
use crate::signature::Request;

pub(crate) fn unsigned(_: &Shared, _: &Request) -> Option<Response<Answer>> {
    None
}

pub(crate) fn signed(
    _: &mut Cloud,
    _: &KnownKey,
    _: &str,
    _: Option<&str>,
    _: &Parameters,
    _: &str,
) -> Option<Result<Value, ApiError>> {
    None
}
