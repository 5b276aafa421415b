//! Counters and histograms of results.

use serde::{Deserialize, Serialize};

use crate::result::Seconds;

/// A counter that never goes back, with the time of its first increment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Counter {
    /// How many.
    pub value: u64,
    /// When the series began to exist; it is shown at 0 for a while from then on.
    pub since: Seconds,
}

/// A counter of results in one combination.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Total {
    /// How many.
    pub counter: Counter,
    /// The newest of them, where they are failures.
    pub exemplar: Option<Exemplar>,
}

/// A result that a graph can lead to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemplar {
    /// Its time.
    pub time: Seconds,
    /// The execution.
    pub invoke_id: Box<str>,
    /// The instance.
    pub instance_id: Box<str>,
}

/// A histogram of durations in whole seconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Durations {
    /// Upper bounds in milliseconds, ascending, without the infinite one. Bounds are numbers of the configuration,
    /// and must be compared after a restart: whole numbers do that exactly.
    bounds: Vec<u64>,
    /// How many durations are at most each bound, and not at most the one before.
    counts: Vec<u64>,
    /// All durations.
    pub count: u64,
    /// Their sum in seconds.
    pub sum: u64,
    /// When the series began to exist.
    pub since: Seconds,
}

impl Durations {
    /// An empty histogram with bounds in seconds.
    pub(super) fn new(bounds: &[f64], since: Seconds) -> Self {
        let bounds: Vec<u64> = bounds.iter().map(|bound| milliseconds(*bound)).collect();
        let counts = vec![0; bounds.len()];
        Self {
            bounds,
            counts,
            count: 0,
            sum: 0,
            since,
        }
    }

    /// Adds a duration.
    pub(super) fn observe(&mut self, seconds: u32) {
        let place = self
            .bounds
            .partition_point(|bound| *bound < u64::from(seconds) * 1000);
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        self.count += 1;
        self.sum += u64::from(seconds);
    }

    /// How many durations are at most each bound, in the bounds' order.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = u64> {
        self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        })
    }

    /// The same durations under other bounds, after a change of configuration: each is then shown under the lowest
    /// new bound that it is certainly at most. Count and sum stay, so that no series goes back.
    pub(super) fn with_bounds(&self, bounds: &[f64]) -> Self {
        let mut new = Self {
            count: self.count,
            sum: self.sum,
            ..Self::new(bounds, self.since)
        };
        for (old_bound, count) in self.bounds.iter().zip(&self.counts) {
            let place = new.bounds.partition_point(|bound| bound < old_bound);
            if let Some(sum) = new.counts.get_mut(place) {
                *sum += count;
            }
        }
        new
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
        let mut durations = Durations::new(&[0.5, 1.0, 5.0], 0);
        for seconds in [0, 1, 1, 5, 6] {
            durations.observe(seconds);
        }
        assert_eq!(durations.cumulative().collect::<Vec<_>>(), [1, 3, 4]);
        assert_eq!((durations.count, durations.sum), (5, 13));
    }

    #[test]
    fn other_bounds_keep_count_and_sum() {
        let mut durations = Durations::new(&[1.0, 5.0, 10.0], 0);
        for seconds in [1, 4, 9, 100] {
            durations.observe(seconds);
        }
        let changed = durations.with_bounds(&[2.0, 5.0, 60.0]);
        assert_eq!(changed.cumulative().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((changed.count, changed.sum), (4, 114));
        assert_eq!(durations.with_bounds(&[1.0, 5.0, 10.0]), durations);
    }
}
