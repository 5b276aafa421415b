//! Every source against a small server, whole and broken. All secrets hold [`MARK`], and no error may.

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

mod foreign;
mod places;

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
async fn assume_role_is_signed_and_sent_in_the_body() {
    let server = Server::start(|_| (200, session("STS.1")));
    let obtained = try_obtain(assume_role(access_key()), at_sts(&server.address), &[])
        .await
        .unwrap();
    assert_eq!(obtained.credentials.access_key_id, "STS.1");
    assert_eq!(
        obtained.credentials.security_token,
        Some(Secret::new("hunter2-token"))
    );
    assert!(obtained.credentials.expiration.is_some());
    assert_eq!(
        obtained.origin,
        format!("{ROLE} assumed by access key of the configuration")
    );
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/"));
    assert_eq!(request.headers["x-acs-action"], "AssumeRole");
    assert_eq!(request.headers["x-acs-version"], "2015-04-01");
    assert_eq!(request.headers["host"], server.address["http://".len()..]);
    assert!(request.headers["authorization"].starts_with("ACS3-HMAC-SHA256 Credential=LTAI1,"));
    assert_eq!(
        request.body,
        "RoleArn=acs%3Aram%3A%3A1234567890123456%3Arole%2Fexporter&RoleSessionName=me&DurationSeconds=900\
         &ExternalId=ex%20id%26&Policy=%7B%7D"
    );
    assert_eq!(request.headers["accept"], "application/json");
    assert!(!format!("{:?}", request.headers).contains(MARK));

    let odd = Origin::AccessKey {
        access_key_id: Given::Value(String::from("LTAI1\n")),
        access_key_secret: Given::Value(Secret::new(MARK)),
        security_token: Some(Given::Value(Secret::new("hunter2\n"))),
    };
    let error = try_obtain(assume_role(odd), at_sts(&server.address), &[])
        .await
        .unwrap_err();
    assert!(
        error.contains("holds characters that no key has; check how"),
        "{error}"
    );
}

#[tokio::test]
async fn what_sts_refuses_is_said_with_what_to_do() {
    for (status, code, expected) in [
        (
            403,
            "NoPermission",
            "grant the RAM action sts:AssumeRole on acs:ram::1234567890123456:role/exporter",
        ),
        (
            404,
            "EntityNotExist.Role",
            "check role_arn: there is no such role",
        ),
        (404, "InvalidAccessKeyId.NotFound", "check the access key id"),
        (400, "SignatureDoesNotMatch", "check the access key secret"),
        (400, "InvalidTimeStamp.Expired", "set the clock of this host"),
        (403, "InvalidSecurityToken.Expired", "check the security token"),
        (400, "InvalidParameter.DurationSeconds", "shorten duration"),
        (400, "Throttling.User", "STS is busy or down"),
        (503, "ServiceUnavailable", "STS is busy or down"),
        (400, "SomethingNew", "look the code up"),
    ] {
        let server = Server::start(move |_| (status, refusal(code)));
        let error = try_obtain(assume_role(access_key()), at_sts(&server.address), &[])
            .await
            .unwrap_err();
        let start = format!(
            "{ROLE} assumed by access key of the configuration: refused with {code} (status {status}, request id 4-5-6); "
        );
        let advice = error.strip_prefix(&start).expect(&error);
        assert!(advice.starts_with(expected), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_sts_is_told() {
    let huge = "x".repeat(70_000);
    for (status, body, expected) in [
        (
            200,
            String::from("<html>hunter2</html>"),
            "not the JSON that was expected, at line 1 column 1 of 20 bytes",
        ),
        (
            200,
            String::from(r#"{"Credentials":"hunter2"}"#),
            "not the JSON that was expected",
        ),
        (
            200,
            String::from(r#"{"Credentials":{"AccessKeyId":"hunter2"}}"#),
            "it has no AccessKeySecret",
        ),
        (
            200,
            session("STS.1").replace("2099-01-01T00", "hunter2"),
            "its Expiration is not a time",
        ),
        (
            200,
            session("STS.1").replace("Success", "hunter2 !"),
            "its Code is an odd text, not Success",
        ),
        (
            200,
            session("STS.1").replace("hunter2-token", ""),
            "it has no SecurityToken",
        ),
        (200, huge, "it is larger than 64 KiB"),
        (
            302,
            String::new(),
            "refused with no error code (status 302); STS is busy or down",
        ),
        (
            400,
            String::from(r#"{"Code":"signed hunter2"}"#),
            "refused with no error code (status 400); check sts_endpoint",
        ),
    ] {
        let server = Server::start(move |_| (status, body.clone()));
        let error = try_obtain(assume_role(access_key()), at_sts(&server.address), &[])
            .await
            .unwrap_err();
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
    let error = try_obtain(assume_role(access_key()), at_sts(&nowhere()), &[])
        .await
        .unwrap_err();
    assert!(error.contains("no answer from 127.0.0.1:"), "{error}");
    assert!(
        error.ends_with("or set sts_endpoint or ALIBABA_CLOUD_STS_REGION"),
        "{error}"
    );
}

#[tokio::test]
async fn roles_are_chained() {
    let server = Server::start(|request| {
        let id = &request.headers["authorization"];
        (
            200,
            session(if id.contains("Credential=LTAI1,") {
                "STS.1"
            } else {
                "STS.2"
            }),
        )
    });
    let inner = config::Credentials {
        origin: assume_role(access_key()),
        endpoints: at_sts(&server.address),
    };
    let mut outer = assume_role(access_key());
    if let Origin::AssumeRole { source, .. } = &mut outer {
        **source = inner;
    }
    let obtained = try_obtain(outer, at_sts(&server.address), &[]).await.unwrap();
    assert_eq!(obtained.credentials.access_key_id, "STS.2");
    let second = &server.requests()[1];
    assert_eq!(second.headers["x-acs-security-token"], "hunter2-token");

    let missing = Origin::AccessKey {
        access_key_id: Given::File("/nonexistent/id".into()),
        access_key_secret: Given::Value(Secret::new(MARK)),
        security_token: None,
    };
    let error = try_obtain(assume_role(missing), at_sts(&server.address), &[])
        .await
        .unwrap_err();
    let expected = "source of acs:ram::1234567890123456:role/exporter: access key of the configuration: \
                    /nonexistent/id cannot be read: ";
    assert!(error.starts_with(expected), "{error}");
}

#[tokio::test]
async fn oidc_reads_its_token_anew_and_keeps_it_out_of_the_address() {
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    let server = Server::start(|request| {
        if request.body.contains("hunter2.one") {
            (200, session("STS.1"))
        } else {
            (200, session("STS.2"))
        }
    });
    let obtain = || try_obtain(oidc(&token_file), at_sts(&server.address), &[]);
    let error = obtain().await.unwrap_err();
    assert!(
        error.starts_with(&format!("{ROLE} by OIDC: the token file ")),
        "{error}"
    );
    assert!(error.contains("token cannot be read: "), "{error}");

    fs::write(&token_file, "hunter2.one\n").unwrap();
    assert_eq!(obtain().await.unwrap().credentials.access_key_id, "STS.1");
    fs::write(&token_file, "hunter2.two").unwrap();
    assert_eq!(obtain().await.unwrap().credentials.access_key_id, "STS.2");
    fs::write(&token_file, "\n").unwrap();
    assert!(
        obtain()
            .await
            .unwrap_err()
            .contains("holds 0 characters, not a token")
    );
    fs::remove_file(&token_file).unwrap();
    fs::create_dir(&token_file).unwrap();
    assert!(
        obtain()
            .await
            .unwrap_err()
            .contains("cannot be read: not a regular file")
    );

    let request = &server.requests()[0];
    assert!(
        request
            .path
            .starts_with("/?Action=AssumeRoleWithOIDC&Version=2015-04-01&Format=JSON&Timestamp=20")
    );
    assert!(!request.path.contains("hunter2"));
    assert!(
        request
            .body
            .contains("&OIDCToken=hunter2.one&RoleSessionName=cloud-assistant-exporter&DurationSeconds=3600")
    );
    assert!(!request.headers.contains_key("authorization"));
}

#[tokio::test]
async fn oidc_refusals_are_explained() {
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    fs::write(&token_file, "hunter2.one").unwrap();
    for (code, expected) in [
        (
            "AuthenticationFail.OIDCToken.Expired",
            "check that the token file is renewed",
        ),
        ("AuthenticationFail.NoPermission", "name the OIDC provider"),
        ("EntityNotExist.OIDCProvider", "check provider_arn"),
    ] {
        let server = Server::start(move |_| (400, refusal(code)));
        let error = try_obtain(oidc(&token_file), at_sts(&server.address), &[])
            .await
            .unwrap_err();
        assert!(
            error.contains(&format!("refused with {code} ")) && error.contains(expected),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_role_of_the_instance_by_both_versions() {
    let role = || Origin::EcsRamRole { role_name: None };
    let server = Server::start(metadata);
    let obtained = try_obtain(role(), at_metadata(&server.address), &[])
        .await
        .unwrap();
    assert_eq!(obtained.credentials.access_key_id, "STS.node");
    assert_eq!(obtained.origin, "RAM role node of the instance");
    assert_eq!(server.paths().len(), 3);
    assert_eq!(
        server.requests()[0].headers["x-aliyun-ecs-metadata-token-ttl-seconds"],
        "21600"
    );

    // A name that is known saves a question, wherever it is known from.
    let server = Server::start(metadata);
    let named = Origin::EcsRamRole {
        role_name: Some(String::from("node")),
    };
    assert!(try_obtain(named, at_metadata(&server.address), &[]).await.is_ok());
    let variables = [("ALIBABA_CLOUD_ECS_METADATA", "node")];
    assert!(
        try_obtain(role(), at_metadata(&server.address), &variables)
            .await
            .is_ok()
    );
    assert_eq!(server.paths().len(), 4);

    let server = Server::start(metadata_v1);
    assert!(
        try_obtain(role(), at_metadata(&server.address), &[])
            .await
            .is_ok()
    );
    let variables = [("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")];
    let error = try_obtain(role(), at_metadata(&server.address), &variables)
        .await
        .unwrap_err();
    assert_eq!(
        error,
        format!(
            "ecs_ram_role: no instance metadata service of version 2 answers at {}, and ALIBABA_CLOUD_IMDSV1_DISABLED \
             turns off version 1; check that the exporter runs on an ECS instance with a RAM role",
            server.address
        )
    );
}

#[tokio::test]
async fn broken_metadata_services_are_told() {
    let role = |name: Option<&str>| Origin::EcsRamRole {
        role_name: name.map(str::to_owned),
    };
    let error = try_obtain(role(None), at_metadata(&nowhere()), &[])
        .await
        .unwrap_err();
    assert!(
        error.starts_with("ecs_ram_role: no instance metadata service answers at 127.0.0.1:"),
        "{error}"
    );
    let error = try_obtain(role(Some("node")), at_metadata(&nowhere()), &[])
        .await
        .unwrap_err();
    assert!(
        error.starts_with("ecs_ram_role: no instance metadata service answers at 127.0.0.1:"),
        "{error}"
    );

    for (name, list, credentials, expected) in [
        (
            None,
            (404, String::new()),
            (404, String::new()),
            "no RAM role is attached to the instance",
        ),
        (
            None,
            (200, String::new()),
            (404, String::new()),
            "no RAM role is attached to the instance",
        ),
        (
            None,
            (500, String::new()),
            (404, String::new()),
            ": refused with no error code (status 500)",
        ),
        (
            None,
            (200, String::from("<html>")),
            (200, String::new()),
            "has characters that no role has",
        ),
        (
            None,
            (200, String::from("node")),
            (500, String::new()),
            "RAM role node of the instance: refused with",
        ),
        (
            None,
            (200, String::from("node")),
            (200, String::from("<html>")),
            "not the JSON that was expected",
        ),
        (
            None,
            (200, String::from("node")),
            (200, String::from(r#"{"Code":"Failed"}"#)),
            "its Code is Failed, not Success",
        ),
        (
            Some("other"),
            (200, String::from("node")),
            (404, String::new()),
            "check that this role is attached",
        ),
    ] {
        let server = Server::start(move |request| match request.path.as_str() {
            "/latest/api/token" => (200, String::from("hunter2-imds")),
            "/latest/meta-data/ram/security-credentials/" => list.clone(),
            _ => credentials.clone(),
        });
        let error = try_obtain(role(name), at_metadata(&server.address), &[])
            .await
            .unwrap_err();
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
}

#[tokio::test]
async fn credentials_uri() {
    let server = Server::start(|request| match request.path.as_str() {
        "/ok?key=hunter2" => (200, wire("STS.uri")),
        "/no-code" => (200, wire("STS.uri").replace(r#""Code":"Success","#, "")),
        "/no-token" => (200, wire("STS.uri").replace("SecurityToken", "Token")),
        "/html" => (200, String::from("<html>hunter2</html>")),
        _ => (401, String::from("who is hunter2?")),
    });
    let obtain = |path: &str| {
        let uri = Secret::new(format!("{}{path}", server.address));
        try_obtain(Origin::CredentialsUri { uri }, Endpoints::default(), &[])
    };
    assert_eq!(
        obtain("/ok?key=hunter2").await.unwrap().credentials.access_key_id,
        "STS.uri"
    );
    assert!(obtain("/no-code").await.is_ok());
    assert!(
        obtain("/no-token")
            .await
            .unwrap_err()
            .contains("it has no SecurityToken")
    );
    assert!(
        obtain("/html")
            .await
            .unwrap_err()
            .contains("not the JSON that was expected")
    );
    assert_eq!(
        obtain("/?key=hunter2").await.unwrap_err(),
        "credentials URI: refused with no error code (status 401); check the service at the configured address \
         (credentials.uri or ALIBABA_CLOUD_CREDENTIALS_URI)"
    );
    let uri = Secret::new(format!("{}/?key=hunter2", nowhere()));
    let error = try_obtain(Origin::CredentialsUri { uri }, Endpoints::default(), &[])
        .await
        .unwrap_err();
    assert!(
        error.starts_with("credentials URI: no answer from 127.0.0.1:"),
        "{error}"
    );
    let uri = Secret::new("hunter2");
    let error = try_obtain(Origin::CredentialsUri { uri }, Endpoints::default(), &[])
        .await
        .unwrap_err();
    assert!(
        error.contains("does not begin with http:// or https://"),
        "{error}"
    );
}

/// One profile for each mode, as the CLI writes them.
fn cli_file(sts_token_file: &Path) -> String {
    format!(
        r#"{{"current":"ak","profiles":[
        {{"name":"ak","mode":"AK","access_key_id":"LTAI1","access_key_secret":"hunter2","sts_token":"","region_id":"cn-hangzhou"}},
        {{"name":"sts","mode":"StsToken","access_key_id":"STS.0","access_key_secret":"hunter2","sts_token":"hunter2-token"}},
        {{"name":"role","mode":"RamRoleArn","access_key_id":"LTAI1","access_key_secret":"hunter2","ram_role_arn":"{ROLE}","ram_session_name":"me","expired_seconds":1800,"external_id":"ex","policy":""}},
        {{"name":"ecs","mode":"EcsRamRole","ram_role_name":"node"}},
        {{"name":"oidc","mode":"OIDC","ram_role_arn":"{ROLE}","oidc_provider_arn":"{PROVIDER}","oidc_token_file":{token_file:?}}},
        {{"name":"chain","mode":"ChainableRamRoleArn","source_profile":"ecs","ram_role_arn":"{ROLE}"}},
        {{"name":"circle","mode":"ChainableRamRoleArn","source_profile":"back","ram_role_arn":"{ROLE}"}},
        {{"name":"back","mode":"ChainableRamRoleArn","source_profile":"circle","ram_role_arn":"{ROLE}"}},
        {{"name":"lost","mode":"ChainableRamRoleArn","source_profile":"nobody","ram_role_arn":"{ROLE}"}},
        {{"name":"sso","mode":"CloudSSO","access_token":"hunter2"}},
        {{"name":"half","mode":"AK","access_key_id":"LTAI1"}},
        {{"name":"tokenless","mode":"StsToken","access_key_id":"LTAI1","access_key_secret":"hunter2"}}]}}"#,
        token_file = sts_token_file.display().to_string()
    )
}

#[tokio::test]
async fn cli_profiles() {
    let directory = tempfile::tempdir().unwrap();
    let (file, token_file) = (
        directory.path().join("config.json"),
        directory.path().join("token"),
    );
    fs::write(&token_file, "hunter2.token").unwrap();
    fs::write(&file, cli_file(&token_file)).unwrap();
    let sts = Server::start(|_| (200, session("STS.1")));
    let imds = Server::start(metadata);
    let obtain = |name: Option<&str>| {
        let origin = Origin::Profile {
            name: name.map(str::to_owned),
            file: Some(file.clone()),
        };
        let endpoints = Endpoints {
            sts: Some(sts.address.clone()),
            metadata: Some(imds.address.clone()),
            ..Endpoints::default()
        };
        async move { try_obtain(origin, endpoints, &[]).await }
    };
    for (name, id) in [
        (None, "LTAI1"),
        (Some("sts"), "STS.0"),
        (Some("role"), "STS.1"),
        (Some("ecs"), "STS.node"),
        (Some("oidc"), "STS.1"),
        (Some("chain"), "STS.1"),
    ] {
        let obtained = obtain(name).await.unwrap();
        assert_eq!(obtained.credentials.access_key_id, id, "{name:?}");
        let start = format!("profile {:?} of {}: ", name.unwrap_or("ak"), file.display());
        assert!(obtained.origin.starts_with(&start), "{}", obtained.origin);
    }
    let role = &sts.requests()[0];
    assert!(
        role.body
            .ends_with("&RoleSessionName=me&DurationSeconds=1800&ExternalId=ex"),
        "{}",
        role.body
    );

    for (name, expected) in [
        (
            "circle",
            "the profiles lead back to themselves: circle -> back -> circle; let one",
        ),
        (
            "lost",
            "its source_profile \"nobody\" is not in the file; correct",
        ),
        (
            "sso",
            "the mode \"CloudSSO\" cannot be used here; use one of AK, StsToken, RamRoleArn, ",
        ),
        (
            "half",
            "access_key_secret is missing, which the mode AK needs; add it",
        ),
        (
            "tokenless",
            "sts_token is missing, which the mode StsToken needs; add it",
        ),
        ("nobody", "profile: no profile \"nobody\" in "),
    ] {
        let error = obtain(Some(name)).await.unwrap_err();
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
    fs::write(&file, "{\"profiles\": \"hunter2\"}").unwrap();
    let error = obtain(None).await.unwrap_err();
    assert!(
        error.contains("not the JSON of a CLI configuration, at line 1 column "),
        "{error}"
    );
    fs::remove_file(&file).unwrap();
    let error = obtain(None).await.unwrap_err();
    assert!(
        error.starts_with(&format!("{}: cannot be read: ", file.display())),
        "{error}"
    );
}

#[tokio::test]
async fn a_profile_names_the_region_of_sts() {
    let text = format!(
        r#"{{"profiles":[{{"name":"a","mode":"OIDC","ram_role_arn":"{ROLE}","oidc_provider_arn":"{PROVIDER}",
        "oidc_token_file":"t","sts_region":"cn-beijing","enable_vpc":true}}]}}"#
    );
    let endpoint = |endpoints: &Endpoints| {
        let parsed = cli_profile::parse(&text, "file", Some("a"), endpoints, &Environment::default());
        match parsed.unwrap() {
            lookup::Lookup::Found { credentials, .. } => credentials.endpoints.sts.unwrap(),
            lookup::Lookup::Missing(reason) => panic!("{reason}"),
        }
    };
    assert_eq!(
        endpoint(&Endpoints::default()),
        "https://sts-vpc.cn-beijing.aliyuncs.com"
    );
    assert_eq!(endpoint(&at_sts("http://configured")), "http://configured");
    for (variables, expected) in [
        (&[][..], "https://sts.aliyuncs.com"),
        (
            &[("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "true")],
            "https://sts.aliyuncs.com",
        ),
        (
            &[("ALIBABA_CLOUD_STS_REGION", "eu-west-1")],
            "https://sts.eu-west-1.aliyuncs.com",
        ),
        (
            &[
                ("ALIBABA_CLOUD_STS_REGION", "eu-west-1"),
                ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "TRUE"),
            ],
            "https://sts-vpc.eu-west-1.aliyuncs.com",
        ),
    ] {
        assert_eq!(
            sts::endpoint(&Endpoints::default(), &services(variables))
                .await
                .unwrap(),
            expected
        );
    }
}

#[tokio::test]
async fn ini_profiles() {
    let directory = tempfile::tempdir().unwrap();
    let (file, token_file) = (
        directory.path().join("credentials"),
        directory.path().join("token"),
    );
    fs::write(&token_file, "hunter2.token").unwrap();
    let text = format!(
        "# a comment\n[default]\nenable = true\ntype = access_key\naccess_key_id = LTAI1\naccess_key_secret = hunter2=\n\n\
         [role]\nType: ram_role_arn\naccess_key_id=LTAI1\naccess_key_secret=hunter2\nrole_arn={ROLE}\nrole_session_name=me\n\
         [ecs]\ntype=ecs_ram_role\nrole_name=node\n\
         [oidc]\ntype=oidc_role_arn\nrole_arn={ROLE}\noidc_provider_arn={PROVIDER}\noidc_token_file_path={}\n\
         [rsa]\ntype=rsa_key_pair\nprivate_key_file=hunter2\n[half]\ntype=access_key\naccess_key_id=a\n[empty]\n",
        token_file.display()
    );
    fs::write(&file, text).unwrap();
    let sts = Server::start(|_| (200, session("STS.1")));
    let imds = Server::start(metadata);
    let obtain = |name: Option<&str>, variables: &'static [(&str, &str)]| {
        let origin = Origin::Profile {
            name: name.map(str::to_owned),
            file: Some(file.clone()),
        };
        let endpoints = Endpoints {
            sts: Some(sts.address.clone()),
            metadata: Some(imds.address.clone()),
            ..Endpoints::default()
        };
        async move { try_obtain(origin, endpoints, variables).await }
    };
    let default = obtain(None, &[]).await.unwrap().credentials;
    assert_eq!(
        (default.access_key_id.as_str(), default.access_key_secret.expose()),
        ("LTAI1", "hunter2=")
    );
    for (name, id) in [("role", "STS.1"), ("ecs", "STS.node"), ("oidc", "STS.1")] {
        assert_eq!(
            obtain(Some(name), &[]).await.unwrap().credentials.access_key_id,
            id,
            "{name}"
        );
    }
    let named = obtain(None, &[("ALIBABA_CLOUD_PROFILE", "ecs")]).await.unwrap();
    assert_eq!(named.credentials.access_key_id, "STS.node");
    for (name, expected) in [
        (
            "rsa",
            "the type \"rsa_key_pair\" cannot be used here; use one of access_key, ",
        ),
        ("half", "access_key_secret is missing; add it to the section"),
        ("empty", "profile: the profile \"empty\" in "),
        ("nobody", "profile: no profile \"nobody\" in "),
    ] {
        let error = obtain(Some(name), &[]).await.unwrap_err();
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
    fs::write(&file, "[default]\nhunter2\n").unwrap();
    let error = obtain(None, &[]).await.unwrap_err();
    assert!(
        error.contains("line 2 is neither [section] nor key = value; repair the file"),
        "{error}"
    );
}

/// The default chain in a home of its own. Each step is taken away in turn, and the next one is found.
#[tokio::test]
async fn the_chain_goes_on_to_what_is_set_up_next() {
    let home = tempfile::tempdir().unwrap();
    let token_file = home.path().join("token");
    fs::write(&token_file, "hunter2.token").unwrap();
    fs::create_dir(home.path().join(".aliyun")).unwrap();
    fs::create_dir(home.path().join(".alibabacloud")).unwrap();
    let cli = home.path().join(".aliyun/config.json");
    let (go_ini, ini) = (
        home.path().join(".alibabacloud/credentials"),
        home.path().join(".alibabacloud/credentials.ini"),
    );
    let key =
        |id: &str| format!("[default]\ntype=access_key\naccess_key_id={id}\naccess_key_secret=hunter2\n");
    fs::write(&cli, cli_file(&token_file).replace("LTAI1", "cli")).unwrap();
    fs::write(&go_ini, key("go")).unwrap();
    fs::write(&ini, key("ini")).unwrap();
    let sts = Server::start(|_| (200, session("STS.oidc")));
    let imds = Server::start(metadata);
    let uri = Server::start(|_| (200, wire("STS.uri")));
    let endpoints = Endpoints {
        sts: Some(sts.address.clone()),
        metadata: Some(imds.address.clone()),
        ..Endpoints::default()
    };
    let mut variables = vec![
        ("HOME", home.path().to_str().unwrap()),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "environment"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "hunter2"),
        ("ALIBABA_CLOUD_ROLE_ARN", ROLE),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", PROVIDER),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", token_file.to_str().unwrap()),
        ("ALIBABA_CLOUD_CREDENTIALS_URI", uri.address.as_str()),
    ];
    let obtain =
        async |variables: &[(&str, &str)]| try_obtain(Origin::Chain, endpoints.clone(), variables).await;
    let id = async |variables: &[(&str, &str)]| obtain(variables).await.unwrap().credentials.access_key_id;

    assert_eq!(id(&variables).await, "environment");
    variables.retain(|(name, _)| !name.contains("ACCESS_KEY"));
    assert_eq!(id(&variables).await, "STS.oidc");
    // A broken token is not passed over.
    fs::remove_file(&token_file).unwrap();
    assert!(
        obtain(&variables)
            .await
            .unwrap_err()
            .contains("by OIDC: the token file ")
    );
    // A role alone is not OIDC.
    variables.retain(|(name, _)| !name.contains("OIDC"));
    assert_eq!(id(&variables).await, "cli");
    variables.push(("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true"));
    assert_eq!(id(&variables).await, "go");
    variables.pop();
    // A profile that one file does not have is looked for in the next.
    variables.push(("ALIBABA_CLOUD_PROFILE", "default"));
    assert_eq!(id(&variables).await, "go");
    variables.pop();
    fs::write(&cli, "{").unwrap();
    assert!(
        obtain(&variables)
            .await
            .unwrap_err()
            .contains("not the JSON of a CLI configuration")
    );
    fs::remove_file(&cli).unwrap();
    assert_eq!(id(&variables).await, "go");
    fs::remove_file(&go_ini).unwrap();
    assert_eq!(id(&variables).await, "ini");
    fs::create_dir(&go_ini).unwrap();
    assert!(
        obtain(&variables)
            .await
            .unwrap_err()
            .contains("credentials: cannot be read: not a regular file")
    );
    fs::remove_dir(&go_ini).unwrap();
    fs::remove_file(&ini).unwrap();
    assert_eq!(id(&variables).await, "STS.node");
    variables.push(("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"));
    assert_eq!(id(&variables).await, "STS.uri");
    variables.retain(|(name, _)| *name != "ALIBABA_CLOUD_CREDENTIALS_URI");
    let home = home.path().display();
    assert_eq!(
        obtain(&variables).await.unwrap_err(),
        format!(
            "default credential chain: no credentials are configured (ALIBABA_CLOUD_ACCESS_KEY_ID is not set; the OIDC \
             variables of RRSA are not all set; no file {home}/.aliyun/config.json; no file \
             {home}/.alibabacloud/credentials, no file {home}/.alibabacloud/credentials.ini; the instance metadata \
             service is turned off; ALIBABA_CLOUD_CREDENTIALS_URI is not set); set credentials in the configuration, or \
             one of these"
        )
    );
}

#[tokio::test]
async fn the_chain_passes_over_metadata_services_without_a_role() {
    let uri = Server::start(|_| (200, wire("STS.uri")));
    let v1 = Server::start(metadata_v1);
    let no_role = Server::start(|request| match request.method.as_str() {
        "PUT" => (200, String::from("hunter2-imds")),
        _ => (404, String::new()),
    });
    let broken = Server::start(|request| match request.path.as_str() {
        "/latest/meta-data/ram/security-credentials/" => (200, String::from("node")),
        _ => (500, String::new()),
    });
    let chain = async |address: &str, more: &[(&str, &str)]| {
        let mut variables = vec![("ALIBABA_CLOUD_CREDENTIALS_URI", uri.address.as_str())];
        variables.extend_from_slice(more);
        let obtained = try_obtain(Origin::Chain, at_metadata(address), &variables).await;
        obtained.map(|obtained| obtained.credentials.access_key_id)
    };
    assert_eq!(chain(&nowhere(), &[]).await.unwrap(), "STS.uri");
    assert_eq!(
        chain(&nowhere(), &[("ALIBABA_CLOUD_ECS_METADATA", "node")])
            .await
            .unwrap(),
        "STS.uri"
    );
    assert_eq!(chain(&no_role.address, &[]).await.unwrap(), "STS.uri");
    assert_eq!(chain(&v1.address, &[]).await.unwrap(), "STS.node");
    assert_eq!(
        chain(&v1.address, &[("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")])
            .await
            .unwrap(),
        "STS.uri"
    );
    // A role without credentials is broken, and so is a named one that the service does not know.
    assert!(
        chain(&broken.address, &[])
            .await
            .unwrap_err()
            .contains("RAM role node of the instance: refused")
    );
    let unknown = chain(&no_role.address, &[("ALIBABA_CLOUD_ECS_METADATA", "node")])
        .await
        .unwrap_err();
    assert!(unknown.contains("check that this role is attached"), "{unknown}");
}

#[tokio::test]
async fn a_file_named_by_a_variable_may_be_missing_but_not_unreadable() {
    let directory = tempfile::tempdir().unwrap();
    let uri = Server::start(|_| (200, wire("STS.uri")));
    for name in ["ALIBABA_CLOUD_CONFIG_FILE", "ALIBABA_CLOUD_CREDENTIALS_FILE"] {
        let obtain = async |path: &str| {
            let variables = [
                (name, path),
                ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"),
                ("ALIBABA_CLOUD_CREDENTIALS_URI", uri.address.as_str()),
            ];
            try_obtain(Origin::Chain, Endpoints::default(), &variables).await
        };
        let obtained = obtain("/nonexistent/file").await.unwrap();
        assert_eq!(obtained.credentials.access_key_id, "STS.uri");
        let error = obtain(directory.path().to_str().unwrap()).await.unwrap_err();
        assert!(error.contains("cannot be read: not a regular file"), "{error}");
    }
    let half = [("ALIBABA_CLOUD_ACCESS_KEY_SECRET", MARK)];
    let error = try_obtain(Origin::Chain, Endpoints::default(), &half)
        .await
        .unwrap_err();
    assert!(error.contains("ALIBABA_CLOUD_ACCESS_KEY_ID is not;"), "{error}");
    let variables = [
        ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"),
        ("ALIBABA_CLOUD_CREDENTIALS_URI", "hunter2://"),
    ];
    let error = try_obtain(Origin::Chain, Endpoints::default(), &variables)
        .await
        .unwrap_err();
    assert!(
        error.contains("does not begin with http:// or https://"),
        "{error}"
    );
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
}
