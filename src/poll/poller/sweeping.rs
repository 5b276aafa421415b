//! Sweeps between polls: when one begins, and what becomes of its answers.

use tokio::time::Instant;

use super::Poller;
use crate::aliyun::client::{Action, Answered};
use crate::aliyun::error::CallError;
use crate::poll::cloud::{Cloud, Reply};
use crate::poll::conversation::take;
use crate::poll::held::Held;
use crate::poll::records::Records;
use crate::poll::scan::{Request, Scan};
use crate::poll::showing::Of;

impl<C: Cloud, R: Records> Poller<C, R> {
    /// Begins a sweep if it is due, and there is something that it could find.
    pub(super) fn begin_sweep_if_due(&mut self) {
        let Some(record) = self.held.record() else {
            return;
        };
        if !self.sweeps.is_due() || record.needs_baseline() {
            return;
        }
        let paused = self.cloud.paused_for(Action::DescribeInvocations);
        let mut scan = Scan::sweep(self.clock.now(), self.plan.history_budget);
        if self.sweeps.is_owed() {
            // What it leaves unread would be shown as less than it was.
            scan = scan.with_every_history();
        }
        let scan = self.invocations.prepare(scan, paused, self.plan.settings.pauses);
        self.sweeps.begin(scan, &self.cloud);
    }

    /// A sweep's request was answered: the next one, or its end. `next` is when the next poll begins.
    pub(super) async fn sweep_goes_on(
        &mut self,
        (request, reply): (Request, Result<Answered<Reply>, CallError>),
        next: Instant,
    ) {
        // What it has read belongs to the record that was there when it began: without that it ends here.
        let (Some(mut sweep), Held::Loaded(record)) = (self.sweeps.take(), self.held.take()) else {
            return;
        };
        let (scan, cursor) = (&mut sweep.scan, &mut sweep.cursor);
        let taken = take(scan, &record, cursor, (&request, reply), self.clock);
        let swept = match taken {
            Ok(()) if sweep.send(&self.cloud) => {
                self.showing.progress(sweep.scan.rows(), &record, false);
                self.sweeps.goes_on(sweep);
                self.held = Held::Loaded(record);
                return;
            }
            Ok(()) => {
                self.invocations.note(&sweep.scan, self.plan.settings.pauses);
                sweep.scan.leave_histories(&mut sweep.cursor);
                self.keep(record, sweep.scan.findings()).await
            }
            Err(error) => {
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
                self.showing.failed(Of::Sweep, &error);
                self.showing.swept(false);
            }
        }
        self.showing.no_progress();
        self.show(next).await;
    }
}
