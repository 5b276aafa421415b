//! Small pictures in a row of a table: one path of each colour.

use std::fmt::Write;

use super::html::Html;
use super::show::{Number, cut};
use super::timeline::Columns;
use crate::pages::overview::Overview;
use crate::view::{Outcomes, ScopeView};

/// The height of a picture in its own units.
const HEIGHT: u32 = 16;

/// How the last polls have ended: a bar for each, the newest at the right; those that failed are higher.
pub(super) fn outcomes(html: &mut Html, outcomes: Outcomes) {
    let known = outcomes.iter().len();
    if known == 0 {
        html.markup("<span class=\"none\">none yet</span>");
        return;
    }
    let (mut well, mut failed) = (String::new(), String::new());
    let mut failures = 0;
    let first = usize::from(Outcomes::MOST) - known;
    for (place, has_failed) in outcomes.iter().enumerate() {
        let x = 2 * (first + place);
        if has_failed {
            failures += 1;
            bar(&mut failed, x, HEIGHT, 0);
        } else {
            bar(&mut well, x, HEIGHT / 2, 0);
        }
    }
    html.markup("<svg role=\"img\" class=\"small\" viewBox=\"0 0 120 16\" preserveAspectRatio=\"none\"")
        .attribute(
            "aria-label",
            format_args!("{failures} of the last {known} polls failed"),
        )
        .markup(">");
    path(html, "good", &well);
    path(html, "bad", &failed);
    html.markup("</svg>");
}

/// How many results there were in each column of the window, and how many of those failed.
pub(super) fn results(html: &mut Html, overview: &Overview<'_>, scope: &ScopeView) {
    let columns = Columns::of(overview, [scope]);
    let sum = columns.sum();
    if sum.sum() == 0 {
        html.markup("<span class=\"none\">none</span>");
        return;
    }
    let most = columns.most();
    let (mut rest, mut failed) = (String::new(), String::new());
    for (place, column) in columns.columns.iter().enumerate() {
        let height = |count: u64, least: u32| match count {
            0 => 0,
            count => ((count * u64::from(HEIGHT)).div_ceil(most) as u32).clamp(least, HEIGHT),
        };
        // A single failure among thousands is seen.
        let bad = height(u64::from(column.failed), 4);
        let others = height(column.sum() - u64::from(column.failed), 1).min(HEIGHT - bad);
        bar(&mut failed, 2 * place, bad, 0);
        bar(&mut rest, 2 * place, others, bad);
    }
    html.markup("<svg role=\"img\" class=\"small\" viewBox=\"0 0 66 16\" preserveAspectRatio=\"none\"")
        .attribute(
            "aria-label",
            format_args!(
                "Results of {}: {} failed, {} succeeded, {} open",
                cut(&scope.scope.region_id),
                Number(u64::from(sum.failed)),
                Number(u64::from(sum.success)),
                Number(u64::from(sum.open))
            ),
        )
        .markup(">");
    path(html, "rest", &rest);
    path(html, "bad", &failed);
    html.markup("</svg>");
}

/// Adds a bar of so much height that stands on another.
fn bar(path: &mut String, x: usize, height: u32, on: u32) {
    if height > 0 {
        let bottom = HEIGHT - on;
        // Writing to memory does not fail.
        let _ = write!(path, "M{x} {bottom}v-{height}h1.5v{height}z");
    }
}

fn path(html: &mut Html, class: &'static str, path: &str) {
    if !path.is_empty() {
        html.markup("<path")
            .attribute("class", class)
            .attribute("d", path)
            .markup("/>");
    }
}
