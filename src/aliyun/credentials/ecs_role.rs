//! The RAM role of the instance, by the metadata service.

use super::error::{CredentialsError, Problem};
use super::http::{Services, WireCredentials};
use super::metadata::{ADVICE, Metadata, ORIGIN};
use super::{Obtained, Step};
use crate::config::Endpoints;
use crate::shown::cut;

const ROLES: &str = "ram/security-credentials/";

/// Asks for the credentials of a role, and for its name where it is not known.
///
/// Passes on where the host has no metadata service, or one without a role: then it is not set up. A service that
/// names a role but gives no credentials for it is broken.
pub(super) async fn obtain(
    role_name: Option<&str>,
    endpoints: &Endpoints,
    services: &Services,
) -> Result<Step, CredentialsError> {
    let metadata = match Metadata::open(endpoints, services).await {
        Ok(metadata) => metadata,
        Err(reason) => return Ok(Step::Passed(reason)),
    };
    let known = role_name.or_else(|| services.environment.get("ALIBABA_CLOUD_ECS_METADATA"));
    let role_name = match known {
        Some(role_name) => role_name.to_owned(),
        None => match role(&metadata).await? {
            Ok(role_name) => role_name,
            Err(reason) => return Ok(Step::Passed(reason)),
        },
    };
    if !is_role_name(&role_name) {
        let what = "the name of the role has characters that no role has";
        return Err(CredentialsError::broken(
            ORIGIN,
            what,
            "check role_name, ALIBABA_CLOUD_ECS_METADATA or the service",
        ));
    }
    let origin = format!("RAM role {role_name} of the instance");
    let answer = match metadata.get(&origin, &format!("{ROLES}{role_name}")).await {
        // Nothing has answered so far where the name was known and there is no token.
        Err(error) if known.is_some() && !metadata.has_answered() => {
            return Ok(Step::Passed(unanswered(&error)));
        }
        answer => answer?,
    };
    if !answer.is_success() {
        let advice = String::from("check that this role is attached to the instance, and that RAM knows it");
        return Err(CredentialsError {
            origin,
            problem: answer.refusal(),
            advice,
        });
    }
    let wire: WireCredentials<'_> = answer.object(&origin, ADVICE)?;
    let credentials = wire.into_credentials(&origin, ADVICE)?;
    Ok(Step::Found(Obtained { credentials, origin }))
}

/// The name of the role, or why there is none. A service that gave a token must answer.
async fn role(metadata: &Metadata<'_>) -> Result<Result<String, String>, CredentialsError> {
    let answer = match metadata.get(ORIGIN, ROLES).await {
        Err(error) if !metadata.has_answered() => return Ok(Err(unanswered(&error))),
        answer => answer?,
    };
    let address = cut(metadata.address);
    match answer.status {
        200 if answer.text().is_empty() => Ok(Err(String::from("no RAM role is attached to the instance"))),
        200 => Ok(Ok(answer.text().to_owned())),
        404 => Ok(Err(String::from("no RAM role is attached to the instance"))),
        403 if !metadata.has_answered() => Ok(Err(format!(
            "the instance metadata service at {address} answers only with a token of version 2, and gave none"
        ))),
        403 => Ok(Err(format!(
            "the instance metadata service at {address} refuses to name a role (status 403)"
        ))),
        _ => {
            let (origin, advice) = (format!("{ORIGIN} at {address}"), String::from(ADVICE));
            Err(CredentialsError {
                origin,
                problem: answer.refusal(),
                advice,
            })
        }
    }
}

fn unanswered(error: &CredentialsError) -> String {
    match &error.problem {
        Problem::Unreachable { host, cause } => {
            format!("no instance metadata service answers at {host}: {cause}")
        }
        problem => format!("no instance metadata service answers: {problem}"),
    }
}

/// The name goes into a path. Source: the rules of RAM for RoleName.
fn is_role_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}
