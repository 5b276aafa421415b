//! The window as a picture: how many results of each kind there were when, and the same in words.

use super::asked::FailuresAsked;
use super::html::Html;
use super::show::{Number, Span};
use crate::pages::overview::Overview;
use crate::record::{COLUMNS, Column};
use crate::result::Seconds;
use crate::timestamp;
use crate::view::ScopeView;

/// Width and height of a column in the picture's own units.
const WIDTH: u32 = 30;
const HEIGHT: u32 = 100;

/// The window of some scopes in columns; the first one has begun before the window.
#[derive(Debug)]
pub(super) struct Columns {
    /// Seconds that each is for.
    pub(super) width: u32,
    /// Its number since the epoch.
    first: u32,
    pub(super) columns: Vec<Column>,
    /// Results from before the first column, of scopes that are behind.
    pub(super) before: u64,
    /// Results whose time is not their own.
    pub(super) undated: u64,
}

impl Columns {
    /// Of these scopes, up to now.
    pub(super) fn of<'a>(overview: &Overview<'_>, scopes: impl IntoIterator<Item = &'a ScopeView>) -> Self {
        let mut columns = Self {
            width: 0,
            first: 0,
            columns: vec![Column::default(); COLUMNS as usize + 1],
            before: 0,
            undated: 0,
        };
        for scope in scopes {
            let Some(counts) = &scope.counts else { continue };
            let timeline = &counts.timeline;
            if columns.width == 0 {
                columns.width = timeline.width;
                columns.first = (overview.now / timeline.width).saturating_sub(COLUMNS);
            }
            columns.undated += timeline.undated;
            for (place, column) in &timeline.columns {
                // Another width only while a new window comes into force.
                let begin = u64::from(*place) * u64::from(timeline.width);
                columns.take(begin, *column);
            }
        }
        columns
    }

    fn take(&mut self, begin: u64, column: Column) {
        let place = (begin / u64::from(self.width)) as u32;
        let last = self.columns.len() - 1;
        match place.checked_sub(self.first) {
            // The clock of the API may be ahead.
            Some(place) => self.columns[(place as usize).min(last)].add(column),
            None => {
                // What is open is in the window whatever its age.
                let open = Column {
                    open: column.open,
                    ..Column::default()
                };
                self.columns[0].add(open);
                self.before += column.sum() - u64::from(column.open);
            }
        }
    }

    /// All of them.
    pub(super) fn sum(&self) -> Column {
        let mut sum = Column::default();
        for column in &self.columns {
            sum.add(*column);
        }
        sum
    }

    /// How many results the column with most of them has.
    pub(super) fn most(&self) -> u64 {
        self.columns
            .iter()
            .map(|column| column.sum())
            .max()
            .unwrap_or(0)
            .max(1)
    }

    fn begin(&self, place: usize) -> Seconds {
        (self.first + place as u32).saturating_mul(self.width)
    }
}

/// The picture of the scopes that are asked for. What else is asked for is kept in the links.
pub(super) fn section(html: &mut Html, overview: &Overview<'_>, failures: &FailuresAsked) {
    let scopes = overview
        .view
        .scopes
        .iter()
        .filter(|(scope, _)| failures.filter.matches_scope(scope));
    let columns = Columns::of(overview, scopes.map(|(_, scope)| &**scope));
    html.markup("<section aria-labelledby=\"timeline\"><h2 id=\"timeline\">Results");
    if let Some(window) = window(overview) {
        html.text(format_args!(" of the last {window}"));
    }
    html.markup("</h2>\n");
    if columns.width == 0 {
        html.markup("<p class=\"empty\">Nothing has been read yet.</p></section>\n");
        return;
    }
    legend(html, columns.sum());
    picture(html, &columns, failures);
    axis(html, &columns);
    notes(html, &columns);
    words(html, &columns, failures);
    html.markup("</section>\n");
}

fn legend(html: &mut Html, sum: Column) {
    let kinds = [
        ("bad", "failed", sum.failed),
        ("ended", "cancelled or terminated", sum.ended),
        ("good", "succeeded", sum.success),
        ("busy", "open", sum.open),
        ("unknown", "with a status that is not known", sum.unknown),
    ];
    let shown = if sum.unknown > 0 { 5 } else { 4 };
    html.markup("<ul class=\"legend\">");
    for (class, name, count) in kinds.into_iter().take(shown) {
        html.markup("<li><svg class=\"key\" aria-hidden=\"true\" viewBox=\"0 0 10 10\"><rect width=\"10\" height=\"10\" rx=\"2\"")
            .attribute("class", class)
            .markup("/></svg><b>")
            .text(Number(u64::from(count)))
            .markup("</b> ")
            .text(name)
            .markup("</li>");
    }
    html.markup("</ul>\n");
}

fn picture(html: &mut Html, columns: &Columns, failures: &FailuresAsked) {
    let width = columns.columns.len() as u32 * WIDTH;
    html.markup("<svg role=\"group\" class=\"timeline\" preserveAspectRatio=\"none\"")
        .attribute("viewBox", format_args!("0 0 {width} {HEIGHT}"))
        .attribute(
            "aria-label",
            "Results over time; columns with failures are links to them",
        )
        .markup(">");
    let most = columns.most();
    for (place, column) in columns.columns.iter().enumerate() {
        let (begin, end) = (columns.begin(place), columns.begin(place + 1));
        let label = label(begin, end, *column);
        let is_link = has_kept(*column);
        if is_link {
            html.markup("<a")
                .attribute("href", failures.with(failures.filter.between(begin, end)))
                .attribute("aria-label", &label)
                .markup(">");
        } else {
            html.markup("<g>");
        }
        html.markup("<title>").text(&label).markup("</title>");
        let x = place as u32 * WIDTH;
        rect(html, "hit", (x, 0), HEIGHT);
        bars(html, x, *column, most);
        html.markup(if is_link { "</a>" } else { "</g>" });
    }
    html.markup("</svg>");
}

/// Whether there is anything in a column that is kept as a failure: what has settled and is not Success.
fn has_kept(column: Column) -> bool {
    column.failed > 0 || column.ended > 0 || column.unknown > 0
}

/// The kinds of a column, one on the other.
fn bars(html: &mut Html, x: u32, column: Column, most: u64) {
    // One failure in thousands is seen, whatever else there is.
    let kinds = [
        ("bad", column.failed, 5),
        ("ended", column.ended, 2),
        ("unknown", column.unknown, 2),
        ("busy", column.open, 2),
        ("good", column.success, 2),
    ];
    let mut top = HEIGHT;
    for (class, count, least) in kinds {
        if count > 0 {
            let height = (u64::from(count) * u64::from(HEIGHT - 13) / most) as u32;
            let height = height.max(least).min(top);
            top -= height;
            rect(html, class, (x, top), height);
        }
    }
}

fn rect(html: &mut Html, class: &'static str, (x, y): (u32, u32), height: u32) {
    html.markup("<rect")
        .attribute("class", class)
        .attribute("x", x + 1)
        .attribute("y", y)
        .attribute("width", WIDTH - 2)
        .attribute("height", height)
        .markup("/>");
}

/// Times below the picture.
fn axis(html: &mut Html, columns: &Columns) {
    html.markup("<div class=\"axis\" aria-hidden=\"true\">");
    let last = columns.columns.len();
    for place in [0, last / 4, last / 2, last * 3 / 4, last] {
        html.markup("<span>")
            .text(short(columns.begin(place)))
            .markup("</span>");
    }
    html.markup("</div>\n");
}

/// `01-02 03:04`.
fn short(time: Seconds) -> String {
    let shown = timestamp::show(time);
    shown.get(5..16).unwrap_or_default().to_owned()
}

fn label(begin: Seconds, end: Seconds, column: Column) -> String {
    let mut label = format!(
        "{} to {} UTC: {} failed, {} cancelled or terminated, {} succeeded, {} open",
        short(begin),
        short(end),
        Number(u64::from(column.failed)),
        Number(u64::from(column.ended)),
        Number(u64::from(column.success)),
        Number(u64::from(column.open))
    );
    if column.unknown > 0 {
        label += &format!(
            ", {} with a status that is not known",
            Number(u64::from(column.unknown))
        );
    }
    label
}

/// What the columns cannot show.
fn notes(html: &mut Html, columns: &Columns) {
    if columns.undated > 0 {
        html.markup("<p class=\"detail\">")
            .text(Number(columns.undated))
            .markup(" of them have no time of their own: they stand where their neighbours in the list are, or when they were first seen.</p>");
    }
    if columns.before > 0 {
        html.markup("<p class=\"detail\">")
            .text(Number(columns.before))
            .markup(" more are older than the picture: their regions are behind.</p>");
    }
}

/// The same in words.
fn words(html: &mut Html, columns: &Columns, failures: &FailuresAsked) {
    html.markup(
        "<details class=\"screen\"><summary>The same as a table</summary><div class=\"table\"><table role=\"table\" class=\"columns\"><caption class=\"hidden\">Results over time</caption>\
         <thead role=\"rowgroup\"><tr role=\"row\"><th role=\"columnheader\" scope=\"col\">From (UTC)</th>\
         <th role=\"columnheader\" scope=\"col\" class=\"number\">Failed</th>\
         <th role=\"columnheader\" scope=\"col\" class=\"number\">Cancelled, terminated</th>\
         <th role=\"columnheader\" scope=\"col\" class=\"number\">Succeeded</th>\
         <th role=\"columnheader\" scope=\"col\" class=\"number\">Open</th>",
    );
    let with_unknown = columns.sum().unknown > 0;
    if with_unknown {
        html.markup("<th role=\"columnheader\" scope=\"col\" class=\"number\">Status not known</th>");
    }
    html.markup("</tr></thead><tbody role=\"rowgroup\">\n");
    for (place, column) in columns.columns.iter().enumerate().rev() {
        if column.sum() == 0 {
            continue;
        }
        let (begin, end) = (columns.begin(place), columns.begin(place + 1));
        html.markup("<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">");
        // Not one of the numbers: it leads to all that did not succeed.
        let is_link = has_kept(*column);
        if is_link {
            html.markup("<a")
                .attribute("href", failures.with(failures.filter.between(begin, end)))
                .markup(">");
        }
        html.markup("<time")
            .attribute("datetime", timestamp::rfc3339(begin))
            .markup(">")
            .text(short(begin))
            .markup(if is_link {
                "</time></a></th>"
            } else {
                "</time></th>"
            });
        let counts = [
            ("Failed", column.failed),
            ("Cancelled, terminated", column.ended),
            ("Succeeded", column.success),
            ("Open", column.open),
            ("Status not known", column.unknown),
        ];
        for (name, count) in counts.into_iter().take(if with_unknown { 5 } else { 4 }) {
            html.markup("<td role=\"cell\" class=\"number\"")
                .attribute("data-label", name)
                .markup(">")
                .text(Number(u64::from(count)))
                .markup("</td>");
        }
        html.markup("</tr>\n");
    }
    html.markup("</tbody></table></div></details>");
}

/// How long the results on this page look back.
fn window(overview: &Overview<'_>) -> Option<Span> {
    let windows = overview.view.scopes.values();
    let counts = windows.filter_map(|scope| scope.counts.as_ref());
    counts.map(|counts| Span(u64::from(counts.window))).next()
}
