//! RPC signatures with HMAC-SHA1: the signature is a parameter over all other parameters.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::error::ApiError;

use super::encoding::{canonical_query, encode};
use super::{Claims, Request, mismatch};

pub(super) fn verify(
    request: &Request,
    secret_of: &dyn Fn(&str) -> Result<String, ApiError>,
) -> Result<Claims, ApiError> {
    let needed = |name: &str| request.parameter(name).ok_or_else(|| ApiError::missing(name));
    let access_key_id = needed("AccessKeyId")?;
    let sent = needed("Signature")?;
    if needed("SignatureMethod")? != "HMAC-SHA1" || needed("SignatureVersion")? != "1.0" {
        return Err(mismatch("Only HMAC-SHA1 in version 1.0 is supported."));
    }
    let secret = secret_of(&access_key_id)?;
    let mut parameters = request.parameters();
    // The first alone: a second one would be a parameter like others, which the signature does not cover.
    if let Some(position) = parameters.iter().position(|(name, _)| name == "Signature") {
        parameters.remove(position);
    }
    let to_sign = format!("{}&%2F&{}", request.method, encode(&canonical_query(parameters)));
    if sign(&secret, &to_sign) != sent {
        let message = "Specified signature is not matched with our calculation.";
        return Err(mismatch(&format!("{message} server string to sign is:{to_sign}")));
    }
    Ok(Claims {
        access_key_id,
        security_token: request.parameter("SecurityToken"),
        date: needed("Timestamp")?,
        nonce: needed("SignatureNonce")?,
    })
}

fn sign(secret: &str, text: &str) -> String {
    // A key of any length is good for HMAC.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(format!("{secret}&").as_bytes()) else {
        return String::new();
    };
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The request with a right signature in its query.
    pub(crate) fn authorize(request: &Request, secret: &str) -> Request {
        let mut signed = request.clone();
        let to_sign = format!(
            "{}&%2F&{}",
            signed.method,
            encode(&canonical_query(signed.parameters()))
        );
        let signature = encode(&sign(secret, &to_sign));
        signed.query = format!("{}&Signature={signature}", signed.query);
        signed
    }
}
