//! `cloud_assistant_result_duration_seconds`: how long counted results ran.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::hold::{Beginning, MOST, OnBeginning, Start};
use super::native::{Native, ShownNative};
use super::totals::Exemplar;
use crate::record::fact::{Fact, How, Settled};
use crate::record::labels::{KNOWN_SETTLED, StatusNumber};
use crate::record::settings::Settings;
use crate::record::table::{Table, decode};

/// Histograms by InvocationStatus.
#[derive(Debug)]
pub(in crate::record) struct Durations {
    /// `metrics.duration_buckets`, in seconds.
    bounds: Arc<[f64]>,
    /// `metrics.native_histograms`.
    shows_native: bool,
    pub histograms: Table<StatusNumber, Histogram>,
    /// Beside those, where they have been asked for.
    pub natives: Table<StatusNumber, Native>,
    /// The newest of each bucket, the infinite one last. Not saved: they are of this process.
    exemplars: BTreeMap<StatusNumber, Vec<Option<DurationExemplar>>>,
}

/// A counted result whose duration is in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurationExemplar {
    /// How long it ran.
    pub seconds: u32,
    /// Which.
    pub of: Arc<Exemplar>,
}

impl Durations {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            bounds: Arc::clone(&settings.duration_buckets),
            shows_native: settings.native_histograms,
            natives: Table::default(),
            exemplars: BTreeMap::new(),
            histograms: Table::default(),
        }
    }

    /// `of_baseline` is how what the baseline lists begins.
    pub(super) fn on(&mut self, fact: &Fact<'_>, start: Start, of_baseline: Beginning) {
        let Fact::Settled(settled) = fact else { return };
        let status = settled.labelled.labels.status;
        let beginning = match settled.how {
            How::Baseline => of_baseline,
            How::Counted | How::Old | How::Again => Beginning::held(start),
        };
        self.begin(status, beginning);
        if settled.counts()
            && let Some(seconds) = settled.duration
            && let Some(histogram) = self.histograms.change(status)
        {
            histogram.observe(seconds);
            if let Some(native) = self.natives.change(status) {
                native.observe(seconds);
            }
            self.lead_to(settled, seconds);
        }
    }

    /// A bucket leads to the newest result in it whose ids are known.
    fn lead_to(&mut self, settled: &Settled<'_>, seconds: u32) {
        let Some(ids) = settled.ids else { return };
        let bucket = self.bounds.partition_point(|bound| *bound < f64::from(seconds));
        let status = settled.labelled.labels.status;
        let of_status = self.exemplars.entry(status).or_default();
        of_status.resize(self.bounds.len() + 1, None);
        let newest = &mut of_status[bucket];
        if newest
            .as_ref()
            .is_none_or(|newest| newest.of.time <= settled.time)
        {
            let of = Arc::new(Exemplar::new(ids, settled.time));
            *newest = Some(DurationExemplar { seconds, of });
        }
    }

    fn begin(&mut self, status: StatusNumber, beginning: Beginning) {
        let begin = || Histogram::new(&self.bounds, beginning);
        self.histograms.begin(status, begin);
        // What is there already may have been counted before native ones were asked for.
        if self.shows_native
            && let Some(histogram) = self.histograms.get(status)
        {
            self.natives.begin(status, || histogram.as_native());
        }
    }

    /// After a start: native ones begin with what was counted before they were asked for.
    pub(super) fn restored(&mut self) {
        if self.shows_native {
            for (status, histogram) in self.histograms.iter() {
                self.natives.begin(*status, || histogram.as_native());
            }
        }
    }

    /// Begins those of every known status, as earlier versions showed them.
    pub(super) fn begin_known(&mut self) {
        for (status, ..) in KNOWN_SETTLED {
            self.begin(StatusNumber::of(status), Beginning::shown(None));
        }
    }

    pub(super) fn each_beginning(&mut self, on_beginning: OnBeginning<'_>) {
        self.histograms
            .each(|histogram| on_beginning(&mut histogram.beginning));
    }

    pub(in crate::record) fn restore(&mut self, status: StatusNumber, bytes: &[u8]) -> bool {
        let histogram = decode(bytes).filter(Histogram::is_sound);
        histogram.is_some_and(|mut histogram| {
            histogram.add_bounds(&self.bounds);
            self.histograms.restore_value(status, histogram)
        })
    }

    pub(super) fn restore_native(&mut self, status: StatusNumber, bytes: &[u8]) -> bool {
        let Some(histogram) = self.histograms.get(status) else {
            return false;
        };
        let native = decode(bytes).filter(|native: &Native| native.is_sound(histogram.count));
        native.is_some_and(|native| self.natives.restore_value(status, native))
    }

    pub(in crate::record) fn shown(&self) -> Vec<ShownDurations> {
        let histograms = self.histograms.iter();
        let shown = histograms.map(|(status, histogram)| ShownDurations {
            status: *status,
            histogram: histogram.shown(&self.bounds, self.shown_native(*status)),
            exemplars: match histogram.beginning.hold.is_on() {
                true => Vec::new(),
                false => self.exemplars.get(status).cloned().unwrap_or_default(),
            },
        });
        shown.collect()
    }

    fn shown_native(&self, status: StatusNumber) -> Option<&Native> {
        self.natives.get(status).filter(|_| self.shows_native)
    }
}

/// A histogram of durations with one InvocationStatus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownDurations {
    pub(in crate::record) status: StatusNumber,
    /// What is shown of it.
    pub histogram: ShownHistogram,
    /// Of each bucket, the infinite one last; or none at all.
    pub exemplars: Vec<Option<DurationExemplar>>,
}

/// A histogram of durations as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownHistogram {
    /// Cumulative, by the configured bounds, without the infinite one.
    pub buckets: Vec<u64>,
    /// All.
    pub count: u64,
    /// Seconds.
    pub sum: u64,
    /// When all of it was at 0.
    pub start: Option<NonZeroU32>,
    /// `metrics.native_histograms`.
    pub native: Option<ShownNative>,
}

/// A histogram of durations in whole seconds.
///
/// It keeps every bound that has been configured, so that a change of `metrics.duration_buckets` and back takes
/// nothing back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Upper bounds in milliseconds, ascending, without the infinite one. Bounds are numbers of the configuration,
    /// and must be compared after a restart: whole numbers do that exactly.
    bounds: Vec<u64>,
    /// How many durations are at most each bound, as far as that is certain.
    at_most: Vec<u64>,
    /// All durations.
    pub count: u64,
    /// Their sum in seconds.
    pub sum: u64,
    /// Since when, and whether it is still shown at 0.
    pub(in crate::record) beginning: Beginning,
}

/// So many bounds are kept; those beyond that are not configured any more.
const MAX_BOUNDS: usize = 256;

impl Histogram {
    /// An empty histogram with bounds in seconds, which is shown as it is.
    pub fn of_bounds(bounds: &[f64]) -> Self {
        Self::new(bounds, Beginning::shown(None))
    }

    /// How many durations are at most each bound.
    pub fn at_most(&self) -> &[u64] {
        &self.at_most
    }

    /// An empty histogram with bounds in seconds.
    pub(super) fn new(bounds: &[f64], beginning: Beginning) -> Self {
        let bounds: Vec<u64> = bounds.iter().map(|bound| milliseconds(*bound)).collect();
        Self {
            at_most: vec![0; bounds.len()],
            bounds,
            count: 0,
            sum: 0,
            beginning,
        }
    }

    /// One that was saved otherwise: `counts` has how many are at most each bound, and not at most the one before.
    pub(in crate::record) fn of_counts(
        bounds: Vec<u64>,
        counts: Vec<u64>,
        (count, sum): (u64, u64),
        beginning: Beginning,
    ) -> Self {
        let at_most = counts.iter().scan(0_u64, |all, count| {
            *all = all.saturating_add(*count);
            Some(*all)
        });
        Self {
            at_most: at_most.collect(),
            bounds,
            count,
            sum,
            beginning,
        }
    }

    /// What it says in native buckets.
    pub(super) fn as_native(&self) -> Native {
        let at_most = self.bounds.iter().copied().zip(self.at_most.iter().copied());
        Native::of(at_most, self.count)
    }

    /// Whether it is one that this program has made.
    pub(super) fn is_sound(&self) -> bool {
        self.count <= MOST
            && self.bounds.len() == self.at_most.len()
            && self.bounds.is_sorted_by(|one, other| one < other)
            && self.at_most.is_sorted()
            && self.at_most.last().is_none_or(|most| *most <= self.count)
    }

    /// Adds a duration.
    pub fn observe(&mut self, seconds: u32) {
        let first = self
            .bounds
            .partition_point(|bound| *bound < u64::from(seconds) * 1000);
        for count in &mut self.at_most[first..] {
            *count = count.saturating_add(1);
        }
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(u64::from(seconds));
    }

    /// What is shown of it by these bounds, which are among its own.
    pub(super) fn shown(&self, bounds: &[f64], native: Option<&Native>) -> ShownHistogram {
        let start = self.beginning.start;
        match self.beginning.hold.is_on() {
            true => ShownHistogram {
                buckets: vec![0; bounds.len()],
                count: 0,
                sum: 0,
                start,
                native: native.map(|_| ShownNative::default()),
            },
            false => ShownHistogram {
                buckets: self.cumulative(bounds),
                count: self.count,
                sum: self.sum,
                start,
                native: native.map(Native::shown),
            },
        }
    }

    /// How many durations are at most each of these bounds, which are among its own.
    fn cumulative(&self, bounds: &[f64]) -> Vec<u64> {
        let at_most = |bound: &f64| {
            let place = self.bounds.binary_search(&milliseconds(*bound)).ok()?;
            self.at_most.get(place).copied()
        };
        bounds.iter().map(|bound| at_most(bound).unwrap_or(0)).collect()
    }

    /// Has these bounds from now on, beside those that it had. What was observed before is under the lowest new bound
    /// that it is certainly at most.
    pub(super) fn add_bounds(&mut self, bounds: &[f64]) {
        let configured: Vec<u64> = bounds.iter().map(|bound| milliseconds(*bound)).collect();
        for bound in &configured {
            if let Err(place) = self.bounds.binary_search(bound) {
                let certain = place.checked_sub(1).map_or(0, |below| self.at_most[below]);
                self.bounds.insert(place, *bound);
                self.at_most.insert(place, certain);
            }
        }
        while self.bounds.len() > MAX_BOUNDS.max(configured.len())
            && let Some(place) = self.bounds.iter().position(|bound| !configured.contains(bound))
        {
            self.bounds.remove(place);
            self.at_most.remove(place);
        }
    }
}

fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive() {
        let bounds = [0.5, 1.0, 5.0];
        let mut durations = Histogram::new(&bounds, Beginning::shown(None));
        for seconds in [0, 1, 1, 5, 6] {
            durations.observe(seconds);
        }
        assert_eq!(durations.cumulative(&bounds), [1, 3, 4]);
        assert_eq!((durations.count, durations.sum), (5, 13));
    }

    #[test]
    fn other_bounds_and_back_take_nothing_back() {
        let before = [1.0, 5.0, 10.0];
        let mut durations = Histogram::new(&before, Beginning::shown(None));
        for seconds in [1, 4, 9, 100] {
            durations.observe(seconds);
        }
        let other = [2.0, 5.0, 60.0];
        durations.add_bounds(&other);
        assert_eq!(durations.cumulative(&other), [1, 2, 3]);
        durations.observe(2);
        assert_eq!(durations.cumulative(&other), [2, 3, 4]);
        durations.add_bounds(&before);
        assert_eq!(durations.cumulative(&before), [1, 3, 4]);
        assert_eq!((durations.count, durations.sum), (5, 116));
        assert!(durations.is_sound());
    }

    #[test]
    fn bounds_and_sums_have_an_end() {
        let mut durations = Histogram::new(&[1.0], Beginning::shown(None));
        for n in 0..1000 {
            durations.add_bounds(&[f64::from(n) + 0.5, 5000.0]);
        }
        assert_eq!(durations.bounds.len(), MAX_BOUNDS);
        assert!(durations.is_sound());
        durations.sum = u64::MAX - 1;
        durations.observe(7);
        assert_eq!(durations.sum, u64::MAX);
    }
}
