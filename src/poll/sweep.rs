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
    request: JoinSet<(Request, Result<Reply, CallError>)>,
}

impl Sweeps {
    /// After those that the record knows of; thousands of overdue ones do not begin at once.
    pub(super) fn new(scope: &Scope, record: Option<&Record>, plan: &PollPlan) -> Self {
        // Only how long ago the last one was is read from the machine's clock, once.
        let now = timestamp::seconds(SystemTime::now());
        let age = record.map_or(0, |record| now.saturating_sub(record.swept_at()));
        let interval = plan.sweep_interval.unwrap_or_default();
        let apart = (interval / SPREAD).mul_f64(place(scope));
        let due = interval.saturating_sub(Duration::from_secs(u64::from(age)));
        Self {
            interval: plan.sweep_interval,
            under_way: None,
            next: Instant::now() + due.max(apart),
            is_owed: false,
            earlier: apart,
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
    pub(super) async fn answered(&mut self) -> (Request, Result<Reply, CallError>) {
        if let Some(sweep) = &mut self.under_way
            && let Some(answered) = sweep.request.join_next().await
        {
            // A request that died takes this task with it, and so the process: nothing dies unseen.
            return answered.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        }
        std::future::pending().await
    }
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
