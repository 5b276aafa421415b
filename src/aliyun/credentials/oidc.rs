//! A role assumed with an OIDC token, as RRSA gives it to a pod (STS AssumeRoleWithOIDC).

use std::path::{Path, PathBuf};

use super::error::CredentialsError;
use super::files::Files;
use super::http::Services;
use super::{Environment, Obtained, sts};
use crate::config::{self, Endpoints, Origin};

/// The variables that the RRSA webhook sets; all three or none.
const ROLE_ARN: &str = "ALIBABA_CLOUD_ROLE_ARN";
const PROVIDER_ARN: &str = "ALIBABA_CLOUD_OIDC_PROVIDER_ARN";
const TOKEN_FILE: &str = "ALIBABA_CLOUD_OIDC_TOKEN_FILE";

/// The bounds of the parameter OIDCToken.
const TOKEN_CHARACTERS: std::ops::RangeInclusive<usize> = 4..=20_000;
/// DurationSeconds, which every role allows.
const SESSION_SECONDS: &str = "3600";

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
        },
        endpoints: endpoints.clone(),
    })
}

/// Exchanges the token for credentials. The token is read anew each time, since it is rotated.
pub(super) async fn obtain(
    role_arn: &str,
    provider_arn: &str,
    token_file: &Path,
    session_name: Option<&str>,
    endpoints: &Endpoints,
    services: &Services,
    files: &mut Files,
) -> Result<Obtained, CredentialsError> {
    let origin = format!("{role_arn} by OIDC");
    let token = files.read(token_file).map_err(|error| {
        CredentialsError::broken(
            origin.as_str(),
            format!("the token file {} cannot be read: {error}", token_file.display()),
            "check that the pod has its RRSA token mounted, and that the exporter's user may read it",
        )
    })?;
    let token = token.trim();
    if !TOKEN_CHARACTERS.contains(&token.len()) {
        let what = format!(
            "the token file {} holds {} characters, not a token",
            token_file.display(),
            token.len()
        );
        return Err(CredentialsError::broken(
            origin,
            what,
            "check what writes the file",
        ));
    }
    let form = [
        ("RoleArn", role_arn),
        ("OIDCProviderArn", provider_arn),
        ("OIDCToken", token),
        ("RoleSessionName", services.environment.session_name(session_name)),
        ("DurationSeconds", SESSION_SECONDS),
    ];
    let endpoint = sts::endpoint(endpoints, &services.environment);
    let credentials = sts::session(services, &endpoint, &origin, role_arn, &form, None).await?;
    Ok(Obtained { credentials, origin })
}
