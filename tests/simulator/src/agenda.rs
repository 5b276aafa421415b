//! What is planned to happen, and when.

use std::collections::BTreeMap;

use crate::{InvocationStatus, Outcome, Region};

/// One thing that happens to a row.
#[derive(Debug)]
pub(crate) enum Step {
    Start(Outcome),
    Settle(Outcome),
    BeginRun(Outcome),
    FinishRun(Outcome),
}

/// Steps by the time they are due, in the order in which they were planned.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    steps: BTreeMap<(i64, u64), Planned>,
    planned: u64,
}

#[derive(Debug)]
struct Planned {
    sequence: u64,
    row: usize,
    step: Step,
}

impl Agenda {
    /// A row starts at a time, if this outcome is one of a command that starts, and ends so.
    pub(crate) fn plan(&mut self, start: i64, sequence: u64, row: usize, outcome: Outcome) {
        let step = if outcome.started() {
            Step::Start(outcome)
        } else {
            Step::Settle(outcome)
        };
        self.add(start, sequence, row, step);
    }

    pub(crate) fn add(&mut self, due: i64, sequence: u64, row: usize, step: Step) {
        self.planned += 1;
        self.steps
            .insert((due, self.planned), Planned { sequence, row, step });
    }

    /// Forgets the steps of a row that is no more; those behind it have moved up.
    pub(crate) fn drop_row(&mut self, sequence: u64, row: usize) {
        self.steps
            .retain(|_, planned| (planned.sequence, planned.row) != (sequence, row));
        for planned in self.steps.values_mut() {
            if planned.sequence == sequence && planned.row > row {
                planned.row -= 1;
            }
        }
    }

    fn next(&mut self, now: i64) -> Option<(i64, Planned)> {
        let first = self.steps.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((due, _), planned) = first.remove_entry();
        Some((due, planned))
    }
}

impl Region {
    /// Does what is due, each step at its own time.
    pub(crate) fn tick(&mut self, now: i64) {
        while let Some((due, planned)) = self.agenda.next(now) {
            self.now = due;
            self.take(planned);
        }
        self.now = now;
    }

    fn take(&mut self, Planned { sequence, row, step }: Planned) {
        let Some(invocation) = self.invocations.get(&sequence) else {
            return;
        };
        let invoke_id = invocation.invoke_id.clone();
        // A hand that was faster has the last word.
        let open = invocation.rows.get(row).is_some_and(|row| row.status.is_open());
        if !open {
            return;
        }
        match step {
            Step::Start(outcome) => {
                let end = self.now + self.running_time(&invoke_id, &outcome);
                self.start(&invoke_id, row);
                self.agenda.add(end, sequence, row, Step::Settle(outcome));
            }
            Step::Settle(outcome) => self.settle(&invoke_id, row, outcome),
            Step::BeginRun(outcome) => {
                let end = self.now + self.running_time(&invoke_id, &outcome);
                self.begin_run(&invoke_id, row);
                self.agenda.add(end, sequence, row, Step::FinishRun(outcome));
            }
            Step::FinishRun(outcome) => self.finish_run(&invoke_id, row, outcome),
        }
    }

    /// How long a command runs that ends so.
    fn running_time(&self, invoke_id: &str, outcome: &Outcome) -> i64 {
        match outcome.status {
            InvocationStatus::Timeout => self.time_limit(invoke_id),
            _ => self.clock.scaled(outcome.duration),
        }
    }
}
