//! The record as it is shown: an immutable picture that a scrape and a page are answered from.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::labels::{LabelTexts, Labels, ResultLabels, StatusNumber};
use super::ledger::Ledger;
use super::settings::Settings;
use super::tally::Tallies;
use super::tally::commands::shown::ShownCommands;
use super::tally::durations::ShownDurations;
use super::tally::failures::shown::{ShownFailure, ShownFailures};
use super::tally::timeline::ShownTimeline;
use super::tally::totals::{CountedTotal, Exemplar};
use super::tally::work::Work;
use crate::result::{KnownStatus, Seconds};

/// What one scope's results add up to, at one instant.
#[derive(Debug, Clone)]
pub struct Counts {
    labels: Arc<LabelTexts>,
    /// Whether a result has ever been listed: before, none of these numbers is shown.
    pub has_listed: bool,
    /// `cloud_assistant_recent_results`: what is in the window, and the known combinations at 0.
    recent: Vec<(ResultLabels, u64)>,
    /// `cloud_assistant_results_total`.
    totals: Vec<CountedTotal>,
    /// `metrics.duration_buckets`, in seconds.
    pub duration_buckets: Arc<[f64]>,
    /// `cloud_assistant_result_duration_seconds`.
    pub durations: Vec<ShownDurations>,
    /// Start (or first sight) of the oldest open result, by InvocationStatus.
    oldest_open: Vec<(StatusNumber, Seconds)>,
    /// Time of the newest settled result, by InvocationStatus.
    newest: Vec<(StatusNumber, Seconds)>,
    /// Deliveries: whether finished, number of the error code, since when, how many.
    deliveries: Vec<(bool, u16, Option<NonZeroU32>, u64)>,
    /// When what begins with the first result was at 0.
    pub start: Option<NonZeroU32>,
    /// Σ Dropped of counted results.
    pub dropped_bytes: u64,
    /// Open results that were given up.
    pub lost: u64,
    /// Results that only a sweep found.
    pub late: u64,
    /// Results from before the baseline that only a later look has shown.
    pub old: u64,
    /// Settled results that changed.
    pub reclassified: u64,
    /// Folded labels: invocation_status, error_code, exit_code.
    pub overflow: [u64; 3],
    /// Identities held.
    pub held: usize,
    /// Results that are still to settle.
    pub open: usize,
    /// The series of selected commands; none where nothing is selected.
    pub commands: Option<ShownCommands>,
    /// When the first complete look began, where that is known: what had settled by then is not counted.
    pub first_look: Option<Seconds>,
    /// `poll.window` in seconds: how far the gauges look back.
    pub window: u32,
    failures: ShownFailures,
    /// The window in columns.
    pub timeline: ShownTimeline,
    /// When a series that is held at 0 is to show its value, by the process's own time.
    pub next_change: Option<Duration>,
}

/// A combination of labels with its texts, and what is counted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownTotal<'a> {
    /// InvocationStatus.
    pub invocation_status: &'a str,
    /// ErrorCode.
    pub error_code: &'a str,
    /// ExitCode.
    pub exit_code: &'a str,
    /// How many.
    pub value: u64,
    /// When it was at 0; none where that is not known, and of a gauge.
    pub start: Option<NonZeroU32>,
    /// The newest failure among them.
    pub exemplar: Option<&'a Exemplar>,
}

impl Counts {
    /// The picture of a record. What is held at 0 in it has been seen since `steady`.
    pub(super) fn of(
        settings: &Settings,
        ledger: &Ledger,
        tallies: &mut Tallies,
        labels: &Labels,
        steady: Duration,
    ) -> Self {
        let labels = labels.texts();
        let next_change = tallies.see_holds(steady);
        let failures = tallies.shown_failures();
        let is_held = tallies.is_held(labels);
        let commands = tallies
            .commands
            .as_ref()
            .map(|commands| {
                let schedules = ledger.live_schedules();
                commands.shown(&settings.duration_buckets, schedules)
            })
            .map(|shown| ShownCommands {
                overflow: if is_held { 0 } else { shown.overflow },
                ..shown
            });
        let has_listed = tallies.has_begun();
        let work = if is_held { Work::default() } else { tallies.work };
        Self {
            labels: Arc::clone(labels),
            has_listed,
            recent: recent(labels, has_listed, tallies.window.counts()),
            start: tallies.totals.start(labels),
            totals: tallies.totals.shown(),
            duration_buckets: Arc::clone(&settings.duration_buckets),
            durations: tallies.durations.shown(),
            oldest_open: oldest_open(ledger),
            newest: tallies.newest.shown(),
            deliveries: tallies.deliveries.shown(),
            dropped_bytes: work.dropped_bytes,
            lost: work.lost,
            late: work.late,
            old: work.old,
            reclassified: work.reclassified,
            overflow: work.overflow,
            held: ledger.identities.len(),
            open: ledger.open.len(),
            first_look: Some(ledger.baseline.began).filter(|began| *began > 0),
            window: settings.window,
            failures,
            timeline: tallies.window.beside().shown(),
            commands,
            next_change,
        }
    }

    /// Whether this picture shows what another does, whenever something of it is to change.
    pub fn shows_what(&self, other: &Self) -> bool {
        let Self {
            labels,
            has_listed,
            recent,
            totals,
            duration_buckets,
            durations,
            oldest_open,
            newest,
            deliveries,
            start,
            dropped_bytes,
            lost,
            late,
            old,
            reclassified,
            overflow,
            held,
            open,
            commands,
            first_look,
            window,
            failures,
            timeline,
            next_change: _,
        } = self;
        let numbers = (dropped_bytes, lost, late, old, reclassified, overflow);
        let others = (
            &other.dropped_bytes,
            &other.lost,
            &other.late,
            &other.old,
            &other.reclassified,
            &other.overflow,
        );
        let sizes = (has_listed, held, open, window, first_look, start);
        Arc::ptr_eq(labels, &other.labels)
            && sizes
                == (
                    &other.has_listed,
                    &other.held,
                    &other.open,
                    &other.window,
                    &other.first_look,
                    &other.start,
                )
            && numbers == others
            && *recent == other.recent
            && *totals == other.totals
            && *duration_buckets == other.duration_buckets
            && *durations == other.durations
            && (oldest_open, newest) == (&other.oldest_open, &other.newest)
            && *deliveries == other.deliveries
            && *commands == other.commands
            && *failures == other.failures
            && *timeline == other.timeline
    }

    /// About how many samples it has.
    pub fn samples(&self) -> usize {
        let of_histograms = self.durations.len() * (self.duration_buckets.len() + 3);
        let commands = self.commands.iter().flat_map(|shown| &shown.commands);
        let of_commands = commands.map(|command| {
            let buckets = command
                .durations
                .as_ref()
                .map_or(0, |durations| durations.buckets.len() + 3);
            command.counted.len() + command.recent.len() + buckets + 4
        });
        self.recent.len() + self.totals.len() + of_histograms + of_commands.sum::<usize>()
    }

    /// `cloud_assistant_recent_results`, in a fixed order.
    pub fn recent(&self) -> impl Iterator<Item = ShownTotal<'_>> {
        self.recent
            .iter()
            .map(|(combination, value)| self.shown(*combination, *value, None, None))
    }

    /// `cloud_assistant_results_total`, in a fixed order.
    pub fn totals(&self) -> impl Iterator<Item = ShownTotal<'_>> {
        self.totals.iter().map(|total| {
            let CountedTotal {
                labels,
                value,
                start,
                exemplar,
            } = total;
            self.shown(*labels, *value, *start, exemplar.as_ref())
        })
    }

    /// The oldest open result's start by InvocationStatus.
    pub fn oldest_open(&self) -> impl Iterator<Item = (&str, Seconds)> {
        self.oldest_open
            .iter()
            .map(|(status, time)| (self.labels.status_text(*status), *time))
    }

    /// The newest settled result's time by InvocationStatus.
    pub fn newest(&self) -> impl Iterator<Item = (&str, Seconds)> {
        self.newest
            .iter()
            .map(|(status, time)| (self.labels.status_text(*status), *time))
    }

    /// OssOutputStatus, OssOutputErrorCode, since when and how many.
    pub fn deliveries(&self) -> impl Iterator<Item = (&'static str, &str, Option<NonZeroU32>, u64)> {
        self.deliveries
            .iter()
            .map(|(finished, error_code, start, value)| {
                let status = if *finished { "Finished" } else { "Failed" };
                (status, self.labels.error_codes.text(*error_code), *start, *value)
            })
    }

    /// The newest results that did not succeed, newest first.
    pub fn failures(&self) -> impl ExactSizeIterator<Item = ShownFailure<'_>> {
        self.failures.iter(&self.labels)
    }

    /// Up to this time some failures are no longer kept; none where all of the window are.
    pub fn failures_complete_after(&self) -> Option<Seconds> {
        self.failures.complete_after()
    }

    /// The text of an InvocationStatus.
    pub fn status_text(&self, status: StatusNumber) -> &str {
        self.labels.status_text(status)
    }

    /// The InvocationStatus of a histogram.
    pub fn status_of(&self, durations: &ShownDurations) -> &str {
        self.labels.status_text(durations.status)
    }

    fn shown<'a>(
        &'a self,
        combination: ResultLabels,
        value: u64,
        start: Option<NonZeroU32>,
        exemplar: Option<&'a Exemplar>,
    ) -> ShownTotal<'a> {
        ShownTotal {
            invocation_status: self.labels.status_text(combination.status),
            error_code: self.labels.error_codes.text(combination.error_code),
            exit_code: self.labels.exit_codes.text(combination.exit_code),
            value,
            start,
            exemplar,
        }
    }
}

/// What is in the window; once a result was listed the open statuses, and the zero combinations, are there at 0.
fn recent(
    labels: &LabelTexts,
    has_listed: bool,
    counts: &BTreeMap<ResultLabels, u64>,
) -> Vec<(ResultLabels, u64)> {
    if !has_listed {
        return Vec::new();
    }
    let open = KnownStatus::ALL.into_iter().filter(|status| status.is_open());
    let open = open.map(|status| labels.reserved(status, "", ""));
    let mut recent: BTreeMap<ResultLabels, u64> = open
        .chain(labels.zeros())
        .map(|combination| (combination, 0))
        .collect();
    recent.extend(counts);
    recent.into_iter().collect()
}

/// Start, or first sight, of the oldest open result by status.
fn oldest_open(ledger: &Ledger) -> Vec<(StatusNumber, Seconds)> {
    let mut oldest: BTreeMap<StatusNumber, Seconds> = BTreeMap::new();
    for (id, open) in ledger.open.iter() {
        let Some(entry) = ledger.identities.get(*id) else {
            continue;
        };
        let since = open.started.unwrap_or(open.first_seen);
        oldest
            .entry(entry.labels.status)
            .and_modify(|time| *time = since.min(*time))
            .or_insert(since);
    }
    oldest.into_iter().collect()
}
