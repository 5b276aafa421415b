//! Sweeps: everything that the API lists is read again in the background, request by request, while polls go on.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use super::cloud::{Cloud, Reply};
use super::conversation::INVOCATIONS_TIMEOUT;
use super::plan::PollPlan;
use super::scan::cursor::HistoryCursor;
use super::scan::{Request, Scan};
use super::timetable::place;
use crate::aliyun::client::Answered;
use crate::aliyun::error::CallError;
use crate::aliyun::limit::Priority;
use crate::record::{Findings, Record};
use crate::scope::Scope;
use crate::timestamp;

/// A sweep that has failed is begun again after so many polls, if the next one is not due before.
const POLLS_BEFORE_NEXT_TRY: u32 = 10;

/// Over this part of an interval sweeps are spread that would come together.
const SPREAD: u32 = 8;

/// A scope's sweeps.
#[derive(Debug)]
pub(super) struct Sweeps {
    /// None for 0.
    interval: Option<Duration>,
    /// Boxed: most of the time there is none.
    under_way: Option<Box<SweepUnderWay>>,
    /// When the next one begins: by the process's own time, which a step of the machine's clock does not move.
    next: Instant,
    /// Whether nothing of the record may be shown before one has ended.
    is_owed: bool,
    /// How much earlier the one after the next comes, once: sweeps of scopes that began together come apart.
    earlier: Duration,
}

/// A sweep that has begun.
#[derive(Debug)]
pub(super) struct SweepUnderWay {
    pub(super) scan: Scan,
    /// Of its own: polls go on meanwhile.
    pub(super) cursor: HistoryCursor,
    /// The one request in flight. A task of its own, so that it goes on while the poller polls, saves or waits.
    request: JoinSet<(Request, Result<Answered<Reply>, CallError>)>,
}

impl Sweeps {
    /// After those that the record knows of; thousands of overdue ones do not begin at once.
    pub(super) fn new(scope: &Scope, record: Option<&Record>, plan: &PollPlan) -> Self {
        // Only how long ago the last one was is read from the machine's clock, once.
        let now = timestamp::seconds(SystemTime::now());
        let swept = record.filter(|record| !record.needs_baseline());
        let age = swept.map(|record| Duration::from_secs(now.saturating_sub(record.swept_at()).into()));
        let interval = plan.sweep_interval.unwrap_or_default();
        let (wait, earlier) = first(interval, age, (interval / SPREAD).mul_f64(place(scope)));
        Self {
            interval: plan.sweep_interval,
            under_way: None,
            next: Instant::now() + wait,
            is_owed: false,
            earlier,
        }
    }

    /// The record lacks what has been shown: everything is to be read at once, whatever the interval is.
    #[must_use]
    pub(super) fn owed(mut self, is_owed: bool) -> Self {
        if is_owed {
            self.is_owed = true;
            self.next = Instant::now();
        }
        self
    }

    /// Whether nothing of the record may be shown yet.
    pub(super) fn is_owed(&self) -> bool {
        self.is_owed
    }

    /// Everything has been read.
    pub(super) fn done(&mut self) {
        self.is_owed = false;
        let interval = self.interval.unwrap_or_default();
        self.next = Instant::now() + interval.saturating_sub(std::mem::take(&mut self.earlier));
    }

    /// The sweep has failed.
    pub(super) fn failed(&mut self, plan: &PollPlan) {
        let pause = plan.interval * POLLS_BEFORE_NEXT_TRY;
        self.next = Instant::now() + self.interval.map_or(pause, |interval| interval.min(pause));
    }

    /// Whether one is to begin.
    pub(super) fn is_due(&self) -> bool {
        (self.interval.is_some() || self.is_owed) && self.under_way.is_none() && Instant::now() >= self.next
    }

    /// Begins one.
    pub(super) fn begin<C: Cloud>(&mut self, scan: Scan, cloud: &Arc<C>) {
        let mut sweep = Box::new(SweepUnderWay {
            scan,
            cursor: HistoryCursor::default(),
            request: JoinSet::new(),
        });
        sweep.send(cloud);
        self.under_way = Some(sweep);
    }

    /// The one under way, which has been answered.
    pub(super) fn take(&mut self) -> Option<Box<SweepUnderWay>> {
        self.under_way.take()
    }

    /// It has asked for more.
    pub(super) fn goes_on(&mut self, sweep: Box<SweepUnderWay>) {
        self.under_way = Some(sweep);
    }

    /// A poll has found this while a sweep may be under way.
    pub(super) fn note_newer(&mut self, findings: &Findings) {
        if let Some(sweep) = &mut self.under_way {
            sweep.scan.note_newer(findings);
        }
    }

    /// The answer to a sweep's request, and what it was; never, where there is no sweep.
    ///
    /// Cancel-safe: an answer that nobody takes stays in the set.
    pub(super) async fn answered(&mut self) -> (Request, Result<Answered<Reply>, CallError>) {
        if let Some(sweep) = &mut self.under_way
            && let Some(answered) = sweep.request.join_next().await
        {
            // A request that died takes this task with it, and so the process: nothing dies unseen.
            return answered.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        }
        std::future::pending().await
    }
}

/// How far off the next sweep is, where the last one was `age` ago, and how much earlier the one behind it comes.
/// `apart` is the scope's own place among those that would sweep together.
///
/// Overdue ones come apart with the next sweep, and stay so; those that are due together come apart with the second.
/// Before the first look there is no sweep: what it is followed by, comes apart.
fn first(interval: Duration, age: Option<Duration>, apart: Duration) -> (Duration, Duration) {
    let due = age.map_or(apart, |age| interval.saturating_sub(age));
    let wait = due.max(apart);
    (wait, apart - (wait - due))
}

impl SweepUnderWay {
    /// Sends the next request. Returns whether there was one.
    pub(super) fn send<C: Cloud>(&mut self, cloud: &Arc<C>) -> bool {
        let Some(request) = self.scan.next_request(&self.cursor) else {
            return false;
        };
        let cloud = Arc::clone(cloud);
        let deadline = request
            .question
            .can_fail()
            .then(|| Instant::now() + INVOCATIONS_TIMEOUT);
        let asking = async move {
            let reply = cloud.ask(&request, Priority::Sweep, deadline).await;
            (request, reply)
        };
        self.request.spawn(asking.in_current_span());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// When the first and the second sweep of scopes at the two ends of the spread begin, in minutes after the start.
    fn minutes(age: Option<Duration>) -> [[u64; 2]; 2] {
        let interval = 6 * HOUR;
        let begin = |apart| {
            let (wait, earlier) = first(interval, age, apart);
            [wait, wait + interval - earlier].map(|at| at.as_secs() / 60)
        };
        [begin(Duration::ZERO), begin(interval / SPREAD)]
    }

    #[test]
    fn sweeps_that_would_come_together_come_apart_and_stay_so() {
        for (what, age, [first, last]) in [
            (
                "swept just now, as after a first look",
                Some(Duration::ZERO),
                [[360, 720], [360, 675]],
            ),
            ("due in an hour", Some(5 * HOUR), [[60, 420], [60, 375]]),
            (
                "due in a quarter",
                Some(5 * HOUR + HOUR * 3 / 4),
                [[15, 375], [45, 390]],
            ),
            ("overdue for long", Some(100 * HOUR), [[0, 360], [45, 405]]),
        ] {
            assert_eq!(minutes(age), [first, last], "{what}");
        }
        let (_, earlier) = first(6 * HOUR, None, HOUR / 2);
        assert_eq!(earlier, HOUR / 2, "before the first look");
    }
}
