//! The queue's API of 2015-06-06: from a request to XML and back.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::Response;
use hyper::header::{HeaderName, HeaderValue, LOCATION};
use tokio::time::{Instant, sleep, timeout_at};

use super::{BATCH, LONGEST_MESSAGE, Queue, now_milliseconds, xml};
use crate::answer::{self, Answer};
use crate::clock::unix_now;
use crate::error::ApiError;
use crate::faults::FaultKind;
use crate::received::Received;
use crate::shared::Shared;
use crate::signature::{Request, mns, pairs};

const XML: &str = "text/xml;charset=utf-8";
/// Longer is not allowed.
const LONGEST_WAIT: u64 = 30;

/// A status and a document.
type Done = Result<(u16, String), ApiError>;

/// Answers `/queues/…`.
pub(crate) async fn answer(request: Request, shared: Arc<Shared>) -> io::Result<Response<Answer>> {
    let call = Call::new(request, shared);
    let _in_flight = call.shared.enter();
    let fault = call.shared.faults.strike(
        call.action,
        &call.account,
        "",
        &pairs(&call.request.query).into_iter().collect(),
    );
    let mut response = match fault {
        None => call.finish(call.done().await),
        Some(fault) => {
            call.shared
                .amend(call.number, |received| received.fault = Some(fault.name()));
            call.strike(fault).await?
        }
    };
    let status = response.status().as_u16();
    call.shared
        .amend(call.number, |received| received.status = status);
    for (name, value) in [
        ("x-mns-request-id", call.request_id.as_str()),
        ("x-mns-version", "2015-06-06"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    if call.action == "CreateQueue" {
        let host = call.request.header("host").unwrap_or_default();
        if let Ok(place) = HeaderValue::from_str(&format!("http://{host}/queues/{}", call.queue)) {
            response.headers_mut().insert(LOCATION, place);
        }
    }
    Ok(response)
}

struct Call {
    request: Request,
    /// As RAM names it.
    action: &'static str,
    queue: String,
    account: String,
    request_id: String,
    number: u64,
    shared: Arc<Shared>,
}

impl Call {
    fn new(request: Request, shared: Arc<Shared>) -> Self {
        let rest = request.path.trim_start_matches("/queues").trim_start_matches('/');
        let (queue, is_of_messages) = match rest.split_once('/') {
            Some((queue, "messages")) => (queue.to_owned(), true),
            _ => (rest.trim_end_matches('/').to_owned(), false),
        };
        let parameters: std::collections::BTreeMap<String, String> =
            pairs(&request.query).into_iter().collect();
        let is_batch = parameters.contains_key("numOfMessages")
            || request.body.windows(9).any(|part| part == b"<Messages")
            || request.body.windows(15).any(|part| part == b"<ReceiptHandles");
        let action = match (request.method.as_str(), is_of_messages, is_batch) {
            ("GET", true, _) if parameters.contains_key("peekonly") => "PeekMessage",
            ("GET", true, true) => "BatchReceiveMessage",
            ("GET", true, false) => "ReceiveMessage",
            ("POST", true, true) => "BatchSendMessage",
            ("POST", true, false) => "SendMessage",
            ("DELETE", true, true) => "BatchDeleteMessage",
            ("DELETE", true, false) => "DeleteMessage",
            ("PUT", false, _) => "CreateQueue",
            ("GET", false, _) => "GetQueueAttributes",
            ("DELETE", false, _) => "DeleteQueue",
            _ => "",
        };
        let access_key_id = request
            .header("authorization")
            .and_then(|value| Some(value.strip_prefix("MNS ")?.split_once(':')?.0.to_owned()));
        let caller = shared.caller(access_key_id);
        let number = shared.receive(Received::new(&request, action, &caller, parameters));
        Self {
            action,
            queue,
            account: caller.1.unwrap_or_default(),
            request_id: format!("5EA0{number:020X}"),
            number,
            request,
            shared,
        }
    }

    async fn done(&self) -> Done {
        let settings = self.shared.settings();
        let now = unix_now() + settings.clock_skew;
        let tolerance = settings.date_tolerance.as_secs().cast_signed();
        {
            let cloud = self.shared.cloud();
            mns::verify(&self.request, &cloud.keys, now, tolerance)?;
            self.shared.amend(self.number, |received| received.signed = true);
            if cloud.is_denied(&self.account, self.action, "") {
                let message =
                    "The OwnerId that your Access Key Id associated to is forbidden for this operation.";
                return Err(ApiError::new(403, "AccessDenied", message));
            }
        }
        let body = || String::from_utf8_lossy(&self.request.body).into_owned();
        match self.action {
            "CreateQueue" => {
                self.shared.cloud().queue(&self.account, &self.queue);
                Ok((201, String::new()))
            }
            "DeleteQueue" => {
                self.shared.cloud().remove_queue(&self.account, &self.queue);
                Ok((204, String::new()))
            }
            "GetQueueAttributes" => self.with(|queue| Ok((200, xml::attributes(&self.queue, queue)))),
            "SendMessage" | "BatchSendMessage" => self.send(&body()),
            "ReceiveMessage" | "BatchReceiveMessage" | "PeekMessage" => self.receive().await,
            "DeleteMessage" | "BatchDeleteMessage" => self.delete(&body()),
            _ => Err(ApiError::new(
                400,
                "InvalidRequestURL",
                "Http request URL format invalid.",
            )),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Queue) -> Result<T, ApiError>) -> Result<T, ApiError> {
        let mut cloud = self.shared.cloud();
        let key = (self.account.clone(), self.queue.clone());
        match cloud.queues.get_mut(&key) {
            Some(queue) => work(queue),
            None => Err(ApiError::new(
                404,
                "QueueNotExist",
                "The queue name you provided is not exist.",
            )),
        }
    }

    fn send(&self, body: &str) -> Done {
        let bodies = xml::texts(body, "MessageBody");
        if bodies.is_empty() || bodies.len() > BATCH {
            return Err(ApiError::new(
                400,
                "MalformedXML",
                "The XML you provided was not well-formed.",
            ));
        }
        if bodies.iter().map(String::len).sum::<usize>() > LONGEST_MESSAGE {
            let message = "The length of message should not be larger than max message size.";
            return Err(ApiError::new(400, "InvalidArgument", message));
        }
        let sent = self.with(|queue| {
            let now = now_milliseconds();
            let put = bodies
                .iter()
                .map(|body| (queue.put(body.clone(), now), body.clone()));
            Ok(put.collect::<Vec<_>>())
        })?;
        self.shared.messages.notify_waiters();
        Ok((201, xml::sent(&sent, self.action == "BatchSendMessage")))
    }

    async fn receive(&self) -> Done {
        let parameters = pairs(&self.request.query);
        let number = |name: &str| {
            let text = parameters
                .iter()
                .find(|(other, _)| other == name)
                .map(|(_, value)| value);
            text.map(|text| text.parse::<u64>()).transpose()
        };
        let invalid = |_| ApiError::new(400, "InvalidArgument", "The value of a parameter is not valid.");
        let most = number("numOfMessages").map_err(invalid)?.unwrap_or(1);
        let wait = number("waitseconds").map_err(invalid)?;
        let is_known = |name: &str| ["numOfMessages", "waitseconds", "peekonly"].contains(&name);
        if !parameters.iter().all(|(name, _)| is_known(name)) {
            return Err(ApiError::new(
                400,
                "InvalidQueryString",
                "The query string is not valid.",
            ));
        }
        if !(1..=BATCH as u64).contains(&most) || wait.is_some_and(|wait| wait > LONGEST_WAIT) {
            return Err(ApiError::new(
                400,
                "InvalidArgument",
                "The value of a parameter is out of its range.",
            ));
        }
        let peek = self.action == "PeekMessage";
        let is_batch = number("numOfMessages").is_ok_and(|number| number.is_some());
        let started = Instant::now();
        let mut waiting: Option<Waiting<'_>> = None;
        loop {
            // Before it is looked: what comes in between is not missed.
            let changed = self.shared.messages.notified();
            let (messages, wait, next, is_full) = self.with(|queue| {
                let messages = queue.receive(usize::try_from(most).unwrap_or(1), now_milliseconds(), peek);
                let wait = if queue.answers_at_once {
                    0
                } else {
                    wait.unwrap_or(queue.polling_wait)
                };
                let is_full = waiting.is_none() && queue.waiting >= queue.long_polls;
                Ok((messages, wait, queue.next_visible(), is_full))
            })?;
            if !messages.is_empty() {
                return Ok((200, xml::received(&messages, is_batch, peek)));
            }
            let deadline = started + Duration::from_secs(wait);
            if peek || is_full || Instant::now() >= deadline {
                return Err(ApiError::new(404, "MessageNotExist", "Message not exist."));
            }
            if waiting.is_none() {
                self.with(|queue| {
                    queue.waiting += 1;
                    Ok(())
                })?;
                waiting = Some(Waiting(self));
            }
            let back = next.map(|at| (at - now_milliseconds()).max(1).unsigned_abs());
            let back = async {
                match back {
                    Some(milliseconds) => sleep(Duration::from_millis(milliseconds)).await,
                    None => std::future::pending().await,
                }
            };
            let _ = timeout_at(deadline, async {
                tokio::select! {
                    () = changed => {}
                    () = back => {}
                }
            })
            .await;
        }
    }

    fn delete(&self, body: &str) -> Done {
        let is_batch = self.action == "BatchDeleteMessage";
        let handles = if is_batch {
            xml::texts(body, "ReceiptHandle")
        } else {
            // Raw, as the official SDKs send it: a plus is none of a form.
            let handle = self.request.query.strip_prefix("ReceiptHandle=");
            handle
                .map(|handle| handle.replace("%3D", "=").replace("%2D", "-"))
                .into_iter()
                .collect()
        };
        if handles.is_empty() || handles.len() > BATCH {
            return Err(ApiError::new(
                400,
                "MalformedXML",
                "The XML you provided was not well-formed.",
            ));
        }
        let now = now_milliseconds();
        let (wrong, code): (Vec<String>, _) = self.with(|queue| {
            let code = queue.undeletable.clone().filter(|_| is_batch);
            let wrong = handles
                .iter()
                .filter(|handle| code.is_some() || !queue.delete(handle, now));
            Ok((wrong.cloned().collect(), code))
        })?;
        match (wrong.is_empty(), is_batch) {
            (true, _) => Ok((204, String::new())),
            (false, true) => {
                let code = code.as_deref().unwrap_or("MessageNotExist");
                Ok((404, xml::not_deleted(&wrong, code)))
            }
            (false, false) => {
                let message = "The receipt handle you provided has expired.";
                Err(ApiError::new(400, "ReceiptHandleError", message))
            }
        }
    }

    async fn strike(&self, fault: FaultKind) -> io::Result<Response<Answer>> {
        Ok(match fault {
            FaultKind::Error(error) | FaultKind::XmlError(error) | FaultKind::LowerCaseError(error) => {
                self.finish(Err(error))
            }
            FaultKind::ThrottleCode { status, code } => {
                self.finish(Err(ApiError::new(status, code, "Too many requests.")))
            }
            FaultKind::Status429 => answer::whole(429, "text/plain", "Too Many Requests"),
            FaultKind::Html502 => answer::whole(502, "text/html", "<html><body>Bad Gateway</body></html>"),
            FaultKind::PlainStatus(status) => answer::whole(status, "text/plain", format!("status {status}")),
            FaultKind::Slow(delay) => {
                sleep(delay).await;
                self.finish(self.done().await)
            }
            FaultKind::Hang => std::future::pending().await,
            FaultKind::CutHeaders => return Err(io::Error::other("cut off on purpose")),
            FaultKind::CutBody => {
                answer::cut("<Messages><Message><ReceiptHandle>1-x</ReceiptHandle></Message></Messages>")
            }
            FaultKind::Giant(bytes) => answer::giant(bytes),
            FaultKind::EmptyBody => answer::whole(200, XML, ""),
            FaultKind::CutJson => answer::whole(200, XML, "<?xml version=\"1.0\"?><Messages><Message><Rece"),
            FaultKind::MissingField => answer::whole(
                200,
                XML,
                "<Messages><Message><MessageId>1</MessageId></Message></Messages>",
            ),
            _ => answer::whole(200, XML, "this is no XML & <never> was"),
        })
    }

    fn finish(&self, done: Done) -> Response<Answer> {
        match done {
            Ok((status, body)) => answer::whole(status, XML, body),
            Err(ApiError {
                status,
                code,
                message,
            }) => {
                let host = self.request.header("host").unwrap_or_default();
                let body = xml::error(&code, &message, &self.request_id, host);
                self.shared
                    .amend(self.number, |received| received.code = Some(code));
                answer::whole(status, XML, body)
            }
        }
    }
}

/// Counts a request as waiting until it is dropped.
struct Waiting<'a>(&'a Call);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let _ = self.0.with(|queue| {
            queue.waiting = queue.waiting.saturating_sub(1);
            Ok(())
        });
    }
}
