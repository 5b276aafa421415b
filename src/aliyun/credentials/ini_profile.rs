//! Profiles of the INI file `credentials`, one section each. `docs/credentials.md` lists every key.

use std::path::PathBuf;
use std::time::Duration;

use super::error::CredentialsError;
use super::ini::{self, Mistake};
use super::lookup::{DEFAULT_SESSION_SECONDS, Lookup};
use crate::config::{self, Endpoints, Given, Origin};
use crate::secret::Secret;
use crate::shown::{cut, shown};

/// The section where no profile is named.
const DEFAULT_PROFILE: &str = "default";

/// Keys of the official packages that would lead requests elsewhere, each with what does so here.
const REFUSED: [(&str, &str); 2] = [
    ("proxy", "set HTTPS_PROXY instead"),
    ("host", "set sts_endpoint or ALIBABA_CLOUD_STS_ENDPOINT instead"),
];

/// The name and the credentials of a profile.
pub(super) fn parse(
    text: &str,
    path: &str,
    name: Option<&str>,
    endpoints: &Endpoints,
) -> Result<Lookup, CredentialsError> {
    let name = name.unwrap_or(DEFAULT_PROFILE);
    let values = ini::section(text, name).map_err(|Mistake { line, what }| {
        CredentialsError::broken(path, format!("line {line} {what}"), "repair the file")
    })?;
    let section = Section {
        place: format!("profile {} of {path}", shown(name)),
        values: match values {
            None => return Ok(Lookup::Missing(format!("no profile {} in {path}", shown(name)))),
            Some(values) if values.is_empty() => {
                return Ok(Lookup::Missing(format!(
                    "the profile {} in {path} is empty",
                    shown(name)
                )));
            }
            Some(values) => values,
        },
    };
    if section
        .get("enable")?
        .is_some_and(|enable| enable.eq_ignore_ascii_case("false"))
    {
        return Ok(Lookup::Missing(format!(
            "the profile {} in {path} has enable = false",
            shown(name)
        )));
    }
    let credentials = config::Credentials {
        origin: section.origin(endpoints)?,
        endpoints: endpoints.clone(),
    };
    Ok(Lookup::Found {
        name: name.to_owned(),
        credentials: Box::new(credentials),
    })
}

struct Section {
    place: String,
    values: ini::Section,
}

impl Section {
    fn origin(&self, endpoints: &Endpoints) -> Result<Origin, CredentialsError> {
        self.refuse_what_is_not_honoured()?;
        match &*self.required("type")? {
            "access_key" => self.access_key(self.given_token()?),
            "sts" => {
                self.required("security_token")?;
                self.access_key(self.given_token()?)
            }
            "ecs_ram_role" => Ok(Origin::EcsRamRole {
                role_name: self.get("role_name")?,
            }),
            "ram_role_arn" => Ok(Origin::AssumeRole {
                role_arn: self.required("role_arn")?,
                session_name: self.get("role_session_name")?,
                external_id: self.get("external_id")?,
                policy: self.policy(),
                duration: self.duration()?,
                source: Box::new(config::Credentials {
                    origin: self.access_key(self.given_token()?)?,
                    endpoints: endpoints.clone(),
                }),
            }),
            "oidc_role_arn" => Ok(Origin::Oidc {
                role_arn: self.required("role_arn")?,
                provider_arn: self.required("oidc_provider_arn")?,
                token_file: PathBuf::from(self.required("oidc_token_file_path")?),
                session_name: self.get("role_session_name")?,
                policy: self.policy(),
                duration: self.duration()?,
            }),
            other => Err(self.broken(
                format!("the type {} cannot be used here", shown(other)),
                "use one of access_key, sts, ecs_ram_role, ram_role_arn, oidc_role_arn",
            )),
        }
    }

    fn refuse_what_is_not_honoured(&self) -> Result<(), CredentialsError> {
        for (key, advice) in REFUSED {
            if self.get(key)?.is_some() {
                return Err(self.broken(format!("{key} is not honoured"), advice));
            }
        }
        match self.values.keys().find(|key| key.starts_with(['"', '\''])) {
            Some(key) => Err(self.broken(format!("the key {} is in quotes", cut(key)), "remove the quotes")),
            None => Ok(()),
        }
    }

    fn access_key(&self, security_token: Option<Given<Secret>>) -> Result<Origin, CredentialsError> {
        Ok(Origin::AccessKey {
            access_key_id: Given::Value(self.required("access_key_id")?),
            access_key_secret: Given::Value(Secret::new(self.required("access_key_secret")?)),
            security_token,
        })
    }

    fn given_token(&self) -> Result<Option<Given<Secret>>, CredentialsError> {
        Ok(self
            .get("security_token")?
            .map(|token| Given::Value(Secret::new(token))))
    }

    fn duration(&self) -> Result<Duration, CredentialsError> {
        let seconds = match self.get("role_session_expiration")? {
            None => DEFAULT_SESSION_SECONDS,
            Some(text) => match text.parse() {
                Ok(0) => DEFAULT_SESSION_SECONDS,
                Ok(seconds) => seconds,
                Err(_) => {
                    return Err(self.broken(
                        "role_session_expiration is not a number of seconds",
                        "write one such as 3600",
                    ));
                }
            },
        };
        Ok(Duration::from_secs(seconds))
    }

    /// The one value that may have several lines.
    fn policy(&self) -> Option<String> {
        self.raw("policy").map(str::to_owned)
    }

    /// A value without the comment behind it, which the official packages cut off; no value has such a character.
    fn raw(&self, key: &str) -> Option<&str> {
        let value = self.values.get(key)?.split('#').next().unwrap_or_default().trim();
        (!value.is_empty()).then_some(value)
    }

    /// A value of one line that is what it seems to be. Values are not shown: it may be the next line's key.
    fn get(&self, key: &str) -> Result<Option<String>, CredentialsError> {
        let Some(value) = self.raw(key) else {
            return Ok(None);
        };
        if value.contains('\n') {
            let what = format!("the line after {key} begins with spaces, and so goes on with it");
            return Err(self.broken(what, "remove the spaces"));
        }
        if value.starts_with(['"', '\'']) || value.ends_with(['"', '\'']) {
            return Err(self.broken(
                format!("{key} is in quotes, which would be sent"),
                "remove the quotes",
            ));
        }
        if value.contains('%') {
            let what = format!("{key} holds a %, which the official packages take for a reference");
            return Err(self.broken(what, "write the value itself"));
        }
        Ok(Some(value.to_owned()))
    }

    fn required(&self, key: &str) -> Result<String, CredentialsError> {
        let missing = || self.broken(format!("{key} is missing"), "add it to the section");
        self.get(key)?.ok_or_else(missing)
    }

    fn broken(&self, what: impl Into<String>, advice: &str) -> CredentialsError {
        CredentialsError::broken(self.place.as_str(), what, advice)
    }
}
