//! The RAM role of the instance, by the metadata service: version 2 with a token, or version 1 without.

use reqwest::RequestBuilder;

use super::error::{CredentialsError, Problem};
use super::http::{Answer, Services, WireCredentials, send};
use super::{Obtained, Step};
use crate::config::Endpoints;

const ADDRESS: &str = "http://100.100.100.200";
const ORIGIN: &str = "instance metadata service";
const ADVICE: &str = "check that the exporter runs on an ECS instance whose metadata service it can reach";
/// The longest there is; a token is fetched for every refresh anyway.
const TOKEN_SECONDS: &str = "21600";

/// Asks for the credentials of a role, and for its name where it is not known.
///
/// Passes on where the host has no metadata service, or one without a role: then it is not set up. A service that
/// names a role but gives no credentials for it is broken.
pub(super) async fn obtain(
    role_name: Option<&str>,
    endpoints: &Endpoints,
    services: &Services,
) -> Result<Step, CredentialsError> {
    let address = endpoints.metadata.as_deref().unwrap_or(ADDRESS);
    let roles = format!("{address}/latest/meta-data/ram/security-credentials/");
    let token = token(address, services).await;
    if token.is_none() && services.environment.is_true("ALIBABA_CLOUD_IMDSV1_DISABLED") {
        return Ok(Step::Passed(String::from(
            "no instance metadata service of version 2 answers, and ALIBABA_CLOUD_IMDSV1_DISABLED turns off version 1",
        )));
    }
    let get = |url: String| match &token {
        Some(token) => services
            .metadata
            .get(url)
            .header("X-aliyun-ecs-metadata-token", token),
        None => services.metadata.get(url),
    };
    let known = role_name.or_else(|| services.environment.get("ALIBABA_CLOUD_ECS_METADATA"));
    let role_name = match known {
        Some(role_name) => role_name.to_owned(),
        None => match role(get(roles.clone()), token.is_some()).await? {
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
    let answer = match send(&origin, ADVICE, get(format!("{roles}{role_name}"))).await {
        // Nothing has answered so far where the name was known and there is no token.
        Err(error) if known.is_some() && token.is_none() => return Ok(Step::Passed(unanswered(&error))),
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
    let wire: WireCredentials = answer.json(&origin, ADVICE)?;
    let credentials = wire.into_credentials(&origin, ADVICE)?;
    Ok(Step::Found(Obtained { credentials, origin }))
}

/// The token of version 2. Nothing where the service has no version 2, or where its answer gets lost on the way to a
/// container, since it may travel only one hop: version 1 is asked then.
async fn token(address: &str, services: &Services) -> Option<String> {
    let request = services
        .metadata
        .put(format!("{address}/latest/api/token"))
        .header("X-aliyun-ecs-metadata-token-ttl-seconds", TOKEN_SECONDS);
    let answer = send(ORIGIN, ADVICE, request)
        .await
        .ok()
        .filter(Answer::is_success)?;
    let token = answer.text();
    let usable = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    usable.then(|| token.to_owned())
}

/// The name of the role, or why there is none. A service that gave a token must answer.
async fn role(
    request: RequestBuilder,
    must_answer: bool,
) -> Result<Result<String, String>, CredentialsError> {
    let answer = match send(ORIGIN, ADVICE, request).await {
        Err(error) if !must_answer => return Ok(Err(unanswered(&error))),
        answer => answer?,
    };
    match answer.status {
        200 if answer.text().is_empty() => Ok(Err(String::from("no RAM role is attached to the instance"))),
        200 => Ok(Ok(answer.text().to_owned())),
        403 if !must_answer => Ok(Err(String::from(
            "the instance metadata service answers only with a token of version 2, and gave none",
        ))),
        403 | 404 => Ok(Err(String::from("no RAM role is attached to the instance"))),
        _ => {
            let (origin, advice) = (String::from(ORIGIN), String::from(ADVICE));
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
        Problem::Unreachable(cause) => format!("no instance metadata service answers: {cause}"),
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
