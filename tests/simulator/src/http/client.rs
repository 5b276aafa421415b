//! A client for the tests: it signs, and shows whatever comes back.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::clock::{unix_now, utc};
use crate::signature::{Request, v1, v3};
use crate::{AccessKey, Simulator};

pub(super) const ACTION: &str = "DescribeInvocationResults";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// What came back; nothing if the connection was closed before.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Vec<u8>,
    /// Whether the whole of the body came.
    pub(super) whole: bool,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(super) fn code(&self) -> String {
        self.json()["Code"].as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn token(&self) -> String {
        self.json()["Invocation"]["NextToken"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(super) fn first_row(&self) -> Value {
        self.json()["Invocation"]["InvocationResults"]["InvocationResult"][0].clone()
    }
}

pub(super) fn nonce() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("{:032x}", LAST.fetch_add(1, Ordering::Relaxed))
}

/// A request of the key `id` that is right in all.
pub(super) fn signed(simulator: &Simulator, method: &str, query: &str, body: &str) -> Request {
    let key = AccessKey::new("id", "secret");
    signed_as(simulator, &key, (ACTION, "2014-05-26"), method, query, body)
}

/// A request that is right in all, of any key and for any action with its version.
pub(super) fn signed_as(
    simulator: &Simulator,
    key: &AccessKey,
    (action, version): (&str, &str),
    method: &str,
    query: &str,
    body: &str,
) -> Request {
    let placeholder = format!(
        "ACS3-HMAC-SHA256 Credential={},SignedHeaders=host,Signature=0",
        key.id
    );
    let mut headers = vec![
        ("host", simulator.address().to_string()),
        ("x-acs-action", action.to_owned()),
        ("x-acs-version", version.to_owned()),
        ("x-acs-date", utc(unix_now())),
        ("x-acs-signature-nonce", nonce()),
        ("x-acs-content-sha256", hex::encode(Sha256::digest(body))),
        ("authorization", placeholder),
    ];
    if let Some(token) = &key.security_token {
        headers.push(("x-acs-security-token", token.clone()));
    }
    if !body.is_empty() {
        headers.push(("content-type", FORM.to_owned()));
    }
    let request = Request {
        method: method.to_owned(),
        path: "/".to_owned(),
        query: query.to_owned(),
        headers: owned(headers),
        body: body.as_bytes().to_vec(),
    };
    resign_as(&request, &key.secret)
}

/// Signs a request of the key `id` again after a change.
pub(super) fn resign(request: &Request) -> Request {
    resign_as(request, "secret")
}

fn resign_as(request: &Request, secret: &str) -> Request {
    let mut names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.retain(|name| *name != "authorization");
    names.sort_unstable();
    v3::tests::authorize(request, secret, &names.join(";"))
}

/// A request with the signature among its parameters, those of its own in the body.
pub(super) fn signed_v1(simulator: &Simulator, key: &AccessKey, query: &str, body: &str) -> Request {
    let common = format!(
        "{query}&Format=JSON&AccessKeyId={}&SignatureMethod=HMAC-SHA1&SignatureVersion=1.0&SignatureNonce={}&Timestamp={}",
        key.id,
        nonce(),
        utc(unix_now()),
    );
    let request = Request {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: common,
        headers: owned(vec![
            ("host", simulator.address().to_string()),
            ("content-type", FORM.to_owned()),
        ]),
        body: body.as_bytes().to_vec(),
    };
    v1::tests::authorize(&request, &key.secret)
}

/// A request without a signature.
pub(super) fn unsigned(
    simulator: &Simulator,
    method: &str,
    path_and_query: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let mut all = vec![("host", simulator.address().to_string())];
    all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: owned(all),
        body: body.as_bytes().to_vec(),
    };
    send(simulator, &request).unwrap()
}

fn owned(headers: Vec<(&str, String)>) -> Vec<(String, String)> {
    headers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

pub(super) fn ask(simulator: &Simulator, query: &str) -> Option<Answer> {
    send(simulator, &signed(simulator, "POST", query, ""))
}

pub(super) fn get(simulator: &Simulator, method: &str, path_and_query: &str) -> Answer {
    unsigned(simulator, method, path_and_query, &[], "")
}

pub(super) fn send(simulator: &Simulator, request: &Request) -> Option<Answer> {
    let mut stream = TcpStream::connect(simulator.address()).unwrap();
    let mut request = request.clone();
    request
        .headers
        .push(("connection".to_owned(), "close".to_owned()));
    write_to(&mut stream, &request);
    read_from(&mut BufReader::new(stream))
}

pub(super) fn write_to(stream: &mut TcpStream, request: &Request) {
    let Request {
        method,
        path,
        query,
        headers,
        body,
    } = request;
    let mut head = format!(
        "{method} {path}?{query} HTTP/1.1\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    stream.write_all(body).unwrap();
}

pub(super) fn read_from(reader: &mut impl BufRead) -> Option<Answer> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    };
    let status = line()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HashMap::new();
    while let Some((name, value)) = line()?.split_once(": ") {
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = Vec::new();
    let whole = match headers.get("content-length") {
        Some(length) => {
            let length: u64 = length.parse().unwrap();
            reader.take(length).read_to_end(&mut body).ok();
            body.len() as u64 == length
        }
        None => {
            // Chunked, and then nothing more: what matters is how much there is.
            reader.read_to_end(&mut body).ok();
            true
        }
    };
    Some(Answer {
        status,
        headers,
        body,
        whole,
    })
}

pub(super) fn wait_until(what: &str, mut test: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !test() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::yield_now();
    }
}
