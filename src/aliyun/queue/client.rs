//! One queue: its messages are received and deleted.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::HeaderValue;

use super::address::Address;
use super::error::QueueError;
use super::sign::{Request, sign};
use super::xml::{self, Message};
use crate::aliyun::credentials::{Credentials, Provider};
use crate::aliyun::http::{Http, no_answer};
use crate::aliyun::sign::SigningKey;
use crate::requests::QueueReason;

/// How long an empty queue keeps its answer back, in seconds: the longest that is allowed.
pub const WAIT: u64 = 30;

/// Behind that; the official SDKs add as much.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Sixteen messages of 64 KB, most of whose characters are written as entities.
const LONGEST: usize = 8 << 20;

/// The way to one queue.
#[derive(Debug)]
pub struct QueueClient {
    http: Http,
    address: Address,
    provider: Arc<Provider>,
}

/// An answer.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl QueueClient {
    /// To the queue at `address`, with the credentials of an account.
    pub fn new(http: Http, address: Address, provider: Arc<Provider>) -> Self {
        Self {
            http,
            address,
            provider,
        }
    }

    /// Receives up to 16 messages; waits for the first for up to [`WAIT`] seconds. None where the queue is empty.
    ///
    /// # Errors
    /// Anything else. What was received in vain comes back by itself.
    pub async fn receive(&self) -> Result<Vec<Message>, QueueError> {
        let resource = format!("{}?numOfMessages=16&waitseconds={WAIT}", self.address.messages());
        let within = Duration::from_secs(WAIT) + ANSWER_WITHIN;
        let answer = self.call("GET", &resource, None, within).await?;
        match answer.status {
            200 => xml::messages(&answer.body).map_err(|why| {
                QueueError::new(QueueReason::Malformed, format!("not the documented XML: {why}"))
            }),
            _ => match answer.error() {
                error if error.code.as_deref() == Some("MessageNotExist") => Ok(Vec::new()),
                error => Err(error),
            },
        }
    }

    /// Deletes messages. Those that are gone, or whose time is over, are none of anybody's business.
    ///
    /// # Errors
    /// When the request fails, or any other message is refused: what is not deleted comes again.
    pub async fn delete(&self, messages: &[Message]) -> Result<(), QueueError> {
        let body = xml::receipt_handles(messages.iter().map(|message| message.receipt_handle.as_str()));
        let resource = self.address.messages();
        let answer = self.call("DELETE", &resource, Some(body), ANSWER_WITHIN).await?;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        // Of each message, or of the request.
        let codes = xml::undeleted(&answer.body).unwrap_or_else(|| vec![xml::error_code(&answer.body)]);
        let is_gone =
            |code: &Option<String>| matches!(code.as_deref(), Some("MessageNotExist" | "ReceiptHandleError"));
        match codes.into_iter().find(|code| !is_gone(code)) {
            None => Ok(()),
            Some(code) => {
                let error = QueueError::of_answer(answer.status, code);
                Err(QueueError {
                    what: format!("messages cannot be deleted: {}", error.what),
                    ..error
                })
            }
        }
    }

    /// Sends a request, and once more with other credentials where those were refused.
    async fn call(
        &self,
        method: &'static str,
        resource: &str,
        body: Option<String>,
        within: Duration,
    ) -> Result<Answer, QueueError> {
        let no_credentials = |error: crate::aliyun::credentials::CredentialsError| {
            QueueError::new(QueueReason::Credentials, error.to_string())
        };
        let credentials = self.provider.current().await.map_err(no_credentials)?;
        let answer = self
            .exchange(method, resource, body.clone(), &credentials, within)
            .await?;
        if (200..300).contains(&answer.status) || !answer.error().refuses_key() {
            return Ok(answer);
        }
        // As for the API: they are the account's, and a queue that others guard says nothing of them.
        let others = match answer.error().refuses_token() && credentials.security_token.is_some() {
            true => Some(self.provider.renew(&credentials).await),
            false => self.provider.replaced(&credentials).await,
        };
        match others {
            None => Ok(answer),
            Some(others) => {
                let credentials = others.map_err(no_credentials)?;
                self.exchange(method, resource, body, &credentials, within).await
            }
        }
    }

    async fn exchange(
        &self,
        method: &'static str,
        resource: &str,
        body: Option<String>,
        credentials: &Credentials,
        within: Duration,
    ) -> Result<Answer, QueueError> {
        let key = SigningKey {
            access_key_id: &credentials.access_key_id,
            access_key_secret: credentials.access_key_secret.expose(),
            security_token: credentials.security_token.as_ref().map(|token| token.expose()),
        };
        let request = Request {
            method,
            resource,
            content_type: body.as_ref().map(|_| "text/xml;charset=UTF-8"),
        };
        let url = format!("{}{resource}", self.address.base);
        let mut sending = match method {
            "DELETE" => self.http.client.delete(url),
            _ => self.http.client.get(url),
        };
        for (name, value) in sign(&key, &request, SystemTime::now()) {
            let mut value = HeaderValue::try_from(value).map_err(|_| {
                let what = "the access key or its token holds characters that no key has";
                QueueError::new(QueueReason::Credentials, what)
            })?;
            value.set_sensitive(true);
            sending = sending.header(name, value);
        }
        if let Some(body) = body {
            sending = sending.body(body);
        }
        let failed = |error: reqwest::Error| {
            let reason = if error.is_timeout() {
                QueueReason::Timeout
            } else {
                QueueReason::Transport
            };
            let route = self.http.route_of(&self.address.base);
            QueueError::new(reason, no_answer(&route, error))
        };
        // Of the whole, its body included.
        let mut response = sending.timeout(within).send().await.map_err(failed)?;
        let mut answer = Answer {
            status: response.status().as_u16(),
            body: Vec::new(),
        };
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if answer.body.len() + chunk.len() > LONGEST {
                return Err(QueueError::new(
                    QueueReason::Malformed,
                    "an answer of more than 8 MiB",
                ));
            }
            answer.body.extend_from_slice(&chunk);
        }
        Ok(answer)
    }
}

impl Answer {
    fn error(&self) -> QueueError {
        QueueError::of_answer(self.status, xml::error_code(&self.body))
    }
}
