//! Failures by invocation: one row for what was run at once, its instances folded.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::ROWS_ON_A_PAGE as ROWS;
use super::asked::FailuresAsked as Asked;
use super::codes::of_failures;
use super::html::Html;
use super::results::{command, has_accounts, instance, run, time, why};
use super::show::{Number, Span, cut};
use super::turn::{Turn, turn};
use crate::pages::bounded::bounded;
use crate::pages::console;
use crate::pages::filter::Found;
use crate::pages::overview::Overview;
use crate::result::Seconds;
use crate::scope::Scope;
use crate::view::View;

/// So many instances of an invocation are named.
const MAX_INSTANCES: usize = 50;

/// So many of its codes.
const MAX_CODES: usize = 4;

/// What was run at once, as far as it has failed: of a schedule one run.
struct Invocation<'a> {
    scope: &'a Scope,
    /// The newest first.
    failures: Vec<&'a Found<'a>>,
}

impl Invocation<'_> {
    fn newest(&self) -> Seconds {
        self.failures.first().map_or(0, |(_, failure)| failure.time())
    }
}

fn invocations<'a>(found: &'a [Found<'a>]) -> Vec<Invocation<'a>> {
    let mut by_id: HashMap<(&Scope, &str, u32), Vec<&Found<'_>>> = HashMap::new();
    for one in found {
        let (scope, failure) = one;
        let key = (*scope, failure.ids().invoke_id, failure.run());
        by_id.entry(key).or_default().push(one);
    }
    let order = |(_, failure): &&Found<'_>| (Reverse(failure.time()), failure.identity());
    let mut all: Vec<Invocation<'_>> = by_id
        .into_iter()
        .map(|((scope, ..), mut failures)| {
            failures.sort_by_key(order);
            Invocation { scope, failures }
        })
        .collect();
    all.sort_by_key(|one| {
        (
            Reverse(one.newest()),
            one.scope,
            one.failures.first().map(|(_, failure)| failure.identity()),
        )
    });
    all
}

/// The table, and links to the pages before and after it.
pub(super) fn table(html: &mut Html, overview: &Overview<'_>, asked: &Asked, found: &[Found<'_>]) {
    let all = invocations(found);
    let pages = all.len().div_ceil(ROWS).max(1);
    let page = asked.page.min(pages);
    html.markup("<div class=\"table\"><table role=\"table\" class=\"failures invocations\"><caption>")
        .text(Number(found.len() as u64))
        .markup(" results in ")
        .text(Number(all.len() as u64))
        .markup(
            " invocations, newest first</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">\
             <th role=\"columnheader\" scope=\"col\">Newest (UTC)</th>\
             <th role=\"columnheader\" scope=\"col\">Command, invocation</th>\
             <th role=\"columnheader\" scope=\"col\">How they ended</th>\
             <th role=\"columnheader\" scope=\"col\">Instances</th>\
             <th role=\"columnheader\" scope=\"col\">Region</th>",
        );
    if has_accounts(overview.view, &asked.filter) {
        html.markup("<th role=\"columnheader\" scope=\"col\">Account</th>");
    }
    html.markup("</tr></thead>\n<tbody role=\"rowgroup\">\n");
    for invocation in all.iter().skip((page - 1) * ROWS).take(ROWS) {
        row(html, overview.view, asked, invocation);
    }
    html.markup("</tbody></table></div>\n");
    let at = Turn {
        of: "invocations",
        before: "Newer",
        after: "Older",
        page,
        pages,
    };
    turn(html, &at, |page| asked.at(page));
}

fn row(html: &mut Html, view: &View, asked: &Asked, invocation: &Invocation<'_>) {
    let Some((_, newest)) = invocation.failures.first() else {
        return;
    };
    html.markup("<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">");
    time(html, newest);
    html.markup("</th><td role=\"cell\" data-label=\"Command\">");
    command(html, asked, newest);
    html.markup("<p class=\"detail\"><code>")
        .text(cut(newest.ids().invoke_id))
        .markup("</code>");
    run(html, newest);
    html.markup("</p></td><td role=\"cell\" class=\"status\">");
    codes(html, invocation);
    html.markup("</td><td role=\"cell\" class=\"instances\">");
    instances(html, view, asked, invocation);
    html.markup("</td><td role=\"cell\" class=\"id\" data-label=\"Region\">")
        .text(cut(&invocation.scope.region_id));
    if has_accounts(view, &asked.filter) {
        html.markup("</td><td role=\"cell\" data-label=\"Account\">")
            .text(cut(&invocation.scope.account));
    }
    html.markup("</td></tr>\n");
}

/// How many have ended how, and why the newest has.
fn codes(html: &mut Html, invocation: &Invocation<'_>) {
    let sums = of_failures(invocation.failures.iter().copied());
    let more = sums.len().saturating_sub(MAX_CODES);
    for (place, ((status, error_code, exit_code), count)) in sums.into_iter().take(MAX_CODES).enumerate() {
        html.markup(if place > 0 { "<br>" } else { "" });
        if invocation.failures.len() > 1 {
            html.text(Number(count)).markup(" × ");
        }
        html.text(cut(status));
        html.markup(" <span class=\"code\">").text(cut(error_code));
        if !exit_code.is_empty() {
            html.text(" ").text(cut(exit_code));
        }
        html.markup("</span>");
    }
    if more > 0 {
        html.markup("<br>").text(format_args!("and {more} more"));
    }
    if let Some((_, newest)) = invocation.failures.first() {
        why(html, newest);
    }
}

/// The instance, or how many there are, and each of them where they are unfolded.
fn instances(html: &mut Html, view: &View, asked: &Asked, invocation: &Invocation<'_>) {
    let all = &invocation.failures;
    html.markup("<details><summary>");
    match all.as_slice() {
        [(_, one)] => html.text(cut(one.ids().instance_id)),
        all => html.text(Number(all.len() as u64)).markup(" instances"),
    };
    html.markup("</summary><ul class=\"names\">");
    for (scope, failure) in all.iter().take(MAX_INSTANCES) {
        html.markup("<li>");
        instance(html, view, scope, failure.ids());
        html.markup(" ").text(cut(failure.invocation_status()));
        if !failure.exit_code().is_empty() {
            html.text(" ").text(cut(failure.exit_code()));
        }
        if let Some(seconds) = failure.duration() {
            html.text(format_args!(" after {}", Span(seconds.into())));
        }
        html.markup("</li>");
    }
    html.markup("</ul>");
    let more = all.len().saturating_sub(MAX_INSTANCES);
    if more > 0 {
        html.markup("<p class=\"detail\">and ")
            .text(Number(more as u64))
            .markup(" more</p>");
    }
    if let Some((scope, newest)) = all.first() {
        let (id, of) = (bounded(newest.ids().invoke_id), bounded(newest.ids().instance_id));
        let each = asked.listed(true);
        let invocation = asked.filter.of_scope(scope).with("invoke_id", id);
        let filter = match newest.run() {
            0 => invocation,
            run => invocation.of_run(run),
        };
        html.markup("<p class=\"detail\"><a")
            .attribute("href", each.with(filter))
            .markup(">Each of them</a>. The output, in a terminal:</p>");
        if let Some(line) = console::command_line(&scope.region_id, of, id) {
            html.markup("<code class=\"line\">").text(line).markup("</code>");
        }
    }
    html.markup("</details>");
}
