//! The default chain: the sources of the official SDKs, in their order.
//!
//! A source that is not set up is passed over. One that is set up but broken ends the search with its error, so that a
//! broken RRSA never quietly becomes the role of the node.

use super::environment::{self, ACCESS_KEY_ID};
use super::error::{CredentialsError, Problem};
use super::files::Files;
use super::http::Services;
use super::{Obtained, Step, ecs_role, oidc, profile, uri};
use crate::config::Endpoints;

const ORIGIN: &str = "default credential chain";

/// Obtains credentials from the first source that is set up.
pub(super) async fn obtain(
    endpoints: &Endpoints,
    services: &Services,
    files: &mut Files,
) -> Result<Obtained, CredentialsError> {
    let environment = &services.environment;
    let mut passed: Vec<String> = Vec::new();

    if let Some(obtained) = environment::obtain(environment)? {
        return Ok(obtained);
    }
    passed.push(format!("{ACCESS_KEY_ID} is not set"));

    if let Some(credentials) = oidc::of_environment(environment, endpoints) {
        return super::obtain(&credentials, services, files).await;
    }
    passed.push(String::from("the OIDC variables of RRSA are not all set"));

    let name = environment.profile();
    if environment.is_true("ALIBABA_CLOUD_CLI_PROFILE_DISABLED") {
        passed.push(String::from("the CLI's file is turned off"));
    } else {
        match profile::of_cli(name, endpoints, services, files).await? {
            Step::Found(obtained) => return Ok(obtained),
            Step::Passed(reason) => passed.push(reason),
        }
    }
    match profile::of_ini(name, endpoints, services, files).await? {
        Step::Found(obtained) => return Ok(obtained),
        Step::Passed(reason) => passed.push(reason),
    }

    if environment.is_true("ALIBABA_CLOUD_ECS_METADATA_DISABLED") {
        passed.push(String::from("the instance metadata service is turned off"));
    } else {
        match ecs_role::obtain(None, endpoints, services).await? {
            Step::Found(obtained) => return Ok(obtained),
            Step::Passed(reason) => passed.push(reason),
        }
    }

    match environment.get("ALIBABA_CLOUD_CREDENTIALS_URI") {
        Some(address) => return uri::obtain(address, services).await,
        None => passed.push(String::from("ALIBABA_CLOUD_CREDENTIALS_URI is not set")),
    }
    Err(CredentialsError {
        origin: String::from(ORIGIN),
        problem: Problem::NotConfigured(passed.join("; ")),
        advice: String::from("set credentials in the configuration, or one of these"),
    })
}
