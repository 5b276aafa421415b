//! `cloud_assistant_result_duration_seconds`: how long counted results ran.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::hold::{Hold, MOST, OnHold};
use crate::record::fact::{Fact, How};
use crate::record::labels::{KNOWN_SETTLED, StatusNumber};
use crate::record::table::{Table, decode};

/// Histograms by InvocationStatus.
#[derive(Debug)]
pub(in crate::record) struct Durations {
    /// `metrics.duration_buckets`, in seconds.
    bounds: Arc<[f64]>,
    pub histograms: Table<StatusNumber, Histogram>,
}

impl Durations {
    pub(super) fn new(bounds: &Arc<[f64]>) -> Self {
        Self {
            bounds: Arc::clone(bounds),
            histograms: Table::default(),
        }
    }

    /// `of_baseline` is the hold of what the baseline lists.
    pub(super) fn on(&mut self, fact: &Fact<'_>, of_baseline: Hold) {
        let Fact::Settled(settled) = fact else { return };
        let status = settled.labelled.labels.status;
        let hold = match settled.how {
            How::Baseline => of_baseline,
            How::Counted | How::Old | How::Again => Hold::NEW,
        };
        self.begin(status, hold);
        if settled.counts()
            && let Some(seconds) = settled.duration
            && let Some(histogram) = self.histograms.change(status)
        {
            histogram.observe(seconds);
        }
    }

    fn begin(&mut self, status: StatusNumber, hold: Hold) {
        let begin = || Histogram::new(&self.bounds, hold);
        self.histograms.begin(status, begin);
    }

    /// Begins those of every known status, as earlier versions showed them.
    pub(super) fn begin_known(&mut self) {
        for (status, ..) in KNOWN_SETTLED {
            self.begin(StatusNumber::of(status), Hold::Over);
        }
    }

    pub(super) fn each_hold(&mut self, on_hold: OnHold<'_>) {
        self.histograms.each(|histogram| on_hold(&mut histogram.hold));
    }

    pub(in crate::record) fn restore(&mut self, status: StatusNumber, bytes: &[u8]) -> bool {
        let histogram = decode(bytes).filter(Histogram::is_sound);
        histogram.is_some_and(|mut histogram| {
            histogram.add_bounds(&self.bounds);
            self.histograms.restore_value(status, histogram)
        })
    }

    pub(in crate::record) fn shown(&self) -> Vec<ShownDurations> {
        let histograms = self.histograms.iter();
        let shown = histograms.map(|(status, histogram)| match histogram.hold.is_on() {
            true => ShownDurations::zero(*status, self.bounds.len()),
            false => ShownDurations {
                status: *status,
                buckets: histogram.cumulative(&self.bounds),
                count: histogram.count,
                sum: histogram.sum,
            },
        });
        shown.collect()
    }
}

/// A histogram of durations with one InvocationStatus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownDurations {
    pub(in crate::record) status: StatusNumber,
    /// Cumulative, by the configured bounds, without the infinite one.
    pub buckets: Vec<u64>,
    /// All.
    pub count: u64,
    /// Seconds.
    pub sum: u64,
}

impl ShownDurations {
    fn zero(status: StatusNumber, buckets: usize) -> Self {
        Self {
            status,
            buckets: vec![0; buckets],
            count: 0,
            sum: 0,
        }
    }
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
    /// Whether it is still shown at 0.
    pub(in crate::record) hold: Hold,
}

/// So many bounds are kept; those beyond that are not configured any more.
const MAX_BOUNDS: usize = 256;

impl Histogram {
    /// An empty histogram with bounds in seconds, which is shown as it is.
    pub fn of_bounds(bounds: &[f64]) -> Self {
        Self::new(bounds, Hold::Over)
    }

    /// How many durations are at most each bound.
    pub fn at_most(&self) -> &[u64] {
        &self.at_most
    }

    /// An empty histogram with bounds in seconds.
    pub(super) fn new(bounds: &[f64], hold: Hold) -> Self {
        let bounds: Vec<u64> = bounds.iter().map(|bound| milliseconds(*bound)).collect();
        Self {
            at_most: vec![0; bounds.len()],
            bounds,
            count: 0,
            sum: 0,
            hold,
        }
    }

    /// One that was saved otherwise: `counts` has how many are at most each bound, and not at most the one before.
    pub(in crate::record) fn of_counts(
        bounds: Vec<u64>,
        counts: Vec<u64>,
        (count, sum): (u64, u64),
        hold: Hold,
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
            hold,
        }
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

    /// How many durations are at most each of these bounds, which are among its own.
    pub(super) fn cumulative(&self, bounds: &[f64]) -> Vec<u64> {
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
        let mut durations = Histogram::new(&bounds, Hold::Over);
        for seconds in [0, 1, 1, 5, 6] {
            durations.observe(seconds);
        }
        assert_eq!(durations.cumulative(&bounds), [1, 3, 4]);
        assert_eq!((durations.count, durations.sum), (5, 13));
    }

    #[test]
    fn other_bounds_and_back_take_nothing_back() {
        let before = [1.0, 5.0, 10.0];
        let mut durations = Histogram::new(&before, Hold::Over);
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
        let mut durations = Histogram::new(&[1.0], Hold::Over);
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
