//! A role assumed with an OIDC token, as RRSA gives it to a pod (STS AssumeRoleWithOIDC).

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::CredentialsError;
use super::files::Files;
use super::http::Services;
use super::{Environment, Obtained, sts};
use crate::config::{self, Endpoints, Origin};
use crate::shown::{self, cut};

/// The variables that the RRSA webhook sets; all three or none.
const ROLE_ARN: &str = "ALIBABA_CLOUD_ROLE_ARN";
const PROVIDER_ARN: &str = "ALIBABA_CLOUD_OIDC_PROVIDER_ARN";
const TOKEN_FILE: &str = "ALIBABA_CLOUD_OIDC_TOKEN_FILE";

/// The bounds of the parameter OIDCToken.
const TOKEN_CHARACTERS: std::ops::RangeInclusive<usize> = 4..=20_000;
/// DurationSeconds where nothing is said, which every role allows.
const DEFAULT_DURATION: Duration = Duration::from_secs(3600);

/// The exchange that the environment asks for; nothing where it does not set all three variables.
pub(super) fn of_environment(
    environment: &Environment,
    endpoints: &Endpoints,
) -> Option<config::Credentials> {
    Some(config::Credentials {
        origin: Origin::Oidc {
            role_arn: environment.get(ROLE_ARN)?.to_owned(),
            provider_arn: environment.get(PROVIDER_ARN)?.to_owned(),
            token_file: PathBuf::from(environment.get(TOKEN_FILE)?),
            session_name: None,
            policy: None,
            duration: DEFAULT_DURATION,
        },
        endpoints: endpoints.clone(),
    })
}

/// What an exchange needs besides the token itself.
pub(super) struct Exchange<'a> {
    pub(super) role_arn: &'a str,
    pub(super) provider_arn: &'a str,
    pub(super) token_file: &'a Path,
    pub(super) session_name: Option<&'a str>,
    pub(super) policy: Option<&'a str>,
    pub(super) duration: Duration,
}

impl Exchange<'_> {
    /// Exchanges the token for credentials. The token is read anew each time, since it is rotated.
    pub(super) async fn obtain(
        &self,
        endpoints: &Endpoints,
        services: &Services,
        files: &mut Files,
    ) -> Result<Obtained, CredentialsError> {
        let origin = format!("{} by OIDC", cut(self.role_arn));
        let path = shown::path(self.token_file);
        let token = files.read(self.token_file).await.map_err(|error| {
            CredentialsError::broken(
                origin.as_str(),
                format!("the token file {path} cannot be read: {error}"),
                "check that the pod has its RRSA token mounted, and that the exporter's user may read it",
            )
        })?;
        let token = token.trim();
        if !TOKEN_CHARACTERS.contains(&token.len()) {
            let what = format!(
                "the token file {path} holds {} characters, not a token",
                token.len()
            );
            return Err(CredentialsError::broken(
                origin,
                what,
                "check what writes the file",
            ));
        }
        let duration = self.duration.as_secs().to_string();
        let session_name = services.environment.session_name(self.session_name);
        let mut form = vec![
            ("RoleArn", self.role_arn),
            ("OIDCProviderArn", self.provider_arn),
            ("OIDCToken", token),
            ("RoleSessionName", session_name),
            ("DurationSeconds", &duration),
        ];
        form.extend(self.policy.map(|policy| ("Policy", policy)));
        let endpoint = sts::endpoint(endpoints, services).await?;
        let credentials = sts::session(services, &endpoint, &origin, self.role_arn, &form, None).await?;
        Ok(Obtained { credentials, origin })
    }
}
