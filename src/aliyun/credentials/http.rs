//! Requests to the services that hand out credentials: bounded in time and size, and silent about what they carry.

use std::borrow::Cow;
use std::error::Error;
use std::time::{Duration, SystemTime};

use reqwest::{Client, RequestBuilder, Url};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::{CredentialsError, Problem};
use super::key::key_in;
use super::{Credentials, Environment};
use crate::aliyun::answer::{self, Object, object_of, text, text_or_number};
use crate::aliyun::error_body::{ErrorBody, is_plain};
use crate::aliyun::http::Http;
use crate::secret::Secret;
use crate::shown::cut;

/// The answers have a few hundred bytes.
const MAXIMUM_ANSWER_BYTES: usize = 64 * 1024;
/// As in the official SDKs: 5 s to connect and 10 s to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// As in the official SDKs. The service is one hop away, and where there is none nothing answers.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// What the sources use to do their work.
#[derive(Debug, Clone)]
pub struct Services {
    /// For STS and credentials URIs.
    pub http: Http,
    /// For the instance metadata service, see [`metadata_client`].
    pub metadata: Client,
    /// The environment at start.
    pub environment: Environment,
}

/// A client for the instance metadata service: without proxy, and with short timeouts.
///
/// # Errors
///
/// When the TLS library cannot be set up.
pub fn metadata_client() -> reqwest::Result<Client> {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(METADATA_TIMEOUT)
        .timeout(METADATA_TIMEOUT * 2)
        .build()
}

/// An answer read whole.
pub(super) struct Answer {
    pub(super) status: u16,
    body: Vec<u8>,
}

/// Sends a request to the metadata service, and reads what is answered, whatever its status.
pub(super) async fn send(
    origin: &str,
    advice: &str,
    request: RequestBuilder,
) -> Result<Answer, CredentialsError> {
    let route = |url: &Url| {
        let host = cut(url.host_str().unwrap_or_default());
        url.port()
            .map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
    };
    exchange(origin, advice, request, route).await
}

/// The same to any other service, which may be behind a proxy.
pub(super) async fn send_out(
    origin: &str,
    advice: &str,
    request: RequestBuilder,
    services: &Services,
) -> Result<Answer, CredentialsError> {
    let request = request.timeout(ANSWER_TIMEOUT);
    exchange(origin, advice, request, |url| services.http.route(url)).await
}

/// `route` says of an address where it leads, for people.
async fn exchange(
    origin: &str,
    advice: &str,
    request: RequestBuilder,
    route: impl Fn(&Url) -> String,
) -> Result<Answer, CredentialsError> {
    let error = |problem| CredentialsError {
        origin: origin.to_owned(),
        problem,
        advice: advice.to_owned(),
    };
    let (client, request) = request.build_split();
    let request =
        request.map_err(|_| error(Problem::Broken(String::from("the request cannot be written"))))?;
    let host = route(request.url());
    let unreachable = |cause: reqwest::Error| {
        let (host, cause) = (host.clone(), root_cause(&cause));
        error(Problem::Unreachable { host, cause })
    };
    let mut response = client.execute(request).await.map_err(unreachable)?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MAXIMUM_ANSWER_BYTES {
            return Err(error(Problem::Malformed(String::from(
                "it is larger than 64 KiB",
            ))));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body })
}

/// The innermost reason, which is the telling one. Addresses are in the outer ones, and may hold a token.
fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return String::from("timed out");
    }
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(inner) = cause.and_then(Error::source) {
        cause = Some(inner);
    }
    cause.map_or_else(|| String::from("the request failed"), ToString::to_string)
}

// === impl Answer ===

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn text(&self) -> &str {
        str::from_utf8(&self.body).map_or("", str::trim)
    }

    /// The answer, which is one JSON object. What is wrong with it is said without its content.
    pub(super) fn object<'a, T: Object<'a>>(
        &'a self,
        origin: &str,
        advice: &str,
    ) -> Result<T, CredentialsError> {
        answer::whole(&self.body).map_err(|(line, column)| CredentialsError {
            origin: origin.to_owned(),
            problem: Problem::Malformed(format!(
                "not the JSON that was expected, at line {line} column {column} of {} bytes",
                self.body.len()
            )),
            advice: advice.to_owned(),
        })
    }

    /// The refusal, by the code that STS and the metadata service put in their answers.
    pub(super) fn refusal(&self) -> Problem {
        let body = ErrorBody::read(&self.body);
        let plain = |text: Option<Cow<'_, str>>| text.filter(|text| is_plain(text)).map(Cow::into_owned);
        Problem::Refused {
            status: self.status,
            code: plain(body.code),
            request_id: plain(body.request_id),
        }
    }
}

object_of! {
    /// Credentials as STS, the metadata service and credentials URIs write them.
    pub(super) struct WireCredentials {
        /// Only of the metadata service and URIs.
        code: b"Code",
        access_key_id: b"AccessKeyId",
        access_key_secret: b"AccessKeySecret",
        security_token: b"SecurityToken",
        expiration: b"Expiration",
    }
}

impl WireCredentials<'_> {
    pub(super) fn into_credentials(
        self,
        origin: &str,
        advice: &str,
    ) -> Result<Credentials, CredentialsError> {
        let malformed = |what: String| CredentialsError {
            origin: origin.to_owned(),
            problem: Problem::Malformed(what),
            advice: advice.to_owned(),
        };
        if let Some(code) = self.code.filter(|code| code.get() != "null") {
            let code = text_or_number(code).unwrap_or_default();
            if code != "Success" {
                let shown = if is_plain(&code) { &*code } else { "an odd text" };
                return Err(malformed(format!("its Code is {shown}, not Success")));
            }
        }
        let required = |raw: Option<&'_ RawValue>, name: &str| {
            let found = text(raw).filter(|text| !text.is_empty());
            found
                .map(Cow::into_owned)
                .ok_or_else(|| malformed(format!("it has no {name}")))
        };
        let key = |raw: Option<&'_ RawValue>, name: &str| {
            let text = required(raw, name)?;
            key_in(&text).map(str::to_owned).ok_or_else(|| {
                malformed(format!(
                    "its {name} holds spaces, line breaks or other characters that no key has"
                ))
            })
        };
        let access_key_id = key(self.access_key_id, "AccessKeyId")?;
        let access_key_secret = Secret::new(key(self.access_key_secret, "AccessKeySecret")?);
        let security_token = Secret::new(key(self.security_token, "SecurityToken")?);
        let expiration = required(self.expiration, "Expiration")?;
        let expiration = OffsetDateTime::parse(expiration.trim(), &Rfc3339).map_err(|_| {
            malformed(String::from(
                "its Expiration is not a time such as 2026-01-31T23:59:59Z",
            ))
        })?;
        Ok(Credentials {
            access_key_id,
            access_key_secret,
            security_token: Some(security_token),
            expiration: Some(SystemTime::from(expiration)),
        })
    }
}
