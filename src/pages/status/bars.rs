//! How results have ended lately, as bars.

use std::collections::BTreeMap;

use super::asked::FailuresAsked;
use super::codes::of_window;
use super::html::Html;
use super::show::{Number, Percent, cut};
use crate::pages::filter::Filter;
use crate::pages::overview::Overview;
use crate::result::StatusKind;

/// Shown even where there are none.
const ALWAYS: [&str; 2] = ["Success", "Failed"];

/// Of each status so many of its most frequent codes are shown.
const MAX_CODES: usize = 3;

/// No result has more statuses than the known ones, and 20 unknown ones of each scope.
const MAX_ROWS: usize = 50;

/// The distribution of InvocationStatus.
pub(super) fn section(html: &mut Html, overview: &Overview<'_>, failures: &FailuresAsked) {
    let recent = &overview.recent;
    let whole: u64 = recent.values().sum();
    let mut shown: Vec<(&str, u64)> = recent
        .iter()
        .map(|(status, count)| (*status, *count))
        .filter(|(status, count)| *count > 0 || ALWAYS.contains(status))
        .collect();
    shown.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    html.markup("<section aria-labelledby=\"results\"><h2 id=\"results\">By status</h2>\n");
    if shown.is_empty() {
        html.markup("<p class=\"empty\">Nothing has been read yet.</p></section>\n");
        return;
    }
    html.markup(
        "<div class=\"table\"><table role=\"table\" class=\"bars\"><caption>By InvocationStatus, of all regions together: ",
    )
    .text(Number(whole))
    .markup(
        " results</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">\
         <th role=\"columnheader\" scope=\"col\">Status</th>\
         <th role=\"columnheader\" scope=\"col\" class=\"number\">Results</th>\
         <th role=\"columnheader\" scope=\"col\" class=\"number\">Share</th>\
         <td role=\"cell\"></td>\
         <th role=\"columnheader\" scope=\"col\">Most frequent codes</th>\
         </tr></thead>\n<tbody role=\"rowgroup\">\n",
    );
    let codes = codes(overview);
    for (status, count) in shown.iter().take(MAX_ROWS) {
        let codes = codes.get(status).map(Vec::as_slice).unwrap_or_default();
        let link = failures.with(Filter::default().with("invocation_status", status));
        row(html, (status, *count, whole), codes, link);
    }
    html.markup("</tbody></table></div></section>\n");
}

/// ErrorCode, ExitCode and how many.
type Code<'a> = (&'a str, &'a str, u64);

fn row(html: &mut Html, (status, count, whole): (&str, u64, u64), codes: &[Code<'_>], link: String) {
    let kind = StatusKind::of_text(status);
    html.markup("<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">");
    let is_kept = !matches!(kind, StatusKind::Success | StatusKind::Open);
    let name = cut(if status.is_empty() { "(none)" } else { status });
    if is_kept && count > 0 {
        html.markup("<a")
            .attribute("href", link)
            .markup(">")
            .text(name)
            .markup("</a>");
    } else {
        html.text(name);
    }
    html.markup("</th><td role=\"cell\" class=\"number\">")
        .text(Number(count))
        .markup("</td><td role=\"cell\" class=\"number\">")
        .text(Percent { part: count, whole })
        .markup("</td><td role=\"cell\" class=\"bar\">")
        .markup("<svg aria-hidden=\"true\" focusable=\"false\" width=\"100%\" height=\"12\">")
        .markup("<rect class=\"track\" width=\"100%\" height=\"12\" rx=\"3\"/>");
    if count > 0 {
        // So that one in a million can be seen.
        let percent = (count as f64 * 100.0 / whole.max(1) as f64).max(0.5);
        html.markup(match kind {
            StatusKind::Success => "<rect class=\"good\" height=\"12\" rx=\"3\"",
            StatusKind::Open => "<rect class=\"busy\" height=\"12\" rx=\"3\"",
            StatusKind::Failure => "<rect class=\"bad\" height=\"12\" rx=\"3\"",
            StatusKind::Ended => "<rect class=\"ended\" height=\"12\" rx=\"3\"",
            StatusKind::Unknown => "<rect class=\"unknown\" height=\"12\" rx=\"3\"",
        })
        .attribute("width", format_args!("{percent:.2}%"))
        .markup("/>");
    }
    html.markup("</svg></td><td role=\"cell\" class=\"codes\">");
    for (place, (error_code, exit_code, count)) in codes.iter().take(MAX_CODES).enumerate() {
        html.markup(if place > 0 { "; <b>" } else { "<b>" });
        html.text(Number(*count)).markup("</b> × ");
        html.text(cut(if error_code.is_empty() {
            "no code"
        } else {
            error_code
        }));
        if !exit_code.is_empty() {
            html.text(" ").text(cut(exit_code));
        }
    }
    html.markup("</td></tr>\n");
}

/// The codes of what did not succeed by status, the most frequent first.
fn codes<'a>(overview: &Overview<'a>) -> BTreeMap<&'a str, Vec<Code<'a>>> {
    let scopes = overview.view.scopes.values().map(|scope| &**scope);
    let of_window = of_window(scopes, |kind| {
        matches!(kind, StatusKind::Failure | StatusKind::Unknown)
    });
    let mut codes: BTreeMap<&str, Vec<Code<'_>>> = BTreeMap::new();
    for ((status, error_code, exit_code), count) in of_window {
        // A status that never has codes needs no words about them.
        if !(error_code.is_empty() && exit_code.is_empty()) {
            let of_status = codes.entry(status).or_default();
            of_status.push((error_code, exit_code, count));
        }
    }
    codes
}
