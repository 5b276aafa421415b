//! What is seen of a scope: its view on the board, and the lines of the log that say the same.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::error::PollError;
use super::share;
use super::telling::{News, Telling};
use crate::clock::Clock;
use crate::record::{Applied, Findings, NamesUnavailable, Record};
use crate::scope::Scope;
use crate::timestamp;
use crate::view::{Board, LastPoll, Progress, ScopeView, Work};

/// How often the progress of a long scan is logged.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// What has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Poll,
    Sweep,
}

/// The view of a scope, which one poller makes.
#[derive(Debug)]
pub(super) struct Showing {
    view: ScopeView,
    board: Board,
    /// When a series that is held at 0 is to show its value.
    next_change: Option<Duration>,
    /// When the progress of a long scan was last logged.
    progress_logged: Instant,
    /// What the log knows of polls that fail, and of sweeps: one goes on failing while the other does not.
    telling: [Telling; 2],
}

impl Showing {
    /// Of a scope for which `work` has been done already, by the pollers that it had before.
    pub(super) fn new(scope: Scope, board: Board, work: Work, interval: Duration) -> Self {
        Self {
            view: ScopeView {
                work,
                interval: Some(interval),
                ..ScopeView::new(scope)
            },
            board,
            next_change: None,
            progress_logged: Instant::now(),
            telling: Default::default(),
        }
    }

    /// Puts it up.
    pub(super) fn publish(&self) {
        self.board.publish(self.view.clone());
    }

    /// Takes in what the record adds up to. Everything of it must be saved.
    pub(super) fn picture(&mut self, record: &mut Record, clock: Clock) {
        let counts = record.counts(clock.now().steady);
        self.next_change = counts.as_ref().and_then(|counts| counts.next_change);
        // What shows the same is the same: whoever has written it need not do so again.
        let is_shown = counts
            .as_ref()
            .zip(self.view.counts.as_deref())
            .is_some_and(|(now, shown)| now.shows_what(shown));
        if !is_shown {
            self.view.counts = counts.map(Arc::new);
        }
        // What this process has seen is not taken back by a record that was read again: it may be a little older.
        let last_success = self.view.last_success.unwrap_or_else(|| record.recorded_at());
        self.view.last_success = Some(last_success).filter(|at| *at > 0);
    }

    /// How many failures its record may keep, which has `kept` now.
    pub(super) fn share_of_failures(&self, kept: usize) -> usize {
        share::of_failures(&self.board.view(), &self.view.scope, kept)
    }

    /// When the next poll begins.
    pub(super) fn next_poll(&mut self, next: Instant) {
        let wait = next.saturating_duration_since(Instant::now());
        self.view.next_poll = Some(timestamp::seconds(SystemTime::now() + wait));
    }

    /// When a series that is held at 0 is to show its value, by the process's own time.
    pub(super) fn next_change(&self) -> Option<Duration> {
        self.next_change
    }

    /// A long scan has read so many rows.
    pub(super) fn progress(&mut self, rows: usize, record: &Record, is_baseline: bool) {
        let of = Some(record.held()).filter(|held| *held > 0);
        let goes_on = self.view.progress.is_none_or(|before| before.rows != rows);
        self.view.progress = Some(Progress {
            is_baseline,
            rows,
            of,
        });
        if goes_on && self.progress_logged.elapsed() >= PROGRESS_EVERY {
            self.progress_logged = Instant::now();
            tracing::info!(
                rows,
                held = of,
                first_look = is_baseline,
                "reading everything that the API lists"
            );
        }
        self.publish();
    }

    /// The long scan has ended.
    pub(super) fn no_progress(&mut self) {
        self.view.progress = None;
    }

    /// A poll begins, perhaps before its time because of events.
    pub(super) fn begins(&mut self, is_of_events: bool) {
        self.view.work.event_polls += u64::from(is_of_events);
    }

    /// A poll has ended.
    pub(super) fn polled(&mut self, up: bool, took: Duration) {
        self.view.last_poll = Some(LastPoll { up, took });
    }

    /// A sweep has ended.
    pub(super) fn swept(&mut self, up: bool) {
        if let Some(last) = &mut self.view.last_poll {
            last.up = up;
        }
    }

    /// A poll or sweep has failed: a line in the log where that is new, one reason in the metrics.
    pub(super) fn failed(&mut self, of: Of, error: &PollError) {
        let failed = error.failed(timestamp::seconds(SystemTime::now()));
        let (reason, code) = (failed.reason.as_str(), failed.code.as_deref());
        let (request_id, error) = (failed.request_id.as_deref(), &failed.what);
        match self.telling[of as usize].failed(&failed, Instant::now()) {
            News::Fails => tracing::warn!(reason, code, request_id, error, "poll failed"),
            News::StillFails(polls) => {
                tracing::warn!(reason, code, request_id, error, polls, "polls still fail");
            }
            News::None => tracing::debug!(reason, code, request_id, error, "the poll fails as before"),
        }
        self.view.work.outcomes.failed(failed.at);
        self.view.work.polls += 1;
        self.view.work.failures[failed.reason as usize] += 1;
        self.view.error = Some(failed);
    }

    /// What a poll or sweep has found is saved.
    pub(super) fn recorded(&mut self, of: &Recorded, applied: &Applied, record: &Record) {
        self.view.work.skipped_rows += of.skipped;
        self.view.work.sweeps += u64::from(of.is_sweep);
        self.view.work.polls += 1;
        self.view.work.successes += 1;
        self.view.work.outcomes.succeeded();
        self.view.error = None;
        self.view.last_success = Some(record.recorded_at());
        let [polls, sweeps] = of.recovers(&mut self.telling);
        if let Some(polls) = polls {
            tracing::info!(polls, "polls succeed again, after so many that failed");
        }
        if let Some(sweeps) = sweeps {
            tracing::info!(sweeps, "a sweep has succeeded again, after so many that failed");
        }
        if of.is_baseline {
            let (open, settled) = (record.open().count(), applied.baseline);
            tracing::info!(
                settled,
                open,
                "first look done: what was settled before is known and not counted"
            );
        } else if *applied != Applied::default() {
            tracing::debug!(?applied, "recorded");
        }
        if let Some(unavailable) = applied.names_unavailable {
            let why = match unavailable {
                NamesUnavailable::Refused => "DescribeInvocations is refused; allow ecs:DescribeInvocations",
                NamesUnavailable::Passing => "DescribeInvocations keeps failing",
            };
            tracing::warn!(
                why,
                "the names of commands cannot be had: new ones are labelled by their CommandIds"
            );
        }
        if applied.lost > 0 {
            tracing::warn!(
                lost = applied.lost,
                "open results are no longer listed and were given up"
            );
        }
        if applied.old > 0 {
            tracing::info!(
                old = applied.old,
                "results from before the first look were listed late: they are known and not counted"
            );
        }
    }
}

/// What is to be said of findings once they are saved.
#[derive(Debug)]
pub(super) struct Recorded {
    skipped: u64,
    pub(super) is_sweep: bool,
    is_baseline: bool,
}

impl Recorded {
    /// Of findings that `record` does not have yet.
    pub(super) fn of(findings: &Findings, record: &Record) -> Self {
        Self {
            skipped: findings.skipped,
            is_sweep: findings.sweep.is_some(),
            is_baseline: record.needs_baseline(),
        }
    }

    /// How many polls, and how many sweeps, had failed before what has succeeded now. A sweep in the background shows
    /// nothing of polls; a first look is a poll and a sweep.
    fn recovers(&self, telling: &mut [Telling; 2]) -> [Option<u64>; 2] {
        let succeeded = [
            (Of::Poll, !self.is_sweep || self.is_baseline),
            (Of::Sweep, self.is_sweep),
        ];
        succeeded.map(|(of, has)| has.then(|| telling[of as usize].succeeded()).flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::Reason;
    use crate::view::Failed;

    #[test]
    fn a_sweep_in_the_background_does_not_say_that_polls_succeed_again() {
        let failed = Failed {
            at: 1,
            reason: Reason::Timeout,
            what: "no answer".to_owned(),
            code: None,
            request_id: None,
        };
        for (is_sweep, is_baseline, recovers) in [
            (false, false, [Some(1), None]),
            (true, false, [None, Some(1)]),
            (true, true, [Some(1), Some(1)]),
        ] {
            let mut telling: [Telling; 2] = Default::default();
            for of in &mut telling {
                of.failed(&failed, Instant::now());
            }
            let of = Recorded {
                skipped: 0,
                is_sweep,
                is_baseline,
            };
            assert_eq!(of.recovers(&mut telling), recovers);
        }
    }
}
