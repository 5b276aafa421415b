//! What an instance can ask about itself, and a credentials URI: keys without a signature.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::clock::utc;
use crate::error::ApiError;
use crate::signature::Request;
use crate::{AccessKey, Cloud};

/// The metadata service of an ECS instance.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The role of the instance, and the account that its keys belong to.
    pub role: Option<(String, String)>,
    /// Whether it answers without a token.
    pub v1: bool,
    /// Whether it gives out tokens.
    pub v2: bool,
    /// What it says its region is.
    pub region_id: String,
    /// How long the keys live, in seconds.
    pub lifetime: i64,
    /// So many seconds before the end of a key it gives out the next.
    pub rotation: i64,
    /// It answers that there are no keys at the moment.
    pub failing: bool,
    tokens: BTreeMap<String, i64>,
    current: Option<(AccessKey, i64)>,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            role: None,
            v1: true,
            v2: true,
            region_id: "cn-hangzhou".to_owned(),
            lifetime: 6 * 3_600,
            rotation: 30 * 60,
            failing: false,
            tokens: BTreeMap::new(),
            current: None,
        }
    }
}

impl Metadata {
    /// Every token given out so far is forgotten, as when an instance starts anew.
    pub fn forget_tokens(&mut self) {
        self.tokens.clear();
    }
}

/// A URL that gives out keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialsUri {
    /// The account that the keys belong to.
    pub account: String,
    /// How long they live, in seconds.
    pub lifetime: i64,
    /// Whether the answer has `Code`, which may be missing.
    pub with_code: bool,
}

const TTL_HEADER: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
const TOKEN_HEADER: &str = "x-aliyun-ecs-metadata-token";
const ROLES: &str = "/latest/meta-data/ram/security-credentials/";

impl Cloud {
    /// Serves keys of an account at a path, such as `/credentials/production`.
    pub fn serve_credentials(&mut self, path: &str, account: &str) -> &mut CredentialsUri {
        let uri = CredentialsUri {
            account: account.to_owned(),
            lifetime: 3_600,
            with_code: true,
        };
        self.credentials_uris.entry(path.to_owned()).or_insert(uri)
    }

    /// The name under which a request to one of these paths is noted; none for any other path.
    pub(crate) fn unsigned_action(&self, path: &str) -> Option<&'static str> {
        match path {
            "/latest/api/token" => Some("MetadataToken"),
            "/latest/meta-data/region-id" => Some("MetadataRegion"),
            ROLES => Some("MetadataRole"),
            _ if path.starts_with(ROLES) => Some("MetadataCredentials"),
            _ if path.starts_with("/latest/") => Some("MetadataUnknown"),
            _ if self.credentials_uris.contains_key(path) => Some("CredentialsUri"),
            _ => None,
        }
    }

    /// Answers such a request. A text is sent as it is, and an error without a code as its status.
    pub(crate) fn unsigned(&mut self, action: &str, request: &Request, now: i64) -> Result<Value, ApiError> {
        match action {
            "MetadataToken" => self.metadata_token(request, now),
            "CredentialsUri" if request.method == "GET" => self.credentials_uri(&request.path, now),
            _ if request.method != "GET" => Err(plain(405)),
            _ => self.metadata_value(action, request, now),
        }
    }

    fn metadata_token(&mut self, request: &Request, now: i64) -> Result<Value, ApiError> {
        if !self.metadata.v2 {
            return Err(plain(404));
        }
        if request.method != "PUT" {
            return Err(plain(405));
        }
        let ttl = request
            .header(TTL_HEADER)
            .and_then(|text| text.parse::<i64>().ok());
        let ttl = ttl
            .filter(|seconds| (1..=21_600).contains(seconds))
            .ok_or_else(|| plain(400))?;
        let token = format!("metadata-token-{}==", self.metadata.tokens.len() + 1);
        self.metadata.tokens.insert(token.clone(), now + ttl);
        Ok(Value::String(token))
    }

    fn metadata_value(&mut self, action: &str, request: &Request, now: i64) -> Result<Value, ApiError> {
        let allowed = match request.header(TOKEN_HEADER) {
            None => self.metadata.v1,
            Some(token) => self
                .metadata
                .tokens
                .get(token)
                .is_some_and(|expires| *expires > now),
        };
        if !allowed {
            return Err(plain(403));
        }
        if action == "MetadataRegion" {
            return Ok(Value::String(self.metadata.region_id.clone()));
        }
        let (role, account) = self.metadata.role.clone().ok_or_else(|| plain(404))?;
        if action == "MetadataRole" {
            return Ok(Value::String(role));
        }
        if request.path.strip_prefix(ROLES) != Some(&role) {
            return Err(plain(404));
        }
        if self.metadata.failing {
            return Ok(json!({"Code": "ErrorAssumeRole", "Message": "there are no keys at the moment"}));
        }
        let (key, expires) = self.metadata_key(&account, now);
        Ok(with_code(credentials(&key, expires), now))
    }

    /// The key of the instance, until it is time for the next.
    fn metadata_key(&mut self, account: &str, now: i64) -> (AccessKey, i64) {
        let lifetime = self.temporary_key_lifetime.unwrap_or(self.metadata.lifetime);
        let rotation = self.metadata.rotation.min(lifetime / 2);
        // One that was revoked or removed is still served: the service does not know.
        let good = |(_, expires): &&(AccessKey, i64)| expires - rotation > now;
        if let Some(current) = self.metadata.current.as_ref().filter(good) {
            return current.clone();
        }
        let issued = self.issue_key(account, "MetadataCredentials", now, lifetime);
        self.metadata.current = Some(issued.clone());
        issued
    }

    fn credentials_uri(&mut self, path: &str, now: i64) -> Result<Value, ApiError> {
        let uri = self
            .credentials_uris
            .get(path)
            .cloned()
            .ok_or_else(|| plain(404))?;
        let (key, expires) = self.issue_key(&uri.account, "CredentialsUri", now, uri.lifetime);
        let body = credentials(&key, expires);
        Ok(if uri.with_code { with_code(body, now) } else { body })
    }
}

fn credentials(key: &AccessKey, expires: i64) -> Value {
    json!({
        "AccessKeyId": key.id,
        "AccessKeySecret": key.secret,
        "SecurityToken": key.security_token,
        "Expiration": utc(expires),
    })
}

fn with_code(mut body: Value, now: i64) -> Value {
    body["Code"] = "Success".into();
    body["LastUpdated"] = utc(now).into();
    body
}

/// A status, and no body that the API would send.
fn plain(status: u16) -> ApiError {
    ApiError::new(status, "", format!("status {status}"))
}
