//! `cloud_assistant_results_total`: results that settled since the exporter first looked.

use serde::{Deserialize, Serialize};

use super::hold::{Beginning, Counter, OnBeginning, Start};
use crate::record::fact::{Fact, How, Settled};
use crate::record::labels::{LabelTexts, ResultLabels};
use crate::record::table::{Table, decode};
use crate::result::{Ids, Seconds};

/// Counters of results by their labels.
#[derive(Debug, Default)]
pub(in crate::record) struct Totals {
    pub counters: Table<ResultLabels, Total>,
}

impl Totals {
    pub(super) fn on(&mut self, fact: &Fact<'_>, start: Start) {
        let Fact::Settled(settled) = fact else { return };
        if settled.how != How::Counted {
            return;
        }
        let combination = settled.labelled.labels;
        let begin = || Total::new(Beginning::held(start));
        let total = self.counters.change_or_begin(combination, begin);
        total.counter.increment();
        total.lead_to(settled);
    }

    /// Begins the zero combinations that are not there.
    pub(super) fn begin(&mut self, beginning: Beginning, labels: &LabelTexts) {
        for combination in labels.zeros() {
            self.counters.begin(combination, || Total::new(beginning));
        }
    }

    /// Whether the zero combinations are there.
    pub(super) fn has_begun(&self, labels: &LabelTexts) -> bool {
        labels
            .zeros()
            .all(|combination| self.counters.contains(combination))
    }

    /// Whether the zero combinations are still shown at 0 whatever they count.
    pub(super) fn is_held(&self, labels: &LabelTexts) -> bool {
        let mut zeros = labels
            .zeros()
            .filter_map(|combination| self.counters.get(combination));
        zeros.any(|total| total.counter.beginning.hold.is_on())
    }

    pub(super) fn each_beginning(&mut self, on_beginning: OnBeginning<'_>) {
        self.counters
            .each(|total| on_beginning(&mut total.counter.beginning));
    }

    pub(super) fn restore(&mut self, of: ResultLabels, bytes: &[u8]) -> bool {
        let total = decode(bytes).filter(|total: &Total| total.counter.is_sound());
        total.is_some_and(|total| self.counters.restore_value(of, total))
    }

    /// When the zero combinations were at 0, and with them whatever else begins with the first result.
    pub(in crate::record) fn start(&self, labels: &LabelTexts) -> Start {
        let zeros = labels.zeros().map(|combination| {
            let total = self.counters.get(combination)?;
            total.counter.beginning.start
        });
        zeros.min().flatten()
    }

    pub(in crate::record) fn shown(&self) -> Vec<CountedTotal> {
        let totals = self.counters.iter();
        let shown = totals.map(|(labels, total)| {
            let value = total.counter.shown();
            let exemplar = total.exemplar.as_ref().filter(|_| value > 0);
            CountedTotal {
                labels: *labels,
                value,
                start: total.counter.beginning.start,
                exemplar: exemplar.cloned(),
            }
        });
        shown.collect()
    }
}

/// A counter of results as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::record) struct CountedTotal {
    pub labels: ResultLabels,
    pub value: u64,
    pub start: Start,
    pub exemplar: Option<Exemplar>,
}

/// A counter of results in one combination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::record) struct Total {
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

impl Exemplar {
    pub(super) fn new(ids: &Ids, time: Seconds) -> Self {
        Self {
            time,
            invoke_id: ids.invoke_id.clone(),
            instance_id: ids.instance_id.clone(),
        }
    }
}

impl Total {
    fn new(beginning: Beginning) -> Self {
        Self {
            counter: Counter::new(beginning),
            exemplar: None,
        }
    }

    /// A failure is what a graph leads to, unless there is a newer one.
    fn lead_to(&mut self, settled: &Settled<'_>) {
        let is_newest = self
            .exemplar
            .as_ref()
            .is_none_or(|newest| newest.time <= settled.time);
        if is_newest
            && !settled.is_success()
            && let Some(ids) = settled.ids
        {
            self.exemplar = Some(Exemplar::new(ids, settled.time));
        }
    }
}
