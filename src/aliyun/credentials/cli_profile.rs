//! Profiles of the CLI's `config.json`.
//!
//! Understood are the modes that a daemon can use: AK, StsToken, RamRoleArn, EcsRamRole, OIDC, ChainableRamRoleArn.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::error::CredentialsError;
use super::{Environment, sts};
use crate::config::{self, Endpoints, Given, Origin};
use crate::secret::Secret;

#[derive(Deserialize)]
struct Document {
    current: Option<String>,
    #[serde(default)]
    profiles: Vec<Profile>,
}

/// What is used of a profile. The CLI writes fields that do not matter as empty texts.
#[derive(Deserialize)]
struct Profile {
    name: String,
    #[serde(default)]
    mode: String,
    access_key_id: Option<String>,
    access_key_secret: Option<Secret>,
    sts_token: Option<Secret>,
    ram_role_arn: Option<String>,
    ram_session_name: Option<String>,
    ram_role_name: Option<String>,
    expired_seconds: Option<u64>,
    sts_region: Option<String>,
    enable_vpc: Option<bool>,
    source_profile: Option<String>,
    oidc_provider_arn: Option<String>,
    oidc_token_file: Option<String>,
    policy: Option<String>,
    external_id: Option<String>,
}

/// DurationSeconds where the profile says nothing, as in the official SDKs.
const DEFAULT_SESSION_SECONDS: u64 = 3600;

/// The name and the credentials of a profile: the one asked for, else the file's current one. Nothing where the file
/// does not have it.
pub(super) fn parse(
    text: &str,
    path: &str,
    name: Option<&str>,
    endpoints: &Endpoints,
    environment: &Environment,
) -> Result<Option<(String, config::Credentials)>, CredentialsError> {
    let document: Document = serde_json::from_str(text).map_err(|error| {
        // The error itself can quote values.
        let what = format!(
            "not the JSON of a CLI configuration, at line {} column {}",
            error.line(),
            error.column()
        );
        CredentialsError::broken(
            path,
            what,
            "repair the file, or write it again with the CLI's configure command",
        )
    })?;
    let Some(name) = name
        .or(document.current.as_deref())
        .filter(|name| !name.is_empty())
    else {
        return Ok(None);
    };
    let Some(profile) = document.find(name) else {
        return Ok(None);
    };
    let mut chain = vec![name];
    let credentials = profile.credentials(path, &document, endpoints, environment, &mut chain)?;
    Ok(Some((name.to_owned(), credentials)))
}

impl Document {
    fn find(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.name == name)
    }
}

impl Profile {
    /// What the mode says. `chain` holds the names of the profiles that led here, this one last.
    fn credentials<'a>(
        &'a self,
        path: &str,
        document: &'a Document,
        endpoints: &Endpoints,
        environment: &Environment,
        chain: &mut Vec<&'a str>,
    ) -> Result<config::Credentials, CredentialsError> {
        let mut endpoints = endpoints.clone();
        if let (None, Some(region)) = (&endpoints.sts, text(&self.sts_region)) {
            let vpc = self
                .enable_vpc
                .unwrap_or_else(|| environment.is_true("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"));
            endpoints.sts = Some(sts::regional(region, vpc));
        }
        let origin = match self.mode.as_str() {
            "AK" => self.access_key(path, None)?,
            "StsToken" => {
                let token = self.required_secret(path, "sts_token", &self.sts_token)?;
                self.access_key(path, Some(Given::Value(token)))?
            }
            "EcsRamRole" => Origin::EcsRamRole {
                role_name: text(&self.ram_role_name).map(str::to_owned),
            },
            "OIDC" => Origin::Oidc {
                role_arn: self.required(path, "ram_role_arn", &self.ram_role_arn)?,
                provider_arn: self.required(path, "oidc_provider_arn", &self.oidc_provider_arn)?,
                token_file: PathBuf::from(self.required(path, "oidc_token_file", &self.oidc_token_file)?),
                session_name: text(&self.ram_session_name).map(str::to_owned),
            },
            "RamRoleArn" => {
                let origin = self.access_key(path, self.token())?;
                self.role(
                    path,
                    config::Credentials {
                        origin,
                        endpoints: endpoints.clone(),
                    },
                )?
            }
            "ChainableRamRoleArn" => {
                let source = self.source(path, document, &endpoints, environment, chain)?;
                self.role(path, source)?
            }
            mode => {
                let what = format!("the mode {mode:?} cannot be used here");
                let advice = "use one of AK, StsToken, RamRoleArn, EcsRamRole, OIDC, ChainableRamRoleArn";
                return Err(CredentialsError::broken(self.place(path), what, advice));
            }
        };
        Ok(config::Credentials { origin, endpoints })
    }

    fn source<'a>(
        &'a self,
        path: &str,
        document: &'a Document,
        endpoints: &Endpoints,
        environment: &Environment,
        chain: &mut Vec<&'a str>,
    ) -> Result<config::Credentials, CredentialsError> {
        let Some(name) = text(&self.source_profile) else {
            return Err(self.missing(path, "source_profile"));
        };
        if chain.contains(&name) {
            chain.push(name);
            let what = format!("the profiles lead back to themselves: {}", chain.join(" -> "));
            return Err(CredentialsError::broken(
                self.place(path),
                what,
                "let one of them use a key of its own",
            ));
        }
        let Some(source) = document.find(name) else {
            let what = format!("its source_profile {name:?} is not in the file");
            return Err(CredentialsError::broken(
                self.place(path),
                what,
                "correct the name, or add the profile",
            ));
        };
        chain.push(name);
        source.credentials(path, document, endpoints, environment, chain)
    }

    fn access_key(
        &self,
        path: &str,
        security_token: Option<Given<Secret>>,
    ) -> Result<Origin, CredentialsError> {
        let secret = self.required_secret(path, "access_key_secret", &self.access_key_secret)?;
        Ok(Origin::AccessKey {
            access_key_id: Given::Value(self.required(path, "access_key_id", &self.access_key_id)?),
            access_key_secret: Given::Value(secret),
            security_token,
        })
    }

    fn token(&self) -> Option<Given<Secret>> {
        self.sts_token
            .clone()
            .filter(|token| !token.expose().is_empty())
            .map(Given::Value)
    }

    fn role(&self, path: &str, source: config::Credentials) -> Result<Origin, CredentialsError> {
        let seconds = self
            .expired_seconds
            .filter(|seconds| *seconds > 0)
            .unwrap_or(DEFAULT_SESSION_SECONDS);
        Ok(Origin::AssumeRole {
            role_arn: self.required(path, "ram_role_arn", &self.ram_role_arn)?,
            session_name: text(&self.ram_session_name).map(str::to_owned),
            external_id: text(&self.external_id).map(str::to_owned),
            policy: text(&self.policy).map(str::to_owned),
            duration: Duration::from_secs(seconds),
            source: Box::new(source),
        })
    }

    fn required(&self, path: &str, field: &str, value: &Option<String>) -> Result<String, CredentialsError> {
        text(value)
            .map(str::to_owned)
            .ok_or_else(|| self.missing(path, field))
    }

    fn required_secret(
        &self,
        path: &str,
        field: &str,
        value: &Option<Secret>,
    ) -> Result<Secret, CredentialsError> {
        let secret = value.clone().filter(|secret| !secret.expose().is_empty());
        secret.ok_or_else(|| self.missing(path, field))
    }

    fn missing(&self, path: &str, field: &str) -> CredentialsError {
        let what = format!("{field} is missing, which the mode {} needs", self.mode);
        CredentialsError::broken(self.place(path), what, "add it, or choose another mode")
    }

    fn place(&self, path: &str) -> String {
        format!("profile {:?} of {path}", self.name)
    }
}

fn text(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|text| !text.is_empty())
}
