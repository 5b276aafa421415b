//! The thin HTTP skin: from bytes to a call of the API and back, with what can go wrong between.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{DATE, HeaderName, HeaderValue, LOCATION};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::answer::{self, Answer, JSON};
use crate::api::{self, Parameters};
use crate::clock::unix_now;
use crate::error::{ApiError, documented};
use crate::faults::FaultKind;
use crate::keys::KnownKey;
use crate::received::Received;
use crate::shared::Shared;
use crate::signature::{self, Verifier};
use crate::sts::{self, StsCall};
use crate::{Cloud, control, queue};

/// More than any request of ours.
const BODY_LIMIT: usize = 4 << 20;

/// The connection is closed without an answer.
type Cut = io::Error;

/// Serves connections until the runtime ends.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    loop {
        // A connection that is gone before it was taken is no reason to stop.
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(connection(stream, Arc::clone(&shared)));
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
    // A client may keep a connection for as long as it likes.
    let mut server = hyper::server::conn::http1::Builder::new();
    server.header_read_timeout(None);
    // An error here is a client that left, or a fault of our own.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Answer>, Cut> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
        return Err(io::Error::other("the request is too large, or was cut off"));
    };
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let request = signature::Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect(),
        body: body.to_bytes().to_vec(),
    };
    if request.path.starts_with("/simulator/") {
        return Ok(control::answer(&shared, &request));
    }
    if request.path.starts_with("/queues") {
        return queue::http::answer(request, shared).await;
    }
    Call::new(request, shared).answer().await
}

/// A request to the API on its way.
struct Call {
    request: signature::Request,
    parameters: Parameters,
    action: String,
    region: String,
    account: String,
    request_id: String,
    number: u64,
    shared: Arc<Shared>,
}

impl Call {
    fn new(request: signature::Request, shared: Arc<Shared>) -> Self {
        let parameters: Parameters = request.parameters().into_iter().collect();
        let unsigned = shared.cloud().unsigned_action(&request.path);
        let named = || {
            request
                .header("x-acs-action")
                .or_else(|| parameters.get("Action"))
        };
        let action = unsigned.or_else(named).unwrap_or_default();
        let region = parameters.get("RegionId").unwrap_or_default();
        let caller = shared.caller(request.access_key_id());
        let number = shared.receive(Received {
            region: region.to_owned(),
            page_token: parameters.get("NextToken").is_some_and(|token| !token.is_empty()),
            ..Received::new(&request, action, &caller, parameters.as_map().clone())
        });
        Self {
            action: action.to_owned(),
            region: region.to_owned(),
            account: caller.1.unwrap_or_default(),
            request_id: request_id(number),
            request,
            parameters,
            number,
            shared,
        }
    }

    async fn answer(self) -> Result<Response<Answer>, Cut> {
        let _in_flight = self.shared.enter();
        let latency = self.shared.settings().latency;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let fault = self
            .shared
            .faults
            .strike(&self.action, &self.account, &self.region, &self.parameters);
        let mut response = match fault {
            None => self.finish(self.call(&self.parameters)),
            Some(fault) => {
                self.shared
                    .amend(self.number, |received| received.fault = Some(fault.name()));
                if !fault.asks_the_cloud() {
                    // It is noted whether the request was signed right, and its nonce is spent.
                    let _ = self.verify(&self.shared.cloud());
                }
                self.strike(fault).await?
            }
        };
        let status = response.status().as_u16();
        self.shared
            .amend(self.number, |received| received.status = status);
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            response
                .headers_mut()
                .insert(HeaderName::from_static("x-acs-request-id"), id);
        }
        // By its own clock, which is not the one of the server below.
        let date = unix_now() + self.shared.settings().clock_skew;
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(date.unsigned_abs());
        if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(date)) {
            response.headers_mut().insert(DATE, date);
        }
        Ok(response)
    }

    /// Checks who asks, and asks the cloud.
    fn call(&self, parameters: &Parameters) -> Result<Value, ApiError> {
        let Self {
            request,
            action,
            request_id,
            ..
        } = self;
        let settings = self.shared.settings();
        let now = unix_now() + settings.clock_skew;
        let tolerance = settings.date_tolerance.as_secs().cast_signed();
        let mut cloud = self.shared.cloud();
        if cloud.unsigned_action(&request.path).is_some() {
            return cloud.unsigned(action, request, now);
        }
        if request.path != "/" {
            return Err(documented("InvalidAction.NotFound"));
        }
        let sts = StsCall {
            parameters,
            request_id,
            now,
        };
        if action == "AssumeRoleWithOIDC" {
            return sts.with_oidc(&mut cloud, &request.form().into_iter().collect(), tolerance);
        }
        let known = self.verify(&cloud)?;
        match request
            .header("x-acs-version")
            .or_else(|| parameters.get("Version"))
        {
            Some(api::VERSION) => api::call(&mut cloud, &known.account, action, parameters, request_id),
            Some(sts::VERSION) => sts.signed(&mut cloud, &known, action),
            _ => Err(documented("InvalidAction.NotFound")),
        }
    }

    /// Checks the signature.
    fn verify(&self, cloud: &Cloud) -> Result<KnownKey, ApiError> {
        let settings = self.shared.settings();
        let known = Verifier {
            keys: &cloud.keys,
            nonces: &mut self.shared.nonces(),
            now: unix_now() + settings.clock_skew,
            tolerance: settings.date_tolerance.as_secs().cast_signed(),
        }
        .verify(&self.request)?;
        self.shared.amend(self.number, |received| received.signed = true);
        Ok(known)
    }

    async fn strike(&self, fault: FaultKind) -> Result<Response<Answer>, Cut> {
        let json = |body: Value| answer::whole(200, JSON, body.to_string());
        Ok(match fault {
            FaultKind::ThrottleHeader { retry_after_ms } => {
                let mut response = self.finish(Err(documented("Throttling.User")));
                let header = HeaderName::from_static("x-acs-retry-after");
                response
                    .headers_mut()
                    .insert(header, HeaderValue::from(retry_after_ms));
                response
            }
            FaultKind::ThrottleCode { status, code } => self.finish(Err(ApiError::new(
                status,
                code,
                "Request was denied due to request throttling.",
            ))),
            FaultKind::Status429 => answer::whole(429, "text/plain", "Too Many Requests"),
            FaultKind::Error(error) => self.finish(Err(error)),
            FaultKind::LowerCaseError(ApiError {
                status,
                code,
                message,
            }) => {
                let body = json!({"requestId": self.request_id, "code": code, "message": message});
                answer::whole(status, JSON, body.to_string())
            }
            FaultKind::XmlError(ApiError {
                status,
                code,
                message,
            }) => {
                let id = &self.request_id;
                let body = format!(
                    "<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>{id}</RequestId><Code>{code}</Code><Message>{message}</Message></Error>"
                );
                answer::whole(status, "text/xml;charset=utf-8", body)
            }
            FaultKind::Html502 => {
                let page = "<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>";
                answer::whole(502, "text/html", page)
            }
            FaultKind::PlainStatus(status) => answer::whole(status, "text/plain", format!("status {status}")),
            FaultKind::Slow(delay) => {
                tokio::time::sleep(delay).await;
                self.finish(self.call(&self.parameters))
            }
            FaultKind::Hang => std::future::pending().await,
            FaultKind::CutHeaders => return Err(io::Error::other("cut off on purpose")),
            FaultKind::CutBody => match self.call(&self.parameters) {
                Ok(body) => answer::cut(&body.to_string()),
                refused @ Err(_) => self.finish(refused),
            },
            FaultKind::Giant(bytes) => answer::giant(bytes),
            FaultKind::NotJson => answer::whole(200, JSON, "this is no JSON"),
            FaultKind::CutJson => match self.call(&self.parameters) {
                Ok(body) => {
                    let text = body.to_string();
                    answer::whole(200, JSON, text.as_bytes()[..text.len() / 2].to_vec())
                }
                refused @ Err(_) => self.finish(refused),
            },
            FaultKind::EmptyBody => answer::whole(200, JSON, ""),
            FaultKind::MissingField => {
                json(json!({"RequestId": self.request_id, "Invocation": {"PageSize": 50}}))
            }
            FaultKind::RepeatedToken => {
                self.finish(self.call(&self.parameters).map(|body| self.looping(body)))
            }
            FaultKind::RepeatPage => self.finish(self.repeated()),
            FaultKind::Redirect => {
                let mut response = answer::whole(302, "text/html", "Found");
                response
                    .headers_mut()
                    .insert(LOCATION, HeaderValue::from_static("/elsewhere"));
                response
            }
        })
    }

    /// The answer with the token of the question.
    fn looping(&self, mut body: Value) -> Value {
        if let (Some(token), Some(next)) = (self.parameters.get("NextToken"), next_token(&mut body)) {
            *next = token.into();
        }
        body
    }

    /// The rows of the first page, with the token of the page that was asked for.
    fn repeated(&self) -> Result<Value, ApiError> {
        let mut asked = self.call(&self.parameters)?;
        let first = self.parameters.without("NextToken");
        let mut cloud = self.shared.cloud();
        let mut body = api::call(&mut cloud, &self.account, &self.action, &first, &self.request_id)?;
        if let (Some(next), Some(shown)) = (next_token(&mut asked), next_token(&mut body)) {
            *shown = next.clone();
        }
        Ok(body)
    }

    fn finish(&self, result: Result<Value, ApiError>) -> Response<Answer> {
        match result {
            Ok(Value::String(text)) => answer::whole(200, "text/plain", text),
            Ok(body) => answer::whole(200, JSON, body.to_string()),
            Err(error) if error.code.is_empty() => answer::whole(error.status, "text/plain", error.message),
            Err(error) => {
                self.shared
                    .amend(self.number, |received| received.code = Some(error.code.clone()));
                let host = self.request.header("host").unwrap_or_default();
                answer::whole(error.status, JSON, error.body(&self.request_id, host).to_string())
            }
        }
    }
}

fn next_token(body: &mut Value) -> Option<&mut Value> {
    body.get_mut("Invocation")?.get_mut("NextToken")
}

/// Looks like the API's, and tells which request of the simulator it was.
fn request_id(number: u64) -> String {
    format!("51EA0000-0000-4000-8000-{number:012X}")
}

#[cfg(test)]
mod client;
#[cfg(test)]
mod credentials_tests;
#[cfg(test)]
mod tests;
