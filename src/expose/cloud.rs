//! The families of all scopes, from the view. The order of families, and of samples in them, is fixed.

use std::time::SystemTime;

use crate::aliyun::client::Action;
use crate::aliyun::error::Reason;
use crate::aliyun::requests::Requests;
use crate::record::Counts;
use crate::scope::Scope;
use crate::view::{ScopeView, View};

use super::commands;
use super::part::Part;
use super::text::{Family, Format, Kind, canonical, escape, float, labels, sample};

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

/// The bodies of both formats, in pieces that they share where their bytes are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Bodies {
    /// Text 0.0.4.
    pub text: Vec<Part>,
    /// OpenMetrics 1.0.0, without its end.
    pub open_metrics: Vec<Part>,
}

/// Bodies in the making.
pub(super) struct Rendering<'a> {
    bodies: Bodies,
    /// Those that are served now.
    before: &'a Bodies,
}

/// A scope with its labels as they are written.
pub(super) struct Labelled<'a> {
    view: &'a ScopeView,
    labels: String,
}

/// Renders everything that is known of the scopes. What is still as it was `before` is neither compressed nor kept again:
/// in a quiet fleet, that is most of it.
pub(super) fn render(view: &View, requests: &Requests, before: &Bodies) -> Bodies {
    let scopes: Vec<Labelled<'_>> = view
        .scopes
        .values()
        .map(|view| Labelled {
            view,
            labels: labels([
                ("account", &*view.scope.account),
                ("region_id", &*view.scope.region_id),
            ]),
        })
        .collect();
    let mut rendering = Rendering {
        bodies: Bodies::default(),
        before,
    };
    results(&mut rendering, &scopes);
    commands::render(&mut rendering, &scopes);
    scope_state(&mut rendering, &scopes);
    own_work(&mut rendering, &scopes);
    api_requests(&mut rendering, view, requests);
    credentials(&mut rendering, view);
    rendering.bodies
}

fn results(rendering: &mut Rendering<'_>, scopes: &[Labelled<'_>]) {
    let family = Family {
        name: "cloud_assistant_recent_results",
        kind: Kind::Gauge,
        help: polled!("Results in the look-back window by their newest state; open ones whatever their age."),
    };
    rendering.counts(scopes, family, |to, labels, counts| {
        for shown in counts.recent() {
            let labels = combination(labels, shown.invocation_status, shown.error_code, shown.exit_code);
            sample(to, family.name, &labels, shown.value);
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
            sample(to, family.name, &with_status(labels, status), time);
        }
    });
    let family = Family {
        name: "cloud_assistant_last_result_timestamp_seconds",
        kind: Kind::Gauge,
        help: polled!("Time of the newest settled result with that status, in Unix time."),
    };
    rendering.counts(scopes, family, |to, labels, counts| {
        for (status, time) in counts.newest() {
            sample(to, family.name, &with_status(labels, status), time);
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
            let more = labels([("delivery_status", status), ("error_code", error_code)]);
            sample(
                to,
                "cloud_assistant_output_deliveries_total",
                &format!("{scope},{more}"),
                value,
            );
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
    let (mut text, mut open_metrics) = (String::new(), String::new());
    for Labelled { view, labels: scope } in scopes {
        for shown in view.counts.iter().flat_map(|counts| counts.totals()) {
            let all = combination(scope, shown.invocation_status, shown.error_code, shown.exit_code);
            sample(&mut text, "cloud_assistant_results_total", &all, shown.value);
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
            sample(&mut open_metrics, "cloud_assistant_results_total", &all, value);
        }
    }
    rendering.family(family, text, Some(open_metrics));
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
            let labels = with_status(scope, counts.status_of(durations));
            for (bound, count) in bounds.iter().zip(&durations.buckets) {
                let labels = format!("{labels},le=\"{bound}\"");
                sample(
                    to,
                    "cloud_assistant_result_duration_seconds_bucket",
                    &labels,
                    count,
                );
            }
            let infinite = format!("{labels},le=\"+Inf\"");
            sample(
                to,
                "cloud_assistant_result_duration_seconds_bucket",
                &infinite,
                durations.count,
            );
            sample(
                to,
                "cloud_assistant_result_duration_seconds_sum",
                &labels,
                durations.sum,
            );
            sample(
                to,
                "cloud_assistant_result_duration_seconds_count",
                &labels,
                durations.count,
            );
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
            let labels = format!("{scope},reason=\"{}\"", reason.as_str());
            let value = view.work.failures[reason as usize];
            sample(to, "cloud_assistant_exporter_poll_failures_total", &labels, value);
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
        let names = ["invocation_status", "error_code", "exit_code"];
        for (name, value) in names.into_iter().zip(counts.overflow) {
            let labels = format!("{scope},label=\"{name}\"");
            sample(
                to,
                "cloud_assistant_exporter_label_overflow_total",
                &labels,
                value,
            );
        }
        if let Some(commands) = &counts.commands {
            let labels = format!("{scope},label=\"command\"");
            sample(
                to,
                "cloud_assistant_exporter_label_overflow_total",
                &labels,
                commands.overflow,
            );
        }
    });
}

fn api_requests(rendering: &mut Rendering<'_>, view: &View, requests: &Requests) {
    let (mut sent, mut failed) = (String::new(), String::new());
    for (scope, tally) in requests.all() {
        // A scope that is no longer polled leaves every series.
        let is_polled = view.scopes.contains_key(&scope);
        let is_account = scope.region_id.is_empty() && view.accounts.contains_key(&scope.account);
        if !is_polled && !is_account {
            continue;
        }
        let Scope { account, region_id } = scope;
        // A scope and an account without a region make different calls.
        let actions = Action::ALL
            .into_iter()
            .filter(|action| action.has_region() != region_id.is_empty());
        for action in actions {
            let scope = [
                ("account", &*account),
                ("region_id", &*region_id),
                ("action", action.as_str()),
            ];
            let labels = labels(scope);
            sample(
                &mut sent,
                "cloud_assistant_exporter_api_requests_total",
                &labels,
                tally.sent(action),
            );
            for reason in Reason::ALL.into_iter().filter(|reason| *reason != Reason::State) {
                let count = tally.failed(action, reason);
                // DescribeInvocations is rare; what it has not met is not worth a series.
                if count > 0 || action != Action::DescribeInvocations {
                    let labels = format!("{labels},reason=\"{}\"", reason.as_str());
                    sample(
                        &mut failed,
                        "cloud_assistant_exporter_api_request_failures_total",
                        &labels,
                        count,
                    );
                }
            }
        }
    }
    let help = "Requests sent to the Alibaba Cloud API, tries again included.";
    let name = "cloud_assistant_exporter_api_requests";
    rendering.family(
        Family {
            name,
            kind: Kind::Counter,
            help,
        },
        sent,
        None,
    );
    let help = "Requests to the Alibaba Cloud API that failed, by reason.";
    let name = "cloud_assistant_exporter_api_request_failures";
    rendering.family(
        Family {
            name,
            kind: Kind::Counter,
            help,
        },
        failed,
        None,
    );
}

fn credentials(rendering: &mut Rendering<'_>, view: &View) {
    let (mut expiry, mut failures) = (String::new(), String::new());
    let name = "cloud_assistant_exporter_credentials_expiry_timestamp_seconds";
    for (account, shown) in &view.accounts {
        let labels = labels([("account", &**account)]);
        if let Some(at) = shown.credentials.expiry() {
            let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            sample(&mut expiry, name, &labels, at.as_secs());
        }
        let count = shown.credentials.refresh_failures();
        sample(
            &mut failures,
            "cloud_assistant_exporter_credentials_refresh_failures_total",
            &labels,
            count,
        );
    }
    let help =
        "When the account's temporary credentials end unless renewed, in Unix time; absent for lasting ones.";
    rendering.family(
        Family {
            name,
            kind: Kind::Gauge,
            help,
        },
        expiry,
        None,
    );
    let help = "How often the account's credentials could not be had or renewed.";
    let name = "cloud_assistant_exporter_credentials_refresh_failures";
    rendering.family(
        Family {
            name,
            kind: Kind::Counter,
            help,
        },
        failures,
        None,
    );
}

fn with_status(scope: &str, status: &str) -> String {
    format!("{scope},invocation_status=\"{}\"", escape(status))
}

fn combination(scope: &str, status: &str, error_code: &str, exit_code: &str) -> String {
    format!(
        "{scope},invocation_status=\"{}\",error_code=\"{}\",exit_code=\"{}\"",
        escape(status),
        escape(error_code),
        escape(exit_code)
    )
}

/// Adds a piece: the one that was there before, if its bytes are the same.
fn add(parts: &mut Vec<Part>, before: &[Part], plain: String) -> Part {
    let part = match before.get(parts.len()) {
        Some(before) if before.is(&plain) => before.clone(),
        // It is held for long, and a String that grew has up to twice the room it needs.
        _ => Part::new(plain.into_boxed_str().into_string()),
    };
    parts.push(part.clone());
    part
}

// === impl Rendering ===

impl Rendering<'_> {
    /// Adds a family, unless it has no samples. `open_metrics` holds its samples where they differ.
    fn family(&mut self, family: Family<'_>, text: String, open_metrics: Option<String>) {
        if text.is_empty() {
            return;
        }
        let Self { bodies, before } = self;
        add(&mut bodies.text, &before.text, family.header(Format::Text));
        let samples = add(&mut bodies.text, &before.text, text);
        let parts = &mut bodies.open_metrics;
        add(parts, &before.open_metrics, family.header(Format::OpenMetrics));
        match open_metrics {
            Some(samples) => drop(add(parts, &before.open_metrics, samples)),
            None => parts.push(samples),
        }
    }

    fn scopes(
        &mut self,
        scopes: &[Labelled<'_>],
        family: Family<'_>,
        samples: impl Fn(&mut String, &str, &ScopeView),
    ) {
        let mut text = String::new();
        for Labelled { view, labels } in scopes {
            samples(&mut text, labels, view);
        }
        self.family(family, text, None);
    }

    /// A family of what has counts.
    pub(super) fn counts(
        &mut self,
        scopes: &[Labelled<'_>],
        family: Family<'_>,
        samples: impl Fn(&mut String, &str, &Counts),
    ) {
        self.scopes(scopes, family, |to, labels, view| {
            if let Some(counts) = &view.counts {
                samples(to, labels, counts);
            }
        });
    }

    fn gauge(
        &mut self,
        scopes: &[Labelled<'_>],
        name: &str,
        help: &str,
        value: impl Fn(&ScopeView) -> Option<String>,
    ) {
        self.scopes(
            scopes,
            Family {
                name,
                kind: Kind::Gauge,
                help,
            },
            |to, labels, view| {
                if let Some(value) = value(view) {
                    sample(to, name, labels, value);
                }
            },
        );
    }

    /// A counter with one series a scope.
    fn counter(
        &mut self,
        scopes: &[Labelled<'_>],
        name: &str,
        help: &str,
        value: impl Fn(&ScopeView) -> Option<u64>,
    ) {
        let sample_name = format!("{name}_total");
        self.scopes(
            scopes,
            Family {
                name,
                kind: Kind::Counter,
                help,
            },
            |to, labels, view| {
                if let Some(value) = value(view) {
                    sample(to, &sample_name, labels, value);
                }
            },
        );
    }

    fn counter_of_counts(
        &mut self,
        scopes: &[Labelled<'_>],
        name: &str,
        help: &str,
        value: impl Fn(&Counts) -> u64,
    ) {
        self.counter(scopes, name, help, |view| view.counts.as_deref().map(&value));
    }
}
