//! How a scope is, and what has been done for it.

use super::OfScopes;
use super::Points::{Each, EachOfCounts, One, OneOfCounts};
use crate::expose::point::{Family, Value};
use crate::requests::Reason;

pub(super) static FAMILIES: [OfScopes; 12] = [
    (
        Family::gauge(
            "cloud_assistant_up",
            "1 when the last poll of the scope succeeded, else 0.",
        ),
        One(|view| Some(u32::from(view.last_poll?.up).into())),
    ),
    (
        Family::gauge(
            "cloud_assistant_last_success_timestamp_seconds",
            "End of the last successful poll of the scope, in Unix time.",
        ),
        One(|view| Some(view.last_success?.into())),
    ),
    (
        Family::gauge(
            "cloud_assistant_poll_duration_seconds",
            "How long the last poll of the scope took.",
        ),
        One(|view| Some(view.last_poll?.took.as_secs_f64().into())),
    ),
    (
        Family::counter(
            "cloud_assistant_exporter_polls",
            "Polls of the scope that ended, good or bad.",
        ),
        One(|view| Some(view.work.polls.into())),
    ),
    (
        Family::counter(
            "cloud_assistant_exporter_poll_failures",
            "Polls of the scope that failed, by reason.",
        ),
        Each(|view, to| {
            for (reason, failures) in Reason::ALL.into_iter().zip(view.work.failures) {
                to.point(&[("reason", reason.as_str())], failures.into());
            }
        }),
    ),
    (
        Family::counter(
            "cloud_assistant_exporter_sweeps",
            "Sweeps of the scope that were completed: polls that read everything that the API lists.",
        ),
        One(|view| Some(view.work.sweeps.into())),
    ),
    (
        Family::counter(
            "cloud_assistant_exporter_late_results",
            "Results that only a sweep found.",
        ),
        OneOfCounts(|counts| counts.late),
    ),
    (
        Family::counter(
            "cloud_assistant_exporter_old_results",
            "Results and runs of schedules from before the first look that only a later look has shown: they are known \
             and not counted.",
        ),
        OneOfCounts(|counts| counts.old),
    ),
    (
        Family::counter(
            "cloud_assistant_exporter_reclassified_results",
            "Settled results whose InvocationStatus, ErrorCode or ExitCode changed afterwards.",
        ),
        OneOfCounts(|counts| counts.reclassified),
    ),
    (
        Family::counter(
            "cloud_assistant_exporter_skipped_rows",
            "Rows without ids, which cannot be counted.",
        ),
        One(|view| Some(view.work.skipped_rows.into())),
    ),
    (
        Family::gauge(
            "cloud_assistant_exporter_tracked_results",
            "Results whose identities are held.",
        ),
        OneOfCounts(|counts| counts.held as u64),
    ),
    (
        Family::counter(
            "cloud_assistant_exporter_label_overflow",
            "Results whose label value was folded into other, because the scope has too many values of the label.",
        ),
        EachOfCounts(|counts, to| {
            let labels = ["invocation_status", "error_code", "exit_code"];
            let commands = counts.commands.iter().map(|shown| ("command", shown.overflow));
            for (label, value) in labels.into_iter().zip(counts.overflow).chain(commands) {
                to.point(&[("label", label)], Value::counted(value, counts.start.into()));
            }
        }),
    ),
];
