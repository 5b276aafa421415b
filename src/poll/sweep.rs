//! Sweeps: everything that the API lists is read again in the background, request by request, while polls go on.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use super::cloud::{Cloud, Reply};
use super::conversation::{INVOCATIONS_TIMEOUT, take};
use super::held::Held;
use super::plan::PollPlan;
use super::poller::Poller;
use super::records::Records;
use super::scan::history::HistoryCursor;
use super::scan::{Request, Scan};
use crate::aliyun::client::Action;
use crate::aliyun::error::CallError;
use crate::aliyun::limit::Priority;
use crate::record::Record;
use crate::timestamp;

/// A sweep that has failed is begun again after so many polls, if the next one is not due before.
const POLLS_BEFORE_NEXT_TRY: u32 = 10;

/// A scope's sweeps.
#[derive(Debug)]
pub(super) struct Sweeps {
    /// None for 0.
    interval: Option<Duration>,
    under_way: Option<SweepUnderWay>,
    /// When the next one begins: by the process's own time, which a step of the machine's clock does not move.
    next: Instant,
}

#[derive(Debug)]
struct SweepUnderWay {
    scan: Scan,
    /// Of its own: polls go on meanwhile.
    cursor: HistoryCursor,
    /// The one request in flight. A task of its own, so that it goes on while the poller polls, saves or waits.
    request: JoinSet<(Request, Result<Reply, CallError>)>,
}

impl Sweeps {
    /// After those that the record knows of.
    pub(super) fn new(record: Option<&Record>, plan: &PollPlan) -> Self {
        // Only how long ago the last one was is read from the machine's clock, once.
        let now = timestamp::seconds(SystemTime::now());
        let age = record.map_or(0, |record| now.saturating_sub(record.swept_at()));
        let interval = plan.sweep_interval.unwrap_or_default();
        Self {
            interval: plan.sweep_interval,
            under_way: None,
            next: Instant::now() + interval.saturating_sub(Duration::from_secs(u64::from(age))),
        }
    }

    /// Everything has been read.
    pub(super) fn done(&mut self) {
        self.next = Instant::now() + self.interval.unwrap_or_default();
    }

    fn failed(&mut self, plan: &PollPlan) {
        let interval = self.interval.unwrap_or_default();
        self.next = Instant::now() + interval.min(plan.interval * POLLS_BEFORE_NEXT_TRY);
    }

    fn is_due(&self) -> bool {
        self.interval.is_some() && self.under_way.is_none() && Instant::now() >= self.next
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
    fn send<C: Cloud>(&mut self, cloud: &Arc<C>) -> bool {
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

impl<C: Cloud, R: Records> Poller<C, R> {
    /// Begins a sweep if it is due, and there is something that it could find.
    pub(super) fn begin_sweep_if_due(&mut self) {
        let Held::Loaded(record) = &mut self.held else {
            return;
        };
        if !self.sweeps.is_due() || record.needs_first_look() {
            return;
        }
        record.sweep_begins();
        let paused = self.cloud.paused_for(Action::DescribeInvocations);
        let scan = Scan::sweep(self.clock.now(), self.plan.history_budget);
        let mut sweep = SweepUnderWay {
            scan: self.invocations.prepare(scan, paused, self.plan.settings.pauses),
            cursor: HistoryCursor::default(),
            request: JoinSet::new(),
        };
        sweep.send(&self.cloud);
        self.sweeps.under_way = Some(sweep);
    }

    /// A sweep's request was answered: the next one, or its end. `next` is when the next poll begins.
    pub(super) async fn sweep_goes_on(
        &mut self,
        (request, reply): (Request, Result<Reply, CallError>),
        next: Instant,
    ) {
        // What it has read belongs to the record that was there when it began: without that it ends here.
        let (Some(mut sweep), Held::Loaded(mut record)) = (self.sweeps.under_way.take(), self.held.take())
        else {
            return;
        };
        let taken = take(&mut sweep.scan, &record, &mut sweep.cursor, &request, reply);
        let swept = match taken {
            Ok(()) if sweep.send(&self.cloud) => {
                self.showing.progress(sweep.scan.rows(), &record, false);
                self.sweeps.under_way = Some(sweep);
                self.held = Held::Loaded(record);
                return;
            }
            Ok(()) => {
                self.invocations.note(&sweep.scan, self.plan.settings.pauses);
                self.keep(record, sweep.scan.findings()).await
            }
            Err(error) => {
                record.sweep_abandoned();
                self.held = Held::Loaded(record);
                Err(error.into())
            }
        };
        match swept {
            Ok(applied) => {
                tracing::info!(late = applied.late, forgotten = applied.forgotten, "sweep done");
                self.showing.swept(true);
            }
            Err(error) => {
                self.sweeps.failed(&self.plan);
                self.showing.failed(&error);
                self.showing.swept(false);
            }
        }
        self.showing.no_progress();
        self.show(next).await;
    }
}
