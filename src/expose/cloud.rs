//! The families of all scopes, from the view. The order of families, and of samples in them, is fixed.

use std::time::SystemTime;

use prometheus::proto::MetricFamily;

use crate::aliyun::client::Action;
use crate::aliyun::error::Reason;
use crate::aliyun::requests::Requests;
use crate::record::ShownTotal;
use crate::scope::Scope;
use crate::view::View;

use super::commands;
use super::part::Deflater;
use super::rendering::{Bodies, Labelled, Rendering};
use super::text::{Family, Kind, canonical, float, labels, sample};

/// Said of everything that comes from the cloud, since it is not asked when Prometheus scrapes.
macro_rules! polled {
    ($text:literal) => {
        concat!(
            $text,
            " Polled in the background; time() - cloud_assistant_last_success_timestamp_seconds is its age in seconds."
        )
    };
}

pub(super) use polled;

/// Renders everything that is known of the scopes. What is still as it was `before` is neither compressed nor kept again:
/// in a quiet fleet, that is most of it.
pub(super) fn render(
    view: &View,
    requests: &Requests,
    own: &[MetricFamily],
    before: &Bodies,
    deflater: &mut Deflater,
) -> Bodies {
    let scopes: Vec<Labelled<'_>> = view.scopes.values().map(|view| Labelled::new(view)).collect();
    let mut rendering = Rendering::new(before, deflater);
    results(&mut rendering, &scopes);
    commands::render(&mut rendering, &scopes);
    scope_state(&mut rendering, &scopes);
    own_work(&mut rendering, &scopes);
    api_requests(&mut rendering, view, requests);
    credentials(&mut rendering, view);
    rendering.registered(own);
    rendering.done()
}

fn results(rendering: &mut Rendering<'_>, scopes: &[Labelled<'_>]) {
    let family = Family {
        name: "cloud_assistant_recent_results",
        kind: Kind::Gauge,
        help: polled!("Results in the look-back window by their newest state; open ones whatever their age."),
    };
    rendering.counts(scopes, family, |to, labels, counts| {
        for shown in counts.recent() {
            sample(to, family.name, labels, combination(&shown), shown.value);
        }
    });
    results_total(rendering, scopes);
    durations(rendering, scopes);
    let family = Family {
        name: "cloud_assistant_oldest_open_result_timestamp_seconds",
        kind: Kind::Gauge,
        help: polled!(
            "When the oldest open result with that status started, or was first seen, in Unix time."
        ),
    };
    rendering.counts(scopes, family, |to, labels, counts| {
        for (status, time) in counts.oldest_open() {
            let more = [("invocation_status", status)];
            sample(to, family.name, labels, more, time);
        }
    });
    let family = Family {
        name: "cloud_assistant_last_result_timestamp_seconds",
        kind: Kind::Gauge,
        help: polled!("Time of the newest settled result with that status, in Unix time."),
    };
    rendering.counts(scopes, family, |to, labels, counts| {
        for (status, time) in counts.newest() {
            let more = [("invocation_status", status)];
            sample(to, family.name, labels, more, time);
        }
    });
    rendering.counter_of_counts(
        scopes,
        "cloud_assistant_output_dropped_bytes",
        polled!("Bytes of output that the API dropped from counted results."),
        |counts| counts.dropped_bytes,
    );
    let family = Family {
        name: "cloud_assistant_output_deliveries",
        kind: Kind::Counter,
        help: polled!("Deliveries of output to OSS by how they ended, counted once each."),
    };
    rendering.counts(scopes, family, |to, scope, counts| {
        for (status, error_code, value) in counts.deliveries() {
            let more = [("delivery_status", status), ("error_code", error_code)];
            sample(to, "cloud_assistant_output_deliveries_total", scope, more, value);
        }
    });
    rendering.counter_of_counts(
        scopes,
        "cloud_assistant_lost_results",
        polled!("Open results that the API stopped listing before they settled."),
        |counts| counts.lost,
    );
}

/// The one family with exemplars, and so the one whose samples differ between the formats.
fn results_total(rendering: &mut Rendering<'_>, scopes: &[Labelled<'_>]) {
    let family = Family {
        name: "cloud_assistant_results",
        kind: Kind::Counter,
        help: polled!("Results that settled since the exporter first looked, each counted once."),
    };
    let name = "cloud_assistant_results_total";
    rendering.family_of_both(family, scopes, |to, Labelled { view, labels: scope }| {
        for shown in view.counts.iter().flat_map(|counts| counts.totals()) {
            sample(&mut to.text, name, scope, combination(&shown), shown.value);
            let exemplar = shown.exemplar.and_then(|exemplar| {
                let ids = [
                    ("invoke_id", &*exemplar.invoke_id),
                    ("instance_id", &*exemplar.instance_id),
                ];
                // OpenMetrics: names and values together have at most 128 characters.
                let characters: usize = ids.iter().map(|(name, id)| name.len() + id.chars().count()).sum();
                (characters <= 128)
                    .then(|| format!("{} # {{{}}} 1 {}", shown.value, labels(ids), exemplar.time))
            });
            let value = exemplar.unwrap_or_else(|| shown.value.to_string());
            sample(&mut to.open_metrics, name, scope, combination(&shown), value);
        }
    });
}

fn durations(rendering: &mut Rendering<'_>, scopes: &[Labelled<'_>]) {
    let family = Family {
        name: "cloud_assistant_result_duration_seconds",
        kind: Kind::Histogram,
        help: polled!("How long counted results ran: FinishedTime less StartTime."),
    };
    rendering.counts(scopes, family, |to, scope, counts| {
        let bounds: Vec<String> = counts
            .duration_buckets
            .iter()
            .map(|bound| canonical(*bound))
            .collect();
        for durations in &counts.durations {
            let status = ("invocation_status", counts.status_of(durations));
            let name = "cloud_assistant_result_duration_seconds_bucket";
            for (bound, count) in bounds.iter().zip(&durations.buckets) {
                sample(to, name, scope, [status, ("le", bound)], count);
            }
            sample(to, name, scope, [status, ("le", "+Inf")], durations.count);
            let name = "cloud_assistant_result_duration_seconds_sum";
            sample(to, name, scope, [status], durations.sum);
            let name = "cloud_assistant_result_duration_seconds_count";
            sample(to, name, scope, [status], durations.count);
        }
    });
}

fn scope_state(rendering: &mut Rendering<'_>, scopes: &[Labelled<'_>]) {
    rendering.gauge(
        scopes,
        "cloud_assistant_up",
        "1 when the last poll of the scope succeeded, else 0.",
        |view| Some(u8::from(view.last_poll?.up).to_string()),
    );
    rendering.gauge(
        scopes,
        "cloud_assistant_last_success_timestamp_seconds",
        "End of the last successful poll of the scope, in Unix time.",
        |view| Some(view.last_success?.to_string()),
    );
    rendering.gauge(
        scopes,
        "cloud_assistant_poll_duration_seconds",
        "How long the last poll of the scope took.",
        |view| Some(float(view.last_poll?.took.as_secs_f64())),
    );
}

fn own_work(rendering: &mut Rendering<'_>, scopes: &[Labelled<'_>]) {
    rendering.counter(
        scopes,
        "cloud_assistant_exporter_polls",
        "Polls of the scope that ended, good or bad.",
        |view| Some(view.work.polls),
    );
    let family = Family {
        name: "cloud_assistant_exporter_poll_failures",
        kind: Kind::Counter,
        help: "Polls of the scope that failed, by reason.",
    };
    rendering.scopes(scopes, family, |to, scope, view| {
        for reason in Reason::ALL {
            let name = "cloud_assistant_exporter_poll_failures_total";
            let value = view.work.failures[reason as usize];
            sample(to, name, scope, [("reason", reason.as_str())], value);
        }
    });
    rendering.counter(
        scopes,
        "cloud_assistant_exporter_sweeps",
        "Sweeps of the scope that were completed: polls that read everything that the API lists.",
        |view| Some(view.work.sweeps),
    );
    rendering.counter_of_counts(
        scopes,
        "cloud_assistant_exporter_late_results",
        "Results that only a sweep found.",
        |counts| counts.late,
    );
    rendering.counter_of_counts(
        scopes,
        "cloud_assistant_exporter_old_results",
        "Results and runs of schedules from before the first look that only a later look has shown: they are known and \
         not counted.",
        |counts| counts.old,
    );
    rendering.counter_of_counts(
        scopes,
        "cloud_assistant_exporter_reclassified_results",
        "Settled results whose InvocationStatus, ErrorCode or ExitCode changed afterwards.",
        |counts| counts.reclassified,
    );
    rendering.counter(
        scopes,
        "cloud_assistant_exporter_skipped_rows",
        "Rows without ids, which cannot be counted.",
        |view| Some(view.work.skipped_rows),
    );
    rendering.gauge(
        scopes,
        "cloud_assistant_exporter_tracked_results",
        "Results whose identities are held.",
        |view| Some(view.counts.as_ref()?.held.to_string()),
    );
    let family = Family {
        name: "cloud_assistant_exporter_label_overflow",
        kind: Kind::Counter,
        help: "Results whose label value was folded into other, because the scope has too many values of the label.",
    };
    rendering.counts(scopes, family, |to, scope, counts| {
        let labels = ["invocation_status", "error_code", "exit_code"];
        let commands = counts.commands.iter().map(|shown| ("command", shown.overflow));
        for (label, value) in labels.into_iter().zip(counts.overflow).chain(commands) {
            let name = "cloud_assistant_exporter_label_overflow_total";
            sample(to, name, scope, [("label", label)], value);
        }
    });
}

fn api_requests(rendering: &mut Rendering<'_>, view: &View, requests: &Requests) {
    let mut tallies = requests.all();
    // A scope that is no longer polled leaves every series.
    tallies.retain(|(scope, _)| {
        let is_account = scope.region_id.is_empty() && view.accounts.contains_key(&scope.account);
        view.scopes.contains_key(scope) || is_account
    });
    let family = Family {
        name: "cloud_assistant_exporter_api_requests",
        kind: Kind::Counter,
        help: "Requests sent to the Alibaba Cloud API, tries again included.",
    };
    rendering.family(family, &tallies, |to, (scope, tally)| {
        for (action, labels) in actions(scope) {
            let name = "cloud_assistant_exporter_api_requests_total";
            sample(to, name, &labels, [], tally.sent(action));
        }
    });
    let family = Family {
        name: "cloud_assistant_exporter_api_request_failures",
        kind: Kind::Counter,
        help: "Requests to the Alibaba Cloud API that failed, by reason.",
    };
    rendering.family(family, &tallies, |to, (scope, tally)| {
        for (action, labels) in actions(scope) {
            for reason in Reason::ALL.into_iter().filter(|reason| *reason != Reason::State) {
                let count = tally.failed(action, reason);
                // DescribeInvocations is rare; what it has not met is not worth a series.
                if count > 0 || action != Action::DescribeInvocations {
                    let name = "cloud_assistant_exporter_api_request_failures_total";
                    sample(to, name, &labels, [("reason", reason.as_str())], count);
                }
            }
        }
    });
}

/// The calls that are made for a scope, or for an account without a region, with their labels.
fn actions(scope: &Scope) -> impl Iterator<Item = (Action, String)> {
    let Scope { account, region_id } = scope;
    Action::ALL
        .into_iter()
        .filter(|action| action.has_region() != region_id.is_empty())
        .map(move |action| {
            let labels = labels([
                ("account", &**account),
                ("region_id", &**region_id),
                ("action", action.as_str()),
            ]);
            (action, labels)
        })
}

fn credentials(rendering: &mut Rendering<'_>, view: &View) {
    let family = Family {
        name: "cloud_assistant_exporter_credentials_expiry_timestamp_seconds",
        kind: Kind::Gauge,
        help: "When the account's temporary credentials end unless renewed, in Unix time; absent for lasting ones.",
    };
    rendering.family(family, &view.accounts, |to, (account, shown)| {
        if let Some(at) = shown.credentials.expiry() {
            let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            sample(to, family.name, "", [("account", &**account)], at.as_secs());
        }
    });
    let family = Family {
        name: "cloud_assistant_exporter_credentials_refresh_failures",
        kind: Kind::Counter,
        help: "How often the account's credentials could not be had or renewed.",
    };
    rendering.family(family, &view.accounts, |to, (account, shown)| {
        let name = "cloud_assistant_exporter_credentials_refresh_failures_total";
        let failures = shown.credentials.refresh_failures();
        sample(to, name, "", [("account", &**account)], failures);
    });
}

fn combination<'a>(shown: &ShownTotal<'a>) -> [(&'static str, &'a str); 3] {
    [
        ("invocation_status", shown.invocation_status),
        ("error_code", shown.error_code),
        ("exit_code", shown.exit_code),
    ]
}
