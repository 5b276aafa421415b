//! What is polled: how many scopes are in which state, and a row for each, problems first.

use std::collections::HashMap;

use super::asked::{FailuresAsked, HomeAsked as Asked};
use super::html::Html;
use super::show::{Number, cut};
use super::turn::{Turn, turn};
use super::{ROWS_ON_A_PAGE as ROWS, scope_row};
use crate::pages::bounded::bounded;
use crate::pages::overview::{Overview, Share, State};
use crate::view::ScopeView;

/// So many scopes with one and the same error are one row.
const FOLDED_FROM: usize = 3;

/// Among more scopes than these one has to be looked for.
const FOUND_FROM: usize = 10;

/// A row of the table.
pub(super) enum Entry<'a> {
    One(&'a ScopeView),
    /// Scopes that are down for the same reason.
    Alike(Vec<&'a ScopeView>),
}

/// The table of scopes.
pub(super) fn section(html: &mut Html, overview: &Overview<'_>, asked: &Asked) {
    html.markup("<section aria-labelledby=\"scopes\"><h2 id=\"scopes\">Regions</h2>\n");
    if overview.view.scopes.is_empty() {
        html.markup("<p class=\"empty\">No region is polled yet.</p></section>\n");
        return;
    }
    chips(html, overview, asked);
    let entries = entries(overview, asked);
    let pages = entries.len().div_ceil(ROWS).max(1);
    let page = asked.page.min(pages);
    if entries.is_empty() {
        html.markup("<p class=\"empty\">No region matches.</p></section>\n");
        return;
    }
    html.markup(
        "<div class=\"table\"><table role=\"table\" class=\"scopes\"><caption class=\"hidden\">What is polled, account by account and \
         region by region, problems first</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">\
         <th role=\"columnheader\" scope=\"col\">Region</th>\
         <th role=\"columnheader\" scope=\"col\">Account</th>\
         <th role=\"columnheader\" scope=\"col\">State</th>\
         <th role=\"columnheader\" scope=\"col\">Last 60 polls</th>\
         <th role=\"columnheader\" scope=\"col\">Last good poll</th>\
         <th role=\"columnheader\" scope=\"col\">Next poll</th>",
    );
    if overview.view.events.is_on() {
        html.markup("<th role=\"columnheader\" scope=\"col\">Last event</th>");
    }
    html.markup(
        "<th role=\"columnheader\" scope=\"col\">Results<small> of the window</small></th>\
         <th role=\"columnheader\" scope=\"col\" class=\"number\">Failed</th>\
         <th role=\"columnheader\" scope=\"col\" class=\"number\">Tracked</th>\
         <th role=\"columnheader\" scope=\"col\" class=\"number\">Open</th>\
         <th role=\"columnheader\" scope=\"col\" class=\"number\">Requests<small> last hour</small></th>\
         <th role=\"columnheader\" scope=\"col\" class=\"number\">Throttled<small> last hour</small></th>\
         </tr></thead>\n<tbody role=\"rowgroup\">\n",
    );
    let failures = FailuresAsked::all(asked.loading);
    for entry in entries.iter().skip((page - 1) * ROWS).take(ROWS) {
        match entry {
            Entry::One(scope) => scope_row::row(html, overview, scope, &failures),
            Entry::Alike(scopes) => scope_row::folded(html, overview, scopes, asked),
        }
    }
    html.markup("</tbody></table></div>");
    let at = Turn {
        of: "regions",
        before: "Previous",
        after: "Next",
        page,
        pages,
    };
    turn(html, &at, |page| asked.at(page));
    html.markup("</section>\n");
}

/// How many are in each state, each a link to those; and the form.
fn chips(html: &mut Html, overview: &Overview<'_>, asked: &Asked) {
    let all = overview.states.all();
    html.markup("<ul class=\"chips\" aria-label=\"Regions by state\">");
    let mut chip = |name: &'static str, state: Option<State>, count: usize| {
        let wanted = state.map(State::as_str);
        let link = Asked {
            state: wanted.map(str::to_owned),
            page: 1,
            ..asked.clone()
        };
        html.markup("<li><a class=\"chip\"")
            .attribute("href", link.link());
        if asked.state.as_deref() == wanted {
            html.markup(" aria-current=\"true\"");
        }
        html.markup(">")
            .text(name)
            .markup(" <b>")
            .text(Number(count as u64))
            .markup("</b></a></li>");
    };
    chip("All", None, all);
    for (state, count) in overview.states.each() {
        if count > 0 || asked.state.as_deref() == Some(state.as_str()) {
            chip(scope_row::name(state), Some(state), count);
        }
    }
    html.markup("</ul>\n");
    form(html, asked, all);
}

fn form(html: &mut Html, asked: &Asked, all: usize) {
    if !asked.loading.is_open {
        if let Some(find) = &asked.find {
            let link = Asked {
                find: None,
                page: 1,
                ..asked.clone()
            };
            html.markup("<p class=\"filters\">With <strong>")
                .text(cut(find))
                .markup("</strong> in region, account or error <a")
                .attribute("href", link.link())
                .markup(">all regions</a></p>");
        }
        if all > FOUND_FROM {
            html.markup("<p class=\"screen\"><a class=\"button\"")
                .attribute("href", asked.loaded(asked.loading.toggled()))
                .markup(">Find a region…</a></p>\n");
        }
        return;
    }
    html.markup("<form method=\"get\" action=\"./\" role=\"search\" aria-label=\"Find a region\"><label><span>Region, account or error has</span><input name=\"find\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\" maxlength=\"200\"")
        .attribute("value", asked.find.as_deref().unwrap_or_default())
        .markup("></label>");
    if let Some(state) = &asked.state {
        html.markup("<input type=\"hidden\" name=\"state\"")
            .attribute("value", state)
            .markup(">");
    }
    if asked.loading.is_paused {
        html.markup("<input type=\"hidden\" name=\"refresh\" value=\"off\">");
    }
    html.markup("<div class=\"buttons\"><button>Find</button><a class=\"button\"")
        .attribute("href", asked.loaded(asked.loading.toggled()))
        .markup(">Close</a></div></form>\n");
}

/// The rows that are asked for, problems first.
pub(super) fn entries<'a>(overview: &Overview<'a>, asked: &Asked) -> Vec<Entry<'a>> {
    let find = asked.find.as_deref().map(str::to_lowercase);
    let scopes = overview.view.scopes.values().map(|scope| &**scope);
    let mut scopes: Vec<(State, bool, &ScopeView)> = scopes
        .filter(|scope| find.as_deref().is_none_or(|find| has(scope, find)))
        .map(|scope| {
            let is_well = Share::of_scope(scope).failed == 0;
            (overview.state(scope), is_well, scope)
        })
        .filter(|(state, ..)| {
            asked
                .state
                .as_deref()
                .is_none_or(|wanted| state.as_str() == wanted)
        })
        .collect();
    // A stable sort: then by account and region, as they come.
    scopes.sort_by_key(|(state, is_well, _)| (*state, *is_well));
    // Who looks for one wants to see it apart.
    let is_folded = find.is_none();
    let mut entries: Vec<Entry<'_>> = Vec::new();
    // Where the row of an error is; scopes that are down stand together.
    let mut alike: HashMap<KindOfError<'_>, usize> = HashMap::new();
    for (_, _, scope) in scopes {
        match kind_of_error(scope).filter(|_| is_folded) {
            Some(kind) => {
                let place = *alike.entry(kind).or_insert(entries.len());
                match entries.get_mut(place) {
                    Some(Entry::Alike(scopes)) => scopes.push(scope),
                    _ => entries.push(Entry::Alike(vec![scope])),
                }
            }
            None => entries.push(Entry::One(scope)),
        }
    }
    let unfolded = entries.into_iter().flat_map(|entry| match entry {
        Entry::Alike(scopes) if scopes.len() < FOLDED_FROM => scopes.into_iter().map(Entry::One).collect(),
        entry => vec![entry],
    });
    unfolded.collect()
}

fn has(scope: &ScopeView, find: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(find);
    let error = scope.error.as_ref();
    has(&scope.scope.region_id)
        || has(&scope.scope.account)
        || error.is_some_and(|error| {
            has(bounded(&error.what)) || has(error.reason.as_str()) || error.code.as_deref().is_some_and(has)
        })
}

/// The reason, the code, and what happened.
type KindOfError<'a> = (&'static str, Option<&'a str>, String);

/// What is the same of errors that differ in nothing but their scopes.
fn kind_of_error(scope: &ScopeView) -> Option<KindOfError<'_>> {
    let last = scope.last_poll.filter(|last| !last.up);
    let error = scope.error.as_ref().filter(|_| last.is_some())?;
    let what = bounded(&error.what).replace(&*scope.scope.region_id, "…");
    Some((error.reason.as_str(), error.code.as_deref(), what))
}
