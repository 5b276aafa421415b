//! Each failure in a row of its own.

use super::ROWS_ON_A_PAGE as ROWS;
use super::asked::FailuresAsked as Asked;
use super::html::Html;
use super::show::{Number, Span, cut};
use crate::pages::bounded::bounded;
use crate::pages::console;
use crate::pages::cursor::Cursor;
use crate::pages::filter::{Filter, Found, part};
use crate::pages::overview::Overview;
use crate::record::{ShownFailure, ShownIds};
use crate::scope::Scope;
use crate::timestamp;
use crate::view::View;

/// The table, and links to the pages before and after it.
pub(super) fn table(html: &mut Html, overview: &Overview<'_>, asked: &Asked, found: Vec<Found<'_>>) {
    let selection = part(found, asked.after.as_ref(), 0, ROWS);
    if selection.failures.is_empty() {
        html.markup("<p class=\"empty\">There are not so many failures.</p>\n");
        newest(html, asked);
        return;
    }
    let (first, last) = (selection.offset + 1, selection.offset + selection.failures.len());
    html.markup("<div class=\"table\"><table role=\"table\" class=\"failures\"><caption>")
        .text(Number(first as u64))
        .text(" to ")
        .text(Number(last as u64))
        .text(" of ")
        .text(Number(selection.total as u64))
        .markup(
            ", newest first</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">\
             <th role=\"columnheader\" scope=\"col\">Time (UTC)</th>\
             <th role=\"columnheader\" scope=\"col\">Status</th>\
             <th role=\"columnheader\" scope=\"col\">Error code</th>\
             <th role=\"columnheader\" scope=\"col\" class=\"number\">Exit</th>\
             <th role=\"columnheader\" scope=\"col\" class=\"number\">Ran for</th>\
             <th role=\"columnheader\" scope=\"col\">Region</th>",
        );
    if has_accounts(overview.view, &asked.filter) {
        html.markup("<th role=\"columnheader\" scope=\"col\">Account</th>");
    }
    html.markup(
        "<th role=\"columnheader\" scope=\"col\">Instance<small> in the console</small></th>\
         <th role=\"columnheader\" scope=\"col\">Invocation</th>\
         <th role=\"columnheader\" scope=\"col\">Command<small> as filter</small></th>\
         </tr></thead>\n<tbody role=\"rowgroup\">\n",
    );
    for (scope, failure) in &selection.failures {
        row(html, overview.view, asked, (scope, failure));
    }
    html.markup("</tbody></table></div>\n");
    let behind = selection.failures.last().filter(|_| last < selection.total);
    if asked.after.is_some() || behind.is_some() {
        html.markup("<nav class=\"pages\" aria-label=\"Pages of failures\">");
        if asked.after.is_some() {
            newest(html, asked);
        }
        if let Some((scope, failure)) = behind {
            let older = Asked {
                after: Some(Cursor::at(scope, failure)),
                ..asked.clone()
            };
            html.markup("<a class=\"button\" rel=\"next\"")
                .attribute("href", older.link())
                .markup(">Older</a>");
        }
        html.markup("</nav>\n");
    }
}

/// Whether it must be said whose a failure is.
pub(super) fn has_accounts(view: &View, filter: &Filter) -> bool {
    view.accounts.len() > 1 || filter.text("account").is_some()
}

fn newest(html: &mut Html, asked: &Asked) {
    let newest = asked.listed(asked.is_list);
    html.markup("<a class=\"button\" rel=\"prev\"")
        .attribute("href", newest.link())
        .markup(">Newest</a>");
}

fn row(html: &mut Html, view: &View, asked: &Asked, (scope, failure): (&Scope, &ShownFailure<'_>)) {
    let ids = failure.ids();
    html.markup("<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">");
    time(html, failure);
    html.markup("</th><td role=\"cell\" class=\"status\">")
        .text(cut(failure.invocation_status()));
    cell(html, "Error code", "", failure.error_code());
    why(html, failure);
    cell(html, "Exit code", "number", failure.exit_code());
    let duration = failure.duration().map(|seconds| Span(seconds.into()).to_string());
    cell(html, "Ran for", "number", duration.as_deref().unwrap_or_default());
    cell(html, "Region", "id", &scope.region_id);
    if has_accounts(view, &asked.filter) {
        cell(html, "Account", "", &scope.account);
    }
    html.markup("</td><td role=\"cell\" data-label=\"Instance\">");
    instance(html, view, scope, ids);
    html.markup("</td><td role=\"cell\" data-label=\"Invocation\"><code>")
        .text(cut(ids.invoke_id))
        .markup("</code>");
    run(html, failure);
    html.markup("</td><td role=\"cell\" data-label=\"Command\">");
    command(html, asked, failure);
    html.markup("</td></tr>\n");
}

/// When.
pub(super) fn time(html: &mut Html, failure: &ShownFailure<'_>) {
    html.markup("<time")
        .attribute("datetime", timestamp::rfc3339(failure.time()))
        .markup(">")
        .text(timestamp::show(failure.time()).trim_end_matches(" UTC"))
        .markup("</time>");
}

/// What ErrorInfo says, and where the output is.
pub(super) fn why(html: &mut Html, failure: &ShownFailure<'_>) {
    if !failure.error_info().is_empty() {
        html.markup("<p class=\"detail\">")
            .text(cut(failure.error_info()))
            .markup("</p>");
    }
    if let Some(delivery) = failure.delivery() {
        html.markup("<p class=\"detail\">");
        match delivery.finished {
            true => html
                .markup("Output: <code>")
                .text(cut(&delivery.uri))
                .markup("</code>"),
            false => html
                .markup("Its output could not be delivered: <code>")
                .text(cut(&delivery.error_code))
                .markup("</code>"),
        };
        html.markup("</p>");
    }
}

/// Which run of a schedule.
pub(super) fn run(html: &mut Html, failure: &ShownFailure<'_>) {
    if failure.run() > 0 {
        html.markup(" <small>run ").text(failure.run()).markup("</small>");
    }
}

/// The instance, in the console.
pub(super) fn instance(html: &mut Html, view: &View, scope: &Scope, ids: ShownIds<'_>) {
    let url = console::url(view, scope, ids);
    html.markup("<a class=\"id\" rel=\"noreferrer external\"")
        .attribute("href", url)
        .markup(">")
        .text(cut(ids.instance_id))
        .markup("<span class=\"hidden\"> in the console of Alibaba Cloud</span></a>");
    if !ids.container_id.is_empty() {
        html.markup(" <code>")
            .text(cut(ids.container_id))
            .markup("</code>");
    }
}

/// The command, by its name and its id, each as a filter.
pub(super) fn command(html: &mut Html, asked: &Asked, failure: &ShownFailure<'_>) {
    if let Some(name) = failure.command().filter(|name| !name.is_empty()) {
        html.markup("<a")
            .attribute("href", asked.with(asked.filter.with("command", bounded(name))))
            .markup(">")
            .text(cut(name))
            .markup("</a> ");
    }
    let id = failure.ids().command_id;
    if !id.is_empty() {
        html.markup("<a class=\"id\"")
            .attribute("href", asked.with(asked.filter.with("command_id", bounded(id))))
            .markup(">")
            .text(cut(id))
            .markup("</a>");
    }
}

/// Closes the cell before and begins one.
fn cell(html: &mut Html, label: &'static str, class: &'static str, text: &str) {
    html.markup("</td><td role=\"cell\"");
    if !class.is_empty() {
        html.attribute("class", class);
    }
    // On a phone what is empty takes no line.
    if !text.is_empty() {
        html.attribute("data-label", label);
    }
    html.markup(">").text(cut(text));
}
