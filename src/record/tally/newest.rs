//! `cloud_assistant_last_result_timestamp_seconds`: when a result last settled, by InvocationStatus.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::fact::Fact;
use crate::record::identities::{Entry, Identities, Kind};
use crate::record::labels::{LabelTexts, StatusNumber};
use crate::result::Seconds;

/// Time of the newest settled result by status.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::record) struct Newest {
    by_status: BTreeMap<StatusNumber, Seconds>,
}

impl Newest {
    /// Whether every status is one that these labels have.
    pub(in crate::record) fn has_labels(&self, labels: &LabelTexts) -> bool {
        self.by_status.keys().all(|status| labels.has_status(*status))
    }

    pub(super) fn on(&mut self, fact: &Fact<'_>, identities: &Identities) {
        match fact {
            Fact::Settled(settled) => {
                let status = settled.labelled.labels.status;
                let newest = self.by_status.entry(status).or_default();
                *newest = settled.time.max(*newest);
            }
            Fact::Changed { before, .. } => self.renew(before, identities),
            _ => {}
        }
    }

    /// A settled result has left its status; if it was the newest with it, another one is now.
    fn renew(&mut self, before: &Entry, identities: &Identities) {
        let status = before.labels.status;
        if self.by_status.get(&status) != Some(&before.time) {
            return;
        }
        let entries = identities.iter().map(|(_, entry)| entry);
        let newest = entries
            .filter(|entry| entry.labels.status == status && entry.kind() == Kind::Settled)
            .map(|entry| entry.time)
            .max();
        match newest {
            Some(time) => self.by_status.insert(status, time),
            None => self.by_status.remove(&status),
        };
    }

    pub(in crate::record) fn shown(&self) -> Vec<(StatusNumber, Seconds)> {
        self.by_status
            .iter()
            .map(|(status, time)| (*status, *time))
            .collect()
    }
}
