//! What fails most: by code, by command, and by instance.

use super::asked::FailuresAsked as Asked;
use super::codes::{Codes, of_failures, of_window};
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
        true => {
            let scopes = overview.view.scopes.iter();
            let matching = scopes.filter(|(scope, _)| asked.filter.matches_scope(scope));
            let matching = matching.map(|(_, scope)| &**scope);
            let codes = of_window(matching, |kind| kind == StatusKind::Failure);
            ("exact, of the window", codes)
        }
        false => ("of what is kept and matches", of_failures(found)),
    };
    let rows = codes.into_iter().take(MOST);
    let codes: Vec<Row> = rows
        .map(|(codes, count)| code(&asked.filter, codes, count))
        .collect();
    table(html, asked, ("Error and exit code", note), &codes);
    let of_kept = |by: By| {
        let all = groups(found, by)
            .into_iter()
            .filter(|group| !group.value.is_empty());
        let rows = all.take(MOST).map(|group| Row {
            name: bounded(group.value).to_owned(),
            filter: asked.filter.with(by.as_str(), bounded(group.value)),
            count: group.count as u64,
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
fn code(asked: &Filter, (status, error_code, exit_code): Codes<'_>, count: u64) -> Row {
    let name = [status, error_code, exit_code];
    let name: Vec<&str> = name.into_iter().filter(|text| !text.is_empty()).collect();
    let filter = asked.with("invocation_status", bounded(status));
    let filter = filter.with("error_code", bounded(error_code));
    Row {
        name: match name.is_empty() {
            true => "(none)".to_owned(),
            false => name.join(" "),
        },
        filter: filter.with("exit_code", bounded(exit_code)),
        count,
    }
}
