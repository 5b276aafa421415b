//! A row of the table of scopes.

use super::asked::{FailuresAsked, HomeAsked};
use super::html::Html;
use super::show::{Number, Span, cut, relative_time};
use super::spark;
use crate::pages::filter::Filter;
use crate::pages::overview::{Overview, Share, State};
use crate::record::NamesUnavailable;
use crate::result::Seconds;
use crate::view::{Failed, Progress, QueueFailed, ScopeView};

/// So many scopes of a folded row are named.
const MAX_NAMED: usize = 300;

/// A state in a word.
pub(super) fn name(state: State) -> &'static str {
    match state {
        State::Down => "Down",
        State::Stale => "Stale",
        State::FirstLook => "First look",
        State::Waiting => "Waiting",
        State::Up => "Up",
    }
}

pub(super) fn row(html: &mut Html, overview: &Overview<'_>, scope: &ScopeView, failures: &FailuresAsked) {
    let now = overview.now;
    html.markup("<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">")
        .text(cut(&scope.scope.region_id))
        .markup("</th><td role=\"cell\" data-label=\"Account\">")
        .text(cut(&scope.scope.account))
        .markup("</td><td role=\"cell\" class=\"state\">");
    state(html, overview, scope);
    if let Some(error) = overview.queue_error(&scope.scope) {
        queue(html, error, now);
    }
    html.markup("</td><td role=\"cell\" class=\"outcomes\" data-label=\"Last polls\">");
    spark::outcomes(html, scope.work.outcomes);
    html.markup("</td><td role=\"cell\" class=\"time\" data-label=\"Last good poll\">");
    match scope.last_success {
        Some(time) => relative_time(html, time, now),
        None => none(html, "never"),
    }
    html.markup("</td><td role=\"cell\" class=\"time\" data-label=\"Next poll\">");
    match scope.next_poll {
        Some(time) if time > now => relative_time(html, time, now),
        Some(_) => none(html, "polling"),
        None => none(html, "none"),
    }
    if overview.view.events.is_on() {
        html.markup("</td><td role=\"cell\" class=\"time\" data-label=\"Last event\">");
        match overview.last_event(&scope.scope) {
            Some(time) => relative_time(html, time, now),
            None => none(html, "never"),
        }
    }
    html.markup("</td><td role=\"cell\" class=\"spark\" data-label=\"Results\">");
    spark::results(html, overview, scope);
    html.markup("</td><td role=\"cell\" class=\"number\" data-label=\"Failed\">");
    failed(html, scope, failures);
    let counts = scope.counts.as_ref();
    let hour = overview.last_hour(&scope.scope);
    html.markup("</td>");
    number(html, "Tracked", counts.map(|counts| counts.held as u64));
    number(html, "Open", counts.map(|counts| counts.open as u64));
    number(html, "Requests, last hour", Some(hour.requests));
    number(html, "Throttled, last hour", Some(hour.throttled));
    html.markup("</tr>\n");
}

/// How many columns the table has.
fn columns(overview: &Overview<'_>) -> usize {
    match overview.view.events.is_on() {
        true => 13,
        false => 12,
    }
}

/// Scopes that are down for the same reason.
pub(super) fn folded(html: &mut Html, overview: &Overview<'_>, scopes: &[&ScopeView], asked: &HomeAsked) {
    let Some(first) = scopes.first() else { return };
    html.markup("<tr role=\"row\" class=\"folded\"><th role=\"rowheader\" scope=\"row\">")
        .text(Number(scopes.len() as u64))
        .markup(" regions</th><td role=\"cell\" class=\"state\"")
        .attribute("colspan", columns(overview) - 1)
        .markup("><span class=\"badge bad\">Down</span>");
    if let Some(failed) = &first.error {
        error(html, failed, overview.now);
    }
    html.markup("<details><summary>Which ")
        .text(Number(scopes.len() as u64))
        .markup("</summary><ul class=\"names\">");
    for scope in scopes.iter().take(MAX_NAMED) {
        html.markup("<li><a")
            .attribute("href", asked.finding(&scope.scope.region_id))
            .markup(">")
            .text(cut(&scope.scope.region_id))
            .markup("</a> of ")
            .text(cut(&scope.scope.account));
        since(html, scope, overview.now);
        html.markup("</li>");
    }
    html.markup("</ul>");
    if scopes.len() > MAX_NAMED {
        html.markup("<p>")
            .text(Number((scopes.len() - MAX_NAMED) as u64))
            .markup(" more are in <a href=\"./api/v1/status\">/api/v1/status</a>.</p>");
    }
    html.markup("</details></td></tr>\n");
}

fn state(html: &mut Html, overview: &Overview<'_>, scope: &ScopeView) {
    let state = overview.state(scope);
    html.markup(match state {
        State::Up => "<span class=\"badge good\">Up</span>",
        State::Down => "<span class=\"badge bad\">Down</span>",
        State::Stale => "<span class=\"badge bad\">Stale</span>",
        State::FirstLook => "<span class=\"badge busy\">First look</span>",
        State::Waiting => "<span class=\"badge busy\">Waiting</span>",
    });
    since(html, scope, overview.now);
    if state == State::Stale {
        stale(html, scope, overview.now);
    }
    if let Some(progress) = scope.progress {
        self::progress(html, scope, progress);
    }
    if let Some(error) = &scope.error {
        self::error(html, error, overview.now);
    }
    let commands = scope.counts.as_ref().and_then(|counts| counts.commands.as_ref());
    match commands.and_then(|commands| commands.names_unavailable) {
        None => {}
        Some(NamesUnavailable::Refused) => {
            html.markup(
                "<p class=\"detail\">DescribeInvocations is refused: new commands are labelled by their CommandIds.</p>",
            );
        }
        Some(NamesUnavailable::Passing) => {
            html.markup(
                "<p class=\"detail\">DescribeInvocations keeps failing: new commands are labelled by their CommandIds.</p>",
            );
        }
    }
}

/// Since when it has been failing, and how often.
fn since(html: &mut Html, scope: &ScopeView, now: Seconds) {
    let outcomes = scope.work.outcomes;
    if let Some(since) = outcomes.failing_since {
        html.markup(" <span class=\"since\">since ");
        relative_time(html, since, now);
        if outcomes.failed_in_a_row > 1 {
            html.text(format_args!(
                ", {} in a row",
                Number(u64::from(outcomes.failed_in_a_row))
            ));
        }
        html.markup("</span>");
    }
}

/// How far behind it is.
fn stale(html: &mut Html, scope: &ScopeView, now: Seconds) {
    html.markup("<p class=\"detail\">");
    match (scope.last_success, scope.interval) {
        (Some(last), Some(interval)) => {
            let behind = Span(u64::from(now.saturating_sub(last)));
            let interval = interval.as_secs_f64().ceil() as u64;
            html.text(format_args!(
                "Its data is {behind} old; it should be at most {}.",
                Span(interval)
            ));
        }
        _ => {
            html.text("There is no data yet.");
        }
    }
    html.markup(" The poll under way has not been answered.</p>");
}

fn progress(html: &mut Html, scope: &ScopeView, progress: Progress) {
    html.markup("<p class=\"detail\">")
        .markup(match progress.is_baseline {
            true => "Reading all that is listed: ",
            false => "Sweep under way: ",
        });
    html.text(Number(progress.rows as u64));
    match progress.of {
        None => html.markup(" results so far"),
        Some(of) => html
            .markup(" of about ")
            .text(Number(of as u64))
            .markup(" results ")
            .markup("<progress")
            .attribute(
                "aria-label",
                format_args!("Progress of {}", scope.scope.region_id),
            )
            .attribute("max", of)
            .attribute("value", progress.rows.min(of))
            .markup("></progress>"),
    };
    html.markup("</p>");
}

/// Why the queue of the scope's events cannot be read.
fn queue(html: &mut Html, error: &QueueFailed, now: Seconds) {
    html.markup("<p class=\"detail\">The queue of its events cannot be read, <strong>")
        .text(error.reason.as_str())
        .markup("</strong>, ");
    relative_time(html, error.at, now);
    html.markup(": ").text(cut(&error.what)).markup("</p>");
}

/// A failure, with all that helps to ask about it.
pub(super) fn error(html: &mut Html, error: &Failed, now: Seconds) {
    html.markup("<p class=\"detail error\"><strong>")
        .text(error.reason.as_str())
        .markup("</strong>, ");
    relative_time(html, error.at, now);
    html.markup(": ").text(cut(&error.what));
    if let Some(code) = &error.code {
        html.markup("; code <code>").text(cut(code)).markup("</code>");
    }
    if let Some(request_id) = &error.request_id {
        html.markup("; request id <code>")
            .text(cut(request_id))
            .markup("</code>");
    }
    html.markup("</p>");
}

/// How many results have failed, as a link to them.
fn failed(html: &mut Html, scope: &ScopeView, failures: &FailuresAsked) {
    match (Share::of_scope(scope).failed, &scope.counts) {
        (_, None) => none(html, "–"),
        (0, _) => {
            html.text(0);
        }
        (failed, _) => {
            html.markup("<a class=\"failed\"")
                .attribute("href", failures.with(Filter::default().of_scope(&scope.scope)))
                .markup(">")
                .text(Number(failed))
                .markup("<span class=\"hidden\"> failures of ")
                .text(cut(&scope.scope.region_id))
                .markup("</span></a>");
        }
    }
}

fn number(html: &mut Html, label: &'static str, value: Option<u64>) {
    html.markup("<td role=\"cell\" class=\"number\"")
        .attribute("data-label", label)
        .markup(">");
    match value {
        Some(value) => {
            html.text(Number(value));
        }
        None => none(html, "–"),
    }
    html.markup("</td>");
}

fn none(html: &mut Html, text: &'static str) {
    html.markup("<span class=\"none\">").text(text).markup("</span>");
}
