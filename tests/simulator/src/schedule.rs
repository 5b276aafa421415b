//! Scheduled invocations: runs, their history, and how a schedule ends.

use crate::agenda::Step;
use crate::frequency::Frequency;
use crate::instances::InstanceAt;
use crate::instances::Instances;
use crate::invocation::{InvokeId, Row};
use crate::{InvocationStatus, Outcome, Region};

impl Region {
    /// Sends a command that runs by a Frequency: Scheduled on each instance, and no run yet.
    pub fn schedule(&mut self, command_name: &str, frequency: &str, instances: impl Instances) -> InvokeId {
        self.command(command_name).on(instances).every(frequency).run()
    }

    /// Lets the clock run a schedule: from now on by its Frequency, with these outcomes in turn, `times` times
    /// on each instance.
    ///
    /// # Panics
    /// If it has no Frequency that can be read, or there are no outcomes.
    pub fn run_by_clock(&mut self, invoke_id: &str, times: usize, outcomes: &[Outcome]) {
        assert!(!outcomes.is_empty(), "a run needs an outcome");
        let sequence = self.sequence(invoke_id);
        let invocation = self.invocation(invoke_id);
        let rows = invocation.rows.len();
        let frequency: Frequency = match invocation.frequency.parse() {
            Ok(frequency) => frequency,
            Err(why) => panic!("{invoke_id}: {why}"),
        };
        let mut planned = self.now;
        let mut due = self.now;
        for turn in 0..times {
            let Some(next) = frequency.next_after(planned) else {
                break;
            };
            due += self.clock.scaled(next - planned);
            planned = next;
            for row in 0..rows {
                let outcome = outcomes[(turn * rows + row) % outcomes.len()].clone();
                self.agenda.add(due, sequence, row, Step::BeginRun(outcome));
            }
        }
    }

    /// One run of a schedule, begun and over. It has lasted as long as the outcome says, up to now.
    pub fn run_once(&mut self, invoke_id: &str, instance: impl Into<InstanceAt>, outcome: Outcome) {
        let instance = instance.into();
        let start = self.now - outcome.duration;
        self.begin_run_at(invoke_id, &instance, start);
        self.finish_run(invoke_id, instance, outcome);
    }

    /// A run begins: Repeats moves, the row is Running, and the history shows the open run. Returns its number.
    pub fn begin_run(&mut self, invoke_id: &str, instance: impl Into<InstanceAt>) -> u32 {
        self.begin_run_at(invoke_id, &instance.into(), self.now)
    }

    /// The run that is open ends so, and the row waits for the next.
    ///
    /// # Panics
    /// If no run is open.
    pub fn finish_run(&mut self, invoke_id: &str, instance: impl Into<InstanceAt>, outcome: Outcome) {
        let (now, keeps_codes) = (self.now, self.schedules_keep_codes);
        let timeout = self.time_limit(invoke_id);
        let (sequence, place) = (
            self.sequence(invoke_id),
            self.position(invoke_id, &instance.into()),
        );
        let row = self.row_mut(invoke_id, place);
        let Some(open) = row.history.iter().rposition(|run| run.status.is_open()) else {
            panic!("no run of {invoke_id} is open on {}", row.instance_id)
        };
        let run = &mut row.history[open];
        run.settle(&outcome, timeout, now);
        let last = run.clone();
        row.take_latest(&last);
        row.status = InvocationStatus::Scheduled;
        if !keeps_codes {
            row.error_code.clear();
            row.error_info.clear();
            row.exit_code = None;
        }
        self.emit(sequence, place, Some(open));
    }

    /// Passes over so many run numbers, which no history will show.
    pub fn skip_runs(&mut self, invoke_id: &str, instance: impl Into<InstanceAt>, runs: u32) {
        self.row_mut(invoke_id, instance).repeats += runs;
    }

    /// The schedule ends on each instance with this status. A run that is open is Terminated.
    pub fn end_schedule(&mut self, invoke_id: &str, status: InvocationStatus) {
        let now = self.now;
        let timeout = self.time_limit(invoke_id);
        let invocation = self.invocation_mut(invoke_id);
        invocation.ended = true;
        for row in &mut invocation.rows {
            for run in row.history.iter_mut().filter(|run| run.status.is_open()) {
                run.settle(&Outcome::terminated(), timeout, now);
            }
            if let Some(last) = row.history.last().cloned() {
                row.take_latest(&last);
            }
            let usual = Outcome::with_status(status);
            let last_ended_so = row.history.last().is_some_and(|last| last.status == status);
            if !last_ended_so {
                row.error_code = usual.error_code;
                row.error_info = usual.error_info;
                row.exit_code = usual.exit_code;
            }
            if matches!(status, InvocationStatus::Cancelled | InvocationStatus::Terminated) {
                row.stop_time = Some(now);
            }
            row.status = status;
            row.update_time = now;
        }
        let sequence = self.sequence(invoke_id);
        for place in 0..self.invocation(invoke_id).rows.len() {
            self.emit(sequence, place, None);
        }
    }

    fn begin_run_at(&mut self, invoke_id: &str, instance: &InstanceAt, start: i64) -> u32 {
        let row = self.row_mut(invoke_id, instance.clone());
        let number = row.repeats + 1;
        row.start(start);
        row.repeats = number;
        let mut run = Row::pending(row.instance_id.clone(), start);
        run.container_id.clone_from(&row.container_id);
        run.container_name.clone_from(&row.container_name);
        run.output_bytes = row.output_bytes;
        run.delivery.clone_from(&row.delivery);
        run.start(start);
        run.repeats = number;
        run.is_run = true;
        row.history.push(run);
        number
    }
}

impl Row {
    /// Takes over what the last run has come to.
    fn take_latest(&mut self, run: &Self) {
        self.error_code.clone_from(&run.error_code);
        self.error_info.clone_from(&run.error_info);
        self.exit_code = run.exit_code;
        self.start_time = run.start_time;
        self.finished_time = run.finished_time;
        self.dropped = run.dropped;
        self.delivery.clone_from(&run.delivery);
        self.update_time = run.update_time;
    }

    /// What has settled by now happened before the baseline.
    pub(crate) fn mark_known(&mut self) {
        let settled = |row: &Self| !row.status.is_open();
        let delivered = |row: &Self| {
            row.delivery
                .as_ref()
                .is_some_and(|delivery| *delivery != crate::Delivery::InProgress)
        };
        for run in &mut self.history {
            run.known = settled(run);
            run.delivery_known = delivered(run);
        }
        let open_run = self
            .history
            .iter()
            .find(|run| run.status.is_open())
            .map(|run| run.repeats);
        self.known = settled(self);
        self.delivery_known = delivered(self);
        self.known_run = open_run.map_or(self.repeats, |open| open.saturating_sub(1));
    }
}
