//! The shell around the pure parts: one task a scope, which is the one writer of its record.
//!
//! Each poll is planned, fetched, applied, saved, and then shown. Between polls a sweep goes on in the background,
//! request by request; what polls find meanwhile is newer than its pages, and the record knows.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::cycle::{About, Ask, Cycle, Invocations};
use super::history::HistoryCursor;
use super::names::Lookup;
use super::result_log;
use super::timetable::Timetable;
use crate::aliyun::client::Action;
use crate::aliyun::ecs::{Ecs, Query, Which};
use crate::aliyun::error::{CallError, Reason};
use crate::aliyun::invocations::Scheduled;
use crate::aliyun::limit::Priority;
use crate::aliyun::rows::Page;
use crate::clock::{Clock, Now};
use crate::config::LoggedResults;
use crate::record::{Applied, Findings, Looks, Record, Settings, Trouble};
use crate::scope::Scope;
use crate::state::{StateError, Store};
use crate::timestamp;
use crate::view::{Board, Failed, LastPoll, Progress, ScopeView, Work};

/// How often the progress of a long scan is logged.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// How long a poll waits for what DescribeInvocations tells: results must not wait for it.
const INVOCATIONS_TIMEOUT: Duration = Duration::from_secs(10);

/// A poll has so long at least, however short the interval is, or histories would never be read.
const LEAST_FOR_HISTORIES: Duration = Duration::from_secs(1);

/// When polls and sweeps happen.
#[derive(Debug, Clone, PartialEq)]
pub struct Times {
    /// `poll.interval`.
    pub interval: Duration,
    /// `poll.sweep_interval`; none for 0.
    pub sweep_interval: Option<Duration>,
    /// `poll.timeout`.
    pub timeout: Duration,
    /// About how many requests of a poll may go to histories of schedules.
    pub history_budget: u64,
    /// Whether the region was found by DescribeRegions: it is then set aside where its API does not know Cloud
    /// Assistant, instead of failing.
    pub discovered: bool,
}

impl Times {
    /// When a poll that has read for so long leaves what is unread of histories to the next ones: the results that it
    /// has found already wait for its end.
    fn for_histories(&self) -> Duration {
        (self.interval / 2).max(LEAST_FOR_HISTORIES).min(self.timeout / 2)
    }
}

/// Why a poller ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was stopped.
    Stopped,
    /// The region's API does not know Cloud Assistant.
    NotSupported,
}

/// The poller of one scope.
#[derive(Debug)]
pub struct Poller {
    ecs: Arc<Ecs>,
    store: Arc<Store>,
    board: Board,
    settings: Settings,
    times: Times,
    /// None after a failed save: what is on the disk then counts, and is read again.
    record: Option<Record>,
    view: ScopeView,
    logged_results: LoggedResults,
    clock: Clock,
    cursor: HistoryCursor,
    /// The looks for what DescribeInvocations tells.
    invocations: Looks,
    /// Whether it could not be asked which invocations are schedules when that was due.
    owes_schedules: bool,
    sweep: Option<SweepUnderWay>,
    /// When the next one begins: by the process's own time, which a step of the machine's clock does not move.
    next_sweep: Instant,
    /// When the progress of a long scan was last logged.
    progress_logged: Instant,
    /// Not to be shown before the first poll has ended.
    unseen: bool,
    /// When the first poll begins.
    first: Instant,
}

#[derive(Debug)]
struct SweepUnderWay {
    cycle: Cycle,
    /// Of its own: polls go on meanwhile.
    cursor: HistoryCursor,
    /// The one request in flight.
    request: JoinSet<Result<Reply, CallError>>,
}

#[derive(Debug)]
enum Reply {
    Page(Page),
    Schedules(Scheduled),
}

/// Why a poll did not come to its end.
#[derive(Debug)]
enum Unfinished {
    Failed(CallError),
    Stopped,
}

impl From<CallError> for Unfinished {
    fn from(error: CallError) -> Self {
        Self::Failed(error)
    }
}

impl Poller {
    /// A poller that goes on from `record`, the saved one of its scope; where it could not be read, each poll tries
    /// to.
    pub fn new(
        scope: Scope,
        ecs: Ecs,
        store: Arc<Store>,
        board: Board,
        settings: Settings,
        times: Times,
        record: Option<Record>,
    ) -> Self {
        let view = ScopeView::new(scope);
        let next_sweep = next_sweep(record.as_ref(), &times);
        Self {
            ecs: Arc::new(ecs),
            store,
            board,
            settings,
            times,
            record,
            view,
            logged_results: LoggedResults::None,
            clock: Clock::new(),
            cursor: HistoryCursor::default(),
            invocations: Looks::default(),
            owes_schedules: false,
            sweep: None,
            next_sweep,
            progress_logged: Instant::now(),
            unseen: false,
            first: Instant::now(),
        }
    }

    /// Logs counted results, as `log.results` says.
    #[must_use]
    pub fn logging(self, logged_results: LoggedResults) -> Self {
        Self {
            logged_results,
            ..self
        }
    }

    /// Goes on counting the work of the poller that the scope had before.
    #[must_use]
    pub fn after(mut self, work: Work) -> Self {
        self.view.work = work;
        self
    }

    /// Shows at once what is saved: the first scrape may come before this poller's first turn.
    #[must_use]
    pub fn seen(mut self) -> Self {
        self.picture();
        self.board.publish(self.view.clone());
        self
    }

    /// Shows nothing before the first poll has ended: for a region that was set aside, and probably will be again.
    #[must_use]
    pub fn unseen(mut self) -> Self {
        self.unseen = true;
        self
    }

    /// Begins then, since others begin now.
    #[must_use]
    pub fn beginning_at(self, first: Instant) -> Self {
        Self { first, ..self }
    }

    /// Polls until stopped. A poll in hand is then finished if it is being saved, and else abandoned, which loses
    /// nothing: its results are found again.
    pub async fn run(&mut self, stop: CancellationToken) -> End {
        let now = Instant::now();
        let timetable = Timetable::new(&self.view.scope, self.times.interval, now);
        let paused = self.ecs.client().paused_for(Action::DescribeInvocationResults);
        let mut next = self.first.max(now + paused);
        if !self.unseen {
            self.show(next).await;
        }
        loop {
            if !self.wait(next, &stop).await {
                return End::Stopped;
            }
            // Boxed: most of the time there is no poll, and room for it would be kept by hundreds of pollers.
            match Box::pin(self.poll(&stop)).await {
                Ok(()) => {}
                Err(Unfinished::Stopped) => return End::Stopped,
                Err(Unfinished::Failed(_)) => return End::NotSupported,
            }
            let now = Instant::now();
            // What the API has asked to wait for comes before our own rhythm.
            next = timetable
                .next(now)
                .max(now + self.ecs.client().paused_for(Action::DescribeInvocationResults));
            self.show(next).await;
        }
    }

    /// Waits for the next poll, and does meanwhile what has its own time: sweeps, and series that were held at 0.
    /// `false` when stopped.
    async fn wait(&mut self, next: Instant, stop: &CancellationToken) -> bool {
        loop {
            self.begin_sweep_if_due();
            let change = self.next_change();
            tokio::select! {
                () = stop.cancelled() => return false,
                () = sleep_until(next) => return true,
                () = sleep_until(change.unwrap_or(next)), if change.is_some() => self.show(next).await,
                reply = next_reply(&mut self.sweep) => Box::pin(self.sweep_goes_on(reply, next)).await,
            }
        }
    }

    /// One poll, from its first request to its view. Only a stop or a region to be set aside is an error.
    async fn poll(&mut self, stop: &CancellationToken) -> Result<(), Unfinished> {
        let started = Instant::now();
        let done = self.find_and_record(stop, started).await;
        match done {
            Ok(()) => {
                self.view.last_poll = Some(LastPoll {
                    up: true,
                    took: started.elapsed(),
                });
            }
            Err(Unfinished::Failed(error)) if self.is_to_be_set_aside(&error) => {
                return Err(Unfinished::Failed(error));
            }
            Err(Unfinished::Failed(error)) => {
                self.failed(&error);
                self.view.last_poll = Some(LastPoll {
                    up: false,
                    took: started.elapsed(),
                });
            }
            Err(Unfinished::Stopped) => return Err(Unfinished::Stopped),
        }
        self.view.progress = None;
        Ok(())
    }

    /// A discovered region whose API does not know Cloud Assistant; where it has known it, that is a failure like others.
    fn is_to_be_set_aside(&self, error: &CallError) -> bool {
        let has_succeeded = self.record.as_ref().is_none_or(|record| record.recorded_at() > 0);
        self.times.discovered && !has_succeeded && error.code.as_deref() == Some("RegionId.ApiNotSupported")
    }

    async fn find_and_record(
        &mut self,
        stop: &CancellationToken,
        started: Instant,
    ) -> Result<(), Unfinished> {
        let record = self.record().await?;
        let first_look = record.needs_first_look();
        let began = self.clock.now();
        let cycle = match first_look {
            true => Cycle::sweep(began, self.times.history_budget),
            false => Cycle::poll(began, self.times.history_budget),
        };
        let cycle = self.with_invocations(cycle, began);
        let deadline = (!first_look).then(|| started + self.times.timeout);
        let findings = self.converse(cycle, deadline, first_look, stop).await?;
        self.record_findings(findings).await?;
        Ok(())
    }

    /// Has the poll ask DescribeInvocations, unless that is paused: by the API, or because it has failed.
    fn with_invocations(&self, cycle: Cycle, began: Now) -> Cycle {
        let paused = self.ecs.client().paused_for(Action::DescribeInvocations);
        if !paused.is_zero() || !self.invocations.is_due(began.steady, self.settings.pauses) {
            return cycle.without_invocations();
        }
        match self.owes_schedules {
            true => cycle.asking_schedules(),
            false => cycle,
        }
    }

    /// What has become of asking DescribeInvocations decides when it is asked again.
    fn note_invocations(&mut self, cycle: &Cycle) {
        let asked_schedules = cycle.was_to_ask_schedules();
        match cycle.invocations() {
            Invocations::NotAsked => self.owes_schedules |= asked_schedules,
            Invocations::Answered => {
                self.invocations = Looks::default();
                self.owes_schedules &= !asked_schedules;
            }
            Invocations::Failed(_) => {
                self.invocations
                    .in_vain(cycle.began().steady, self.settings.pauses);
                self.owes_schedules |= asked_schedules;
            }
        }
    }

    /// Asks until the poll is complete.
    async fn converse(
        &mut self,
        mut cycle: Cycle,
        deadline: Option<Instant>,
        first_look: bool,
        stop: &CancellationToken,
    ) -> Result<Findings, Unfinished> {
        let started = Instant::now();
        let mut invocations_until = None;
        while let Some(ask) = cycle.next(&self.cursor) {
            let deadline = if ask.about.can_fail() {
                let until = *invocations_until.get_or_insert_with(|| Instant::now() + INVOCATIONS_TIMEOUT);
                Some(deadline.map_or(until, |deadline| deadline.min(until)))
            } else {
                deadline
            };
            let reply = tokio::select! {
                () = stop.cancelled() => return Err(Unfinished::Stopped),
                reply = request(&self.ecs, &ask, Priority::Poll, deadline) => reply,
            };
            let Some(record) = &self.record else {
                return Err(lost_record().into());
            };
            take(
                &mut cycle,
                record,
                &mut self.cursor,
                &ask,
                reply,
                &self.view.scope,
            )?;
            if started.elapsed() >= self.times.for_histories() {
                cycle.enough_histories(record);
            }
            if first_look {
                self.progress(cycle.rows(), true);
            }
        }
        self.note_invocations(&cycle);
        Ok(cycle.findings())
    }

    /// Applies, saves, and makes ready to be shown: in this order, so that nothing is shown that a crash takes back.
    async fn record_findings(&mut self, findings: Findings) -> Result<Applied, CallError> {
        let Some(record) = &mut self.record else {
            return Err(lost_record());
        };
        let now = findings.began.until(self.clock.now().steady);
        let skipped = findings.skipped;
        let is_sweep = findings.sweep.is_some();
        let first_look = record.needs_first_look();
        record.tell(result_log::wanted(self.logged_results));
        let mut applied = record.apply(findings, now);
        let news = std::mem::take(&mut applied.news);
        self.save().await?;
        let Some(record) = &self.record else {
            return Err(lost_record());
        };
        let scope = &self.view.scope;
        if first_look {
            let (open, settled) = (record.open().count(), applied.baseline);
            tracing::info!(
                account = &*scope.account,
                region_id = &*scope.region_id,
                settled,
                open,
                "first look done: what was settled before is known and not counted"
            );
        } else if applied != Applied::default() {
            tracing::debug!(
                account = &*scope.account,
                region_id = &*scope.region_id,
                ?applied,
                "recorded"
            );
        }
        if let Some(trouble) = applied.nameless {
            let why = match trouble {
                Trouble::Refused => "DescribeInvocations is refused; allow ecs:DescribeInvocations",
                Trouble::Passing => "DescribeInvocations keeps failing",
            };
            tracing::warn!(
                account = &*scope.account,
                region_id = &*scope.region_id,
                why,
                "the names of commands cannot be had: new ones are labelled by their CommandIds"
            );
        }
        if applied.lost > 0 {
            tracing::warn!(
                account = &*scope.account,
                region_id = &*scope.region_id,
                lost = applied.lost,
                "open results are no longer listed and were given up"
            );
        }
        if applied.old > 0 {
            tracing::info!(
                account = &*scope.account,
                region_id = &*scope.region_id,
                old = applied.old,
                "results from before the first look were listed late: they are known and not counted"
            );
        }
        result_log::write(scope, &news);
        self.view.work.skipped_rows += skipped;
        self.view.work.sweeps += u64::from(is_sweep);
        if is_sweep {
            self.next_sweep = Instant::now() + self.times.sweep_interval.unwrap_or_default();
        }
        self.view.work.polls += 1;
        self.view.work.successes += 1;
        self.view.error = None;
        Ok(applied)
    }

    /// Saves what has changed. After a failure what is on the disk counts.
    async fn save(&mut self) -> Result<(), CallError> {
        let Some(record) = &mut self.record else {
            return Err(lost_record());
        };
        // In use since the last poll that the API has answered: the clock may be wrong.
        let used = record.recorded_at();
        let changes = record.take_changes();
        let saved = self.store.save(&self.view.scope, changes, used).await;
        if saved.is_err() {
            self.record = None;
        }
        saved.map_err(not_on_disk)
    }

    /// A poll or sweep has failed: one line in the log, one reason in the metrics, and the scope is not up.
    fn failed(&mut self, error: &CallError) {
        let scope = &self.view.scope;
        tracing::warn!(
            account = &*scope.account,
            region_id = &*scope.region_id,
            reason = error.reason.as_str(),
            code = error.code.as_deref(),
            request_id = error.request_id.as_deref(),
            error = error.what,
            "poll failed"
        );
        self.view.work.polls += 1;
        self.view.work.failures[error.reason as usize] += 1;
        if let Some(last) = &mut self.view.last_poll {
            last.up = false;
        }
        let at = timestamp::seconds(SystemTime::now());
        self.view.error = Some(Failed::new(at, error));
    }

    /// The record, read again from the disk after a save has failed.
    async fn record(&mut self) -> Result<&mut Record, CallError> {
        if self.record.is_none() {
            let (store, scope, settings) = (
                Arc::clone(&self.store),
                self.view.scope.clone(),
                self.settings.clone(),
            );
            let now = timestamp::seconds(SystemTime::now());
            let record = spawn_blocking(move || {
                store.load(&scope, |pairs| Record::from_pairs(&settings, pairs.iter(), now))
            })
            .await
            .map_err(|error| CallError::new(Reason::State, error.to_string()))?
            .map_err(not_on_disk)?;
            // What a sweep has read belongs to the record that is gone.
            self.sweep = None;
            self.next_sweep = next_sweep(Some(&record), &self.times);
            self.record = Some(record);
        }
        self.record.as_mut().ok_or_else(lost_record)
    }

    fn begin_sweep_if_due(&mut self) {
        let is_due = self.times.sweep_interval.is_some() && Instant::now() >= self.next_sweep;
        let Some(record) = self.record.as_mut().filter(|record| !record.needs_first_look()) else {
            return;
        };
        if self.sweep.is_some() || !is_due {
            return;
        }
        record.sweep_begins();
        let began = self.clock.now();
        let cycle = self.with_invocations(Cycle::sweep(began, self.times.history_budget), began);
        let mut sweep = SweepUnderWay {
            cycle,
            cursor: HistoryCursor::default(),
            request: JoinSet::new(),
        };
        sweep.send(&self.ecs);
        self.sweep = Some(sweep);
    }

    /// A sweep's request was answered: the next one, or its end.
    async fn sweep_goes_on(&mut self, (ask, reply): (Ask, Result<Reply, CallError>), next: Instant) {
        let (Some(sweep), Some(record)) = (&mut self.sweep, &mut self.record) else {
            return;
        };
        let taken = take(
            &mut sweep.cycle,
            record,
            &mut sweep.cursor,
            &ask,
            reply,
            &self.view.scope,
        );
        let outcome = match taken {
            Err(error) => Err(error),
            Ok(()) if sweep.cycle.next(&sweep.cursor).is_some() => {
                sweep.send(&self.ecs);
                let rows = sweep.cycle.rows();
                self.progress(rows, false);
                return;
            }
            Ok(()) => Ok(()),
        };
        let Some(sweep) = self.sweep.take() else { return };
        let recorded = match outcome {
            Ok(()) => {
                self.note_invocations(&sweep.cycle);
                self.record_findings(sweep.cycle.findings()).await
            }
            Err(error) => Err(error),
        };
        match recorded {
            Ok(applied) => {
                let scope = &self.view.scope;
                tracing::info!(
                    account = &*scope.account,
                    region_id = &*scope.region_id,
                    late = applied.late,
                    forgotten = applied.forgotten,
                    "sweep done"
                );
                if let Some(last) = &mut self.view.last_poll {
                    last.up = true;
                }
            }
            Err(error) => {
                if let Some(record) = &mut self.record {
                    record.sweep_abandoned();
                }
                let interval = self.times.sweep_interval.unwrap_or_default();
                self.next_sweep = Instant::now() + interval.min(self.times.interval * 10);
                self.failed(&error);
            }
        }
        self.view.progress = None;
        self.show(next).await;
    }

    /// A long scan has read so many rows.
    fn progress(&mut self, rows: usize, first_look: bool) {
        let of = self.record.as_ref().map(Record::held).filter(|held| *held > 0);
        let progress = Progress { first_look, rows, of };
        self.view.progress = Some(progress);
        if self.progress_logged.elapsed() >= PROGRESS_EVERY {
            self.progress_logged = Instant::now();
            let scope = &self.view.scope;
            tracing::info!(
                account = &*scope.account,
                region_id = &*scope.region_id,
                rows = progress.rows,
                held = progress.of,
                first_look,
                "reading everything that the API lists"
            );
        }
        self.board.publish(self.view.clone());
    }

    /// When a series that is held at 0 is to show its value.
    fn next_change(&self) -> Option<Instant> {
        // Without a record there is nothing to show anew.
        self.record.as_ref()?;
        let at = self.view.counts.as_ref()?.next_change?;
        Some(self.clock.instant(at))
    }

    /// Takes what the record adds up to into the view.
    fn picture(&mut self) {
        if let Some(record) = &mut self.record {
            self.view.counts = record.counts(self.clock.now().steady).map(Arc::new);
            self.view.last_success = Some(record.recorded_at()).filter(|at| *at > 0);
        }
    }

    /// Puts up what is known now.
    async fn show(&mut self, next: Instant) {
        if let Some(record) = &mut self.record
            && record.release(self.clock.now().steady)
            && let Err(error) = self.save().await
        {
            self.failed(&error);
        }
        self.picture();
        let wait = next.saturating_duration_since(Instant::now());
        self.view.next_poll = Some(timestamp::seconds(SystemTime::now() + wait));
        self.board.publish(self.view.clone());
    }
}

/// A sweep is due an interval after the last one. Only how long ago that was is read from the machine's clock, once.
fn next_sweep(record: Option<&Record>, times: &Times) -> Instant {
    let interval = times.sweep_interval.unwrap_or_default();
    let now = timestamp::seconds(SystemTime::now());
    let age = record.map_or(0, |record| now.saturating_sub(record.swept_at()));
    Instant::now() + interval.saturating_sub(Duration::from_secs(u64::from(age)))
}

impl SweepUnderWay {
    fn send(&mut self, ecs: &Arc<Ecs>) {
        if let Some(ask) = self.cycle.next(&self.cursor) {
            let ecs = Arc::clone(ecs);
            let deadline = ask.about.can_fail().then(|| Instant::now() + INVOCATIONS_TIMEOUT);
            self.request
                .spawn(async move { request(&ecs, &ask, Priority::Sweep, deadline).await });
        }
    }
}

/// The answer to a sweep's request, and what it was; never, where there is no sweep.
async fn next_reply(sweep: &mut Option<SweepUnderWay>) -> (Ask, Result<Reply, CallError>) {
    if let Some(sweep) = sweep
        && let Some(ask) = sweep.cycle.next(&sweep.cursor)
        && let Some(reply) = sweep.request.join_next().await
    {
        // A request that died takes this task with it, and so the process: nothing dies unseen.
        let reply = reply.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        return (ask, reply);
    }
    std::future::pending().await
}

async fn request(
    ecs: &Ecs,
    ask: &Ask,
    priority: Priority,
    deadline: Option<Instant>,
) -> Result<Reply, CallError> {
    let next_token = ask.token.as_deref();
    let query = match &ask.about {
        About::Schedules(repeat_mode) => {
            let which = Which::RepeatMode(repeat_mode);
            return ecs
                .invocations(which, next_token, priority, deadline)
                .await
                .map(Reply::Schedules);
        }
        About::Names(lookup) => {
            let which = match lookup {
                Lookup::Newest => Which::All,
                Lookup::Command(id) => Which::Command(id),
                Lookup::Invocation(id) => Which::Invocation(id),
            };
            return ecs
                .invocations(which, next_token, priority, deadline)
                .await
                .map(Reply::Schedules);
        }
        About::List => Query {
            next_token,
            ..Query::default()
        },
        About::Running => Query {
            next_token,
            invoke_record_status: Some("Running"),
            ..Query::default()
        },
        About::Invocation {
            invoke_id,
            instance_id,
        } => Query {
            next_token,
            invoke_id: Some(invoke_id),
            instance_id: instance_id.as_deref(),
            ..Query::default()
        },
        About::History {
            invoke_id,
            instance_id,
        } => Query {
            next_token,
            invoke_id: Some(invoke_id),
            instance_id: instance_id.as_deref(),
            include_history: true,
            ..Query::default()
        },
    };
    ecs.results(&query, priority, deadline).await.map(Reply::Page)
}

/// Hands an answer to the cycle. Rule 4: a question that is denied or rejected by itself is left out, and so is what
/// DescribeInvocations would have told, whatever its failure is.
fn take(
    cycle: &mut Cycle,
    record: &Record,
    cursor: &mut HistoryCursor,
    ask: &Ask,
    reply: Result<Reply, CallError>,
    scope: &Scope,
) -> Result<(), CallError> {
    let error = match reply {
        Ok(Reply::Page(page)) => return cycle.page(record, cursor, page),
        Ok(Reply::Schedules(page)) => match cycle.schedules(record, cursor, page) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        },
        Err(error) => error,
    };
    let is_refused = matches!(error.reason, Reason::Denied | Reason::Rejected);
    if ask.about.can_fail() {
        let trouble = if is_refused {
            Trouble::Refused
        } else {
            Trouble::Passing
        };
        cycle.invocations_failed(record, cursor, trouble);
    } else if ask.about.can_be_left_out() && is_refused {
        cycle.leave_out(record, cursor);
    } else {
        return Err(error);
    }
    tracing::warn!(
        account = &*scope.account, region_id = &*scope.region_id, about = ?ask.about,
        code = error.code.as_deref(), request_id = error.request_id.as_deref(), error = error.what,
        "left out of this poll, and asked again later"
    );
    Ok(())
}

fn not_on_disk(error: StateError) -> CallError {
    CallError::new(Reason::State, error.to_string())
}

/// Cannot happen: the record is there whenever a poll is under way.
fn lost_record() -> CallError {
    CallError::new(Reason::State, "the record is not loaded")
}
