//! Profiles of the INI file `credentials`, one section each.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::error::CredentialsError;
use crate::config::{self, Endpoints, Given, Origin};
use crate::secret::Secret;

/// The section where no profile is named.
const DEFAULT_PROFILE: &str = "default";
/// DurationSeconds of assumed roles, as in the official SDKs.
const SESSION: Duration = Duration::from_secs(3600);

/// The name and the credentials of a profile. Nothing where the file does not have it.
pub(super) fn parse(
    text: &str,
    path: &str,
    name: Option<&str>,
    endpoints: &Endpoints,
) -> Result<Option<(String, config::Credentials)>, CredentialsError> {
    let name = name.unwrap_or(DEFAULT_PROFILE);
    let Some(values) = section(text, path, name)? else {
        return Ok(None);
    };
    let section = Section {
        place: format!("profile {name:?} of {path}"),
        values,
    };
    let credentials = config::Credentials {
        origin: section.origin(endpoints)?,
        endpoints: endpoints.clone(),
    };
    Ok(Some((name.to_owned(), credentials)))
}

struct Section {
    place: String,
    values: BTreeMap<String, String>,
}

impl Section {
    fn origin(&self, endpoints: &Endpoints) -> Result<Origin, CredentialsError> {
        match self.required("type")? {
            "access_key" => self.access_key(),
            "ecs_ram_role" => Ok(Origin::EcsRamRole {
                role_name: self.owned("role_name"),
            }),
            "ram_role_arn" => Ok(Origin::AssumeRole {
                role_arn: self.required("role_arn")?.to_owned(),
                session_name: self.owned("role_session_name"),
                external_id: self.owned("external_id"),
                policy: self.owned("policy"),
                duration: SESSION,
                source: Box::new(config::Credentials {
                    origin: self.access_key()?,
                    endpoints: endpoints.clone(),
                }),
            }),
            "oidc_role_arn" => Ok(Origin::Oidc {
                role_arn: self.required("role_arn")?.to_owned(),
                provider_arn: self.required("oidc_provider_arn")?.to_owned(),
                token_file: PathBuf::from(self.required("oidc_token_file_path")?),
                session_name: self.owned("role_session_name"),
            }),
            other => Err(CredentialsError::broken(
                self.place.as_str(),
                format!("the type {other:?} cannot be used here"),
                "use one of access_key, ecs_ram_role, ram_role_arn, oidc_role_arn",
            )),
        }
    }

    fn access_key(&self) -> Result<Origin, CredentialsError> {
        Ok(Origin::AccessKey {
            access_key_id: Given::Value(self.required("access_key_id")?.to_owned()),
            access_key_secret: Given::Value(Secret::new(self.required("access_key_secret")?)),
            security_token: None,
        })
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.values
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    fn owned(&self, key: &str) -> Option<String> {
        self.get(key).map(str::to_owned)
    }

    fn required(&self, key: &str) -> Result<&str, CredentialsError> {
        self.get(key).ok_or_else(|| {
            CredentialsError::broken(
                self.place.as_str(),
                format!("{key} is missing"),
                "add it to the section",
            )
        })
    }
}

/// The keys and values of a section; the last one wins where a key occurs twice. Lines that are neither section, key
/// nor comment are refused by number, without showing them.
fn section(text: &str, path: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, CredentialsError> {
    let mut found: Option<BTreeMap<String, String>> = None;
    let mut inside = false;
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = header.trim() == name;
            if inside {
                found.get_or_insert_default();
            }
            continue;
        }
        let Some((key, value)) = line.split_once(['=', ':']) else {
            let what = format!("line {} is neither [section] nor key = value", index + 1);
            return Err(CredentialsError::broken(path, what, "repair the file"));
        };
        if let (true, Some(values)) = (inside, found.as_mut()) {
            // Comments behind a value, as the official SDKs cut them off; no value has such a character.
            let value = value.split('#').next().unwrap_or_default();
            values.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    Ok(found)
}
