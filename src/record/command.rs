//! The series of selected commands: what their results add up to, by name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::hold::Hold;
use super::label::{OTHER, StatusNumber};
use super::saved::Key;
use super::slots::Entry;
use super::totals::{Counter, Durations};
use crate::result::{KnownStatus, Seconds, label_text};
use crate::selection::{Chosen, Selection};

/// What the configuration says about series of commands.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandSettings {
    /// `metrics.commands`, not empty.
    pub selection: Arc<Selection>,
    /// `metrics.max_commands`.
    pub max_commands: u16,
    /// `metrics.command_durations`.
    pub durations: bool,
}

/// A series by its order; the first is what the commands beyond the bound share.
pub(super) type SeriesNumber = u32;

/// Of a saved series; there are far fewer, and the next one needs a number too.
const MAX_NUMBER: SeriesNumber = 1 << 31;

/// The number of [`OTHER`].
const SHARED: SeriesNumber = 0;

/// What is counted under one value of `command`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Series {
    /// The value: a name, or a CommandId without one.
    pub label: Box<str>,
    /// The selectors that have taken it, by their fingerprints.
    pub(super) selectors: BTreeSet<u64>,
    /// Results by InvocationStatus. The known ones exist from the start, so that no first increment is lost.
    pub counted: BTreeMap<StatusNumber, Counter>,
    /// Time of the newest result that was Success.
    pub last_success: Option<Seconds>,
    /// Time of the newest settled result that was not.
    pub last_failure: Option<Seconds>,
    /// When the newest run of a schedule began.
    pub last_run: Option<Seconds>,
    /// None before it was configured.
    pub durations: Option<Durations>,
    /// Results that were folded into this one.
    pub(super) overflow: u64,
}

/// One settled result, as its command's series counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settled {
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
    duration_buckets: Vec<f64>,
    series: BTreeMap<SeriesNumber, Series>,
    by_label: HashMap<Box<str>, SeriesNumber>,
}

impl AllSeries {
    /// None yet.
    pub(super) fn new(settings: CommandSettings, duration_buckets: &[f64]) -> Self {
        Self {
            settings,
            duration_buckets: duration_buckets.to_vec(),
            series: BTreeMap::new(),
            by_label: HashMap::new(),
        }
    }

    /// The series of a label that selectors have taken: the one that there is, a new one where there is room, or the
    /// shared one.
    pub(super) fn of_label(
        &mut self,
        label: &str,
        chosen: Chosen,
        unsaved: &mut BTreeSet<Key>,
    ) -> SeriesNumber {
        let found = self.by_label.get(label).copied();
        let own = self.series.len() - usize::from(self.series.contains_key(&SHARED));
        let number = match found {
            Some(number) => number,
            None if *label == *OTHER || own >= usize::from(self.settings.max_commands) => SHARED,
            None => self.series.last_key_value().map_or(SHARED, |(last, _)| *last) + 1,
        };
        if !self.series.contains_key(&number) {
            let label = if number == SHARED { OTHER } else { label };
            let series = self.begin(label);
            self.by_label.insert(series.label.clone(), number);
            self.series.insert(number, series);
            unsaved.insert(Key::CommandSeries(number));
        }
        let selection = Arc::clone(&self.settings.selection);
        if let Some(series) = self.series.get_mut(&number)
            && number != SHARED
        {
            let before = series.selectors.len();
            series.selectors.extend(selection.fingerprints(chosen));
            if series.selectors.len() > before {
                unsaved.insert(Key::CommandSeries(number));
            }
        }
        number
    }

    /// A result is settled; `counts` unless it was before the first look, or is counted already.
    pub(super) fn settled(
        &mut self,
        number: SeriesNumber,
        settled: Settled,
        counts: bool,
        unsaved: &mut BTreeSet<Key>,
    ) {
        let Some(series) = self.series.get_mut(&number) else {
            return;
        };
        let newest = series.newest(settled.status);
        *newest = (*newest).max(Some(settled.time));
        unsaved.insert(Key::CommandSeries(number));
        if !counts {
            return;
        }
        let counter = series.counted.entry(settled.status);
        counter.or_insert(Counter::new(Hold::NEW)).increment();
        series.overflow = series.overflow.saturating_add(u64::from(number == SHARED));
        if let (Some(durations), Some(seconds)) = (&mut series.durations, settled.duration) {
            durations.observe(seconds);
        }
    }

    /// A run of a schedule began.
    pub(super) fn ran(&mut self, number: SeriesNumber, at: Seconds, unsaved: &mut BTreeSet<Key>) {
        if let Some(series) = self.series.get_mut(&number)
            && series.last_run < Some(at)
        {
            series.last_run = Some(at);
            unsaved.insert(Key::CommandSeries(number));
        }
    }

    /// A settled result of this time has left its status: where it was the newest, `left` is what there is.
    pub(super) fn renew_newest(
        &mut self,
        number: SeriesNumber,
        before: &Entry,
        left: impl Iterator<Item = Entry>,
        unsaved: &mut BTreeSet<Key>,
    ) {
        let status = before.combination.status;
        let Some(series) = self.series.get_mut(&number) else {
            return;
        };
        if status.is_open() || *series.newest(status) != Some(before.time) {
            return;
        }
        let alike =
            |entry: &Entry| !entry.is_open() && is_success(entry.combination.status) == is_success(status);
        *series.newest(status) = left.filter(alike).map(|entry| entry.time).max();
        unsaved.insert(Key::CommandSeries(number));
    }

    /// Every series, the shared one first where it is.
    pub(super) fn iter(&self) -> impl Iterator<Item = (SeriesNumber, &Series)> {
        self.series.iter().map(|(number, series)| (*number, series))
    }

    /// The same, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (SeriesNumber, &mut Series)> {
        self.series.iter_mut().map(|(number, series)| (*number, series))
    }

    /// To be saved.
    pub(super) fn get(&self, number: SeriesNumber) -> Option<&Series> {
        self.series.get(&number)
    }

    /// Results that were folded into the shared series.
    pub(super) fn overflow(&self) -> u64 {
        self.series.get(&SHARED).map_or(0, |series| series.overflow)
    }

    /// Puts a saved one back; `false` where its number or label is taken.
    pub(super) fn restore(&mut self, number: SeriesNumber, mut series: Series) -> bool {
        let are_sound = series.counted.values().all(|counter| counter.is_sound())
            && series.durations.as_ref().is_none_or(Durations::is_sound);
        if number >= MAX_NUMBER || !are_sound {
            return false;
        }
        // Earlier versions have saved control characters.
        series.label = label_text(&series.label).into();
        if let Some(durations) = &mut series.durations {
            durations.add_bounds(&self.duration_buckets);
        }
        let twice = self.by_label.insert(series.label.clone(), number).is_some();
        self.series.insert(number, series).is_none() && !twice
    }

    /// After a start: series that are no longer selected go, and histograms that are new begin.
    pub(super) fn restored(&mut self, unsaved: &mut BTreeSet<Key>) {
        let selection = Arc::clone(&self.settings.selection);
        let empty = self
            .settings
            .durations
            .then(|| Durations::new(&self.duration_buckets, Hold::NEW));
        self.series.retain(|number, series| {
            let selectors = series.selectors.iter().copied();
            let stays = *number == SHARED || selection.keeps(&series.label, selectors);
            let mut changed = !stays;
            if series.durations.is_none() && empty.is_some() {
                series.durations.clone_from(&empty);
                changed = true;
            }
            if changed {
                unsaved.insert(Key::CommandSeries(*number));
            }
            stays
        });
        let series = &self.series;
        self.by_label.retain(|_, number| series.contains_key(number));
    }

    fn begin(&self, label: &str) -> Series {
        let settled = KnownStatus::ALL.into_iter().filter(|status| !status.is_open());
        let zero = Counter::new(Hold::NEW);
        Series {
            label: label.into(),
            selectors: BTreeSet::new(),
            counted: settled.map(|status| (StatusNumber::of(status), zero)).collect(),
            last_success: None,
            last_failure: None,
            last_run: None,
            durations: self
                .settings
                .durations
                .then(|| Durations::new(&self.duration_buckets, Hold::NEW)),
            overflow: 0,
        }
    }
}

impl Series {
    /// Whether each of its series is still shown at 0.
    pub(super) fn holds(&mut self) -> impl Iterator<Item = &mut Hold> {
        let counters = self.counted.values_mut().map(|counter| &mut counter.hold);
        let durations = self.durations.iter_mut().map(|durations| &mut durations.hold);
        counters.chain(durations)
    }

    fn newest(&mut self, status: StatusNumber) -> &mut Option<Seconds> {
        if is_success(status) {
            &mut self.last_success
        } else {
            &mut self.last_failure
        }
    }
}

/// Whether that is how it should be.
pub(super) fn is_success(status: StatusNumber) -> bool {
    status == StatusNumber::of(KnownStatus::Success)
}
