//! `/failures`: what fails most, and which results those are.

use std::collections::BTreeSet;

use super::asked::FailuresAsked as Asked;
use super::frame::{Frame, Page, Refresh, begin, end};
use super::html::Html;
use super::results::has_accounts;
use super::show::{Number, cut};
use super::{invocations, most, results, timeline};
use crate::pages::api::kept_from;
use crate::pages::filter::{Filter, Found};
use crate::pages::overview::Overview;
use crate::record::ShownFailure;
use crate::result::{KnownStatus, StatusKind};
use crate::timestamp;
use crate::view::View;

/// A list to choose from has at most so many entries.
const MAX_CHOICES: usize = 200;

/// The page.
pub(in crate::pages) fn page(overview: &Overview<'_>, asked: &Asked, frame: Frame<'_>) -> String {
    let refresh = Refresh::of(asked.loading, asked.loaded(asked.loading.turned()));
    let mut html = Html::default();
    begin(&mut html, overview, frame, Page::Failures, &refresh);
    html.markup("<section aria-labelledby=\"filter\"><h2 id=\"filter\">Failures</h2>\n");
    filters(&mut html, asked);
    if asked.loading.is_open {
        form(&mut html, overview.view, asked);
    }
    let found = asked.filter.all(overview.view);
    kept(&mut html, overview, asked, &found);
    html.markup("</section>\n");
    timeline::section(&mut html, overview, asked);
    most::section(&mut html, overview, asked, &found);
    html.markup("<section aria-labelledby=\"failures\"><h2 id=\"failures\">");
    html.markup(match asked.is_list {
        true => "Each result</h2>\n",
        false => "By invocation</h2>\n",
    });
    kinds(&mut html, asked);
    match asked.is_list {
        _ if found.is_empty() => {
            html.markup(match asked.filter.is_empty() {
                true => "<p class=\"empty\">No failure is known.</p>\n",
                false => "<p class=\"empty\">No failure matches.</p>\n",
            });
        }
        true => results::table(&mut html, overview, asked, found),
        false => invocations::table(&mut html, overview, asked, &found),
    }
    html.markup("</section>\n");
    end(&mut html);
    html.finish()
}

/// Either way to look at them.
fn kinds(html: &mut Html, asked: &Asked) {
    html.markup("<ul class=\"chips screen\" aria-label=\"Ways to look at them\">");
    for (is_list, name) in [(false, "By invocation"), (true, "Each result")] {
        html.markup("<li><a class=\"chip\"")
            .attribute("href", asked.listed(is_list).link());
        if asked.is_list == is_list {
            html.markup(" aria-current=\"true\"");
        }
        html.markup(">").text(name).markup("</a></li>");
    }
    html.markup("</ul>\n");
}

/// What is asked for, each part with a link that takes it away.
fn filters(html: &mut Html, asked: &Asked) {
    let filter = &asked.filter;
    html.markup("<ul class=\"chips\" aria-label=\"Filter\">");
    for (name, value) in filter.pairs() {
        html.markup("<li class=\"chip set\">")
            .text(label(name))
            .markup(" <b>")
            .text(cut(&value))
            .markup("</b> <a")
            .attribute("href", asked.with(filter.without(name)))
            .attribute("aria-label", format_args!("Without {}", label(name)))
            .markup(">✕</a></li>");
    }
    if filter.is_empty() {
        html.markup("<li class=\"none\">All that are kept</li>");
    } else {
        html.markup("<li><a class=\"chip\"")
            .attribute("href", asked.with(Filter::default()))
            .markup(">Show all</a></li>");
    }
    html.markup("<li class=\"screen\"><a class=\"button\"")
        .attribute("href", asked.loaded(asked.loading.toggled()))
        .markup(if asked.loading.is_open {
            ">Close the form</a>"
        } else {
            ">Filter…</a>"
        })
        .markup("</li></ul>\n");
}

fn label(name: &str) -> &'static str {
    match name {
        "account" => "Account",
        "region_id" => "Region",
        "invocation_status" => "Status",
        "error_code" => "Error code",
        "exit_code" => "Exit code",
        "command_id" => "Command id",
        "command" => "Command",
        "command_contains" => "Command has",
        "instance_id" => "Instance",
        "invoke_id" => "Invocation",
        "run" => "Run",
        "since" => "Since",
        "before" => "Before",
        _ => "",
    }
}

/// How many there are, and which are no longer there.
fn kept(html: &mut Html, overview: &Overview<'_>, asked: &Asked, found: &[Found<'_>]) {
    html.markup("<p class=\"detail\">")
        .text(Number(found.len() as u64))
        .markup(match asked.filter.is_empty() {
            true => " results that did not succeed are kept",
            false => " kept results match",
        });
    if let Some(oldest) = found.iter().map(|(_, failure)| failure.time()).min() {
        html.markup(", the oldest of ").text(timestamp::show(oldest));
    }
    html.markup(". ");
    match kept_from(overview.view, &asked.filter) {
        Some(from) => html
            .markup("Of those until ")
            .text(timestamp::show(from))
            .markup(" only some are kept, the newest of each code: counts by command, instance and invocation are of what is kept, those by code are exact."),
        None => html.markup("None has been let go: those of the window are all here."),
    };
    html.markup("</p>\n");
}

fn form(html: &mut Html, view: &View, asked: &Asked) {
    let filter = &asked.filter;
    html.markup(
        "<form method=\"get\" action=\"./failures\" role=\"search\" aria-label=\"Filter the failures\">",
    );
    let accounts: BTreeSet<&str> = view.accounts.keys().map(|name| &**name).collect();
    if has_accounts(view, filter) {
        select(html, "account", &accounts, filter);
    }
    let regions: BTreeSet<&str> = view.scopes.keys().map(|scope| &*scope.region_id).collect();
    if regions.len() <= MAX_CHOICES {
        select(html, "region_id", &regions, filter);
    } else {
        input(html, "region_id", "", filter);
    }
    let is_kept = |status: &KnownStatus| {
        let kind = StatusKind::of(Some(*status));
        matches!(kind, StatusKind::Failure | StatusKind::Ended)
    };
    let known = KnownStatus::ALL.into_iter().filter(is_kept);
    let statuses: BTreeSet<&str> = known
        .map(|status| status.as_str())
        .chain(texts(view, |failure| failure.invocation_status()))
        .filter(|status| !status.is_empty())
        .collect();
    select(html, "invocation_status", &statuses, filter);
    let codes: BTreeSet<&str> = texts(view, |failure| failure.error_code())
        .filter(|code| !code.is_empty())
        .collect();
    select(html, "error_code", &codes, filter);
    input(html, "command_contains", "", filter);
    input(html, "command_id", "c-…", filter);
    input(html, "instance_id", "i-…", filter);
    input(html, "invoke_id", "t-…", filter);
    for (name, time) in [("since", filter.since), ("before", filter.before)] {
        field(
            html,
            name,
            "2026-01-02T03:04:05Z",
            &time.map(timestamp::rfc3339).unwrap_or_default(),
        );
    }
    // What links ask for, and nobody types.
    for (name, value) in filter.pairs() {
        if matches!(name, "exit_code" | "command" | "run") {
            field(html, name, "", &value);
        }
    }
    if asked.is_list {
        html.markup("<input type=\"hidden\" name=\"show\" value=\"results\">");
    }
    if asked.loading.is_paused {
        html.markup("<input type=\"hidden\" name=\"refresh\" value=\"off\">");
    }
    html.markup("<div class=\"buttons\"><button>Filter</button></div></form>\n");
}

/// A text of each kept failure.
fn texts<'a>(view: &'a View, text: fn(&ShownFailure<'a>) -> &'a str) -> impl Iterator<Item = &'a str> {
    let counts = view.scopes.values().filter_map(|scope| scope.counts.as_ref());
    counts.flat_map(move |counts| counts.failures().map(move |failure| text(&failure)))
}

fn input(html: &mut Html, name: &'static str, placeholder: &'static str, filter: &Filter) {
    field(html, name, placeholder, filter.text(name).unwrap_or_default());
}

fn field(html: &mut Html, name: &'static str, placeholder: &'static str, value: &str) {
    html.markup("<label><span>")
        .text(label(name))
        .markup("</span><input type=\"search\" autocomplete=\"off\" spellcheck=\"false\" maxlength=\"200\"")
        .attribute("name", name)
        .attribute("placeholder", placeholder)
        .attribute("value", value)
        .markup("></label>");
}

fn select(html: &mut Html, name: &'static str, choices: &BTreeSet<&str>, filter: &Filter) {
    html.markup("<label><span>")
        .text(label(name))
        .markup("</span><select")
        .attribute("name", name)
        .markup("><option value=\"\">any</option>");
    let chosen = filter.text(name);
    let is_chosen = |choice: &str| chosen.is_some_and(|chosen| chosen.eq_ignore_ascii_case(choice));
    let listed: Vec<&str> = choices.iter().copied().take(MAX_CHOICES).collect();
    let unlisted = chosen.filter(|_| !listed.iter().any(|choice| is_chosen(choice)));
    for choice in unlisted.iter().chain(&listed) {
        html.markup("<option").attribute("value", choice);
        if is_chosen(choice) {
            html.markup(" selected");
        }
        html.markup(">").text(cut(choice)).markup("</option>");
    }
    html.markup("</select></label>");
}
