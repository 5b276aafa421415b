//! What is polled: a row for each scope, and remarks about accounts.

use super::html::Html;
use super::show::{Number, Span, cut, relative_time};
use crate::pages::overview::{Overview, State};
use crate::record::NamesUnavailable;
use crate::result::Seconds;
use crate::view::{Failed, Progress, QueueFailed, ScopeView};

/// So many scopes are shown, those that are down first; the API has all.
const MAX_ROWS: usize = 300;

/// So many regions are named of one account.
const MAX_SET_ASIDE: usize = 100;

/// The table of scopes.
pub(super) fn section(html: &mut Html, overview: &Overview<'_>) {
    let mut scopes: Vec<&ScopeView> = overview.view.scopes.values().map(|scope| &**scope).collect();
    // A stable sort: within a state by account and region, as they come.
    scopes.sort_by_key(|scope| State::of(scope));
    html.markup("<section aria-labelledby=\"scopes\"><h2 id=\"scopes\">Regions</h2>\n");
    accounts(html, overview);
    if scopes.is_empty() {
        html.markup("<p class=\"empty\">No region is polled yet.</p></section>\n");
        return;
    }
    html.markup(
        "<div class=\"table\"><table role=\"table\"><caption class=\"hidden\">What is polled, account by account and region by region\
         </caption>\n<thead role=\"rowgroup\"><tr role=\"row\">\
         <th role=\"columnheader\" scope=\"col\">Region</th>\
         <th role=\"columnheader\" scope=\"col\">Account</th>\
         <th role=\"columnheader\" scope=\"col\">State</th>\
         <th role=\"columnheader\" scope=\"col\">Last success</th>\
         <th role=\"columnheader\" scope=\"col\">Next poll</th>",
    );
    if overview.view.events.is_on() {
        html.markup("<th role=\"columnheader\" scope=\"col\">Last event</th>");
    }
    html.markup(
        "<th role=\"columnheader\" scope=\"col\" class=\"number\">Tracked</th>\
         <th role=\"columnheader\" scope=\"col\" class=\"number\">Open</th>\
         <th role=\"columnheader\" scope=\"col\" class=\"number\">Requests<small> last hour</small></th>\
         <th role=\"columnheader\" scope=\"col\" class=\"number\">Throttled<small> last hour</small></th>\
         </tr></thead>\n<tbody role=\"rowgroup\">\n",
    );
    for scope in scopes.iter().take(MAX_ROWS) {
        row(html, overview, scope);
    }
    html.markup("</tbody></table></div>");
    if scopes.len() > MAX_ROWS {
        html.markup("<p>")
            .text(Number((scopes.len() - MAX_ROWS) as u64))
            .markup(" more are in <a href=\"./api/v1/status\">/api/v1/status</a>.</p>");
    }
    html.markup("</section>\n");
}

fn row(html: &mut Html, overview: &Overview<'_>, scope: &ScopeView) {
    let now = overview.now;
    html.markup("<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">")
        .text(cut(&scope.scope.region_id))
        .markup("</th><td role=\"cell\" data-label=\"Account\">")
        .text(cut(&scope.scope.account))
        .markup("</td><td role=\"cell\" class=\"state\">");
    state(html, scope, now);
    if let Some(error) = overview.queue_error(&scope.scope) {
        queue(html, error, now);
    }
    html.markup("</td><td role=\"cell\" data-label=\"Last success\">");
    match scope.last_success {
        Some(time) => relative_time(html, time, now),
        None => none(html, "never"),
    }
    html.markup("</td><td role=\"cell\" data-label=\"Next poll\">");
    match scope.next_poll {
        Some(time) if time > now => relative_time(html, time, now),
        Some(_) => none(html, "now"),
        None => none(html, "none"),
    }
    if overview.view.events.is_on() {
        html.markup("</td><td role=\"cell\" data-label=\"Last event\">");
        match overview.last_event(&scope.scope) {
            Some(time) => relative_time(html, time, now),
            None => none(html, "never"),
        }
    }
    let counts = scope.counts.as_ref();
    let hour = overview.last_hour(&scope.scope);
    html.markup("</td>");
    number(html, "Tracked", counts.map(|counts| counts.held as u64));
    number(html, "Open", counts.map(|counts| counts.open as u64));
    number(html, "Requests, last hour", Some(hour.requests));
    number(html, "Throttled, last hour", Some(hour.throttled));
    html.markup("</tr>\n");
}

fn state(html: &mut Html, scope: &ScopeView, now: Seconds) {
    html.markup(match State::of(scope) {
        State::Up => "<span class=\"badge good\">Up</span>",
        State::Down => "<span class=\"badge bad\">Down</span>",
        State::FirstLook => "<span class=\"badge busy\">First look</span>",
        State::Waiting => "<span class=\"badge busy\">Waiting</span>",
    });
    if let Some(progress) = scope.progress {
        self::progress(html, scope, progress);
    }
    if let Some(error) = &scope.error {
        self::error(html, error, now);
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
fn error(html: &mut Html, error: &Failed, now: Seconds) {
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

/// What is to be said about accounts: regions that are not known, or set aside.
fn accounts(html: &mut Html, overview: &Overview<'_>) {
    for (name, account) in overview.view.accounts.iter() {
        if let Some(error) = &account.error {
            html.markup("<div class=\"note bad\"><p>The regions of account <strong>")
                .text(cut(name))
                .markup("</strong> could not be discovered")
                .markup(match account.discovered {
                    Some(_) => "; those that were known before are polled.</p>",
                    None => ".</p>",
                });
            self::error(html, error, overview.now);
            html.markup("</div>\n");
        }
        if !account.set_aside.is_empty() {
            html.markup("<p class=\"note\">Set aside of account <strong>")
                .text(cut(name))
                .markup(
                    "</strong> until the next discovery, since their API does not know Cloud Assistant: ",
                );
            for (place, region_id) in account.set_aside.iter().take(MAX_SET_ASIDE).enumerate() {
                html.text(if place > 0 { ", " } else { "" }).text(cut(region_id));
            }
            let more = account.set_aside.len().saturating_sub(MAX_SET_ASIDE);
            if more > 0 {
                html.text(format_args!(" and {more} more"));
            }
            html.markup(".</p>\n");
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

/// How long the results on this page look back.
pub(super) fn window(overview: &Overview<'_>) -> Option<Span> {
    let windows = overview.view.scopes.values();
    let counts = windows.filter_map(|scope| scope.counts.as_ref());
    counts.map(|counts| Span(u64::from(counts.window))).next()
}
