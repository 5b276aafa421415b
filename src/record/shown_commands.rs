//! The series of selected commands as they are shown.

use std::collections::BTreeSet;

use super::Record;
use super::command::{Series, SeriesNumber};
use super::findings::Trouble;
use super::label::StatusNumber;
use crate::result::Seconds;

/// All series of commands of one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCommands {
    /// By the order in which they came.
    pub commands: Vec<ShownCommand>,
    /// Results whose command was folded into `other`.
    pub overflow: u64,
    /// Why commands that are new are labelled by their CommandIds, if they are.
    pub trouble: Option<Trouble>,
}

/// What is counted under one value of `command`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCommand {
    /// The value.
    pub command: Box<str>,
    /// `cloud_assistant_command_results_total` by InvocationStatus.
    pub counted: Vec<(StatusNumber, u64)>,
    /// `cloud_assistant_command_recent_results` by InvocationStatus; none is 0.
    pub recent: Vec<(StatusNumber, u64)>,
    /// Time of the newest result that was Success.
    pub last_success: Option<Seconds>,
    /// Time of the newest settled result that was not.
    pub last_failure: Option<Seconds>,
    /// `cloud_assistant_command_result_duration_seconds`: cumulative buckets, count, sum.
    pub durations: Option<(Vec<u64>, u64, u64)>,
    /// Live schedules.
    pub schedules: Vec<ShownSchedule>,
    /// When the newest run of a live schedule began.
    pub last_run: Option<Seconds>,
}

/// A live schedule. Both are empty where they could not be had.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShownSchedule {
    /// RepeatMode.
    pub repeat_mode: Box<str>,
    /// Frequency.
    pub frequency: Box<str>,
}

impl Record {
    pub(super) fn shown_commands(&self) -> Option<ShownCommands> {
        let commands = self.commands.as_ref()?;
        let schedules = self.live_schedules();
        let buckets = commands.series.settings.durations;
        let buckets = buckets.then_some(&*self.settings.duration_buckets);
        let shown = commands.series.iter().map(|(number, series)| {
            let recent = commands
                .window
                .counts()
                .range((number, StatusNumber(0))..=(number, StatusNumber(u8::MAX)))
                .map(|((_, status), count)| (*status, *count))
                .collect();
            let of_series = (number, ShownSchedule::default())..(number + 1, ShownSchedule::default());
            let schedules = schedules
                .range(of_series)
                .map(|(_, schedule)| schedule.clone())
                .collect();
            shown(series, recent, schedules, buckets)
        });
        Some(ShownCommands {
            commands: shown.collect(),
            overflow: commands.series.overflow(),
            trouble: commands.trouble(),
        })
    }

    /// The schedules of selected commands that have not settled.
    fn live_schedules(&self) -> BTreeSet<(SeriesNumber, ShownSchedule)> {
        let live = self.schedules.iter().filter_map(|(slot, schedule)| {
            let commands = self.commands.as_ref()?;
            let number = commands.of(*slot)?;
            self.slots.get(*slot).filter(|entry| entry.is_open())?;
            let ids = &schedule.ids;
            let repeats = commands.known.repeats(&ids.command_id, &ids.invoke_id);
            let shown = repeats
                .map(|repeats| ShownSchedule {
                    repeat_mode: repeats.mode.clone(),
                    frequency: repeats.frequency.clone(),
                })
                .unwrap_or_default();
            Some((number, shown))
        });
        live.collect()
    }
}

fn shown(
    series: &Series,
    recent: Vec<(StatusNumber, u64)>,
    schedules: Vec<ShownSchedule>,
    buckets: Option<&[f64]>,
) -> ShownCommand {
    let counted = series.counted.iter();
    let counted = counted
        .map(|(status, counter)| (*status, counter.shown()))
        .collect();
    let durations = series.durations.as_ref().zip(buckets);
    let durations = durations.map(|(durations, buckets)| match durations.hold.is_on() {
        true => (vec![0; buckets.len()], 0, 0),
        false => (durations.cumulative(buckets), durations.count, durations.sum),
    });
    ShownCommand {
        command: series.label.clone(),
        counted,
        recent,
        last_success: series.last_success,
        last_failure: series.last_failure,
        durations,
        last_run: series.last_run.filter(|_| !schedules.is_empty()),
        schedules,
    }
}
