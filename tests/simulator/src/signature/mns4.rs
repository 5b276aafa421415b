//! Signatures of Simple Message Queue, version 4: MNS4-HMAC-SHA256, which newer SDKs have besides version 2.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::encoding::encode;

const ALGORITHM: &str = "MNS4-HMAC-SHA256";

/// What is signed.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// Decoded.
    pub(super) query: &'a [(String, String)],
    /// Names in any case.
    pub(super) headers: &'a [(String, String)],
    /// `20260301T120000Z`.
    pub(super) date: &'a str,
    pub(super) region: &'a str,
}

/// The AccessKeyId and the region that a header claims, and its signature.
pub(super) fn read(authorization: &str) -> Option<(&str, &str, &str)> {
    let rest = authorization.strip_prefix(ALGORITHM)?.trim_start();
    let (credential, signature) = rest.strip_prefix("Credential=")?.split_once(",Signature=")?;
    let mut parts = credential.split('/');
    let (id, _, region) = (parts.next()?, parts.next()?, parts.next()?);
    Some((id, region, signature))
}

impl Signed<'_> {
    pub(super) fn sign(&self, secret: &str) -> String {
        let day = self.date.split('T').next().unwrap_or_default();
        let key = hmac(format!("aliyun_v4{secret}").as_bytes(), day);
        let key = ["mns", "aliyun_v4_request"]
            .iter()
            .fold(hmac(&key, self.region), |key, part| hmac(&key, part));
        hex::encode(hmac(&key, &self.to_sign()))
    }

    fn to_sign(&self) -> String {
        let day = self.date.split('T').next().unwrap_or_default();
        let path = format!("/{}", self.path.trim_start_matches('/'));
        let path = path.split('/').map(encode).collect::<Vec<_>>().join("/");
        let mut query: Vec<String> = self
            .query
            .iter()
            .map(|(name, value)| {
                let name = encode(&name.trim().to_lowercase());
                match value.trim() {
                    "" => name,
                    value => format!("{name}={}", encode(value)),
                }
            })
            .collect();
        query.sort();
        let mut headers: Vec<String> = self
            .headers
            .iter()
            .map(|(name, value)| (name.to_lowercase(), value.trim()))
            .filter(|(name, _)| {
                name.starts_with("x-mns-") || ["content-type", "content-md5"].contains(&name.as_str())
            })
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        headers.sort();
        let (date, region) = (self.date, self.region);
        let scope = format!("{day}/{region}/mns/aliyun_v4_request");
        let (query, headers) = (query.join("&"), headers.concat());
        format!(
            "{ALGORITHM}\n{date}\n{scope}\n{}\n{path}\n{query}\n{headers}\n",
            self.method
        )
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    // A key of any length is good for HMAC.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_known_answer() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../data/mns-signature-vectors.json")).unwrap();
        let mut checked = 0;
        for vector in vectors["vectors"].as_array().unwrap() {
            if vector["algorithm"] != "MNS4-HMAC-SHA256 (V4)" {
                continue;
            }
            let text = |name: &str| vector[name].as_str().unwrap();
            let pairs = |name: &str| -> Vec<(String, String)> {
                let pairs = vector[name].as_object().unwrap().iter();
                pairs
                    .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                    .collect()
            };
            let signed = Signed {
                method: text("method"),
                path: text("path"),
                query: &pairs("query"),
                headers: &pairs("headers"),
                date: text("date"),
                region: text("region"),
            };
            assert_eq!(signed.to_sign(), text("string_to_sign"), "{}", text("name"));
            assert_eq!(
                signed.sign(text("access_key_secret")),
                text("signature"),
                "{}",
                text("name")
            );
            let claimed = (text("access_key_id"), text("region"), text("signature"));
            assert_eq!(read(text("authorization")), Some(claimed));
            checked += 1;
        }
        assert_eq!(checked, 8);
    }
}
