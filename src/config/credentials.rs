//! Where the credentials of an account come from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;

use super::fields::{Fields, Value};
use super::home::{Home, base_url};
use crate::duration;
use crate::secret::Secret;
use crate::shown::shown;

/// `credentials` of an account, or `source` of an assumed role.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Credentials {
    /// `type` and the keys that go with it.
    pub origin: Origin,
    /// `sts_endpoint` and `metadata_endpoint`.
    pub endpoints: Endpoints,
}

/// `type`: the kind of source, with the keys of that kind. A key of another kind is refused.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Origin {
    /// `default`: the official order, as the environment variables say; what `type` is when left out.
    #[default]
    Chain,
    /// `access_key`: a key of a RAM user, or a temporary one with its token.
    AccessKey {
        /// `access_key_id` or `access_key_id_file`.
        access_key_id: Given<String>,
        /// `access_key_secret` or `access_key_secret_file`.
        access_key_secret: Given<Secret>,
        /// `security_token` or `security_token_file`; only for temporary keys.
        security_token: Option<Given<Secret>>,
    },
    /// `ecs_ram_role`: the RAM role of the instance the exporter runs on, by the metadata service.
    EcsRamRole {
        /// `role_name`: saves asking the metadata service for it.
        role_name: Option<String>,
    },
    /// `oidc`: a role assumed with an OIDC token, such as RRSA gives to a pod (STS AssumeRoleWithOIDC).
    Oidc {
        /// `role_arn`: `acs:ram::ACCOUNT:role/NAME`.
        role_arn: String,
        /// `provider_arn`: `acs:ram::ACCOUNT:oidc-provider/NAME`.
        provider_arn: String,
        /// `token_file`: holds the token; read anew at every refresh.
        token_file: PathBuf,
        /// `session_name`: 2 to 64 letters, digits and `.@_-`; shown in the audit trail.
        session_name: Option<String>,
        /// `policy`: narrows what the session may do; JSON of at most 2048 characters.
        policy: Option<String>,
        /// `duration`: how long each session lives. Default 1h; from 15m to 12h, and not above what the role allows.
        duration: Duration,
    },
    /// `assume_role`: a role assumed with other credentials (STS AssumeRole).
    AssumeRole {
        /// `role_arn`: `acs:ram::ACCOUNT:role/NAME`.
        role_arn: String,
        /// `session_name`: 2 to 64 letters, digits and `.@_-`; shown in the audit trail.
        session_name: Option<String>,
        /// `external_id`: what the role asks of third parties; 2 to 1224 characters.
        external_id: Option<String>,
        /// `policy`: narrows what the session may do; JSON of at most 2048 characters.
        policy: Option<String>,
        /// `duration`: how long each session lives. Default 1h; from 15m to 12h, and not above what the role allows.
        duration: Duration,
        /// `source`: the credentials to assume it with. Default: the default chain.
        source: Box<Credentials>,
    },
    /// `credentials_uri`: a service that answers with temporary credentials.
    CredentialsUri {
        /// `uri`: `http(s)://…`. A secret, since its query may hold one.
        uri: Secret,
    },
    /// `profile`: a profile of the CLI's `config.json`, or of an INI `credentials` file.
    Profile {
        /// `name`: default `ALIBABA_CLOUD_PROFILE`, else the current profile of the file, or `default` in an INI file.
        name: Option<String>,
        /// `file`: default the CLI's own, else the INI file.
        file: Option<PathBuf>,
    },
}

/// Where the services that hand out credentials are found. Inherited by `source`, and the home from the account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Endpoints {
    /// `sts_endpoint`: `http(s)://host[:port]` instead of STS's own hosts.
    pub sts: Option<String>,
    /// `metadata_endpoint`: `http(s)://host[:port]` instead of the instance metadata service.
    pub metadata: Option<String>,
    /// `network` and `home_region` of the account.
    pub home: Home,
}

/// A value written in the configuration, or the path of the file that holds it.
///
/// The file is read again whenever credentials are needed, so that a rotated key is picked up; a line break at its
/// end does not count. A relative path is relative to the working directory.
#[derive(Debug, Clone, PartialEq)]
pub enum Given<T> {
    /// The value itself.
    Value(T),
    /// `…_file`: where the value is.
    File(PathBuf),
}

/// The keys of each type, from which messages and checks are made.
pub(super) const TYPES: [(&str, &[&str]); 7] = [
    ("default", &[]),
    (
        "access_key",
        &[
            "access_key_id",
            "access_key_id_file",
            "access_key_secret",
            "access_key_secret_file",
            "security_token",
            "security_token_file",
        ],
    ),
    ("ecs_ram_role", &["role_name"]),
    (
        "oidc",
        &[
            "role_arn",
            "provider_arn",
            "token_file",
            "session_name",
            "policy",
            "duration",
        ],
    ),
    (
        "assume_role",
        &[
            "role_arn",
            "session_name",
            "external_id",
            "policy",
            "duration",
            "source",
        ],
    ),
    ("credentials_uri", &["uri"]),
    ("profile", &["name", "file"]),
];

/// The bounds of DurationSeconds of AssumeRole: a role's own maximum is at most 12 hours.
const SESSION_SECONDS: std::ops::RangeInclusive<u64> = 900..=43_200;
/// DurationSeconds where it is not configured, as in the official SDKs.
const DEFAULT_SESSION: Duration = Duration::from_secs(3600);

impl Credentials {
    /// The files these credentials are read from, each with its key.
    pub(super) fn files(&self, path: &str) -> Vec<(String, &Path)> {
        fn file<T>(given: &Given<T>) -> Option<&Path> {
            match given {
                Given::Value(_) => None,
                Given::File(file) => Some(file),
            }
        }
        let files = match &self.origin {
            Origin::AccessKey {
                access_key_id,
                access_key_secret,
                security_token,
            } => vec![
                ("access_key_id_file", file(access_key_id)),
                ("access_key_secret_file", file(access_key_secret)),
                ("security_token_file", security_token.as_ref().and_then(file)),
            ],
            Origin::Oidc { token_file, .. } => vec![("token_file", Some(token_file.as_path()))],
            Origin::Profile { file, .. } => vec![("file", file.as_deref())],
            Origin::AssumeRole { source, .. } => return source.files(&format!("{path}.source")),
            Origin::Chain | Origin::EcsRamRole { .. } | Origin::CredentialsUri { .. } => return Vec::new(),
        };
        files
            .into_iter()
            .filter_map(|(key, file)| Some((format!("{path}.{key}"), file?)))
            .collect()
    }

    /// Reads the credentials of an account, or of a source, which inherits where services are.
    pub(super) fn read(fields: &mut Fields<'_>, inherited: &Endpoints) -> Self {
        let type_value = fields.value("type");
        let type_name = match &type_value {
            None => Some(String::from("default")),
            Some(value) => value.read(Value::text),
        };
        let mut endpoints = inherited.clone();
        if let Some(endpoint) = fields.read("sts_endpoint", |value| base_url(value, false)) {
            endpoints.sts = endpoint;
        }
        if let Some(endpoint) = fields.read("metadata_endpoint", |value| base_url(value, false)) {
            endpoints.metadata = endpoint;
        }
        let kind = TYPES.iter().find(|(name, _)| Some(*name) == type_name.as_deref());
        let Some((name, own_keys)) = kind else {
            if let (Some(value), Some(type_name)) = (type_value, type_name) {
                let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
                value.report(format!(
                    "expected one of {}, found {}",
                    names.join(", "),
                    shown(&type_name)
                ));
            }
            // What belongs to an unknown type is unknown too, and needs no messages of its own.
            TYPES.iter().for_each(|(_, keys)| fields.accept(keys));
            return Self::default();
        };
        refuse_keys_of_others(fields, name, own_keys);
        let origin = match *name {
            "access_key" => access_key(fields),
            "ecs_ram_role" => Some(Origin::EcsRamRole {
                role_name: fields.read("role_name", line),
            }),
            "oidc" => oidc(fields),
            "assume_role" => assume_role(fields, &endpoints),
            "credentials_uri" => fields
                .require("uri", "the http(s) address that answers with credentials", uri)
                .map(|uri| Origin::CredentialsUri { uri }),
            "profile" => Some(Origin::Profile {
                name: fields.read("name", line),
                file: fields.read("file", path),
            }),
            _ => Some(Origin::Chain),
        };
        Self {
            origin: origin.unwrap_or_default(),
            endpoints,
        }
    }
}

/// Reports keys that are spelled right but belong to another type.
fn refuse_keys_of_others(fields: &mut Fields<'_>, name: &str, own_keys: &[&'static str]) {
    let others: Vec<&'static str> = TYPES
        .iter()
        .flat_map(|(_, keys)| keys.iter().copied())
        .filter(|key| !own_keys.contains(key))
        .collect();
    let misplaced: Vec<&str> = fields.keys().filter(|key| others.contains(key)).collect();
    for key in misplaced {
        let types: Vec<&str> = TYPES
            .iter()
            .filter(|(_, keys)| keys.contains(&key))
            .map(|(name, _)| *name)
            .collect();
        fields.report_value(
            key,
            format!(
                "does not go with type {name}, but with {}; set type, or remove this key",
                types.join(" and ")
            ),
        );
    }
    fields.accept(&others);
}

fn access_key(fields: &mut Fields<'_>) -> Option<Origin> {
    let purpose = "an access key has an id and a secret; give this key, or its path with _file";
    let id = given(fields, "access_key_id", "access_key_id_file", line);
    if !id.present {
        fields.report_missing("access_key_id", purpose);
    }
    let secret = given(fields, "access_key_secret", "access_key_secret_file", secret_line);
    if !secret.present {
        fields.report_missing("access_key_secret", purpose);
    }
    let token = given(fields, "security_token", "security_token_file", secret_line);
    Some(Origin::AccessKey {
        access_key_id: id.value?,
        access_key_secret: secret.value?,
        security_token: token.value,
    })
}

/// Whether a value was given at all, and the value if it was right.
pub(super) struct Choice<T> {
    pub(super) present: bool,
    pub(super) value: Option<Given<T>>,
}

/// Reads a value that may stand in a file of its own.
pub(super) fn given<'a, T>(
    fields: &mut Fields<'a>,
    key: &'static str,
    key_of_file: &'static str,
    read: impl FnOnce(&Value<'a>) -> Result<T, String>,
) -> Choice<T> {
    let (value, file) = (fields.value(key), fields.value(key_of_file));
    if let (Some(_), Some(file)) = (&value, &file) {
        file.report(format!("{key} is given as well; keep one of the two"));
        return Choice {
            present: true,
            value: None,
        };
    }
    Choice {
        present: value.is_some() || file.is_some(),
        value: value
            .and_then(|value| value.read(read))
            .map(Given::Value)
            .or_else(|| file.and_then(|file| file.read(path)).map(Given::File)),
    }
}

fn oidc(fields: &mut Fields<'_>) -> Option<Origin> {
    let role_arn = fields.require("role_arn", "the role to assume", |value| arn(value, ":role/"));
    let provider_arn = fields.require("provider_arn", "the OIDC provider that RAM trusts", |value| {
        arn(value, ":oidc-provider/")
    });
    let token_file = fields.require("token_file", "the path of the OIDC token", path);
    let session_name = fields.read("session_name", session_name);
    let (policy, duration) = (session_policy(fields), session_duration(fields));
    Some(Origin::Oidc {
        role_arn: role_arn?,
        provider_arn: provider_arn?,
        token_file: token_file?,
        session_name,
        policy,
        duration,
    })
}

fn assume_role(fields: &mut Fields<'_>, endpoints: &Endpoints) -> Option<Origin> {
    let role_arn = fields.require("role_arn", "the role to assume", |value| arn(value, ":role/"));
    let session_name = fields.read("session_name", session_name);
    let external_id = fields.read("external_id", |value| {
        let text = line(value)?;
        if (2..=1224).contains(&text.chars().count()) {
            return Ok(text);
        }
        Err(String::from("must have from 2 to 1224 characters"))
    });
    let (policy, duration) = (session_policy(fields), session_duration(fields));
    let source = match fields.part("source") {
        Some(value) => value.mapping(|fields| Credentials::read(fields, endpoints)),
        None => Some(Credentials {
            origin: Origin::Chain,
            endpoints: endpoints.clone(),
        }),
    };
    Some(Origin::AssumeRole {
        role_arn: role_arn?,
        session_name,
        external_id,
        policy,
        duration,
        source: Box::new(source?),
    })
}

/// What a session may do at most, for those who want less than the role.
fn session_policy(fields: &mut Fields<'_>) -> Option<String> {
    fields.read("policy", |value| {
        // RAM has variables of this form.
        let text = value.verbatim()?;
        if text.chars().count() > 2048 {
            return Err(String::from(
                "must have at most 2048 characters; grant less to the role instead",
            ));
        }
        match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text) {
            Ok(_) => Ok(text),
            Err(_) => Err(String::from(
                "expected a RAM policy as one JSON object, in quotes or after |",
            )),
        }
    })
}

fn session_duration(fields: &mut Fields<'_>) -> Duration {
    let duration = fields.read("duration", |value| {
        let duration = value.duration()?;
        if SESSION_SECONDS.contains(&duration.as_secs()) {
            return Ok(duration);
        }
        let [shortest, longest] = [*SESSION_SECONDS.start(), *SESSION_SECONDS.end()]
            .map(|seconds| duration::write(Duration::from_secs(seconds)));
        Err(format!("expected a duration from {shortest} to {longest}"))
    });
    duration.unwrap_or(DEFAULT_SESSION)
}

/// A text without the line break that an editor has put behind it.
fn line(value: &Value<'_>) -> Result<String, String> {
    match value.some_text()?.trim_end_matches(['\r', '\n']) {
        "" => Err(String::from("must not be empty")),
        text => Ok(text.to_owned()),
    }
}

fn secret_line(value: &Value<'_>) -> Result<Secret, String> {
    let secret = value.secret()?;
    match secret.expose().trim_end_matches(['\r', '\n']) {
        "" => Err(String::from("must not be empty")),
        text => Ok(Secret::new(text)),
    }
}

pub(super) fn path(value: &Value<'_>) -> Result<PathBuf, String> {
    line(value).map(PathBuf::from)
}

/// Reads a name of RAM; `kind` is what it must name, such as `:role/`.
fn arn(value: &Value<'_>, kind: &str) -> Result<String, String> {
    let text = line(value)?;
    match text
        .strip_prefix("acs:ram::")
        .and_then(|rest| rest.split_once(kind))
    {
        Some((account, name)) if !account.is_empty() && !name.is_empty() => Ok(text),
        _ => Err(format!(
            "expected acs:ram::ACCOUNT{kind}NAME, found {}",
            shown(&text)
        )),
    }
}

/// Source: RoleSessionName of STS AssumeRole.
fn session_name(value: &Value<'_>) -> Result<String, String> {
    let text = line(value)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '@' | '_' | '-');
    if (2..=64).contains(&text.chars().count()) && text.chars().all(allowed) {
        return Ok(text);
    }
    Err(format!(
        "expected from 2 to 64 letters, digits and .@_-, found {}",
        shown(&text)
    ))
}

fn uri(value: &Value<'_>) -> Result<Secret, String> {
    let text = line(value)?;
    match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Secret::new(text)),
        _ => Err(String::from(
            "expected an address that begins with http:// or https://",
        )),
    }
}
