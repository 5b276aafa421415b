//! Calls of the Security Token Service, version 2015-04-01.

use std::time::SystemTime;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use time::OffsetDateTime;
use time::macros::format_description;

use super::Credentials;
use super::error::{CredentialsError, Problem};
use super::home_region;
use super::http::{Answer, Services, WireCredentials, send_out};
use crate::aliyun::answer::{object_of, text, text_or_number, whole};
use crate::aliyun::sign::{Request, SigningKey, sign};
use crate::config::{Endpoints, Network, is_region_id};
use crate::shown::cut;

/// Where STS is, as the CLI and RRSA write it.
pub(super) const ENDPOINT: &str = "ALIBABA_CLOUD_STS_ENDPOINT";
/// Whether STS is asked inside of a VPC.
pub(super) const VPC: &str = "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED";

const VERSION: &str = "2015-04-01";
const FORM: &str = "application/x-www-form-urlencoded";
const NOT_STS: &str = "check sts_endpoint: what answers there is not STS";
const UNREACHABLE: &str =
    "check that this host can reach STS, or set sts_endpoint or ALIBABA_CLOUD_STS_REGION";

/// What is not percent-encoded, besides letters and digits.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Who some credentials belong to (STS GetCallerIdentity, which needs no permission).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account, a number of 16 digits.
    pub account_id: String,
    /// The user, role session or account, such as `acs:ram::1234567890123456:user/monitoring`.
    pub arn: String,
}

/// Where STS is: configured, else by the variables of the official SDKs, else the global host. With `network: vpc` the
/// host is always one inside of a VPC, but where an address is given.
pub(super) async fn endpoint(endpoints: &Endpoints, services: &Services) -> Result<String, CredentialsError> {
    if let Some(endpoint) = &endpoints.sts {
        return Ok(endpoint.clone());
    }
    let environment = &services.environment;
    if let Some(endpoint) = environment.get(ENDPOINT) {
        return address(endpoint).ok_or_else(|| {
            CredentialsError::broken(
                ENDPOINT,
                "is not the address of STS",
                "write a host such as sts.cn-hangzhou.aliyuncs.com",
            )
        });
    }
    let is_vpc = endpoints.home.network == Network::Vpc;
    if let Some(region) = environment.get("ALIBABA_CLOUD_STS_REGION") {
        let vpc = is_vpc || environment.is_true(VPC);
        return regional(region, vpc).ok_or_else(|| {
            CredentialsError::broken(
                "ALIBABA_CLOUD_STS_REGION",
                "is not the id of a region",
                "write one such as cn-hangzhou",
            )
        });
    }
    if is_vpc {
        let region = home_region(endpoints, services).await;
        return Ok(format!("https://sts-vpc.{region}.aliyuncs.com"));
    }
    Ok(String::from("https://sts.aliyuncs.com"))
}

/// The host of STS in a region; nothing where that is none.
pub(super) fn regional(region: &str, vpc: bool) -> Option<String> {
    let host = if vpc { "sts-vpc" } else { "sts" };
    is_region_id(region).then(|| format!("https://{host}.{region}.aliyuncs.com"))
}

/// An address as the official tools write it: a host, with or without `https://`.
pub(super) fn address(text: &str) -> Option<String> {
    let text = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    let url = Url::parse(&text).ok()?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    (matches!(url.scheme(), "http" | "https") && is_bare && is_anonymous)
        .then(|| text.trim_end_matches('/').to_owned())
}

/// Asks STS whose credentials these are, and so whether they are any good.
///
/// # Errors
///
/// When STS cannot be reached, or refuses the credentials.
pub(super) async fn caller_identity(
    services: &Services,
    endpoints: &Endpoints,
    credentials: &Credentials,
) -> Result<Identity, CredentialsError> {
    let origin = "GetCallerIdentity";
    let endpoint = endpoint(endpoints, services).await?;
    let answer = call(
        services,
        &endpoint,
        origin,
        "GetCallerIdentity",
        &[],
        Some(credentials),
    )
    .await?;
    if !answer.is_success() {
        return Err(refused(origin, &answer, ""));
    }
    let caller: Caller<'_> = answer.object(origin, NOT_STS)?;
    let account_id = caller.account_id.and_then(text_or_number);
    match (account_id, text(caller.arn)) {
        (Some(account_id), Some(arn)) => Ok(Identity {
            account_id: account_id.into_owned(),
            arn: arn.into_owned(),
        }),
        _ => Err(malformed(origin, "it has no AccountId, or no Arn")),
    }
}

object_of! {
    /// Of GetCallerIdentity.
    struct Caller {
        account_id: b"AccountId",
        arn: b"Arn",
    }
}

object_of! {
    /// Of AssumeRole and AssumeRoleWithOIDC.
    struct Session {
        credentials: b"Credentials",
    }
}

fn malformed(origin: &str, what: &str) -> CredentialsError {
    CredentialsError {
        origin: origin.to_owned(),
        problem: Problem::Malformed(what.to_owned()),
        advice: NOT_STS.to_owned(),
    }
}

/// Asks for the credentials of a role: AssumeRole, signed with a key, or AssumeRoleWithOIDC, without one.
pub(super) async fn session(
    services: &Services,
    endpoint: &str,
    origin: &str,
    role_arn: &str,
    form: &[(&str, &str)],
    key: Option<&Credentials>,
) -> Result<Credentials, CredentialsError> {
    let action = if key.is_some() {
        "AssumeRole"
    } else {
        "AssumeRoleWithOIDC"
    };
    let answer = call(services, endpoint, origin, action, form, key).await?;
    if !answer.is_success() {
        return Err(refused(origin, &answer, role_arn));
    }
    let answer: Session<'_> = answer.object(origin, NOT_STS)?;
    let credentials = answer
        .credentials
        .ok_or_else(|| malformed(origin, "it has no Credentials"))?;
    whole::<WireCredentials<'_>>(credentials.get().as_bytes())
        .map_err(|_| malformed(origin, "its Credentials are not an object"))?
        .into_credentials(origin, NOT_STS)
}

/// Sends one call. Everything that is secret travels in its body or is signed, nothing of it in its address.
async fn call(
    services: &Services,
    endpoint: &str,
    origin: &str,
    action: &str,
    form: &[(&str, &str)],
    key: Option<&Credentials>,
) -> Result<Answer, CredentialsError> {
    let not_a_url = || CredentialsError::broken(origin, "the address of STS is not a URL", UNREACHABLE);
    let mut url = Url::parse(endpoint).map_err(|_| not_a_url())?;
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return Err(not_a_url()),
    };
    let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let form: Vec<String> = form
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    let body = form.join("&");
    let now = SystemTime::now();
    let nonce = format!("{:032x}", fastrand::u128(..));
    let request = match key {
        Some(key) => {
            let signing_key = SigningKey {
                access_key_id: &key.access_key_id,
                access_key_secret: key.access_key_secret.expose(),
                security_token: key.security_token.as_ref().map(|token| token.expose()),
            };
            let request = Request {
                method: "POST",
                host: &host,
                action,
                version: VERSION,
                query: &[],
                content_type: Some(FORM),
                body: body.as_bytes(),
            };
            let mut headers = HeaderMap::new();
            for (name, value) in sign(&signing_key, &request, now, &nonce) {
                let mut value = HeaderValue::try_from(value).map_err(|_| {
                    CredentialsError::broken(
                        origin,
                        "the access key or its token holds characters that no key has",
                        "check how it was written or copied",
                    )
                })?;
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            services
                .http
                .client
                .post(url)
                .header(ACCEPT, "application/json")
                .headers(headers)
        }
        None => {
            let timestamp = OffsetDateTime::from(now)
                .format(format_description!(
                    "[year]-[month]-[day]T[hour]:[minute]:[second]Z"
                ))
                .unwrap_or_default();
            url.query_pairs_mut().extend_pairs([
                ("Action", action),
                ("Version", VERSION),
                ("Format", "JSON"),
                ("Timestamp", &timestamp),
                ("SignatureNonce", &nonce),
            ]);
            services
                .http
                .client
                .post(url)
                .header(ACCEPT, "application/json")
                .header(CONTENT_TYPE, FORM)
        }
    };
    send_out(origin, UNREACHABLE, request.body(body), services).await
}

/// A refusal with what its code calls for.
fn refused(origin: &str, answer: &Answer, role_arn: &str) -> CredentialsError {
    let problem = answer.refusal();
    let code = match &problem {
        Problem::Refused { code: Some(code), .. } => code.as_str(),
        _ => "",
    };
    CredentialsError {
        origin: origin.to_owned(),
        advice: advice(answer.status, code, role_arn),
        problem,
    }
}

/// Source: the common errors of STS, and section 9 of the API's own error table.
fn advice(status: u16, code: &str, role_arn: &str) -> String {
    let text = match code {
        "NoPermission" | "Forbidden" | "Forbidden.RAM" => {
            return format!(
                "grant the RAM action sts:AssumeRole on {} to the caller, name the caller in the trust policy of the role, \
                 and set external_id where that policy asks for one",
                cut(role_arn)
            );
        }
        "AuthenticationFail.NoPermission" => {
            "name the OIDC provider, its audience and the subject of the token in the trust policy of the role"
        }
        "EntityNotExist.Role" => "check role_arn: there is no such role",
        "EntityNotExist.OIDCProvider" => "check provider_arn: there is no such OIDC provider",
        "InvalidParameter.DurationSeconds" => "shorten duration: the role allows no session this long",
        _ if code.contains("OIDCToken") => {
            "check that the token file is renewed, and that the OIDC provider trusts the issuer of the token"
        }
        _ if code.starts_with("InvalidAccessKeyId") || code == "Forbidden.AccessKeyDisabled" => {
            "check the access key id: it is unknown or not active"
        }
        "SignatureDoesNotMatch" | "IncompleteSignature" => {
            "check the access key secret: it does not belong to the access key id"
        }
        _ if code.starts_with("InvalidTimeStamp") || code == "IllegalTimestamp" => {
            "set the clock of this host: it is off by more than 15 minutes"
        }
        _ if code.starts_with("InvalidSecurityToken") || code == "MissingSecurityToken" => {
            "check the security token: it has expired, or does not belong to the access key"
        }
        _ if code.starts_with("Throttling") || matches!(status, 302 | 429) || status >= 500 => {
            "STS is busy or down; it is asked again by itself"
        }
        "" => NOT_STS,
        _ => "look the code up in the error table of STS",
    };
    text.to_owned()
}
