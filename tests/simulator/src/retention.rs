//! What a region forgets, and the truth that stays.

use crate::invocation::Invocation;
use crate::{InstanceAt, Region, RepeatMode, Truth};

impl Region {
    /// The API no longer lists an invocation. What had settled stays in the truth.
    pub fn forget(&mut self, invoke_id: &str) {
        self.forget_sequence(self.sequence(invoke_id));
    }

    /// The API no longer lists one row.
    pub fn forget_row(&mut self, invoke_id: &str, instance: impl Into<InstanceAt>) {
        let position = self.position(invoke_id, &instance.into());
        let invocation = self.invocation_mut(invoke_id);
        let row = invocation.rows.remove(position);
        let alone = invocation.with_rows(vec![row]);
        self.agenda.drop_row(self.sequence(invoke_id), position);
        self.keep_truth_of(&alone);
        self.rows -= 1;
    }

    /// What was really run, all of it.
    pub fn truth(&self) -> Truth {
        self.count(false)
    }

    /// What has settled from now on is counted by [`Region::truth_since_baseline`], what has already is not.
    pub fn mark_baseline(&mut self) {
        self.forgotten_since_baseline = Truth::default();
        for row in self
            .invocations
            .values_mut()
            .flat_map(|invocation| &mut invocation.rows)
        {
            row.mark_known();
        }
    }

    /// What was really run and settled after the baseline was marked.
    pub fn truth_since_baseline(&self) -> Truth {
        self.count(true)
    }

    /// Forgets what is too old or too much, as far as it has settled.
    pub(crate) fn enforce_retention(&mut self) {
        let oldest = self.now - self.retention;
        let mut surplus = self.rows.saturating_sub(self.retention_rows);
        let mut gone = Vec::new();
        for (sequence, invocation) in &self.invocations {
            let expired = invocation.creation_time < oldest;
            if !expired && surplus == 0 {
                break;
            }
            if invocation.is_settled() {
                surplus = surplus.saturating_sub(invocation.rows.len());
                gone.push(*sequence);
            }
        }
        for sequence in gone {
            self.forget_sequence(sequence);
        }
        self.trim_histories(oldest);
    }

    fn forget_sequence(&mut self, sequence: u64) {
        let Some(invocation) = self.invocations.remove(&sequence) else {
            return;
        };
        self.sequences.remove(invocation.invoke_id.as_str());
        self.schedules.remove(&sequence);
        self.rows -= invocation.rows.len();
        self.version += 1;
        self.keep_truth_of(&invocation);
    }

    /// Runs of a schedule that are too old or too many are no longer in its history.
    fn trim_histories(&mut self, oldest: i64) {
        for sequence in self.schedules.clone() {
            let Some(invocation) = self.invocations.get_mut(&sequence) else {
                continue;
            };
            let keep = self.retention_rows / invocation.rows.len().max(1);
            let mut alone = None;
            for row in &mut invocation.rows {
                let expired = row.history.partition_point(|run| run.update_time < oldest);
                let surplus = row.history.len().saturating_sub(keep.max(1));
                // The newest run is kept, which the row of the schedule stands for.
                let cut = expired.max(surplus).min(row.history.len().saturating_sub(1));
                if cut > 0 {
                    alone
                        .get_or_insert_with(Vec::new)
                        .extend(row.history.drain(..cut));
                }
            }
            if let Some(rows) = alone {
                let mut alone = invocation.with_rows(rows);
                alone.repeat_mode = RepeatMode::Once;
                self.version += 1;
                self.keep_truth_of(&alone);
            }
        }
    }

    fn keep_truth_of(&mut self, invocation: &Invocation) {
        for (since, kept) in [
            (false, &mut self.forgotten),
            (true, &mut self.forgotten_since_baseline),
        ] {
            let mut truth = Truth::default();
            truth.add_invocation(invocation, since);
            // What was still open can no longer settle.
            truth.open.clear();
            kept.merge(&truth);
        }
    }

    fn count(&self, since: bool) -> Truth {
        let mut truth = if since {
            self.forgotten_since_baseline.clone()
        } else {
            self.forgotten.clone()
        };
        for invocation in self.invocations.values() {
            truth.add_invocation(invocation, since);
        }
        truth
    }
}
