//! What fails most: by code, by command, and by instance.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::asked::FailuresAsked as Asked;
use super::html::Html;
use super::show::{Number, cut};
use crate::pages::bounded::bounded;
use crate::pages::filter::{Filter, Found};
use crate::pages::groups::{By, groups};
use crate::pages::overview::Overview;
use crate::result::StatusKind;

/// So many of each are shown.
const MOST: usize = 8;

/// One row: what it is called, the filter that finds it, and how many.
struct Row {
    name: String,
    filter: Filter,
    count: u64,
}

/// Three tables side by side; none where nothing has failed.
pub(super) fn section(html: &mut Html, overview: &Overview<'_>, asked: &Asked, found: &[Found<'_>]) {
    if found.is_empty() {
        return;
    }
    html.markup(
        "<section aria-labelledby=\"most\"><h2 id=\"most\">What fails most</h2>\n<div class=\"columns-3\">",
    );
    let (note, codes) = match asked.filter.is_of_scopes() {
        true => ("exact, of the window", exact_codes(overview, &asked.filter)),
        false => ("of what is kept and matches", kept_codes(asked, found)),
    };
    table(html, asked, ("Error and exit code", note), &codes);
    let of_kept = |by: By| {
        let all = groups(found, by)
            .into_iter()
            .filter(|group| !group.value.is_empty());
        let rows = all.take(MOST).map(|group| {
            // A command without a name stands with its id.
            let name = match by {
                By::Command if found.iter().any(|(_, one)| one.command == Some(group.value)) => "command",
                By::Command => "command_id",
                by => by.as_str(),
            };
            Row {
                name: bounded(group.value).to_owned(),
                filter: asked.filter.with(name, bounded(group.value)),
                count: group.count as u64,
            }
        });
        rows.collect::<Vec<Row>>()
    };
    table(html, asked, ("Command", "of what is kept"), &of_kept(By::Command));
    table(
        html,
        asked,
        ("Instance", "of what is kept"),
        &of_kept(By::Instance),
    );
    html.markup("</div></section>\n");
}

fn table(html: &mut Html, asked: &Asked, (name, note): (&'static str, &'static str), rows: &[Row]) {
    html.markup("<table role=\"table\" class=\"most\"><caption class=\"hidden\">What fails most, by ")
        .text(name)
        .markup("</caption><thead role=\"rowgroup\"><tr role=\"row\"><th role=\"columnheader\" scope=\"col\">")
        .text(name)
        .markup("<small> ")
        .text(note)
        .markup(
            "</small></th><th role=\"columnheader\" scope=\"col\" class=\"number\">Failures</th></tr></thead><tbody role=\"rowgroup\">",
        );
    for row in rows {
        html.markup("<tr role=\"row\"><th role=\"rowheader\" scope=\"row\"><a")
            .attribute("href", asked.with(row.filter.clone()))
            .markup(">")
            .text(cut(&row.name))
            .markup("</a></th><td role=\"cell\" class=\"number\">")
            .text(Number(row.count))
            .markup("</td></tr>");
    }
    html.markup("</tbody></table>");
}

/// InvocationStatus, ErrorCode and ExitCode, as a name and a filter.
fn code(asked: &Filter, (status, error_code, exit_code): (&str, &str, &str), count: u64) -> Row {
    let name = [status, error_code, exit_code];
    let name: Vec<&str> = name.into_iter().filter(|text| !text.is_empty()).collect();
    let filter = asked.with("invocation_status", bounded(status));
    Row {
        name: name.join(" "),
        filter: filter.with("error_code", bounded(error_code)),
        count,
    }
}

fn rows(filter: &Filter, sums: BTreeMap<(&str, &str, &str), u64>) -> Vec<Row> {
    let mut rows: Vec<Row> = sums
        .into_iter()
        .map(|(codes, count)| code(filter, codes, count))
        .collect();
    rows.sort_by_key(|row| Reverse(row.count));
    rows.truncate(MOST);
    rows
}

fn exact_codes(overview: &Overview<'_>, filter: &Filter) -> Vec<Row> {
    let mut sums = BTreeMap::new();
    let scopes = overview
        .view
        .scopes
        .iter()
        .filter(|(scope, _)| filter.matches_scope(scope));
    let counts = scopes.filter_map(|(_, scope)| scope.counts.as_ref());
    for total in counts.flat_map(|counts| counts.recent()) {
        if total.value > 0 && StatusKind::of_text(total.invocation_status) == StatusKind::Failure {
            let key = (total.invocation_status, total.error_code, total.exit_code);
            *sums.entry(key).or_insert(0) += total.value;
        }
    }
    rows(filter, sums)
}

fn kept_codes(asked: &Asked, found: &[Found<'_>]) -> Vec<Row> {
    let mut sums = BTreeMap::new();
    for (_, failure) in found {
        let key = (failure.invocation_status, failure.error_code, failure.exit_code);
        *sums.entry(key).or_insert(0) += 1;
    }
    rows(&asked.filter, sums)
}
