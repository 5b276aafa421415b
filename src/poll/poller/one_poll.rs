//! One poll, from its first request until what it found is saved.

use std::time::SystemTime;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Poller;
use crate::aliyun::client::{Action, Answered};
use crate::aliyun::error::{CallError, Reason};
use crate::aliyun::limit::Priority;
use crate::poll::cloud::{Cloud, Reply};
use crate::poll::conversation::{INVOCATIONS_TIMEOUT, take};
use crate::poll::error::{PollEnd, PollError};
use crate::poll::held::Held;
use crate::poll::records::Records;
use crate::poll::result_log;
use crate::poll::scan::Scan;
use crate::poll::showing::{Of, Recorded};
use crate::poll::sweep::Sweeps;
use crate::record::{Applied, Findings, Record};
use crate::timestamp;

/// What the API answers in a region where there is no Cloud Assistant.
const NOT_SUPPORTED: &str = "RegionId.ApiNotSupported";

/// So many baselines in a row lose the rest of their list before one is content with what it has. A NextToken that
/// lives shorter than the list is long would else begin it anew for ever.
const LISTS_CUT_OFF: u32 = 2;

impl<C: Cloud, R: Records> Poller<C, R> {
    /// One poll. How it ended is in the view, but for one that was stopped or is the region's last.
    pub(super) async fn poll(&mut self, stop: &CancellationToken) -> PollEnd {
        let started = Instant::now();
        let end = match self.record().await {
            Ok(record) => self.poll_for(record, started, stop).await,
            Err(error) => PollEnd::Failed(error),
        };
        match &end {
            PollEnd::Done { .. } => self.showing.polled(true, started.elapsed()),
            PollEnd::Failed(error) => {
                self.showing.failed(Of::Poll, error);
                self.showing.polled(false, started.elapsed());
            }
            PollEnd::NotSupported | PollEnd::Stopped => return end,
        }
        self.showing.no_progress();
        end
    }

    async fn poll_for(&mut self, record: Box<Record>, started: Instant, stop: &CancellationToken) -> PollEnd {
        let found = tokio::select! {
            // Cancel-safe: until everything is found nothing has changed but the cursor, which ends with the poller.
            () = stop.cancelled() => None,
            found = self.find(&record, started) => Some(found),
        };
        let error = match found {
            Some(Ok(findings)) => {
                return match self.keep(record, findings).await {
                    Ok(applied) => PollEnd::Done {
                        is_new: applied.counted + applied.reclassified > 0,
                    },
                    Err(error) => PollEnd::Failed(error),
                };
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        // Where a poll has succeeded once, the region knows Cloud Assistant, and this is a failure like others.
        let is_new = record.recorded_at() == 0;
        self.held = Held::Loaded(record);
        match error {
            None => PollEnd::Stopped,
            Some(error) if self.plan.discovered && is_new && error.code.as_deref() == Some(NOT_SUPPORTED) => {
                PollEnd::NotSupported
            }
            Some(error) => PollEnd::Failed(error.into()),
        }
    }

    /// Asks until the poll is complete.
    async fn find(&mut self, record: &Record, started: Instant) -> Result<Findings, CallError> {
        let is_baseline = record.needs_baseline();
        let (began, budget) = (self.clock.now(), self.plan.history_budget);
        let scan = match is_baseline {
            true => Scan::sweep(began, budget),
            false => Scan::poll(began, budget),
        };
        // What is new took longer to read than a poll has time, and would at the next one.
        let may_take_longer = std::mem::take(&mut self.is_behind) || is_baseline;
        let paused = self.cloud.paused_for(Action::DescribeInvocations);
        let mut scan = self.invocations.prepare(scan, paused, self.plan.settings.pauses);
        let deadline = (!may_take_longer).then(|| started + self.plan.timeout);
        let asking_since = Instant::now();
        let mut invocations_until = None;
        while let Some(request) = scan.next_request(&self.cursor) {
            let deadline = if request.question.can_fail() {
                let until = *invocations_until.get_or_insert_with(|| Instant::now() + INVOCATIONS_TIMEOUT);
                Some(deadline.map_or(until, |deadline| deadline.min(until)))
            } else {
                deadline
            };
            let reply = self.cloud.ask(&request, Priority::Poll, deadline).await;
            if is_baseline && self.is_cut_off_again(&scan, &reply) {
                scan.end_list(record, &mut self.cursor);
                continue;
            }
            if reply.is_err() && deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                self.is_behind = scan.is_amid_list();
            }
            take(&mut scan, record, &mut self.cursor, (&request, reply), self.clock)?;
            if asking_since.elapsed() >= self.plan.for_histories() {
                scan.enough_histories(record);
            }
            if is_baseline {
                self.showing.progress(scan.rows(), record, true);
            }
        }
        self.invocations.note(&scan, self.plan.settings.pauses);
        Ok(scan.findings())
    }

    /// Whether this baseline is to end with the rows that it has. What was settled on the pages that it could not
    /// have is later known by its time (rule 2).
    fn is_cut_off_again(&mut self, scan: &Scan, reply: &Result<Answered<Reply>, CallError>) -> bool {
        let Err(error) = reply else {
            return false;
        };
        if error.reason != Reason::Rejected || !scan.is_amid_list() {
            self.lists_cut_off = 0;
            return false;
        }
        self.lists_cut_off += 1;
        let is_again = self.lists_cut_off >= LISTS_CUT_OFF;
        if is_again {
            self.lists_cut_off = 0;
            tracing::warn!(
                rows = scan.rows(),
                code = error.code.as_deref(),
                request_id = error.request_id.as_deref(),
                error = error.what,
                "the rest of the list is refused again: the first look ends with these rows, and older ones will be known by their time"
            );
        }
        is_again
    }

    /// Applies and saves: in this order and before anything is shown, so that a crash takes nothing back.
    pub(super) async fn keep(
        &mut self,
        mut record: Box<Record>,
        findings: Findings,
    ) -> Result<Applied, PollError> {
        let now = findings.ended(self.clock.now().steady);
        let recorded = Recorded::of(&findings, &record);
        self.sweeps.note_newer(&findings);
        record.list_counted(result_log::listed(self.plan.logged_results));
        record.lacks_saves(self.sweeps.is_owed());
        let mut applied = record.apply(findings, now);
        record.bound_failures(self.showing.share_of_failures(record.failures()));
        let listed = std::mem::take(&mut applied.listed);
        let record = self.saved(record).await?;
        self.showing.recorded(&recorded, &applied, &record);
        self.held = Held::Loaded(record);
        result_log::write(&listed);
        if recorded.is_sweep {
            self.sweeps.done();
        }
        Ok(applied)
    }

    /// Saves what has changed of the record in hand, if there is one.
    pub(super) async fn save(&mut self) -> Result<(), PollError> {
        if let Held::Loaded(record) = self.held.take() {
            self.held = Held::Loaded(self.saved(record).await?);
        }
        Ok(())
    }

    /// Saves what has changed, and gives the record back only then: after a failure what is on the disk counts.
    async fn saved(&self, mut record: Box<Record>) -> Result<Box<Record>, PollError> {
        // In use since the last poll that the API has answered: the clock may be wrong.
        let used = record.recorded_at();
        let changes = record.take_changes();
        if !changes.is_empty() {
            self.records.save(&self.scope, changes, used).await?;
        }
        Ok(record)
    }

    /// Takes the record in hand; reads it again where there is none.
    async fn record(&mut self) -> Result<Box<Record>, PollError> {
        if let Held::Loaded(record) = self.held.take() {
            return Ok(record);
        }
        let now = timestamp::seconds(SystemTime::now());
        let record = self.records.load(&self.scope, &self.plan.settings, now).await?;
        // What a sweep has read belongs to the record that is gone.
        let is_owed = self.sweeps.is_owed();
        self.sweeps = Sweeps::new(&self.scope, Some(&record), &self.plan).owed(is_owed);
        Ok(Box::new(record))
    }
}
