//! ACS3-HMAC-SHA256: the signature is a header over method, query, headers and a hash of the body.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::error::{ApiError, documented};

use super::encoding::{canonical_query, pairs};
use super::{Claims, Request, mismatch};

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// The Authorization header, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Authorization<'a> {
    pub(super) credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    pub(super) fn read(header: &'a str) -> Option<Self> {
        let mut fields = header.strip_prefix(ALGORITHM)?.strip_prefix(' ')?.split(',');
        let read = Self {
            credential: fields.next()?.strip_prefix("Credential=")?,
            signed_headers: fields.next()?.strip_prefix("SignedHeaders=")?,
            signature: fields.next()?.strip_prefix("Signature=")?,
        };
        fields.next().is_none().then_some(read)
    }
}

pub(super) fn verify(
    request: &Request,
    secret_of: &dyn Fn(&str) -> Result<String, ApiError>,
) -> Result<Claims, ApiError> {
    let header = request.header("authorization").unwrap_or_default();
    let authorization = Authorization::read(header)
        .ok_or_else(|| mismatch("The Authorization header is not well formed."))?;
    let secret = secret_of(authorization.credential)?;
    check_coverage(request, authorization.signed_headers)?;
    let needed = |name: &str| {
        request
            .header(name)
            .map(str::to_owned)
            .ok_or_else(|| mismatch(&format!("The header {name} is missing.")))
    };
    let content_hash = needed("x-acs-content-sha256")?;
    needed("x-acs-action")?;
    needed("x-acs-version")?;
    if content_hash != hex::encode(Sha256::digest(&request.body)) {
        return Err(mismatch(
            "The header x-acs-content-sha256 is not the hash of the body.",
        ));
    }
    let canonical = canonical_request(request, authorization.signed_headers, &content_hash);
    let to_sign = format!(
        "{ALGORITHM}\n{}",
        hex::encode(Sha256::digest(canonical.as_bytes()))
    );
    if sign(&secret, &to_sign) != authorization.signature {
        let message = documented("SignatureDoesNotMatch").message;
        return Err(mismatch(&format!(
            "{message} server string to sign is:{to_sign} server canonical request is:{canonical}"
        )));
    }
    Ok(Claims {
        access_key_id: authorization.credential.to_owned(),
        security_token: request.header("x-acs-security-token").map(str::to_owned),
        date: needed("x-acs-date")?,
        nonce: needed("x-acs-signature-nonce")?,
    })
}

/// The host, a content type and every header of the API's own must be signed, and what is signed must be there.
fn check_coverage(request: &Request, signed_headers: &str) -> Result<(), ApiError> {
    let signed: Vec<&str> = signed_headers.split(';').collect();
    if !signed.is_sorted() || signed.iter().any(|name| *name != name.to_ascii_lowercase()) {
        return Err(mismatch("SignedHeaders are not sorted lower-case names."));
    }
    if let Some(name) = signed.iter().find(|name| request.header(name).is_none()) {
        return Err(mismatch(&format!("The signed header {name} is missing.")));
    }
    let must_be_signed = |name: &str| name == "host" || name == "content-type" || name.starts_with("x-acs-");
    let sent = request.headers.iter().map(|(name, _)| name.as_str());
    match std::iter::once("host")
        .chain(sent)
        .find(|name| must_be_signed(name) && !signed.contains(name))
    {
        Some(name) => Err(mismatch(&format!("The header {name} is not signed."))),
        None => Ok(()),
    }
}

fn canonical_request(request: &Request, signed_headers: &str, content_hash: &str) -> String {
    let mut headers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in &request.headers {
        headers.entry(name).or_default().push(value.trim());
    }
    let mut lines = String::new();
    for name in signed_headers.split(';') {
        let mut values = headers.get(name).cloned().unwrap_or_default();
        values.sort_unstable();
        lines.extend([name, ":", &values.join(","), "\n"]);
    }
    let Request {
        method, path, query, ..
    } = request;
    let query = canonical_query(pairs(query));
    format!("{method}\n{path}\n{query}\n{lines}\n{signed_headers}\n{content_hash}")
}

fn sign(secret: &str, text: &str) -> String {
    // A key of any length is good for HMAC.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The request with a right signature over the headers named.
    pub(crate) fn authorize(request: &Request, secret: &str, signed_headers: &str) -> Request {
        let mut signed = request.clone();
        signed.headers.retain(|(name, _)| name != "authorization");
        let hash = request.header("x-acs-content-sha256").unwrap();
        let canonical = canonical_request(&signed, signed_headers, hash);
        let signature = sign(
            secret,
            &format!("{ALGORITHM}\n{}", hex::encode(Sha256::digest(&canonical))),
        );
        let id = request.access_key_id().unwrap();
        let value =
            format!("{ALGORITHM} Credential={id},SignedHeaders={signed_headers},Signature={signature}");
        signed.headers.push(("authorization".to_owned(), value));
        signed
    }

    #[test]
    fn the_values_of_a_repeated_header_are_sorted_and_joined() {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = Request {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            query: "b=2&a=1".to_owned(),
            headers: vec![
                header("x-acs-x", "two"),
                header("host", "h"),
                header("x-acs-x", " one "),
            ],
            body: Vec::new(),
        };
        let canonical = canonical_request(&request, "host;x-acs-x", "hash");
        assert_eq!(
            canonical,
            "GET\n/\na=1&b=2\nhost:h\nx-acs-x:one,two\n\nhost;x-acs-x\nhash"
        );
    }
}
