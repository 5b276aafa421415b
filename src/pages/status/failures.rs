//! Recent failures: a form to filter them by, and a table.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::html::Html;
use super::show::{Number, cut};
use super::{Asked, FAILURES_ON_A_PAGE as PAGE};
use crate::pages::bounded::bounded;
use crate::pages::console;
use crate::pages::filter::{Filter, Selection};
use crate::pages::overview::{Kind, Overview};
use crate::record::{Counts, MAX_FAILURES, ShownFailure};
use crate::result::KnownStatus;
use crate::scope::Scope;
use crate::timestamp;
use crate::view::View;

/// A list to choose from has at most so many entries.
const MAX_CHOICES: usize = 200;

/// The form and the table.
pub(super) fn section(html: &mut Html, overview: &Overview<'_>, asked: &Asked) {
    let filter = &asked.filter;
    let selection = filter.select(overview.view, asked.offset, PAGE);
    html.markup("<section aria-labelledby=\"failures\"><h2 id=\"failures\">Recent failures</h2>\n");
    form(html, overview.view, asked);
    if selection.failures.is_empty() {
        html.markup(match (filter.is_empty(), selection.total) {
            (_, 1..) => "<p class=\"empty\">There are not so many failures.</p></section>\n",
            (true, 0) => "<p class=\"empty\">No failure is known.</p></section>\n",
            (false, 0) => "<p class=\"empty\">No failure matches.</p></section>\n",
        });
        return;
    }
    html.markup("<div class=\"table\"><table role=\"table\" class=\"failures\"><caption>");
    caption(html, &selection, filter);
    html.markup(
        "</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">\
         <th role=\"columnheader\" scope=\"col\">Time (UTC)</th>\
         <th role=\"columnheader\" scope=\"col\">Status</th>\
         <th role=\"columnheader\" scope=\"col\">Error code</th>\
         <th role=\"columnheader\" scope=\"col\" class=\"number\">Exit</th>\
         <th role=\"columnheader\" scope=\"col\">Region</th>",
    );
    let with_account = has_accounts(overview.view, filter);
    if with_account {
        html.markup("<th role=\"columnheader\" scope=\"col\">Account</th>");
    }
    html.markup(
        "<th role=\"columnheader\" scope=\"col\">Instance<small> in the console</small></th>\
         <th role=\"columnheader\" scope=\"col\">Invocation</th>\
         <th role=\"columnheader\" scope=\"col\">Command<small> as filter</small></th>\
         </tr></thead>\n<tbody role=\"rowgroup\">\n",
    );
    for (scope, failure) in &selection.failures {
        row(html, scope, failure, filter, with_account);
    }
    html.markup("</tbody></table></div>\n");
    pages(html, &selection, asked);
    html.markup("</section>\n");
}

fn caption(html: &mut Html, selection: &Selection<'_>, filter: &Filter) {
    let first = selection.offset + 1;
    let last = selection.offset + selection.failures.len();
    html.text(Number(first as u64))
        .text(" to ")
        .text(Number(last as u64))
        .text(" of ")
        .text(Number(selection.total as u64))
        .markup(match filter.is_empty() {
            true => " results that did not succeed, newest first",
            false => " results that match, newest first",
        })
        .markup("; the newest ")
        .text(Number(MAX_FAILURES as u64))
        .markup(" of each region are kept");
}

/// Whether it must be said whose a failure is.
fn has_accounts(view: &View, filter: &Filter) -> bool {
    view.accounts.len() > 1 || filter.account.is_some()
}

fn row(html: &mut Html, scope: &Scope, failure: &ShownFailure, filter: &Filter, with_account: bool) {
    let ids = &failure.ids;
    html.markup("<tr role=\"row\"><th role=\"rowheader\" scope=\"row\"><time")
        .attribute("datetime", timestamp::rfc3339(failure.time))
        .markup(">")
        .text(timestamp::show(failure.time).trim_end_matches(" UTC"))
        .markup("</time></th><td role=\"cell\" class=\"status\">")
        .text(cut(&failure.invocation_status));
    cell(html, "Error code", &failure.error_code);
    cell(html, "Exit code", &failure.exit_code);
    cell(html, "Region", &scope.region_id);
    if with_account {
        cell(html, "Account", &scope.account);
    }
    html.markup("</td><td role=\"cell\" data-label=\"Instance\"><a class=\"id\" rel=\"noreferrer external\"")
        .attribute("href", console::url(&scope.region_id, bounded(&ids.instance_id)))
        .markup(">")
        .text(cut(&ids.instance_id))
        .markup("<span class=\"hidden\"> in the console of Alibaba Cloud</span></a>");
    if !ids.container_id.is_empty() {
        html.markup(" <code>")
            .text(cut(&ids.container_id))
            .markup("</code>");
    }
    html.markup("</td><td role=\"cell\" data-label=\"Invocation\"><code>")
        .text(cut(&ids.invoke_id))
        .markup("</code></td><td role=\"cell\" data-label=\"Command\">");
    if let Some(command) = failure.command.as_deref().filter(|name| !name.is_empty()) {
        let by_name = Filter {
            command: Some(bounded(command).to_owned()),
            ..filter.clone()
        };
        html.markup("<a")
            .attribute("href", format_args!("./?{}#failures", by_name.query()))
            .markup(">")
            .text(cut(command))
            .markup("</a> ");
    }
    if !ids.command_id.is_empty() {
        let of_command = Filter {
            command_id: Some(bounded(&ids.command_id).to_owned()),
            ..filter.clone()
        };
        html.markup("<a class=\"id\"")
            .attribute("href", format_args!("./?{}#failures", of_command.query()))
            .markup(">")
            .text(cut(&ids.command_id))
            .markup("</a>");
    }
    html.markup("</td></tr>\n");
}

/// Closes the cell before and begins one.
fn cell(html: &mut Html, label: &'static str, text: &str) {
    html.markup("</td><td role=\"cell\"");
    if label == "Exit code" {
        html.attribute("class", "number");
    }
    // On a phone what is empty takes no line.
    if !text.is_empty() {
        html.attribute("data-label", label);
    }
    html.markup(">").text(cut(text));
}

fn form(html: &mut Html, view: &View, asked: &Asked) {
    let filter = &asked.filter;
    html.markup(
        "<form method=\"get\" action=\"./#failures\" role=\"search\" aria-label=\"Filter the failures\">",
    );
    let accounts: BTreeSet<&str> = view.accounts.keys().map(|name| &**name).collect();
    if has_accounts(view, filter) {
        select(html, ("account", "Account"), &accounts, &filter.account);
    }
    let regions: BTreeSet<&str> = view.scopes.keys().map(|scope| &*scope.region_id).collect();
    select(html, ("region_id", "Region"), &regions, &filter.region_id);
    let known = KnownStatus::ALL.iter().map(|status| status.as_str());
    let of_failures = |text: fn(&ShownFailure) -> &str| {
        let counts = view.scopes.values().filter_map(|scope| scope.counts.as_ref());
        counts.flat_map(move |counts| counts.failures().map(text))
    };
    let statuses: BTreeSet<&str> = known
        .filter(|status| Kind::of(status) == Kind::Failure)
        .chain(of_failures(|failure| &failure.invocation_status))
        .filter(|status| !status.is_empty())
        .collect();
    select(
        html,
        ("invocation_status", "Status"),
        &statuses,
        &filter.invocation_status,
    );
    let codes: BTreeSet<&str> = of_failures(|failure| &failure.error_code)
        .filter(|code| !code.is_empty())
        .collect();
    select(html, ("error_code", "Error code"), &codes, &filter.error_code);
    html.markup("<label><span>Command id</span><input name=\"command_id\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\" placeholder=\"c-…\"")
        .attribute("value", filter.command_id.as_deref().unwrap_or_default())
        .markup("></label>");
    let is_named = |counts: &Arc<Counts>| counts.commands.is_some();
    let mut counts = view.scopes.values().filter_map(|scope| scope.counts.as_ref());
    if filter.command.is_some() || counts.any(is_named) {
        html.markup("<label><span>Command name</span><input name=\"command\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\"")
            .attribute("value", filter.command.as_deref().unwrap_or_default())
            .markup("></label>");
    }
    if asked.is_paused {
        html.markup("<input type=\"hidden\" name=\"refresh\" value=\"off\">");
    }
    html.markup("<div class=\"buttons\"><button>Filter</button>");
    if !filter.is_empty() {
        html.markup("<a class=\"button\"")
            .attribute("href", asked.link(&Filter::default(), 0))
            .markup(">Show all</a>");
    }
    html.markup("</div></form>\n");
}

fn select(
    html: &mut Html,
    (name, label): (&'static str, &'static str),
    choices: &BTreeSet<&str>,
    chosen: &Option<String>,
) {
    html.markup("<label><span>")
        .markup(label)
        .markup("</span><select")
        .attribute("name", name)
        .markup("><option value=\"\">any</option>");
    let chosen = chosen.as_deref();
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

fn pages(html: &mut Html, selection: &Selection<'_>, asked: &Asked) {
    let last = selection.offset + selection.failures.len();
    if selection.offset == 0 && last >= selection.total {
        return;
    }
    html.markup("<nav class=\"pages\" aria-label=\"Pages of failures\">");
    if selection.offset > 0 {
        let newer = selection.offset.saturating_sub(PAGE);
        html.markup("<a class=\"button\" rel=\"prev\"")
            .attribute("href", asked.link(&asked.filter, newer))
            .markup(">Newer</a>");
    }
    if last < selection.total {
        html.markup("<a class=\"button\" rel=\"next\"")
            .attribute("href", asked.link(&asked.filter, last))
            .markup(">Older</a>");
    }
    html.markup("</nav>\n");
}
