//! Profiles of the CLI's `config.json`. `docs/credentials.md` lists every key and mode.
//!
//! Of the file only the profile that is asked for is looked at closely, and those that lead to it: what the others hold
//! does not matter.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::error::CredentialsError;
use super::lookup::{DEFAULT_SESSION_SECONDS, Lookup};
use super::{Environment, sts};
use crate::aliyun::answer::{self, object_of};
use crate::config::{self, Endpoints, Given, Network, Origin};
use crate::secret::Secret;
use crate::shown::{cut, shown};

/// The modes that a daemon can use.
const MODES: &str =
    "AK, StsToken, RamRoleArn, RamRoleArnWithRoleName, EcsRamRole, OIDC, ChainableRamRoleArn, CredentialsURI";

/// More profiles than this that lead to each other are a mistake: each is a request of its own.
const LONGEST_CHAIN: usize = 16;

object_of! {
    /// The file as a whole.
    struct Document {
        current: b"current",
        profiles: b"profiles",
    }
}

/// The name and the credentials of a profile: the one asked for, else the file's current one.
pub(super) fn parse(
    text: &str,
    path: &str,
    name: Option<&str>,
    endpoints: &Endpoints,
    environment: &Environment,
) -> Result<Lookup, CredentialsError> {
    let broken = |what: String| {
        let advice = "repair the file, or write it again with the CLI's configure command";
        CredentialsError::broken(path, what, advice)
    };
    let document: Document<'_> = answer::whole(text.as_bytes()).map_err(|(line, column)| {
        broken(format!(
            "not the JSON of a CLI configuration, at line {line} column {column}"
        ))
    })?;
    let current = answer::text(document.current);
    let name = name.or(current.as_deref()).filter(|name| !name.is_empty());
    let Some(name) = name else {
        return Ok(Lookup::Missing(format!("no default profile in {path}")));
    };
    let profiles = match document.profiles {
        None => Vec::new(),
        Some(profiles) => serde_json::from_str::<Option<Vec<&RawValue>>>(profiles.get())
            .map_err(|_| broken(String::from("its profiles are not a list")))?
            .unwrap_or_default(),
    };
    let file = File {
        path,
        profiles,
        endpoints,
        environment,
    };
    let Some(profile) = file.find(name) else {
        return Ok(Lookup::Missing(format!("no profile {} in {path}", shown(name))));
    };
    if profile.is_unfinished() {
        return Ok(Lookup::Missing(format!(
            "the profile {} in {path} has no access key",
            shown(name)
        )));
    }
    let credentials = file.credentials(&profile, &mut vec![name.to_owned()])?;
    Ok(Lookup::Found {
        name: name.to_owned(),
        credentials: Box::new(credentials),
    })
}

/// A file with what its profiles depend on.
struct File<'a> {
    path: &'a str,
    profiles: Vec<&'a RawValue>,
    endpoints: &'a Endpoints,
    environment: &'a Environment,
}

/// One profile. The CLI writes keys that do not matter as empty texts.
struct Profile {
    place: String,
    values: Map<String, Value>,
}

impl File<'_> {
    /// The first of a name, as the official packages take it.
    fn find(&self, name: &str) -> Option<Profile> {
        let values = self
            .profiles
            .iter()
            .filter_map(|profile| serde_json::from_str::<Map<String, Value>>(profile.get()).ok())
            .find(|values| values.get("name").and_then(Value::as_str) == Some(name))?;
        Some(Profile {
            place: format!("profile {} of {}", shown(name), self.path),
            values,
        })
    }

    /// What the mode says. `chain` holds the names of the profiles that led here, this one last.
    fn credentials(
        &self,
        profile: &Profile,
        chain: &mut Vec<String>,
    ) -> Result<config::Credentials, CredentialsError> {
        let endpoints = self.endpoints_of(profile)?;
        let mode = profile.text("mode")?.unwrap_or_default();
        let within = |origin| config::Credentials {
            origin,
            endpoints: endpoints.clone(),
        };
        let origin = match mode.as_str() {
            "AK" => profile.access_key(None)?,
            "StsToken" => profile.access_key(Some(profile.required("sts_token")?))?,
            "EcsRamRole" => profile.instance()?,
            "OIDC" => Origin::Oidc {
                role_arn: profile.required("ram_role_arn")?,
                provider_arn: profile.required("oidc_provider_arn")?,
                token_file: PathBuf::from(profile.required("oidc_token_file")?),
                session_name: profile.session_name()?,
                policy: profile.text("policy")?,
                duration: profile.duration()?,
            },
            "RamRoleArn" => {
                let source = profile.access_key(profile.text("sts_token")?)?;
                profile.role(within(source))?
            }
            "RamRoleArnWithRoleName" => profile.role(within(profile.instance()?))?,
            "ChainableRamRoleArn" => profile.role(self.source(profile, chain)?)?,
            "CredentialsURI" => {
                let uri = match profile.text("credentials_uri")? {
                    Some(uri) => uri,
                    None => match self.environment.get("ALIBABA_CLOUD_CREDENTIALS_URI") {
                        Some(uri) => uri.to_owned(),
                        None => return Err(profile.missing("credentials_uri")),
                    },
                };
                Origin::CredentialsUri {
                    uri: Secret::new(uri),
                }
            }
            mode => {
                let what = format!("the mode {} cannot be used here", shown(mode));
                return Err(profile.broken(what, &format!("use one of {MODES}")));
            }
        };
        Ok(within(origin))
    }

    /// Where STS is asked: an address before a region, and the profile before the environment, as the CLI has it.
    fn endpoints_of(&self, profile: &Profile) -> Result<Endpoints, CredentialsError> {
        let mut endpoints = self.endpoints.clone();
        if endpoints.sts.is_some() {
            return Ok(endpoints);
        }
        if let Some(text) = profile.text("sts_endpoint")? {
            let address = sts::address(&text).ok_or_else(|| {
                profile.broken(
                    "sts_endpoint is not the address of STS",
                    "write a host such as sts.cn-hangzhou.aliyuncs.com",
                )
            })?;
            endpoints.sts = Some(address);
        } else if let Some(region) = profile.text("sts_region")?
            && self.environment.get(sts::ENDPOINT).is_none()
        {
            let vpc = profile.flag("enable_vpc")?;
            let vpc = vpc.unwrap_or_else(|| self.environment.is_true(sts::VPC));
            let vpc = vpc || endpoints.home.network == Network::Vpc;
            let address = sts::regional(&region, vpc);
            let address = address.ok_or_else(|| {
                profile.broken(
                    "sts_region is not the id of a region",
                    "write one such as cn-hangzhou",
                )
            })?;
            endpoints.sts = Some(address);
        }
        Ok(endpoints)
    }

    fn source(
        &self,
        profile: &Profile,
        chain: &mut Vec<String>,
    ) -> Result<config::Credentials, CredentialsError> {
        let name = profile.required("source_profile")?;
        let leads_back = chain.contains(&name);
        chain.push(name.clone());
        if leads_back {
            let chain: Vec<String> = chain.iter().map(|name| cut(name)).collect();
            let what = format!("the profiles lead back to themselves: {}", chain.join(" -> "));
            return Err(profile.broken(what, "let one of them use a key of its own"));
        }
        if chain.len() > LONGEST_CHAIN {
            let what = format!("more than {LONGEST_CHAIN} profiles lead to each other by source_profile");
            return Err(profile.broken(what, "let one of them use a key of its own"));
        }
        let Some(source) = self.find(&name) else {
            let what = format!("its source_profile {} is not in the file", shown(&name));
            return Err(profile.broken(what, "correct the name, or add the profile"));
        };
        self.credentials(&source, chain)
    }
}

impl Profile {
    /// Whether the CLI has written it only to remember something else, such as a region.
    fn is_unfinished(&self) -> bool {
        let is_empty = |key| match self.values.get(key) {
            None | Some(Value::Null) => true,
            Some(value) => value.as_str().is_some_and(|text| line(text).is_empty()),
        };
        let mode = self
            .values
            .get("mode")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let needs_key = matches!(mode, "" | "AK" | "StsToken" | "RamRoleArn");
        needs_key
            && is_empty("access_key_id")
            && is_empty("access_key_secret")
            && (!mode.is_empty() || is_empty("mode"))
    }

    fn access_key(&self, security_token: Option<String>) -> Result<Origin, CredentialsError> {
        Ok(Origin::AccessKey {
            access_key_id: Given::Value(self.required("access_key_id")?),
            access_key_secret: Given::Value(Secret::new(self.required("access_key_secret")?)),
            security_token: security_token.map(|token| Given::Value(Secret::new(token))),
        })
    }

    fn instance(&self) -> Result<Origin, CredentialsError> {
        Ok(Origin::EcsRamRole {
            role_name: self.text("ram_role_name")?,
        })
    }

    fn role(&self, source: config::Credentials) -> Result<Origin, CredentialsError> {
        Ok(Origin::AssumeRole {
            role_arn: self.required("ram_role_arn")?,
            session_name: self.session_name()?,
            external_id: self.text("external_id")?,
            policy: self.text("policy")?,
            duration: self.duration()?,
            source: Box::new(source),
        })
    }

    /// As the CLI writes it; the official package for Python reads another name in OIDC profiles.
    fn session_name(&self) -> Result<Option<String>, CredentialsError> {
        Ok(self.text("ram_session_name")?.or(self.text("role_session_name")?))
    }

    fn duration(&self) -> Result<Duration, CredentialsError> {
        let seconds = match self.values.get("expired_seconds") {
            None | Some(Value::Null) => 0,
            Some(value) => value
                .as_u64()
                .ok_or_else(|| self.wrong_type("expired_seconds", "a number of seconds"))?,
        };
        let seconds = if seconds == 0 {
            DEFAULT_SESSION_SECONDS
        } else {
            seconds
        };
        Ok(Duration::from_secs(seconds))
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, CredentialsError> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.wrong_type(key, "true or false")),
        }
    }

    /// A text that is not empty.
    fn text(&self, key: &str) -> Result<Option<String>, CredentialsError> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(line(text).to_owned()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.wrong_type(key, "a text")),
        }
    }

    fn required(&self, key: &str) -> Result<String, CredentialsError> {
        self.text(key)?.ok_or_else(|| self.missing(key))
    }

    fn missing(&self, key: &str) -> CredentialsError {
        let mode = self
            .values
            .get("mode")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let what = format!("{key} is missing, which the mode {mode} needs");
        self.broken(what, "add it, or choose another mode")
    }

    fn wrong_type(&self, key: &str, expected: &str) -> CredentialsError {
        self.broken(
            format!("{key} is not {expected}"),
            "write it again with the CLI's configure command",
        )
    }

    fn broken(&self, what: impl Into<String>, advice: &str) -> CredentialsError {
        CredentialsError::broken(self.place.as_str(), what, advice)
    }
}

/// A line break at the end belongs to the editor, not to the value.
fn line(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}
