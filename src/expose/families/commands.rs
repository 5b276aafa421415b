//! The families of selected commands; nothing where none are.

use super::Points::EachOfCommands;
use super::{OfScopes, polled};
use crate::expose::point::{Family, Sink, Value};
use crate::record::{Counts, ShownCommand};

pub(in crate::expose) const RESULTS: Family<'static> = Family::counter(
    "cloud_assistant_command_results",
    polled!("Results of selected commands that settled since the exporter first looked."),
);

pub(in crate::expose) const DURATIONS: Family<'static> = Family::histogram(
    "cloud_assistant_command_result_duration_seconds",
    polled!("How long counted results of the command ran: FinishedTime less StartTime."),
);

pub(super) static FAMILIES: [OfScopes; 7] = [
    (
        RESULTS,
        EachOfCommands(|counts, command, to| {
            for (status, start, value) in &command.counted {
                let status = ("invocation_status", counts.status_text(*status));
                to.point(&[status], Value::counted(*value, (*start).into()));
            }
        }),
    ),
    (
        Family::gauge(
            "cloud_assistant_command_recent_results",
            polled!("Results of selected commands in the look-back window by their newest state."),
        ),
        EachOfCommands(|counts, command, to| {
            for (status, value) in &command.recent {
                let status = ("invocation_status", counts.status_text(*status));
                to.point(&[status], (*value).into());
            }
        }),
    ),
    (
        Family::gauge(
            "cloud_assistant_command_last_success_timestamp_seconds",
            polled!("Time of the newest result of the command that was Success, in Unix time."),
        ),
        EachOfCommands(|_, command, to| time(command.last_success, to)),
    ),
    (
        Family::gauge(
            "cloud_assistant_command_last_failure_timestamp_seconds",
            polled!("Time of the newest settled result of the command that was not Success, in Unix time."),
        ),
        EachOfCommands(|_, command, to| time(command.last_failure, to)),
    ),
    (
        DURATIONS,
        EachOfCommands(|counts, command, to| {
            if let Some(durations) = &command.durations {
                let histogram = super::histogram(&counts.duration_buckets, durations, &[]);
                to.point(&[], Value::Histogram(histogram));
            }
        }),
    ),
    (
        Family::gauge(
            "cloud_assistant_schedule_info",
            polled!("1 for each way in which a schedule of the command that has not ended repeats."),
        ),
        EachOfCommands(|_, command, to| {
            for schedule in &command.schedules {
                let repeats = [
                    ("repeat_mode", &*schedule.repeat_mode),
                    ("frequency", &*schedule.frequency),
                ];
                to.point(&repeats, 1_u64.into());
            }
        }),
    ),
    (
        Family::gauge(
            "cloud_assistant_schedule_last_run_timestamp_seconds",
            polled!(
                "When the newest run of a schedule of the command that has not ended began, in Unix time; \
                 absent before its first run."
            ),
        ),
        EachOfCommands(|_, command, to| time(command.last_run, to)),
    ),
];

/// The selected commands that a scope shows.
pub(super) fn of(counts: Option<&Counts>) -> impl Iterator<Item = (&Counts, &ShownCommand)> {
    counts.into_iter().flat_map(|counts| {
        let shown = counts.commands.iter().flat_map(|shown| &shown.commands);
        shown.map(move |command| (counts, command))
    })
}

fn time(time: Option<u32>, to: &mut dyn Sink) {
    if let Some(time) = time {
        to.point(&[], time.into());
    }
}
