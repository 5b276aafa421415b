//! `cloud_assistant_output_deliveries_total`: deliveries of output to OSS that have ended.

use super::hold::{Beginning, Counter, OnBeginning, Start};
use crate::record::fact::Fact;
use crate::record::table::{Table, decode};

/// Whether finished (or failed), and the number of the error code.
type Outcome = (bool, u16);

/// Counters of deliveries by how they ended.
#[derive(Debug, Default)]
pub(in crate::record) struct Deliveries {
    pub counters: Table<Outcome, Counter>,
}

impl Deliveries {
    pub(super) fn restore(&mut self, key: Outcome, bytes: &[u8]) -> bool {
        let counter = decode(bytes).filter(Counter::is_sound);
        counter.is_some_and(|counter| self.counters.restore_value(key, counter))
    }

    pub(super) fn on(&mut self, fact: &Fact<'_>, start: Start) {
        if let Fact::Delivered {
            delivery, error_code, ..
        } = *fact
        {
            let begin = || Counter::new(Beginning::held(start));
            let outcome = (delivery.finished, error_code);
            let counter = self.counters.change_or_begin(outcome, begin);
            counter.increment();
        }
    }

    /// Begins those without a code, where they are not there.
    pub(super) fn begin(&mut self, beginning: Beginning) {
        for finished in [true, false] {
            self.counters.begin((finished, 0), || Counter::new(beginning));
        }
    }

    pub(super) fn each_beginning(&mut self, on_beginning: OnBeginning<'_>) {
        self.counters.each(|counter| on_beginning(&mut counter.beginning));
    }

    /// Whether finished, the number of the error code, since when, and how many.
    pub(in crate::record) fn shown(&self) -> Vec<(bool, u16, Start, u64)> {
        let counters = self.counters.iter();
        let shown = counters.map(|((finished, error_code), counter)| {
            let start = counter.beginning.start;
            (*finished, *error_code, start, counter.shown())
        });
        shown.collect()
    }
}
