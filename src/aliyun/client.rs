//! One call of the API: limited, signed, sent, tried again, classified.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::{HeaderMap, HeaderValue};
use tokio::time::{Instant, timeout_at};

use super::answer::Undocumented;
use super::credentials::{Credentials, Provider};
use super::endpoint::Endpoint;
use super::error::{CallError, Head, Reason, bounded, classify, undocumented};
use super::http::{Http, no_answer};
use super::in_flight::InFlight;
use super::limit::{Limit, Priority};
use super::pause::ScopePauses;
use super::sign::{Request, SigningKey, canonical_query, sign};
use crate::clock::Moment;
pub use crate::requests::Action;
use crate::requests::Tally;
use crate::timestamp;

/// The version of the ECS API.
const VERSION: &str = "2014-05-26";

/// A page of 50 results has at most 1.6 MB of output; nothing near this is an answer.
const MAX_BODY: usize = 64 << 20;

/// An error's body has a few hundred bytes; what is beyond this is not read.
const MAX_ERROR_BODY: usize = 64 << 10;

/// A body that is larger is decoded on a thread that may block: by then it takes a good part of a millisecond.
const MAX_DECODED_IN_PLACE: usize = 128 << 10;

/// How often a request is tried in all.
const ATTEMPTS: u32 = 4;

/// The shortest wait before the second try; it doubles for each further one, and is up to half longer by chance.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);

/// Reads the body of a good answer, perhaps on another thread.
pub type Decode<T> = Arc<dyn Fn(&[u8]) -> Result<T, Undocumented> + Send + Sync>;

/// How fast, how many at once, and how long.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Requests a second, of each action.
    pub per_second: f64,
    /// How many may follow each other at once.
    pub burst: u32,
    /// Of one try, its body included.
    pub request_timeout: Duration,
    /// A server that says to wait for longer than this fails the call instead.
    pub patience: Duration,
    /// Requests in flight, of the account and the whole process.
    pub in_flight: Arc<InFlight>,
}

/// A good answer.
#[derive(Debug)]
pub struct Answered<T> {
    /// What it says.
    pub answer: T,
    /// When its request was signed. The API refuses one whose time is off by more than 15 minutes.
    pub signed: Moment,
}

impl<T> Answered<T> {
    /// The same with its answer as another type.
    pub fn map<U>(self, into: impl FnOnce(T) -> U) -> Answered<U> {
        Answered {
            answer: into(self.answer),
            signed: self.signed,
        }
    }
}

/// The way to the API for one scope, or for an account's DescribeRegions.
#[derive(Debug)]
pub struct Client {
    http: Http,
    endpoint: Endpoint,
    credentials: Arc<Provider>,
    pace: Pace,
    limits: [Limit; Action::ALL.len()],
    pauses: Arc<ScopePauses>,
    tally: Arc<Tally>,
}

impl Client {
    /// A client whose buckets are full.
    pub fn new(
        http: Http,
        endpoint: Endpoint,
        credentials: Arc<Provider>,
        pace: Pace,
        pauses: Arc<ScopePauses>,
        tally: Arc<Tally>,
    ) -> Self {
        let limits = Action::ALL.map(|_| Limit::new(pace.per_second, pace.burst));
        Self {
            http,
            endpoint,
            credentials,
            pace,
            limits,
            pauses,
            tally,
        }
    }

    /// How long the API has told this scope to wait with an action, if it has.
    pub fn paused_for(&self, action: Action) -> Duration {
        self.pauses[action as usize].left()
    }

    /// Makes the call and decodes the body of a 2xx answer.
    ///
    /// # Errors
    /// The last try's error; [`Reason::Timeout`] when `deadline` passes first.
    pub async fn call<T: Send + 'static>(
        &self,
        action: Action,
        parameters: &[(String, String)],
        priority: Priority,
        deadline: Option<Instant>,
        decode: &Decode<T>,
    ) -> Result<Answered<T>, CallError> {
        let tries = self.tries(action, parameters, priority, decode);
        match deadline {
            None => tries.await,
            Some(deadline) => timeout_at(deadline, tries)
                .await
                .unwrap_or_else(|_| Err(CallError::new(Reason::Timeout, "the poll's time was over"))),
        }
    }

    async fn tries<T: Send + 'static>(
        &self,
        action: Action,
        parameters: &[(String, String)],
        priority: Priority,
        decode: &Decode<T>,
    ) -> Result<Answered<T>, CallError> {
        let limit = &self.limits[action as usize];
        let pause = &self.pauses[action as usize];
        let mut renewed = false;
        let mut backoff = FIRST_BACKOFF;
        let mut attempt = 1;
        loop {
            limit.take(priority).await;
            pause.over().await;
            let credentials = self
                .credentials
                .current()
                .await
                .map_err(|error| CallError::new(Reason::Credentials, error.to_string()).lasting())?;
            let error = match self.attempt(action, parameters, &credentials, decode).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if let Some(wait) = error.retry_after {
                pause.begin(wait);
            }
            if error.refuses_key() && !renewed {
                renewed = true;
                let renewal = if error.refuses_token() && credentials.security_token.is_some() {
                    // A token can end before its time; a fresh one deserves a try of its own.
                    Some(self.credentials.renew(&credentials).await)
                } else {
                    // So does a key that has been put in the place of this one.
                    self.credentials.replaced(&credentials).await
                };
                if let Some(renewal) = renewal {
                    renewal
                        .map_err(|error| CallError::new(Reason::Credentials, error.to_string()).lasting())?;
                    continue;
                }
            }
            let too_long = error.retry_after.is_some_and(|wait| wait > self.pace.patience);
            if !error.retryable || too_long || attempt == ATTEMPTS {
                return Err(error);
            }
            tracing::debug!(action = action.as_str(), attempt, %error, "request failed, trying again");
            tokio::time::sleep(backoff.mul_f64(1.0 + fastrand::f64() / 2.0)).await;
            backoff *= 2;
            attempt += 1;
        }
    }

    /// One request, within its time, counted.
    async fn attempt<T: Send + 'static>(
        &self,
        action: Action,
        parameters: &[(String, String)],
        credentials: &Credentials,
        decode: &Decode<T>,
    ) -> Result<Answered<T>, CallError> {
        let place = self.pace.in_flight.enter().await;
        let started = Instant::now();
        let answer = timeout_at(
            started + self.pace.request_timeout,
            // Boxed: hundreds of pollers that wait for their turn need no room for it.
            Box::pin(async {
                let signed = Moment::now();
                let (head, body) = self
                    .exchange(action, parameters, credentials, signed.wall)
                    .await?;
                let answer = decoded(head, body, decode).await?;
                Ok(Answered { answer, signed })
            }),
        )
        .await
        .unwrap_or_else(|_| {
            let seconds = self.pace.request_timeout.as_secs_f64();
            Err(CallError::new(
                Reason::Timeout,
                format!(
                    "no answer from {} within {seconds} s{}",
                    self.route(),
                    self.hint()
                ),
            ))
        });
        let failure = answer.as_ref().err().map(|error| error.reason);
        place.leave(failure != Some(Reason::Timeout));
        self.tally.record(
            action,
            started.elapsed(),
            failure,
            timestamp::seconds(SystemTime::now()),
        );
        answer
    }

    async fn exchange(
        &self,
        action: Action,
        parameters: &[(String, String)],
        credentials: &Credentials,
        now: SystemTime,
    ) -> Result<(Head, Bytes), CallError> {
        let key = SigningKey {
            access_key_id: &credentials.access_key_id,
            access_key_secret: credentials.access_key_secret.expose(),
            security_token: credentials.security_token.as_ref().map(|token| token.expose()),
        };
        let request = Request {
            method: "POST",
            host: &self.endpoint.host,
            action: action.as_str(),
            version: VERSION,
            query: parameters,
            content_type: None,
            body: b"",
        };
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| {
            CallError::new(
                Reason::Transport,
                format!("no random numbers from the system: {error}"),
            )
        })?;
        let nonce = hex::encode(nonce);
        let url = format!(
            "{}://{}/?{}",
            self.endpoint.scheme,
            self.endpoint.host,
            canonical_query(parameters)
        );
        let mut sending = self.http.client.post(url).header("accept", "application/json");
        for (name, value) in sign(&key, &request, now, &nonce) {
            let mut value = HeaderValue::try_from(value).map_err(|_| {
                let what =
                    "the access key or its token holds characters that no key has; check how it was written";
                CallError::new(Reason::Credentials, what).lasting()
            })?;
            // Libraries show headers in their traces, but not these.
            value.set_sensitive(true);
            sending = sending.header(name, value);
        }
        let mut response = sending.send().await.map_err(|error| self.transport(error))?;
        let status = response.status();
        let header = |headers: &HeaderMap, name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let date = header(response.headers(), "date");
        let head = Head {
            status: status.as_u16(),
            retry_after: header(response.headers(), "x-acs-retry-after"),
            request_id: header(response.headers(), "x-acs-request-id"),
            clock_behind: date.and_then(|date| seconds_behind(&date, SystemTime::now())),
        };
        let request_id = || head.request_id.as_deref().map(bounded);
        let is_success = status.is_success();
        let most = if is_success { MAX_BODY } else { MAX_ERROR_BODY };
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= most => body.extend_from_slice(&chunk),
                Ok(None) if is_success => return Ok((head, body.freeze())),
                Ok(Some(_)) if is_success => {
                    let what = format!("an answer of more than {} MiB", MAX_BODY >> 20);
                    return Err(CallError {
                        request_id: request_id(),
                        ..CallError::new(Reason::Malformed, what).lasting()
                    });
                }
                Err(error) if is_success => {
                    return Err(CallError {
                        request_id: request_id(),
                        ..self.transport(error)
                    });
                }
                // An error is one by its status, whatever becomes of its body; what there is of that is read.
                Ok(Some(chunk)) => {
                    body.extend_from_slice(&chunk[..chunk.len().min(most - body.len())]);
                    break;
                }
                Ok(None) | Err(_) => break,
            }
        }
        Err(classify(&head, &body))
    }

    fn transport(&self, error: reqwest::Error) -> CallError {
        let reason = match () {
            () if error.is_timeout() => Reason::Timeout,
            // A body that cannot be unpacked. One that was cut off is an error of decoding for reqwest, too.
            () if error.is_decode() && !is_cut(&error) => Reason::Malformed,
            () => Reason::Transport,
        };
        CallError::new(reason, no_answer(&self.route(), error) + self.hint())
    }

    /// The host, and the proxy that requests to it go through.
    fn route(&self) -> String {
        let Endpoint { scheme, host, .. } = &self.endpoint;
        self.http.route_of(&format!("{scheme}://{host}/"))
    }

    /// What to look at first where the host does not answer.
    fn hint(&self) -> &'static str {
        if self.endpoint.is_of_vpc() {
            "; with network: vpc a region answers only inside of a VPC of its own: run one exporter in each region, or \
             set network: public"
        } else {
            ""
        }
    }
}

/// Decodes the body of a good answer: a large one not here, where others wait for their turn.
async fn decoded<T: Send + 'static>(head: Head, body: Bytes, decode: &Decode<T>) -> Result<T, CallError> {
    let decode = Arc::clone(decode);
    let in_place = body.len() <= MAX_DECODED_IN_PLACE;
    let work = move || {
        decode(&body).map_err(|problem| {
            // Where it is an error after all, it has the size of one.
            let start = &body[..body.len().min(MAX_ERROR_BODY)];
            undocumented(&head, &problem, start)
        })
    };
    if in_place {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(decoded) => decoded,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being shut down.
            Err(_) => std::future::pending().await,
        },
    }
}

/// How many seconds `now` is behind an answer's Date. Negative where it is ahead; none for a date that is none.
fn seconds_behind(date: &str, now: SystemTime) -> Option<i64> {
    let date = httpdate::parse_http_date(date).ok()?;
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).ok();
    match date.duration_since(now) {
        Ok(behind) => seconds(behind),
        Err(ahead) => seconds(ahead.duration()).map(|ahead| -ahead),
    }
}

/// Whether the connection ended before the body did.
fn is_cut(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let inside = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        if error.is::<hyper::Error>() || inside.is_some_and(|inside| inside.is::<hyper::Error>()) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn large_bodies_are_decoded_off_the_async_threads() {
        let here = thread::current().id();
        let decode: Decode<thread::ThreadId> = Arc::new(|_| Ok(thread::current().id()));
        let thread_for = async |size| {
            let body = Bytes::from(vec![b' '; size]);
            decoded(Head::default(), body, &decode).await.unwrap()
        };
        assert_eq!(thread_for(MAX_DECODED_IN_PLACE).await, here);
        assert_ne!(thread_for(MAX_DECODED_IN_PLACE + 1).await, here);
    }

    #[tokio::test]
    async fn what_cannot_be_decoded_may_say_why_wherever_that_is_found() {
        let decode: Decode<()> = Arc::new(|_| Err(Undocumented::Token));
        for size in [0, MAX_DECODED_IN_PLACE] {
            let body = format!(r#"{{"Code":"Throttling","RequestId":"R"}}{}"#, " ".repeat(size));
            let error = decoded(Head::default(), body.into(), &decode).await.unwrap_err();
            assert_eq!(
                (error.reason, error.request_id.as_deref()),
                (Reason::Throttled, Some("R"))
            );
        }
    }

    #[test]
    fn the_date_of_an_answer_tells_how_far_the_clock_is_off() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let behind = |date| seconds_behind(date, now);
        assert_eq!(behind("Sun, 06 Nov 1994 08:49:37 GMT"), Some(0));
        assert_eq!(behind("Sunday, 06-Nov-94 09:09:37 GMT"), Some(1200));
        assert_eq!(behind("Sun Nov  6 07:49:37 1994"), Some(-3600));
        assert_eq!(behind("yesterday"), None);
    }
}
