//! The families of selected commands.

use crate::record::{Counts, ShownCommand};

use super::cloud::polled;
use super::rendering::{Labelled, Rendering};
use super::text::{Family, Kind, canonical, labels, sample};

/// Renders what is known of selected commands; nothing where none are.
pub(super) fn render(rendering: &mut Rendering<'_>, scopes: &[Labelled<'_>]) {
    let family = Family {
        name: "cloud_assistant_command_results",
        kind: Kind::Counter,
        help: polled!("Results of selected commands that settled since the exporter first looked."),
    };
    each(rendering, scopes, family, |to, scope, counts, command| {
        for (status, value) in &command.counted {
            let more = [("invocation_status", counts.status_text(*status))];
            sample(to, "cloud_assistant_command_results_total", scope, more, value);
        }
    });
    let family = Family {
        name: "cloud_assistant_command_recent_results",
        kind: Kind::Gauge,
        help: polled!("Results of selected commands in the look-back window by their newest state."),
    };
    each(rendering, scopes, family, |to, scope, counts, command| {
        for (status, value) in &command.recent {
            let more = [("invocation_status", counts.status_text(*status))];
            sample(to, family.name, scope, more, value);
        }
    });
    time(
        rendering,
        scopes,
        "cloud_assistant_command_last_success_timestamp_seconds",
        polled!("Time of the newest result of the command that was Success, in Unix time."),
        |command| command.last_success,
    );
    time(
        rendering,
        scopes,
        "cloud_assistant_command_last_failure_timestamp_seconds",
        polled!("Time of the newest settled result of the command that was not Success, in Unix time."),
        |command| command.last_failure,
    );
    durations(rendering, scopes);
    let family = Family {
        name: "cloud_assistant_schedule_info",
        kind: Kind::Gauge,
        help: polled!("1 for each way in which a schedule of the command that has not ended repeats."),
    };
    each(rendering, scopes, family, |to, scope, _, command| {
        for schedule in &command.schedules {
            let repeats = [
                ("repeat_mode", &*schedule.repeat_mode),
                ("frequency", &*schedule.frequency),
            ];
            sample(to, family.name, scope, repeats, 1);
        }
    });
    time(
        rendering,
        scopes,
        "cloud_assistant_schedule_last_run_timestamp_seconds",
        polled!(
            "When the newest run of a schedule of the command that has not ended began, in Unix time; \
             absent before its first run."
        ),
        |command| command.last_run,
    );
}

fn durations(rendering: &mut Rendering<'_>, scopes: &[Labelled<'_>]) {
    let family = Family {
        name: "cloud_assistant_command_result_duration_seconds",
        kind: Kind::Histogram,
        help: polled!("How long counted results of the command ran: FinishedTime less StartTime."),
    };
    each(rendering, scopes, family, |to, labels, counts, command| {
        let Some((buckets, count, sum)) = &command.durations else {
            return;
        };
        let name = "cloud_assistant_command_result_duration_seconds_bucket";
        for (bound, cumulative) in counts.duration_buckets.iter().zip(buckets) {
            sample(to, name, labels, [("le", &*canonical(*bound))], cumulative);
        }
        sample(to, name, labels, [("le", "+Inf")], count);
        let name = "cloud_assistant_command_result_duration_seconds_sum";
        sample(to, name, labels, [], sum);
        let name = "cloud_assistant_command_result_duration_seconds_count";
        sample(to, name, labels, [], count);
    });
}

/// A gauge of one time.
fn time(
    rendering: &mut Rendering<'_>,
    scopes: &[Labelled<'_>],
    name: &str,
    help: &str,
    value: impl Fn(&ShownCommand) -> Option<u32>,
) {
    let kind = Kind::Gauge;
    each(
        rendering,
        scopes,
        Family { name, kind, help },
        |to, labels, _, command| {
            if let Some(value) = value(command) {
                sample(to, name, labels, [], value);
            }
        },
    );
}

/// A family of every command, with its labels.
fn each(
    rendering: &mut Rendering<'_>,
    scopes: &[Labelled<'_>],
    family: Family<'_>,
    samples: impl Fn(&mut String, &str, &Counts, &ShownCommand),
) {
    rendering.counts(scopes, family, |to, scope, counts| {
        for command in counts.commands.iter().flat_map(|shown| &shown.commands) {
            let labels = format!("{scope},{}", labels([("command", &*command.command)]));
            samples(to, &labels, counts, command);
        }
    });
}
