//! The series of selected commands as they are shown.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use super::Commands;
use super::series::{Series, SeriesNumber};
use crate::record::findings::NamesUnavailable;
use crate::record::identities::EntryId;
use crate::record::labels::StatusNumber;
use crate::record::tally::durations::ShownHistogram;
use crate::record::tally::native::Native;
use crate::result::{Ids, Seconds};

/// All series of commands of one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCommands {
    /// By the order in which they came.
    pub commands: Vec<ShownCommand>,
    /// Results whose command was folded into `other`.
    pub overflow: u64,
    /// Why commands that are new are labelled by their CommandIds, if they are.
    pub names_unavailable: Option<NamesUnavailable>,
}

/// What is counted under one value of `command`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCommand {
    /// The value.
    pub command: Box<str>,
    /// `cloud_assistant_command_results_total` by InvocationStatus; and when it was at 0.
    pub counted: Vec<(StatusNumber, Option<NonZeroU32>, u64)>,
    /// `cloud_assistant_command_recent_results` by InvocationStatus; none is 0.
    pub recent: Vec<(StatusNumber, u64)>,
    /// Time of the newest result that was Success.
    pub last_success: Option<Seconds>,
    /// Time of the newest settled result that was not.
    pub last_failure: Option<Seconds>,
    /// `cloud_assistant_command_result_duration_seconds`.
    pub durations: Option<ShownHistogram>,
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

impl Commands {
    /// `schedules` are the ids of those that have not settled, and where they are held.
    pub(in crate::record) fn shown<'a>(
        &self,
        duration_buckets: &[f64],
        schedules: impl Iterator<Item = (EntryId, &'a Ids)>,
    ) -> ShownCommands {
        let schedules = self.live_schedules(schedules);
        let buckets = self.series.settings.durations.then_some(duration_buckets);
        let shown = self.series.series.iter().map(|(&number, series)| {
            let recent = self
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
            let native = self
                .series
                .natives
                .get(number)
                .filter(|_| self.series.shows_native);
            shown(series, recent, schedules, (buckets, native))
        });
        ShownCommands {
            commands: shown.collect(),
            overflow: self.series.overflow(),
            names_unavailable: self.names_unavailable(),
        }
    }

    fn live_schedules<'a>(
        &self,
        schedules: impl Iterator<Item = (EntryId, &'a Ids)>,
    ) -> BTreeSet<(SeriesNumber, ShownSchedule)> {
        let live = schedules.filter_map(|(id, ids)| {
            let number = self.of(id)?;
            let repeats = self.known.repeats(&ids.command_id, &ids.invoke_id);
            let shown = repeats.map(|repeats| ShownSchedule {
                repeat_mode: repeats.mode.clone(),
                frequency: repeats.frequency.clone(),
            });
            Some((number, shown.unwrap_or_default()))
        });
        live.collect()
    }
}

fn shown(
    series: &Series,
    recent: Vec<(StatusNumber, u64)>,
    schedules: Vec<ShownSchedule>,
    (buckets, native): (Option<&[f64]>, Option<&Native>),
) -> ShownCommand {
    let counted = series.counted.iter();
    let counted = counted
        .map(|(status, counter)| {
            let start = counter.beginning.start;
            (*status, start, counter.shown())
        })
        .collect();
    let durations = series.durations.as_ref().zip(buckets);
    let durations = durations.map(|(durations, buckets)| durations.shown(buckets, native));
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
