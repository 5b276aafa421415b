//! Takes events out of one queue: receive, hint, delete everything, again.
//!
//! A queue that cannot be read harms nothing: polls go on at their interval, and it is tried again.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::time::{Instant, sleep};

use super::hints::Hints;
use super::message::{self, About};
use crate::aliyun::queue::{Message, QueueClient, QueueError, WAIT};
use crate::requests::QueueReason;
use crate::scope::Scope;
use crate::token_bucket::TokenBucket;
use crate::view::Source;

/// The shortest pause after what went wrong; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// And the longest: so often a queue that is missing or denied is tried.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// An answer that took less has not waited for messages: above a limit that is not told an empty queue answers at once,
/// and each answer costs. It is longer than a connection that cannot be made is waited for.
const WAITED: Duration = Duration::from_secs(WAIT / 3);
/// Between two requests, once there were [`AT_ONCE`]: a queue that gives the same messages again and again would
/// otherwise be asked as fast as it answers.
const APART: Duration = Duration::from_millis(50);
/// What has piled up is taken at once: 16 messages with each request.
const AT_ONCE: u32 = 100;

/// One queue that is read.
#[derive(Debug)]
pub(super) struct QueueLoop {
    pub(super) client: QueueClient,
    pub(super) hints: Hints,
    /// Whose events are in it that name nobody.
    pub(super) of: About,
    /// Where it is shown.
    pub(super) shown_at: Vec<Scope>,
}

/// How a request to a queue ended, as far as the next one goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Messages,
    /// There were none, after so long.
    Empty(Duration),
    /// After so long.
    Failed(QueueReason, Duration),
}

/// When the next request is sent: a function of how the last ones ended.
#[derive(Debug, Clone, Copy, Default)]
struct Pauses {
    /// Requests in a row that were over too soon.
    too_soon: u32,
}

impl Pauses {
    /// How long to wait.
    fn after(&mut self, ended: Ended) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(self.too_soon).unwrap_or(u32::MAX));
        let pause = match ended {
            Ended::Messages => Duration::ZERO,
            Ended::Empty(waited) if waited >= WAITED => Duration::ZERO,
            Ended::Empty(_) => doubled,
            Ended::Failed(reason, waited) => match reason {
                // What a person must mend first.
                QueueReason::Missing
                | QueueReason::Denied
                | QueueReason::Credentials
                | QueueReason::Rejected
                | QueueReason::Malformed => LONGEST_PAUSE,
                QueueReason::Throttled
                | QueueReason::Unavailable
                | QueueReason::Timeout
                | QueueReason::Transport => match waited >= WAITED {
                    // A proxy that cuts what is idle: events come through it all the same.
                    true => {
                        self.too_soon = 0;
                        return FIRST_PAUSE;
                    }
                    false => doubled,
                },
            },
        };
        self.too_soon = if pause.is_zero() {
            0
        } else {
            self.too_soon.saturating_add(1)
        };
        pause.min(LONGEST_PAUSE)
    }
}

impl QueueLoop {
    /// Goes on for ever; may be dropped at any time.
    pub(super) async fn run(self) {
        let mut pauses = Pauses::default();
        // What has been said of it last.
        let mut told: Option<QueueReason> = None;
        // What has been received last could not be deleted.
        let mut is_stuck = false;
        let requests = TokenBucket::new(APART, AT_ONCE, Instant::now());
        loop {
            while let Err(wait) = requests.take(1.0, Instant::now()) {
                sleep(wait).await;
            }
            let asked = Instant::now();
            let ended = match self.take(&mut is_stuck).await {
                Ok(0) => Ended::Empty(asked.elapsed()),
                Ok(_) => Ended::Messages,
                Err(error) => {
                    if told != Some(error.reason) {
                        told = Some(error.reason);
                        let region_id = self.of.region_id.as_deref();
                        let reason = error.reason.as_str();
                        tracing::warn!(region_id, reason, %error, "the queue of events cannot be read");
                    }
                    self.hints.queue_failed(&self.shown_at, &error);
                    Ended::Failed(error.reason, asked.elapsed())
                }
            };
            if !is_stuck && !matches!(ended, Ended::Failed(..)) {
                self.hints.queue_is_well(&self.shown_at);
                if told.take().is_some() {
                    tracing::info!(region_id = self.of.region_id, "the queue of events is read again");
                }
            }
            sleep(pauses.after(ended)).await;
        }
    }

    /// Receives once, hints, and deletes what has come. Returns how much that was.
    ///
    /// What cannot be deleted comes again, and hints once only: with all that comes meanwhile, again when it is deleted.
    async fn take(&self, is_stuck: &mut bool) -> Result<usize, QueueError> {
        let received = self.client.receive().await?;
        if received.is_empty() {
            return Ok(0);
        }
        let tell = || {
            let messages: Vec<_> = received.iter().flat_map(read).collect();
            self.hints.tell(Source::Queue, &self.of, &messages);
        };
        let was_stuck = *is_stuck;
        if !was_stuck {
            tell();
        }
        // All of them, whatever they are: what nobody deletes comes again and again.
        let deleted = self.client.delete(&received).await;
        *is_stuck = deleted.is_err();
        if was_stuck && deleted.is_ok() {
            tell();
        }
        deleted.map(|()| received.len())
    }
}

impl Drop for QueueLoop {
    fn drop(&mut self) {
        // It is read no more, and what was wrong with it no longer concerns anybody.
        self.hints.queue_is_well(&self.shown_at);
    }
}

/// A body is JSON, or Base64 of it: rules and consoles differ.
fn read(message: &Message) -> Vec<message::Message> {
    let body = message.body.trim();
    let nothing = About::default();
    if body.starts_with(['{', '[']) {
        return message::read(body.as_bytes(), &nothing);
    }
    match STANDARD.decode(body) {
        Ok(decoded) if !decoded.is_empty() => message::read(&decoded, &nothing),
        _ => vec![message::Message::Unreadable],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn when_the_next_request_is_sent() {
        use QueueReason::{Denied, Missing, Transport, Unavailable};
        let empty = |waited| Ended::Empty(seconds(waited));
        let failed_after = |waited, reason| Ended::Failed(reason, seconds(waited));
        let failed = |reason| failed_after(0, reason);
        let cases: [(&str, &[Ended], &[u64]); 9] = [
            (
                "a queue that works",
                &[empty(30), Ended::Messages, empty(29)],
                &[0, 0, 0],
            ),
            (
                "an empty one that answers at once",
                &[
                    empty(0),
                    empty(0),
                    empty(0),
                    empty(1),
                    empty(0),
                    empty(0),
                    empty(0),
                    empty(0),
                ],
                &[1, 2, 4, 8, 16, 32, 60, 60],
            ),
            (
                "one that waits again",
                &[empty(0), empty(0), empty(30), empty(0)],
                &[1, 2, 0, 1],
            ),
            ("a missing one", &[failed(Missing), failed(Missing)], &[60, 60]),
            (
                "one that is denied for a while",
                &[failed(Denied), Ended::Messages, failed(Transport)],
                &[60, 0, 1],
            ),
            (
                "a service that is away",
                &[failed(Unavailable), failed(Transport), Ended::Messages],
                &[1, 2, 0],
            ),
            (
                "a proxy that cuts what is idle",
                &[
                    failed(Transport),
                    failed(Transport),
                    failed_after(20, Transport),
                    failed_after(20, Unavailable),
                    failed(Transport),
                ],
                &[1, 2, 1, 1, 1],
            ),
            (
                "connections that are not made",
                &[failed_after(5, Transport), failed_after(5, Transport)],
                &[1, 2],
            ),
            (
                "what a person must mend, however late it says so",
                &[failed_after(30, Denied), failed_after(30, Denied)],
                &[60, 60],
            ),
        ];
        for (what, ended, expected) in cases {
            let mut pauses = Pauses::default();
            let waited: Vec<u64> = ended.iter().map(|ended| pauses.after(*ended).as_secs()).collect();
            assert_eq!(waited, expected, "{what}");
        }
        let mut pauses = Pauses::default();
        assert!((0..100).all(|_| pauses.after(empty(0)) <= LONGEST_PAUSE));
    }

    #[test]
    fn bodies_are_json_or_base64_of_it() {
        let body = |body: &str| {
            read(&Message {
                body: body.to_owned(),
                receipt_handle: String::new(),
            })
        };
        let event = r#"{"type":"ecs:CloudAssistant:TaskCompleted","aliyunregionid":"r"}"#;
        let hint = || {
            message::Message::Hint(About {
                account: None,
                region_id: Some("r".to_owned()),
            })
        };
        assert_eq!(body(event), [hint()]);
        assert_eq!(body(&format!(" {}\n", STANDARD.encode(event))), [hint()]);
        assert_eq!(body(&format!("[{event},{event}]")), [hint(), hint()]);
        for odd in ["", "plain text", "e30", "e30=", &STANDARD.encode([0xff, 0])] {
            assert_eq!(body(odd), [message::Message::Unreadable], "{odd}");
        }
    }
}
