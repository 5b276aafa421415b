//! Checks who sent a request. Written from the documentation alone: it shares nothing with what signs.

mod encoding;
pub(crate) mod mns;
mod mns4;
pub(crate) mod v1;
pub(crate) mod v3;

use std::collections::{HashMap, HashSet, VecDeque};

use crate::clock::parse_utc;
use crate::error::{ApiError, documented};
use crate::keys::KnownKey;

pub(crate) use encoding::pairs;

/// A request as far as signatures are concerned.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// As it was sent, still percent-encoded.
    pub(crate) query: String,
    /// With lower-case names, in the order in which they were sent.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The first header with a name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.trim())
    }

    /// The parameters of the query, then those of a form body.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        let mut parameters = pairs(&self.query);
        parameters.extend(self.form());
        parameters
    }

    /// The parameters of a form body.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        let form = "application/x-www-form-urlencoded";
        match self.header("content-type") {
            Some(kind) if kind.starts_with(form) => pairs(&String::from_utf8_lossy(&self.body)),
            _ => Vec::new(),
        }
    }

    fn parameter(&self, name: &str) -> Option<String> {
        self.parameters()
            .into_iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value)
    }

    /// The AccessKeyId that the request claims, checked or not.
    pub(crate) fn access_key_id(&self) -> Option<String> {
        match self.header("authorization") {
            Some(header) => v3::Authorization::read(header).map(|read| read.credential.to_owned()),
            None => self.parameter("AccessKeyId"),
        }
    }
}

/// What a signed request says of itself. Nothing of it holds before the signature has been compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Claims {
    access_key_id: String,
    security_token: Option<String>,
    date: String,
    nonce: String,
}

/// What there is to check signatures by.
#[derive(Debug)]
pub(crate) struct Verifier<'a> {
    pub(crate) keys: &'a HashMap<String, KnownKey>,
    pub(crate) nonces: &'a mut Nonces,
    /// Real unix seconds.
    pub(crate) now: i64,
    /// How far the date of a request may be off, in seconds.
    pub(crate) tolerance: i64,
}

impl Verifier<'_> {
    /// The key that signed a request, or what is wrong with the request.
    pub(crate) fn verify(&mut self, request: &Request) -> Result<KnownKey, ApiError> {
        let secret_of = |id: &str| -> Result<String, ApiError> {
            let known = self
                .keys
                .get(id)
                .ok_or_else(|| documented("InvalidAccessKeyId.NotFound"))?;
            if known.inactive {
                return Err(documented("InvalidAccessKeyId.Inactive"));
            }
            Ok(known.key.secret.clone())
        };
        let claims = if request.header("authorization").is_some() {
            v3::verify(request, &secret_of)?
        } else {
            v1::verify(request, &secret_of)?
        };
        let date = parse_utc(&claims.date).ok_or_else(|| {
            ApiError::new(
                400,
                "InvalidTimeStamp.Format",
                "Specified time stamp or date value is not well formatted.",
            )
        })?;
        if (date - self.now).abs() > self.tolerance {
            return Err(documented("InvalidTimeStamp.Expired"));
        }
        let known = self
            .keys
            .get(&claims.access_key_id)
            .ok_or_else(|| documented("InvalidAccessKeyId.NotFound"))?;
        self.check_token(known, claims.security_token.as_deref())?;
        if !self.nonces.is_new(&claims.access_key_id, &claims.nonce) {
            return Err(documented("SignatureNonceUsed"));
        }
        Ok(known.clone())
    }

    fn check_token(&self, known: &KnownKey, token: Option<&str>) -> Result<(), ApiError> {
        match (known.key.security_token.as_deref(), token) {
            (Some(_), None) => Err(documented("MissingSecurityToken")),
            (Some(own), Some(sent)) if own == sent => {
                if known.expires.is_some_and(|expires| expires <= self.now) {
                    return Err(documented("InvalidSecurityToken.Expired"));
                }
                Ok(())
            }
            (None, None) => Ok(()),
            (_, Some(sent)) => {
                let of_another = |other: &KnownKey| other.key.security_token.as_deref() == Some(sent);
                let mismatch = known.key.security_token.is_none() || self.keys.values().any(of_another);
                let reason = if mismatch {
                    "MismatchWithAccessKey"
                } else {
                    "Malformed"
                };
                Err(documented(&format!("InvalidSecurityToken.{reason}")))
            }
        }
    }
}

/// The nonces seen last, so many that none comes again within the time that a date is good for.
#[derive(Debug)]
pub(crate) struct Nonces {
    seen: HashSet<String>,
    order: VecDeque<String>,
    limit: usize,
}

impl Default for Nonces {
    fn default() -> Self {
        Self {
            seen: HashSet::new(),
            order: VecDeque::new(),
            limit: 200_000,
        }
    }
}

impl Nonces {
    fn is_new(&mut self, access_key_id: &str, nonce: &str) -> bool {
        let name = format!("{access_key_id} {nonce}");
        if !self.seen.insert(name.clone()) {
            return false;
        }
        self.order.push_back(name);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }
}

/// The error for a signature that is not the one we come to, or that does not cover what it must.
fn mismatch(message: &str) -> ApiError {
    ApiError::new(400, "SignatureDoesNotMatch", message)
}

#[cfg(test)]
mod tests;
