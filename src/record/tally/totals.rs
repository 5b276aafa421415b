//! `cloud_assistant_results_total`: results that settled since the exporter first looked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::hold::{Counter, Hold, OnHold};
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
    pub(super) fn on(&mut self, fact: &Fact<'_>, labels: &LabelTexts) {
        let Fact::Settled(settled) = fact else { return };
        if settled.how != How::Counted {
            return;
        }
        let combination = settled.labelled.labels;
        let hold = match labels.is_zero(combination) {
            true => Hold::Over,
            false => Hold::NEW,
        };
        let total = self.counters.change_or_begin(combination, || Total {
            counter: Counter::new(hold),
            exemplar: None,
        });
        total.counter.increment();
        total.lead_to(settled);
    }

    pub(super) fn each_hold(&mut self, on_hold: OnHold<'_>) {
        self.counters.each(|total| on_hold(&mut total.counter.hold));
    }

    pub(super) fn restore(&mut self, of: ResultLabels, bytes: &[u8]) -> bool {
        let total = decode(bytes).filter(|total: &Total| total.counter.is_sound());
        total.is_some_and(|total| self.counters.restore_value(of, total))
    }

    /// What is shown: `zeros` are there from the start.
    pub(in crate::record) fn shown(
        &self,
        zeros: impl Iterator<Item = ResultLabels>,
    ) -> Vec<(ResultLabels, u64, Option<Exemplar>)> {
        let mut shown: BTreeMap<ResultLabels, (u64, Option<Exemplar>)> =
            zeros.map(|combination| (combination, (0, None))).collect();
        for (combination, total) in self.counters.iter() {
            let value = total.counter.shown();
            let exemplar = total.exemplar.clone().filter(|_| value > 0);
            shown.insert(*combination, (value, exemplar));
        }
        shown
            .into_iter()
            .map(|(combination, (value, exemplar))| (combination, value, exemplar))
            .collect()
    }
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

impl Total {
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
            let Ids {
                invoke_id,
                instance_id,
                ..
            } = ids.clone();
            self.exemplar = Some(Exemplar {
                time: settled.time,
                invoke_id,
                instance_id,
            });
        }
    }
}
