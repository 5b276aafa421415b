//! The record as it is shown: an immutable picture that a scrape and a page are answered from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Record;
use super::known::Name;
use super::label::{Combination, KNOWN_SETTLED, Labels, StatusNumber};
use super::saved::Key;
use super::shown_commands::ShownCommands;
use super::totals::Exemplar;
use crate::result::{Ids, KnownStatus, Seconds};

/// What one scope's results add up to, at one instant.
#[derive(Debug, Clone)]
pub struct Counts {
    labels: Arc<Labels>,
    /// `cloud_assistant_recent_results`: what is in the window, and the known combinations at 0.
    recent: Vec<(Combination, u64)>,
    /// `cloud_assistant_results_total`.
    totals: Vec<(Combination, u64, Option<Exemplar>)>,
    /// `metrics.duration_buckets`, in seconds.
    pub duration_buckets: Vec<f64>,
    /// `cloud_assistant_result_duration_seconds`.
    pub durations: Vec<ShownDurations>,
    /// Start (or first sight) of the oldest open result, by InvocationStatus.
    oldest_open: Vec<(StatusNumber, Seconds)>,
    /// Time of the newest settled result, by InvocationStatus.
    newest: Vec<(StatusNumber, Seconds)>,
    /// Deliveries: whether finished, number of the error code, how many.
    deliveries: Vec<(bool, u16, u64)>,
    /// Σ Dropped of counted results.
    pub dropped_bytes: u64,
    /// Open results that were given up.
    pub lost: u64,
    /// Results that only a sweep found.
    pub late: u64,
    /// Results from before the first look that only a later look has shown.
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
    /// `poll.window` in seconds: how far the gauges look back.
    pub window: u32,
    /// When the poll that this is from was recorded.
    pub recorded_at: Seconds,
    failures: Arc<[Arc<ShownFailure>]>,
    /// When a series that is held at 0 is to show its value, by the process's own time.
    pub next_change: Option<Duration>,
}

/// A histogram of durations with one InvocationStatus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownDurations {
    status: StatusNumber,
    /// Cumulative, by the configured bounds, without the infinite one.
    pub buckets: Vec<u64>,
    /// All.
    pub count: u64,
    /// Seconds.
    pub sum: u64,
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
    /// The newest failure among them.
    pub exemplar: Option<&'a Exemplar>,
}

/// A failure with its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownFailure {
    /// Its time.
    pub time: Seconds,
    /// Where to look.
    pub ids: Ids,
    /// InvocationStatus.
    pub invocation_status: Box<str>,
    /// ErrorCode.
    pub error_code: Box<str>,
    /// ExitCode.
    pub exit_code: Box<str>,
    /// The name of its command, where it is known.
    pub command: Option<Box<str>>,
}

impl Record {
    /// The picture of the record, once there was a first look. What is held at 0 in it has been seen since `steady`.
    pub fn counts(&mut self, steady: Duration) -> Option<Counts> {
        self.head.looked_with?;
        let next_change = self.see_holds(steady);
        let labels = &self.labels;
        let known: Vec<Combination> = KNOWN_SETTLED
            .iter()
            .map(|(status, error, exit)| labels.reserved(*status, error, exit))
            .collect();
        let open_known = KnownStatus::ALL.into_iter().filter(|status| status.is_open());
        let mut recent: BTreeMap<Combination, u64> = open_known
            .map(|status| (labels.reserved(status, "", ""), 0))
            .collect();
        recent.extend(known.iter().map(|combination| (*combination, 0)));
        recent.extend(self.window.counts());
        let mut totals: BTreeMap<Combination, (u64, Option<Exemplar>)> = known
            .iter()
            .map(|combination| (*combination, (0, None)))
            .collect();
        for (combination, total) in &self.totals {
            let value = total.counter.shown();
            let exemplar = total.exemplar.clone().filter(|_| value > 0);
            totals.insert(*combination, (value, exemplar));
        }
        Some(Counts {
            labels: Arc::clone(labels),
            recent: recent.into_iter().collect(),
            totals: totals
                .into_iter()
                .map(|(key, (value, exemplar))| (key, value, exemplar))
                .collect(),
            duration_buckets: self.settings.duration_buckets.clone(),
            durations: self.shown_durations(&known),
            oldest_open: self.oldest_open(),
            newest: self
                .head
                .newest
                .iter()
                .map(|(status, time)| (*status, *time))
                .collect(),
            deliveries: self.shown_deliveries(),
            dropped_bytes: self.head.dropped_bytes,
            lost: self.head.lost,
            late: self.head.late,
            old: self.head.old,
            reclassified: self.head.reclassified,
            overflow: self.head.overflow,
            held: self.slots.len(),
            open: self.open.len(),
            window: self.settings.window,
            recorded_at: self.head.recorded_at,
            failures: self.shown_failures(),
            commands: self.shown_commands(),
            next_change,
        })
    }

    fn shown_durations(&self, known: &[Combination]) -> Vec<ShownDurations> {
        let bounds = &self.settings.duration_buckets;
        let zero = |status| ShownDurations {
            status,
            buckets: vec![0; bounds.len()],
            count: 0,
            sum: 0,
        };
        let known = known.iter().map(|combination| combination.status);
        let mut shown: BTreeMap<StatusNumber, ShownDurations> =
            known.map(|status| (status, zero(status))).collect();
        for (status, durations) in &self.durations {
            let durations = match durations.hold.is_on() {
                true => zero(*status),
                false => ShownDurations {
                    status: *status,
                    buckets: durations.cumulative(bounds),
                    count: durations.count,
                    sum: durations.sum,
                },
            };
            shown.insert(*status, durations);
        }
        shown.into_values().collect()
    }

    fn shown_deliveries(&self) -> Vec<(bool, u16, u64)> {
        let mut shown = BTreeMap::from([((true, 0), 0), ((false, 0), 0)]);
        let counters = self.deliveries.iter();
        shown.extend(counters.map(|(key, counter)| (*key, counter.shown())));
        shown
            .into_iter()
            .map(|((finished, error_code), value)| (finished, error_code, value))
            .collect()
    }

    fn oldest_open(&self) -> Vec<(StatusNumber, Seconds)> {
        let mut oldest: BTreeMap<StatusNumber, Seconds> = BTreeMap::new();
        for (slot, open) in &self.open {
            let Some(entry) = self.slots.get(*slot) else {
                continue;
            };
            let since = open.started.unwrap_or(open.first_seen);
            oldest
                .entry(entry.combination.status)
                .and_modify(|time| *time = since.min(*time))
                .or_insert(since);
        }
        oldest.into_iter().collect()
    }

    fn shown_failures(&mut self) -> Arc<[Arc<ShownFailure>]> {
        self.note_names();
        let (labels, commands) = (&self.labels, self.commands.as_ref());
        self.failures.shown(|failure| ShownFailure {
            time: failure.time,
            ids: failure.ids.clone(),
            invocation_status: labels.status_text(failure.combination.status).into(),
            error_code: labels.error_codes.text(failure.combination.error_code).into(),
            exit_code: labels.exit_codes.text(failure.combination.exit_code).into(),
            command: commands.and_then(|commands| match commands.known.name(&failure.ids.command_id) {
                Name::Is(name) => Some(name.into()),
                Name::Gone | Name::Unknown => None,
            }),
        })
    }

    /// Failures are shown with the names of their commands.
    pub(super) fn note_names(&mut self) {
        if self.unsaved.iter().any(|key| matches!(key, Key::Command(_))) {
            self.failures.forget_shown();
        }
    }
}

impl Counts {
    /// `cloud_assistant_recent_results`, in a fixed order.
    pub fn recent(&self) -> impl Iterator<Item = ShownTotal<'_>> {
        self.recent
            .iter()
            .map(|(combination, value)| self.shown(*combination, *value, None))
    }

    /// `cloud_assistant_results_total`, in a fixed order.
    pub fn totals(&self) -> impl Iterator<Item = ShownTotal<'_>> {
        self.totals
            .iter()
            .map(|(combination, value, exemplar)| self.shown(*combination, *value, exemplar.as_ref()))
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

    /// OssOutputStatus, OssOutputErrorCode and how many.
    pub fn deliveries(&self) -> impl Iterator<Item = (&'static str, &str, u64)> {
        self.deliveries.iter().map(|(finished, error_code, value)| {
            let status = if *finished { "Finished" } else { "Failed" };
            (status, self.labels.error_codes.text(*error_code), *value)
        })
    }

    /// The newest results that did not succeed, newest first.
    pub fn failures(&self) -> impl ExactSizeIterator<Item = &ShownFailure> {
        self.failures.iter().map(|failure| &**failure)
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
        combination: Combination,
        value: u64,
        exemplar: Option<&'a Exemplar>,
    ) -> ShownTotal<'a> {
        ShownTotal {
            invocation_status: self.labels.status_text(combination.status),
            error_code: self.labels.error_codes.text(combination.error_code),
            exit_code: self.labels.exit_codes.text(combination.exit_code),
            value,
            exemplar,
        }
    }
}
