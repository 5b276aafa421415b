//! The instance metadata service: version 2 with a token, or version 1 without.

use reqwest::RequestBuilder;

use super::error::CredentialsError;
use super::http::{Answer, Services, send};
use super::key::key_in;
use crate::config::Endpoints;
use crate::shown::cut;

const ADDRESS: &str = "http://100.100.100.200";
pub(super) const ORIGIN: &str = "instance metadata service";
pub(super) const ADVICE: &str =
    "check that the exporter runs on an ECS instance whose metadata service it can reach";
/// The longest there is; a token is fetched for every refresh anyway.
const TOKEN_SECONDS: &str = "21600";

/// The service, as one look at it has found it.
pub(super) struct Metadata<'a> {
    pub(super) address: &'a str,
    services: &'a Services,
    /// Of version 2. Nothing where the service has no version 2, or where its answer gets lost on the way to a
    /// container, since it may travel only one hop: version 1 is asked then.
    token: Option<String>,
    v1_disabled: bool,
}

impl<'a> Metadata<'a> {
    /// Asks for a token; or why the service may not be asked without one.
    pub(super) async fn open(endpoints: &'a Endpoints, services: &'a Services) -> Result<Self, String> {
        let address = endpoints.metadata.as_deref().unwrap_or(ADDRESS);
        let v1_disabled = services.environment.is_true("ALIBABA_CLOUD_IMDSV1_DISABLED");
        let token = token(address, services).await;
        if token.is_none() && v1_disabled {
            return Err(format!(
                "no instance metadata service of version 2 answers at {}, and ALIBABA_CLOUD_IMDSV1_DISABLED turns off version \
                 1",
                cut(address)
            ));
        }
        Ok(Self {
            address,
            services,
            token,
            v1_disabled,
        })
    }

    /// Whether the service has answered already.
    pub(super) fn has_answered(&self) -> bool {
        self.token.is_some()
    }

    /// Reads a path below `/latest/meta-data/`. Where it is refused with the token, it is asked for once more without.
    pub(super) async fn get(&self, origin: &str, path: &str) -> Result<Answer, CredentialsError> {
        let request = || {
            let url = format!("{}/latest/meta-data/{path}", self.address);
            self.services.metadata.get(url)
        };
        let Some(token) = &self.token else {
            return send(origin, ADVICE, request()).await;
        };
        let with_token = send(origin, ADVICE, with(request(), token)).await;
        if self.v1_disabled || with_token.as_ref().is_ok_and(Answer::is_success) {
            return with_token;
        }
        match send(origin, ADVICE, request()).await {
            Ok(answer) if answer.is_success() => Ok(answer),
            // What the service says to one who has a token is the better reason.
            without => with_token.or(without),
        }
    }
}

fn with(request: RequestBuilder, token: &str) -> RequestBuilder {
    request.header("X-aliyun-ecs-metadata-token", token)
}

async fn token(address: &str, services: &Services) -> Option<String> {
    let request = services
        .metadata
        .put(format!("{address}/latest/api/token"))
        .header("X-aliyun-ecs-metadata-token-ttl-seconds", TOKEN_SECONDS);
    let answer = send(ORIGIN, ADVICE, request)
        .await
        .ok()
        .filter(Answer::is_success)?;
    key_in(answer.text()).map(str::to_owned)
}
