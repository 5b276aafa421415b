//! Runs of schedules from before the first look, which knows them by their numbers only.

use super::Ledger;
use super::applying::{Applying, Tell};
use crate::clock::Now;
use crate::record::fact::How;
use crate::record::findings::{Findings, own_time};
use crate::record::labels::Labels;
use crate::result::Row;

impl Ledger {
    /// Says which of a history's rows are settled runs that are known. Nothing that is known changes.
    pub(in crate::record) fn past_runs(&self, rows: &[Row], now: Now, labels: &mut Labels, tell: Tell<'_>) {
        let findings = Findings::default();
        let mut at = Applying::new(&findings, now, (true, self.window), labels, tell);
        for row in rows.iter().filter(|row| !row.status.is_open()) {
            let run = row.run();
            let schedule = self.schedule(&row.identity);
            if schedule.is_some_and(|schedule| schedule.knows(run)) {
                let own = own_time(row, now.wall);
                let time = own.unwrap_or(now.wall);
                let labelled = at.labels.of_row(row);
                let identity = row.identity.of_run(run);
                self.settled(&mut at, row, identity, labelled, (time, own), How::Baseline);
            }
        }
    }
}
