//! The shell around the pure parts: one task a scope, which is the one writer of its record.
//!
//! Each poll is planned, fetched, applied, saved, and then shown. Between polls a sweep goes on in the background,
//! request by request; what polls find meanwhile is newer than its pages, and the record knows.

mod one_poll;
mod sweeping;

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::aliyun::client::Action;
use crate::clock::Clock;
use crate::poll::agenda::{Agenda, Ended};
use crate::poll::cloud::Cloud;
use crate::poll::error::PollEnd;
use crate::poll::held::Held;
use crate::poll::inbox::Inbox;
use crate::poll::invocations::AskingInvocations;
use crate::poll::plan::PollPlan;
use crate::poll::records::Records;
use crate::poll::scan::cursor::HistoryCursor;
use crate::poll::showing::{Of, Showing};
use crate::poll::sweep::Sweeps;
use crate::poll::timetable::Timetable;
use crate::scope::Scope;
use crate::view::{Board, Work};

/// Why a poller ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was stopped.
    Stopped,
    /// The region's API does not know Cloud Assistant.
    NotSupported,
}

/// When a poller's scope is first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstView {
    /// With what is saved, before anything is asked: the first scrape may come before the first poll.
    AtOnce,
    /// Not before the first poll has ended: a region that was set aside probably will be again.
    AfterPoll,
}

/// Where a poller goes on from.
#[derive(Debug)]
pub struct Start {
    /// The saved record of its scope.
    pub held: Held,
    /// What has been done for the scope by the pollers that it had before.
    pub work: Work,
    /// When the first poll begins, since others begin now.
    pub first_poll: Instant,
    /// Where it is told of events.
    pub inbox: Inbox,
    /// Whether the record lacks what has been shown of it. What it lacks is still listed, and found by a sweep: nothing
    /// of it is shown before.
    pub lacks_saves: bool,
}

/// The poller of one scope: it asks `C`, and saves in `R`.
#[derive(Debug)]
pub struct Poller<C, R> {
    scope: Scope,
    plan: Arc<PollPlan>,
    cloud: Arc<C>,
    records: R,
    held: Held,
    showing: Showing,
    clock: Clock,
    cursor: HistoryCursor,
    invocations: AskingInvocations,
    sweeps: Sweeps,
    /// Baselines in a row that have lost the rest of their list.
    lists_cut_off: u32,
    /// Whether the last poll was out of time while it read the list.
    is_behind: bool,
    first_poll: Instant,
    inbox: Inbox,
}

impl<C: Cloud, R: Records> Poller<C, R> {
    /// A poller of `scope`; where its record could not be read, each poll tries to.
    pub fn new(
        scope: Scope,
        plan: impl Into<Arc<PollPlan>>,
        (cloud, records, board): (C, R, Board),
        start: Start,
    ) -> Self {
        let plan = plan.into();
        Self {
            showing: Showing::new(scope.clone(), board, start.work, plan.interval),
            sweeps: Sweeps::new(&scope, start.held.record(), &plan).owed(start.lacks_saves),
            scope,
            plan,
            cloud: Arc::new(cloud),
            records,
            held: start.held,
            clock: Clock::new(),
            cursor: HistoryCursor::default(),
            invocations: AskingInvocations::default(),
            lists_cut_off: 0,
            is_behind: false,
            first_poll: start.first_poll,
            inbox: start.inbox,
        }
    }

    /// Polls until stopped. A poll in hand is then finished if it is being saved, and else abandoned, which loses
    /// nothing: its results are found again.
    ///
    /// Not to be dropped before it ends: a save under way may then be done or not, and another poller of the same
    /// scope would be a second writer of its record.
    pub fn run(mut self, stop: CancellationToken, first_view: FirstView) -> impl Future<Output = End> + Send {
        // Before the task's first turn, which may come after the first scrape.
        if first_view == FirstView::AtOnce {
            self.picture();
            self.showing.publish();
        }
        let scope = &self.scope;
        let span = tracing::error_span!("poller", account = &*scope.account, region_id = &*scope.region_id);
        async move {
            let end = self.go_on(&stop, first_view).await;
            self.save_last_poll().await;
            end
        }
        .instrument(span)
    }

    async fn go_on(&mut self, stop: &CancellationToken, first_view: FirstView) -> End {
        let now = Instant::now();
        let timetable = Timetable::new(&self.scope, self.plan.interval, now);
        let looked = self.held.record().is_some_and(|record| !record.needs_baseline());
        let intervals = (self.plan.interval, self.plan.min_interval);
        let mut agenda = Agenda::new(timetable, intervals, self.first_poll, looked);
        let mut next = agenda.next().max(self.unpaused());
        if first_view == FirstView::AtOnce {
            self.show(next).await;
        }
        loop {
            if !self.wait(&mut agenda, next, stop).await {
                return End::Stopped;
            }
            let hinted = self.inbox.take();
            self.showing.begins(agenda.begin(Instant::now(), hinted));
            // Boxed: most of the time there is no poll, and room for it would be kept by hundreds of pollers.
            let ended = match Box::pin(self.poll(stop)).await {
                PollEnd::Done { is_new: true } => Ended::New,
                PollEnd::Done { is_new: false } => Ended::Nothing,
                PollEnd::Failed(_) => Ended::Failed,
                PollEnd::Stopped => return End::Stopped,
                PollEnd::NotSupported => return End::NotSupported,
            };
            agenda.end(Instant::now(), ended);
            // What the API has asked to wait for comes before our own rhythm.
            next = agenda.next().max(self.unpaused());
            self.show(next).await;
        }
    }

    /// Waits for the next poll, which a hint may bring forward, and does meanwhile what has its own time: sweeps, and
    /// series that were held at 0. `false` when stopped.
    async fn wait(&mut self, agenda: &mut Agenda, mut next: Instant, stop: &CancellationToken) -> bool {
        loop {
            self.begin_sweep_if_due();
            let change = self.next_change();
            // Only waiting is raced here, and all of it is cancel-safe. What is done about it is done to its end, a
            // save above all, while nobody looks for a stop.
            tokio::select! {
                () = stop.cancelled() => return false,
                () = sleep_until(next) => return true,
                () = self.inbox.hinted(), if agenda.listens() => {
                    agenda.hint();
                    next = next.min(agenda.next().max(self.unpaused()));
                    self.showing.next_poll(next);
                    self.showing.publish();
                }
                () = sleep_until(change.unwrap_or(next)), if change.is_some() => self.show(next).await,
                answered = self.sweeps.answered() => Box::pin(self.sweep_goes_on(answered, next)).await,
            }
        }
    }

    /// From when on the API may be asked for results.
    fn unpaused(&self) -> Instant {
        Instant::now() + self.cloud.paused_for(Action::DescribeInvocationResults)
    }

    /// When a series that is held at 0 is to show its value.
    fn next_change(&self) -> Option<Instant> {
        // Without a record there is nothing to show anew.
        self.held.record()?;
        Some(self.clock.instant(self.showing.next_change()?))
    }

    /// Takes what the record adds up to into the view.
    fn picture(&mut self) {
        if let Held::Loaded(record) = &mut self.held
            && !self.sweeps.is_owed()
        {
            self.showing.picture(record, self.clock);
        }
    }

    /// The last poll may have found nothing, which is not saved each time: whoever comes next is to know when it was.
    async fn save_last_poll(&mut self) {
        if let Held::Loaded(record) = &mut self.held {
            record.save_last_poll();
            if let Err(error) = self.save().await {
                tracing::debug!(%error, "when the last poll ended cannot be saved");
            }
        }
    }

    /// Puts up what is known now. Rule 3: that a series is no longer held at 0 is saved first.
    async fn show(&mut self, next: Instant) {
        if let Held::Loaded(record) = &mut self.held
            && record.release(self.clock.now().steady)
            && let Err(error) = self.save().await
        {
            self.showing.failed(Of::Poll, &error);
            self.showing.swept(false);
        }
        self.picture();
        self.showing.next_poll(next);
        self.showing.publish();
    }
}
