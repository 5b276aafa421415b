//! The series of selected commands: what their results add up to, by name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::record::identities::Entry;
use crate::record::labels::{OTHER, StatusNumber};
use crate::record::settings::{CommandSettings, Settings};
use crate::record::table::{Table, decode};
use crate::record::tally::durations::Histogram;
use crate::record::tally::hold::{Beginning, Counter, OnBeginning, Start};
use crate::record::tally::native::Native;
use crate::record::tally::newest::Stale;
use crate::result::{KnownStatus, Seconds, label_text};
use crate::selection::SelectorSet;

/// A series by its order; the first is what the commands beyond the bound share.
pub(in crate::record) type SeriesNumber = u32;

/// Of a saved series; there are far fewer, and the next one needs a number too.
const MAX_NUMBER: SeriesNumber = 1 << 31;

/// The number of [`OTHER`].
const SHARED: SeriesNumber = 0;

/// What is counted under one value of `command`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::record) struct Series {
    /// The value: a name, or a CommandId without one.
    pub label: Box<str>,
    /// The selectors that have taken it, by their fingerprints.
    pub(in crate::record) selectors: BTreeSet<u64>,
    /// Results by InvocationStatus. The known ones exist from the start, so that no first increment is lost.
    pub counted: BTreeMap<StatusNumber, Counter>,
    /// Time of the newest result that was Success.
    pub last_success: Option<Seconds>,
    /// Time of the newest settled result that was not.
    pub last_failure: Option<Seconds>,
    /// When the newest run of a schedule began.
    pub last_run: Option<Seconds>,
    /// None before it was configured.
    pub durations: Option<Histogram>,
    /// Results that were folded into this one.
    pub(in crate::record) overflow: u64,
}

/// One settled result, as its command's series counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CommandResult {
    /// Its InvocationStatus.
    pub status: StatusNumber,
    /// Its time.
    pub time: Seconds,
    /// FinishedTime − StartTime.
    pub duration: Option<u32>,
}

/// All series of one scope.
#[derive(Debug)]
pub(super) struct AllSeries {
    pub settings: CommandSettings,
    duration_buckets: Arc<[f64]>,
    /// Of series that begin now.
    pub start: Start,
    /// `metrics.native_histograms`.
    pub shows_native: bool,
    /// The shared one first, where it is.
    pub series: Table<SeriesNumber, Series>,
    /// Beside their histograms, where they have been asked for.
    pub natives: Table<SeriesNumber, Native>,
    by_label: HashMap<Box<str>, SeriesNumber>,
    /// Newest times, of successes or of failures, that are to be found again.
    stale: Stale<(SeriesNumber, bool)>,
}

impl AllSeries {
    /// None yet.
    pub(super) fn new(commands: CommandSettings, settings: &Settings) -> Self {
        Self {
            settings: commands,
            duration_buckets: Arc::clone(&settings.duration_buckets),
            shows_native: settings.native_histograms,
            natives: Table::default(),
            start: None,
            series: Table::default(),
            by_label: HashMap::new(),
            stale: Stale::default(),
        }
    }

    /// The series of a label that selectors have taken: the one that there is, a new one where there is room, or the
    /// shared one.
    pub(super) fn of_label(&mut self, label: &str, chosen: SelectorSet) -> SeriesNumber {
        let found = self.by_label.get(label).copied();
        let own = self.series.len() - usize::from(self.series.contains(SHARED));
        let number = match found {
            Some(number) => number,
            None if *label == *OTHER || own >= usize::from(self.settings.max_commands) => SHARED,
            None => self.series.last().unwrap_or(SHARED) + 1,
        };
        if !self.series.contains(number) {
            let label = if number == SHARED { OTHER } else { label };
            let series = self.begin(label);
            self.by_label.insert(series.label.clone(), number);
            if self.shows_native && series.durations.is_some() {
                self.natives.insert(number, Native::default());
            }
            self.series.insert(number, series);
        }
        if let Some(series) = self.series.change_unsaved(number)
            && number != SHARED
        {
            let before = series.selectors.len();
            series
                .selectors
                .extend(self.settings.selection.fingerprints(chosen));
            if series.selectors.len() > before {
                self.series.change(number);
            }
        }
        number
    }

    /// A result is settled; `counts` unless it was before the baseline, or is counted already.
    pub(super) fn settled(&mut self, number: SeriesNumber, result: CommandResult, counts: bool) {
        let Some(series) = self.series.change(number) else {
            return;
        };
        let is_success = result.status.is_success();
        let newest = series.newest(is_success);
        *newest = (*newest).max(Some(result.time));
        self.stale.settled((number, is_success), result.time);
        if !counts {
            return;
        }
        let counter = series.counted.entry(result.status);
        counter
            .or_insert_with(|| Counter::new(Beginning::held(self.start)))
            .increment();
        series.overflow = series.overflow.saturating_add(u64::from(number == SHARED));
        if let (Some(durations), Some(seconds)) = (&mut series.durations, result.duration) {
            durations.observe(seconds);
            if let Some(native) = self.natives.change(number) {
                native.observe(seconds);
            }
        }
    }

    /// A run of a schedule began.
    pub(super) fn ran(&mut self, number: SeriesNumber, at: Seconds) {
        let series = self.series.get(number);
        if series.is_some_and(|series| series.last_run < Some(at))
            && let Some(series) = self.series.change(number)
        {
            series.last_run = Some(at);
        }
    }

    /// What had settled as `before` has left its status.
    pub(super) fn left(&mut self, number: SeriesNumber, before: &Entry) {
        let is_success = before.labels.status.is_success();
        if let Some(series) = self.series.change_unsaved(number) {
            let newest = *series.newest(is_success);
            self.stale.left((number, is_success), before.time, newest);
        }
    }

    /// Where what has left was the newest of its series, another one is now. `held` is what there is.
    pub(super) fn renew_newest<'a>(&mut self, held: impl Iterator<Item = (SeriesNumber, &'a Entry)>) {
        let settled = held.filter(|(_, entry)| !entry.is_open());
        let settled = settled.map(|(number, entry)| ((number, entry.labels.status.is_success()), entry.time));
        for ((number, is_success), newest) in self.stale.found(settled) {
            if let Some(series) = self.series.change(number) {
                *series.newest(is_success) = newest;
            }
        }
    }

    pub(super) fn each_beginning(&mut self, on_beginning: OnBeginning<'_>) {
        self.series.each(|series| {
            let mut is_to_be_saved = false;
            for beginning in series.beginnings() {
                is_to_be_saved |= on_beginning(beginning);
            }
            is_to_be_saved
        });
    }

    /// Results that were folded into the shared series.
    pub(super) fn overflow(&self) -> u64 {
        self.series.get(SHARED).map_or(0, |series| series.overflow)
    }

    /// Puts a saved one back; `false` where its number or label is taken.
    pub(super) fn restore(&mut self, number: SeriesNumber, bytes: &[u8]) -> bool {
        let are_sound = |series: &Series| {
            number < MAX_NUMBER
                && series.counted.values().all(|counter| counter.is_sound())
                && series.durations.as_ref().is_none_or(Histogram::is_sound)
        };
        decode(bytes).filter(are_sound).is_some_and(|mut series: Series| {
            // Earlier versions have saved control characters.
            series.label = label_text(&series.label).into();
            if let Some(durations) = &mut series.durations {
                durations.add_bounds(&self.duration_buckets);
            }
            let twice = self.by_label.insert(series.label.clone(), number).is_some();
            self.series.restore_value(number, series) && !twice
        })
    }

    /// Puts back what is saved beside a series' histogram.
    pub(super) fn restore_native(&mut self, number: SeriesNumber, bytes: &[u8]) -> bool {
        let series = self.series.get(number);
        let Some(histogram) = series.and_then(|series| series.durations.as_ref()) else {
            return false;
        };
        let native = decode(bytes).filter(|native: &Native| native.is_sound(histogram.count));
        native.is_some_and(|native| self.natives.restore_value(number, native))
    }

    /// Those that are not there begin with what was counted before they were asked for.
    fn begin_natives(&mut self) {
        if self.shows_native {
            for (number, series) in self.series.iter() {
                if let Some(durations) = &series.durations {
                    self.natives.begin(*number, || durations.as_native());
                }
            }
        }
    }

    /// After a start: series that are no longer selected go, and histograms that are new begin.
    pub(super) fn restored(&mut self) {
        let selection = &self.settings.selection;
        self.series.retain(|number, series| {
            let selectors = series.selectors.iter().copied();
            number == SHARED || selection.keeps(&series.label, selectors)
        });
        let empty = self.empty_durations();
        self.series.each(|series| {
            let begins = series.durations.is_none() && empty.is_some();
            if begins {
                series.durations.clone_from(&empty);
            }
            begins
        });
        let series = &self.series;
        self.by_label.retain(|_, number| series.contains(*number));
        self.natives.retain(|number, _| series.contains(number));
        self.begin_natives();
    }

    /// The histogram of a new series, where they have one.
    fn empty_durations(&self) -> Option<Histogram> {
        let durations = self.settings.durations;
        durations.then(|| Histogram::new(&self.duration_buckets, Beginning::held(self.start)))
    }

    fn begin(&self, label: &str) -> Series {
        let settled = KnownStatus::ALL.into_iter().filter(|status| !status.is_open());
        let zero = Counter::new(Beginning::held(self.start));
        Series {
            label: label.into(),
            selectors: BTreeSet::new(),
            counted: settled.map(|status| (StatusNumber::of(status), zero)).collect(),
            last_success: None,
            last_failure: None,
            last_run: None,
            durations: self.empty_durations(),
            overflow: 0,
        }
    }
}

impl Series {
    /// Whether each of its series is still shown at 0.
    pub(super) fn beginnings(&mut self) -> impl Iterator<Item = &mut Beginning> {
        let counters = self.counted.values_mut().map(|counter| &mut counter.beginning);
        let durations = self
            .durations
            .iter_mut()
            .map(|durations| &mut durations.beginning);
        counters.chain(durations)
    }

    fn newest(&mut self, is_success: bool) -> &mut Option<Seconds> {
        if is_success {
            &mut self.last_success
        } else {
            &mut self.last_failure
        }
    }
}
