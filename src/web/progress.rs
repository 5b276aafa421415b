//! How far a connection is with its requests, and until when it may stay so.
//!
//! hyper bounds the time of a head alone, and counts the pause between two requests as part of it. A scraper that
//! comes every minute would be sent away each time, so the deadlines are kept here: of the first and every later
//! head, of the answer, and of the pause. The bytes that pass ([`Watched`]), the requests ([`Progress::begin`]) and
//! the life of an answer's bytes ([`Answering`]) tell when one ends and the next begins.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// From the first byte of a request's head to its last; for the first request, from the start of the connection.
pub(super) const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// Making an answer. Only a reload or a long queue of passwords to check takes longer than a moment.
const MAKE_LIMIT: Duration = Duration::from_secs(60);
/// Taking an answer, from its first byte to its last, however steadily it is read.
pub(super) const TAKE_LIMIT: Duration = Duration::from_secs(30);
/// The pause between two requests: longer than scrapers wait, so that they keep their connection.
const PAUSE_LIMIT: Duration = Duration::from_secs(120);
/// A connection that has taken its answer for so long may be closed to make room.
const SLOW: Duration = Duration::from_secs(5);

/// The progress of one connection, shared by those who see a part of it.
#[derive(Debug)]
pub(super) struct Progress {
    stage: Mutex<Stage>,
    /// Cancelled to close the connection at once, to make room for another.
    pub(super) evicted: CancellationToken,
}

#[derive(Debug)]
struct Stage {
    /// When the connection began, or went quiet after an answer.
    quiet_since: Instant,
    /// When the head of the next request began to arrive.
    head_since: Option<Instant>,
    /// Requests that have begun, ever.
    requests: u64,
    /// HTTP/2: bytes may come at any time, and do not announce a request.
    multiplexed: bool,
    /// The deadlines of the answers in hand, by the number of their request.
    answers: BTreeMap<u64, Instant>,
    /// The deadline of answers which are complete, but not yet known to have left.
    unflushed: Option<Instant>,
}

/// How ready a connection is to be closed for another, most willing first, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// It has not sent one whole request.
    Unproven(Instant),
    /// It pauses between requests.
    Quiet(Instant),
    /// It takes its answer slowly.
    Slow(Instant),
}

impl Progress {
    pub(super) fn new(now: Instant) -> Arc<Self> {
        let stage = Stage {
            quiet_since: now,
            head_since: None,
            requests: 0,
            multiplexed: false,
            answers: BTreeMap::new(),
            unflushed: None,
        };
        Arc::new(Self {
            stage: Mutex::new(stage),
            evicted: CancellationToken::new(),
        })
    }

    /// When the connection must be closed unless something changes.
    pub(super) fn deadline(&self) -> Instant {
        let stage = self.stage();
        if let Some(first) = stage.busy_until() {
            first
        } else if stage.requests == 0 {
            stage.quiet_since + HEAD_LIMIT
        } else if let Some(since) = stage.head_since {
            since + HEAD_LIMIT
        } else {
            stage.quiet_since + PAUSE_LIMIT
        }
    }

    /// Whether and how gladly it may be closed at `now` to make room; none for one that is being served.
    pub(super) fn standing(&self, now: Instant) -> Option<Standing> {
        let stage = self.stage();
        match stage.busy_until() {
            None if stage.requests == 0 => Some(Standing::Unproven(stage.quiet_since)),
            None => Some(Standing::Quiet(stage.quiet_since)),
            // Only answers that are being taken have a deadline so near.
            Some(until) if until < now + TAKE_LIMIT.saturating_sub(SLOW) => Some(Standing::Slow(until)),
            Some(_) => None,
        }
    }

    /// The handshake is over, from which the time of the first head counts.
    pub(super) fn established(&self) {
        self.stage().quiet_since = Instant::now();
    }

    /// Whether not one byte has come yet: closing it takes nothing from anybody.
    pub(super) fn is_untouched(&self) -> bool {
        let stage = self.stage();
        stage.requests == 0 && stage.head_since.is_none()
    }

    /// A request has arrived.
    pub(super) fn begin(self: &Arc<Self>, multiplexed: bool) -> Answering {
        let mut stage = self.stage();
        stage.requests += 1;
        stage.head_since = None;
        stage.multiplexed = multiplexed;
        let number = stage.requests;
        stage.answers.insert(number, Instant::now() + MAKE_LIMIT);
        Answering {
            number,
            progress: Arc::clone(self),
        }
    }

    /// Bytes have arrived.
    pub(super) fn received(&self) {
        let mut stage = self.stage();
        if stage.head_since.is_none() && !stage.multiplexed && stage.busy_until().is_none() {
            stage.head_since = Some(Instant::now());
        }
    }

    /// All bytes that were to be sent have left.
    pub(super) fn flushed(&self) {
        let mut stage = self.stage();
        if stage.unflushed.take().is_some() {
            stage.quiet_since = Instant::now();
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stage {
    /// The nearest deadline of an answer.
    fn busy_until(&self) -> Option<Instant> {
        self.answers.values().copied().chain(self.unflushed).min()
    }
}

/// One answer, from its request to the moment when nobody holds a byte of it any more.
#[derive(Debug)]
pub(super) struct Answering {
    number: u64,
    progress: Arc<Progress>,
}

impl Answering {
    /// The answer is made; from now on it is for the client to take it.
    pub(super) fn made(&self) {
        self.progress
            .stage()
            .answers
            .insert(self.number, Instant::now() + TAKE_LIMIT);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut stage = self.progress.stage();
        if let Some(deadline) = stage.answers.remove(&self.number) {
            stage.unflushed = Some(stage.unflushed.map_or(deadline, |other| other.min(deadline)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seconds(count: u64) {
        tokio::time::advance(Duration::from_secs(count)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn each_stage_has_its_deadline() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let progress = Progress::new(start);
        assert_eq!(
            progress.deadline(),
            after(10),
            "the first head, even if nothing of it comes"
        );
        seconds(4).await;
        progress.received();
        assert_eq!(progress.deadline(), after(10), "dripping does not prolong it");
        let answering = progress.begin(false);
        assert_eq!(progress.deadline(), after(64), "making the answer");
        answering.made();
        assert_eq!(progress.deadline(), after(34), "taking it");
        seconds(10).await;
        progress.received();
        progress.flushed();
        assert_eq!(
            progress.deadline(),
            after(34),
            "neither flushes nor pipelined bytes prolong it"
        );
        drop(answering);
        assert_eq!(
            progress.deadline(),
            after(34),
            "what nobody holds may still lie in a buffer"
        );
        progress.flushed();
        assert_eq!(progress.deadline(), after(14 + 120), "the pause");
        seconds(60).await;
        progress.received();
        assert_eq!(progress.deadline(), after(74 + 10), "the next head");
        let first = progress.begin(true);
        first.made();
        seconds(5).await;
        let second = progress.begin(true);
        second.made();
        assert_eq!(progress.deadline(), after(74 + 30), "the oldest answer decides");
        drop((first, second));
        progress.flushed();
        progress.received();
        assert_eq!(progress.deadline(), after(79 + 120), "HTTP/2 frames are no head");
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_never_asked_go_first() {
        let start = Instant::now();
        let unproven = Progress::new(start);
        let quiet = Progress::new(start);
        drop(quiet.begin(false));
        quiet.flushed();
        let slow = Progress::new(start);
        let answering = slow.begin(false);
        answering.made();
        assert_eq!(slow.standing(Instant::now()), None, "it may be reading well");
        seconds(6).await;
        let now = Instant::now();
        let mut all = [slow.standing(now), quiet.standing(now), unproven.standing(now)];
        all.sort();
        assert!(
            matches!(
                all,
                [
                    Some(Standing::Unproven(_)),
                    Some(Standing::Quiet(_)),
                    Some(Standing::Slow(_))
                ]
            ),
            "{all:?}"
        );
    }
}
