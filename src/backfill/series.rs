//! From settled results to counters and histograms over time.

use std::collections::BTreeMap;

use super::labels::TargetLabels;
use super::until::{Place, Until};
use crate::expose::PastFamily;
use crate::record::{Histogram, Past};
use crate::result::Seconds;
use crate::scope::Scope;

/// The API keeps four weeks. What seems to be older than this has a wrong time, or is of a list that forgets nothing:
/// a sample for each minute of years is of no use to anybody.
const MOST: Seconds = 35 * 86_400;

/// Where samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spacing {
    /// Seconds between two, at least 1.
    pub step: Seconds,
    /// Only so near to a change of the series; none for everywhere.
    pub near: Option<Seconds>,
}

/// Results that are in no file, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// Nobody knows when they ended.
    pub undated: u64,
    /// They are older than 35 days.
    pub old: u64,
    /// They are for the live counters.
    pub live: u64,
}

/// The past of one scope.
#[derive(Debug)]
pub struct ScopeSeries {
    /// By family, and within one by labels.
    pub metrics: Vec<Metric>,
    /// The first sample, which is 0.
    pub from: Seconds,
    /// The last sample with a value; one second later everything is 0.
    pub until: Seconds,
    /// Results in it.
    pub results: u64,
    /// Those that are not.
    pub left: Left,
}

/// One counter, or one histogram, over time.
#[derive(Debug)]
pub struct Metric {
    /// Of which family.
    pub family: PastFamily,
    /// How each of its samples begins.
    pub series: Vec<String>,
    /// When its results ended, ascending, and how long they had run.
    pub events: Vec<(Seconds, u32)>,
    bounds: Vec<f64>,
}

/// A metric on its way through time.
#[derive(Debug)]
pub struct Walk<'a> {
    metric: &'a Metric,
    /// Events that have passed.
    passed: usize,
    histogram: Histogram,
    values: Vec<u64>,
}

type Labels<'a> = Vec<(&'a str, &'a str)>;

impl ScopeSeries {
    /// Of what was read of a scope; none where nothing of it belongs into a file.
    pub fn of(
        (scope, past, until): (&Scope, &Past, Until),
        target: &TargetLabels,
        bounds: &[f64],
        step: Seconds,
        command_durations: bool,
    ) -> Self {
        let mut left = Left::default();
        let mut metrics: BTreeMap<(PastFamily, Labels<'_>), Vec<(Seconds, u32)>> = BTreeMap::new();
        let (mut results, mut oldest) = (0, until.at());
        for result in &past.results {
            let time = match until.place(result) {
                Place::At(time) if until.at() - time > MOST => {
                    left.old += 1;
                    continue;
                }
                Place::At(time) => time,
                Place::Undated => {
                    left.undated += 1;
                    continue;
                }
                Place::Live => {
                    left.live += 1;
                    continue;
                }
            };
            let Some(class) = past.classes.get(result.class as usize) else {
                continue;
            };
            results += 1;
            oldest = oldest.min(time);
            let status = ("invocation_status", &*class.invocation_status);
            let mut add = |family, labels, seconds| {
                metrics.entry((family, labels)).or_default().push((time, seconds));
            };
            let codes = [
                ("error_code", &*class.error_code),
                ("exit_code", &*class.exit_code),
            ];
            add(PastFamily::Results, vec![status, codes[0], codes[1]], 0);
            if let Some(seconds) = result.duration {
                add(PastFamily::Durations, vec![status], seconds);
            }
            if let Some(command) = &class.command {
                let command = ("command", &**command);
                add(PastFamily::CommandResults, vec![command, status], 0);
                if let Some(seconds) = result.duration.filter(|_| command_durations) {
                    add(PastFamily::CommandDurations, vec![command], seconds);
                }
            }
        }
        let own = [("account", &*scope.account), ("region_id", &*scope.region_id)];
        let metrics = metrics.into_iter().map(|((family, labels), mut events)| {
            events.sort_unstable();
            let labels: Labels<'_> = target.iter().chain(own).chain(labels).collect();
            Metric {
                series: family.series(&labels, bounds),
                bounds: match family.is_counter() {
                    true => Vec::new(),
                    false => bounds.to_vec(),
                },
                family,
                events,
            }
        });
        Self {
            metrics: metrics.collect(),
            from: oldest.saturating_sub(1) / step * step,
            until: until.at(),
            results,
            left,
        }
    }

    /// When there are samples from `first` up to but not including `end`, ascending.
    pub fn times(
        &self,
        first: Seconds,
        end: Seconds,
        step: Seconds,
    ) -> impl Iterator<Item = Seconds> + use<> {
        let (from, until) = (self.from, self.until);
        let begin = from.max(first).div_ceil(step) * step;
        (begin..until.min(end)).step_by(step as usize).chain(
            [until, until.saturating_add(1)]
                .into_iter()
                .filter(move |time| (first..end).contains(time)),
        )
    }

    /// Whether a sample of a metric at that time is written.
    fn is_wanted(&self, walk: &Walk<'_>, time: Seconds, spacing: Spacing) -> bool {
        let Some(near) = spacing.near else { return true };
        if time >= self.until || time == self.from {
            return true;
        }
        let events = &walk.metric.events;
        let before = walk.passed.checked_sub(1).and_then(|place| events.get(place));
        let behind = events.get(walk.passed);
        before.is_some_and(|(at, _)| time - at <= near) || behind.is_some_and(|(at, _)| at - time <= near)
    }

    /// Each sample of a metric from `first` up to but not including `end`: when, and a value for each of its series.
    pub fn samples(
        &self,
        walk: &mut Walk<'_>,
        (first, end): (Seconds, Seconds),
        spacing: Spacing,
        mut each: impl FnMut(Seconds, &[u64]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        for time in self.times(first, end, spacing.step) {
            if time > self.until {
                // The live counters begin here.
                walk.values.fill(0);
                each(time, &walk.values)?;
                continue;
            }
            walk.pass(time);
            if self.is_wanted(walk, time, spacing) {
                each(time, &walk.values)?;
            }
        }
        Ok(())
    }
}

impl Metric {
    /// At the beginning of its time.
    pub fn walk(&self) -> Walk<'_> {
        Walk {
            metric: self,
            passed: 0,
            histogram: Histogram::of_bounds(&self.bounds),
            values: vec![0; self.series.len()],
        }
    }
}

impl Walk<'_> {
    /// Takes in what has ended by `time`.
    fn pass(&mut self, time: Seconds) {
        let before = self.passed;
        while let Some((at, seconds)) = self.metric.events.get(self.passed)
            && *at <= time
        {
            self.passed += 1;
            if !self.metric.family.is_counter() {
                self.histogram.observe(*seconds);
            }
        }
        if self.passed == before {
            return;
        }
        if self.metric.family.is_counter() {
            self.values.fill(self.passed as u64);
            return;
        }
        let (count, sum) = (self.histogram.count, self.histogram.sum);
        let buckets = self.histogram.at_most().iter().copied();
        let values = buckets.chain([count, sum, count]);
        self.values.clear();
        self.values.extend(values);
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
