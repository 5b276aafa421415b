//! Signatures of Simple Message Queue: version 2, HMAC-SHA1 over the request line and its `x-mns-*` headers, or version 4.

use std::collections::HashMap;
use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::{Request, mns4, pairs};
use crate::clock::utc;
use crate::error::ApiError;
use crate::keys::KnownKey;

/// The key that signed a request.
///
/// # Errors
/// What the service says is wrong with it.
pub(crate) fn verify(
    request: &Request,
    keys: &HashMap<String, KnownKey>,
    now: i64,
    tolerance: i64,
) -> Result<KnownKey, ApiError> {
    let refuse = |status, code: &str, message: &str| Err(ApiError::new(status, code, message));
    let Some(authorization) = request.header("authorization") else {
        return refuse(
            400,
            "MissingAuthorizationHeader",
            "Authorization header is required.",
        );
    };
    let version_2 = authorization
        .strip_prefix("MNS ")
        .and_then(|rest| rest.split_once(':'))
        .map(|(id, sent)| (id, None, sent));
    let version_4 = || mns4::read(authorization).map(|(id, region, sent)| (id, Some(region), sent));
    let Some((id, region, sent)) = version_2.or_else(version_4) else {
        return refuse(
            400,
            "InvalidAuthorizationHeader",
            "The Authorization header format is invalid.",
        );
    };
    let Some(date) = request.header("x-mns-date").or_else(|| request.header("date")) else {
        return refuse(400, "MissingDateHeader", "Date or x-mns-date header is required.");
    };
    let Some(at) = httpdate::parse_http_date(date)
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
    else {
        return refuse(400, "InvalidDateHeader", "The Date header format is invalid.");
    };
    if (at.as_secs().cast_signed() - now).abs() > tolerance {
        return refuse(408, "TimeExpired", "The http request you sent is expired.");
    }
    if request.header("x-mns-version") != Some("2015-06-06") {
        return refuse(400, "MissingVersionHeader", "x-mns-version header is required.");
    }
    let Some(known) = keys.get(id).filter(|known| !known.inactive) else {
        return refuse(
            403,
            "InvalidAccessKeyId",
            "The AccessKey Id you provided is not exist.",
        );
    };
    let expected = match region {
        None => sign(&known.key.secret, &string_to_sign(request, date)),
        Some(region) => mns4::Signed {
            method: &request.method,
            path: &request.path,
            query: &pairs(&request.query),
            headers: &request.headers,
            date: &utc(at.as_secs().cast_signed()).replace(['-', ':'], ""),
            region,
        }
        .sign(&known.key.secret),
    };
    if expected != sent {
        let message = "The request signature we calculated does not match the signature you provided.";
        return refuse(403, "SignatureDoesNotMatch", message);
    }
    let token_is_right = known.key.security_token.as_deref() == request.header("security-token");
    let is_over = known.expires.is_some_and(|expires| expires <= now);
    if !token_is_right || is_over {
        return refuse(
            403,
            "InvalidSecurityToken",
            "The security token you provided is invalid.",
        );
    }
    Ok(known.clone())
}

fn string_to_sign(request: &Request, date: &str) -> String {
    let line = |name: &str| request.header(name).unwrap_or_default().to_owned();
    let mut own: Vec<(&str, &str)> = request
        .headers
        .iter()
        .filter(|(name, _)| name.starts_with("x-mns-"))
        .map(|(name, value)| (name.as_str(), value.trim()))
        .collect();
    own.sort_unstable();
    let own: String = own
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let query = if request.query.is_empty() {
        String::new()
    } else {
        format!("?{}", request.query)
    };
    format!(
        "{}\n{}\n{}\n{date}\n{own}{}{query}",
        request.method,
        line("content-md5"),
        line("content-type"),
        request.path
    )
}

fn sign(secret: &str, text: &str) -> String {
    // A key of any length is good for HMAC.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_known_answer() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../data/mns-signature-vectors.json")).unwrap();
        let vectors = vectors["vectors"].as_array().unwrap();
        let mut checked = 0;
        for vector in vectors
            .iter()
            .filter(|vector| vector["algorithm"] == "MNS HMAC-SHA1 (V2)")
        {
            let text = |name: &str| vector[name].as_str().unwrap_or_default().to_owned();
            let resource = text("path_and_query");
            let (path, query) = resource.split_once('?').unwrap_or((&resource, ""));
            let headers = vector["headers"].as_object().unwrap().iter();
            let request = Request {
                method: text("method"),
                path: path.to_owned(),
                query: query.to_owned(),
                headers: headers
                    .map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap().to_owned()))
                    .collect(),
                body: text("body").into_bytes(),
            };
            let to_sign = string_to_sign(&request, request.header("date").unwrap());
            assert_eq!(to_sign, text("string_to_sign"), "{}", text("name"));
            assert_eq!(
                sign(&text("access_key_secret"), &to_sign),
                text("signature"),
                "{}",
                text("name")
            );
            checked += 1;
        }
        assert_eq!(checked, 7);
    }
}
