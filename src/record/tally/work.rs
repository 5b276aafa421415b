//! Plain counters of what happened to results.

use serde::{Deserialize, Serialize};

use crate::record::fact::{Changed, Fact, How};
use crate::record::labels::Folded;

/// Counters without labels, and the one by label. They are at 0 from the start, and saved together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::record) struct Work {
    /// Open results that were given up.
    pub lost: u64,
    /// Results that only a sweep found.
    pub late: u64,
    /// Results from before the baseline that only a later look has shown.
    pub old: u64,
    /// Settled results that changed.
    pub reclassified: u64,
    /// Σ Dropped of counted results.
    pub dropped_bytes: u64,
    /// Folded labels: invocation_status, error_code, exit_code.
    pub overflow: [u64; 3],
}

impl Work {
    pub(super) fn on(&mut self, fact: &Fact<'_>) {
        match fact {
            Fact::Lost => add(&mut self.lost, 1),
            Fact::Late => add(&mut self.late, 1),
            Fact::Changed {
                how: Changed::Reopened | Changed::Relabelled,
                ..
            } => add(&mut self.reclassified, 1),
            Fact::Settled(settled) => match settled.how {
                How::Old => add(&mut self.old, 1),
                How::Counted => {
                    add(&mut self.dropped_bytes, settled.dropped);
                    self.fold(settled.labelled.folded);
                }
                How::Baseline | How::Again => {}
            },
            Fact::Delivered { folded, .. } => self.fold(Folded {
                error_code: *folded,
                ..Folded::default()
            }),
            _ => {}
        }
    }

    fn fold(&mut self, folded: Folded) {
        let labels = [folded.status, folded.error_code, folded.exit_code];
        for (sum, is_folded) in self.overflow.iter_mut().zip(labels) {
            add(sum, u64::from(is_folded));
        }
    }
}

/// Sums stop at their largest value.
fn add(sum: &mut u64, number: u64) {
    *sum = sum.saturating_add(number);
}
