//! Every source against a small server, whole and broken. All secrets hold [`MARK`], and no error may.

mod foreign;
mod places;
mod profiles;
mod services;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::*;
use crate::aliyun::http::Http;
use crate::config::{Endpoints, Given, Proxies};

const MARK: &str = "hunter2";
const ROLE: &str = "acs:ram::1234567890123456:role/exporter";
const PROVIDER: &str = "acs:ram::1234567890123456:oidc-provider/ack";

/// A request that the server got.
#[derive(Clone)]
struct Seen {
    method: String,
    /// With the query.
    path: String,
    headers: HashMap<String, String>,
    body: String,
}

/// A server that answers by a function, and remembers what it was asked.
struct Server {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    fn start(answer: impl Fn(&Seen) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (answer, log) = (Arc::new(answer), Arc::clone(&seen));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                let service = service_fn(move |request: hyper::Request<Incoming>| {
                    let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let header = |value: &hyper::header::HeaderValue| value.to_str().unwrap().to_owned();
                        let request = Seen {
                            method: parts.method.to_string(),
                            path: parts.uri.to_string(),
                            headers: parts
                                .headers
                                .iter()
                                .map(|(name, value)| (name.to_string(), header(value)))
                                .collect(),
                            body: String::from_utf8(body.to_vec()).unwrap(),
                        };
                        let (status, text) = answer(&request);
                        log.lock().unwrap().push(request);
                        let response = hyper::Response::builder()
                            .status(status)
                            .body(Full::new(Bytes::from(text)));
                        Ok::<_, Infallible>(response.unwrap())
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, seen }
    }

    fn requests(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn paths(&self) -> Vec<String> {
        self.requests()
            .iter()
            .map(|seen| format!("{} {}", seen.method, seen.path))
            .collect()
    }
}

/// An address where nothing listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn services(variables: &[(&str, &str)]) -> Services {
    // The other tests may have been quicker.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Services {
        http: Http::new(Proxies::read(&[]).unwrap()).unwrap(),
        metadata: metadata_client().unwrap(),
        environment: variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

/// Credentials as the services write them.
fn wire(id: &str) -> String {
    format!(
        r#"{{"Code":"Success","AccessKeyId":"{id}","AccessKeySecret":"{MARK}-secret","SecurityToken":"{MARK}-token","Expiration":"2099-01-01T00:00:00Z"}}"#
    )
}

/// What STS answers.
fn session(id: &str) -> String {
    format!(
        r#"{{"RequestId":"1-2-3","AssumedRoleUser":{{"Arn":"a","AssumedRoleId":"1:a"}},"Credentials":{}}}"#,
        wire(id)
    )
}

/// An error of STS whose message repeats what was signed.
fn refusal(code: &str) -> String {
    format!(
        r#"{{"RequestId":"4-5-6","HostId":"sts.aliyuncs.com","Code":"{code}","Message":"signed: {MARK}"}}"#
    )
}

async fn try_obtain(
    origin: Origin,
    endpoints: Endpoints,
    variables: &[(&str, &str)],
) -> Result<Obtained, String> {
    let credentials = config::Credentials { origin, endpoints };
    let (result, _) = Source::new(credentials, services(variables)).obtain().await;
    if let Ok(obtained) = &result {
        assert!(!format!("{obtained:?}").contains(MARK), "{obtained:?}");
    }
    result.map_err(|error| {
        let text = error.to_string();
        assert!(!format!("{text} {error:?}").contains(MARK), "{error:?}");
        text
    })
}

fn at_sts(address: &str) -> Endpoints {
    Endpoints {
        sts: Some(address.to_owned()),
        ..Endpoints::default()
    }
}

fn at_both(sts: &Server, metadata: &Server) -> Endpoints {
    Endpoints {
        metadata: Some(metadata.address.clone()),
        ..at_sts(&sts.address)
    }
}

/// The profile of a file, with all the services that it may need.
async fn try_profile(
    file: &Path,
    name: Option<&str>,
    services: (&Server, &Server),
    variables: &[(&str, &str)],
) -> Result<Obtained, String> {
    let origin = Origin::Profile {
        name: name.map(str::to_owned),
        file: Some(file.to_owned()),
    };
    try_obtain(origin, at_both(services.0, services.1), variables).await
}

fn at_metadata(address: &str) -> Endpoints {
    Endpoints {
        metadata: Some(address.to_owned()),
        ..Endpoints::default()
    }
}

fn access_key() -> Origin {
    Origin::AccessKey {
        access_key_id: Given::Value(String::from("LTAI1")),
        access_key_secret: Given::Value(Secret::new(MARK)),
        security_token: None,
    }
}

fn assume_role(source: Origin) -> Origin {
    Origin::AssumeRole {
        role_arn: String::from(ROLE),
        session_name: Some(String::from("me")),
        external_id: Some(String::from("ex id&")),
        policy: Some(String::from("{}")),
        duration: Duration::from_secs(900),
        source: Box::new(config::Credentials {
            origin: source,
            endpoints: Endpoints::default(),
        }),
    }
}

fn oidc(token_file: &Path) -> Origin {
    Origin::Oidc {
        role_arn: String::from(ROLE),
        provider_arn: String::from(PROVIDER),
        token_file: token_file.to_path_buf(),
        session_name: None,
        policy: None,
        duration: Duration::from_secs(3600),
    }
}

/// A metadata service of version 2 with the role `node`.
fn metadata(request: &Seen) -> (u16, String) {
    let with_token = request
        .headers
        .get("x-aliyun-ecs-metadata-token")
        .is_some_and(|token| token == "hunter2-imds");
    match (request.method.as_str(), request.path.as_str()) {
        ("PUT", "/latest/api/token") => (200, String::from("hunter2-imds")),
        ("GET", "/latest/meta-data/ram/security-credentials/") if with_token => (200, String::from("node\n")),
        ("GET", "/latest/meta-data/ram/security-credentials/node") if with_token => (200, wire("STS.node")),
        _ => (403, String::new()),
    }
}

/// A metadata service of version 1 with the role `node`.
fn metadata_v1(request: &Seen) -> (u16, String) {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/latest/meta-data/ram/security-credentials/") => (200, String::from("node")),
        ("GET", "/latest/meta-data/ram/security-credentials/node") => (200, wire("STS.node")),
        _ => (404, String::from("<html>not found</html>")),
    }
}

#[tokio::test]
async fn a_provider_tells_whose_credentials_it_holds() {
    let server = Server::start(
        |request| match request.headers.get("x-acs-action").map(String::as_str) {
            Some("GetCallerIdentity") => (
                200,
                format!(
                    r#"{{"IdentityType":"AssumedRoleUser","AccountId":"1234567890123456","Arn":"{ROLE}"}}"#
                ),
            ),
            _ => (200, session("STS.1")),
        },
    );
    let credentials = config::Credentials {
        origin: assume_role(access_key()),
        endpoints: at_sts(&server.address),
    };
    let provider = Provider::new(Source::new(credentials, services(&[])));
    assert_eq!((provider.expiry(), provider.origin()), (None, None));
    let identity = provider.identity().await.unwrap();
    assert_eq!(
        identity,
        Identity {
            account_id: String::from("1234567890123456"),
            arn: String::from(ROLE)
        }
    );
    assert!(provider.expiry().is_some());
    assert_eq!(
        provider.origin().unwrap(),
        format!("{ROLE} assumed by access key of the configuration")
    );
    // Asking again asks no service.
    let asked = server.requests().len();
    provider.current().await.unwrap();
    assert_eq!(server.requests().len(), asked);
    assert_eq!(provider.refresh_failures(), 0);
    assert!(!format!("{provider:?}").contains(MARK));

    for (body, expected) in [
        (r#"{"AccountId":1234567890123456,"Arn":"a","Odd":1e999}"#, Ok("a")),
        (
            r#"["1234567890123456","a"]"#,
            Err("not the JSON that was expected"),
        ),
        (r#"{"AccountId":"1"}"#, Err("it has no AccountId, or no Arn")),
    ] {
        let server = Server::start(move |_| (200, body.to_owned()));
        let credentials = config::Credentials {
            origin: access_key(),
            endpoints: at_sts(&server.address),
        };
        let provider = Provider::new(Source::new(credentials, services(&[])));
        match (provider.identity().await, expected) {
            (Ok(identity), Ok(arn)) => assert_eq!(identity.arn, arn),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        }
    }
}
