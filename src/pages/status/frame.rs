//! What both pages have around them: the tab, the header with its two badges, and where else to go.

use super::STYLE;
use super::asked::{FailuresAsked, HomeAsked, Loading};
use super::html::Html;
use super::show::{Number, Percent, Span, cut};
use crate::pages::overview::{Health, Overview};
use crate::timestamp;
use crate::version::{REVISION, VERSION};

/// What is the same of every page.
#[derive(Debug, Clone, Copy)]
pub(in crate::pages) struct Frame<'a> {
    pub(in crate::pages) telemetry_path: &'a str,
    pub(in crate::pages) refresh_seconds: u32,
    /// The name of the machine.
    pub(in crate::pages) host: &'a str,
}

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Home,
    Failures,
}

/// Whether the page is loaded again, and the link that changes it.
#[derive(Debug)]
pub(super) struct Refresh {
    loading: Loading,
    /// Begins it where it is stopped, and the reverse.
    turn: String,
}

impl Refresh {
    pub(super) fn of(loading: Loading, turn: String) -> Self {
        Self { loading, turn }
    }
}

// The icon of the tab tells the state by its colour and its form.
const GOOD_ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='8' fill='%231a7f4b'/%3E%3Cpath d='M4 8l3 3 5-6' stroke='white' stroke-width='2' fill='none'/%3E%3C/svg%3E";
const BAD_ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='3' fill='%23c9302c'/%3E%3Cpath d='M4 4l8 8M12 4l-8 8' stroke='white' stroke-width='2'/%3E%3C/svg%3E";
const BUSY_ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='8' fill='%232f6fd0'/%3E%3Cpath d='M3 8h2M7 8h2M11 8h2' stroke='white' stroke-width='2'/%3E%3C/svg%3E";

/// Everything before the content.
pub(super) fn begin(
    html: &mut Html,
    overview: &Overview<'_>,
    frame: Frame<'_>,
    page: Page,
    refresh: &Refresh,
) {
    html.markup(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <link rel=\"icon\" type=\"image/svg+xml\" href=\"",
    )
    .markup(match overview.health {
        _ if overview.share.is_high() => BAD_ICON,
        Health::Degraded => BAD_ICON,
        Health::Ok => GOOD_ICON,
        Health::Starting | Health::Stopping => BUSY_ICON,
    })
    .markup("\"><title>");
    title(html, overview);
    html.markup(match page {
        Page::Home => "Cloud Assistant Exporter",
        Page::Failures => "Failures · Cloud Assistant Exporter",
    });
    if !frame.host.is_empty() {
        html.text(format_args!(" on {}", cut(frame.host)));
    }
    html.markup("</title>\n<style>").markup(STYLE).markup(
        "</style></head>\n<body><a class=\"skip\" href=\"#main\">Skip to the content</a>\n<header><div class=\"title\"><h1>",
    );
    html.markup("Cloud Assistant Exporter</h1>");
    badges(html, overview);
    html.markup("</div>\n");
    facts(html, overview, frame, refresh);
    nav(html, frame, page, refresh.loading);
    html.markup("</header>\n");
    refused_reload(html, overview);
    html.markup("<main id=\"main\" tabindex=\"-1\">\n");
}

/// Everything behind the content.
pub(super) fn end(html: &mut Html) {
    html.markup("</main>\n</body></html>\n");
}

/// What is wrong, in as few words as a tab has room for.
fn title(html: &mut Html, overview: &Overview<'_>) {
    let states = overview.states;
    let mut words = Vec::new();
    if states.down > 0 {
        words.push(format!("{} down", Number(states.down as u64)));
    }
    if states.stale > 0 {
        words.push(format!("{} stale", Number(states.stale as u64)));
    }
    match overview.health {
        Health::Degraded if words.is_empty() => words.push("Degraded".to_owned()),
        Health::Starting => words.push("Starting".to_owned()),
        Health::Stopping => words.push("Stopping".to_owned()),
        Health::Ok | Health::Degraded => {}
    }
    let share = overview.share;
    if share.is_high() {
        words.push(format!(
            "{} failed",
            Percent {
                part: share.failed,
                whole: share.of
            }
        ));
    }
    if !words.is_empty() {
        html.text(words.join(", ")).text(" · ");
    }
}

/// Two badges: whether it is polled, and how it ends.
fn badges(html: &mut Html, overview: &Overview<'_>) {
    let states = overview.states;
    html.markup("<ul class=\"badges\"><li>Polling <span class=\"badge ")
        .markup(match overview.health {
            Health::Ok => "good\">",
            Health::Degraded => "bad\">",
            Health::Starting | Health::Stopping => "busy\">",
        });
    match (overview.health, states.all()) {
        (Health::Stopping, _) => html.text("stopping"),
        (_, 0) => html.text("no region yet"),
        (_, all) => html.text(format_args!(
            "{} of {} current",
            Number(states.up as u64),
            Number(all as u64)
        )),
    };
    html.markup("</span></li><li>Results <span class=\"badge ");
    let share = overview.share;
    match (share.failed, share.of) {
        (_, 0) => html.markup("none\">").text("none yet"),
        (0, _) => html.markup("good\">").text("none failed"),
        (failed, of) => html
            .markup(if share.is_high() { "bad\">" } else { "some\">" })
            .text(Percent {
                part: failed,
                whole: of,
            })
            .text(" failed"),
    };
    html.markup("</span></li></ul>\n<p class=\"health\">");
    for (place, remark) in overview.remarks.iter().take(10).enumerate() {
        html.text(if place > 0 { " " } else { "" }).text(cut(remark));
    }
    if share.of > 0 {
        html.text(format_args!(
            " {} of {} results failed in the window.",
            Number(share.failed),
            Number(share.of)
        ));
    }
    html.markup("</p>");
}

fn facts(html: &mut Html, overview: &Overview<'_>, frame: Frame<'_>, refresh: &Refresh) {
    html.markup("<dl>");
    if !frame.host.is_empty() {
        html.markup("<div><dt>Host</dt><dd>")
            .text(cut(frame.host))
            .markup("</dd></div>");
    }
    html.markup("<div><dt>Version</dt><dd")
        .attribute("title", format_args!("revision {REVISION}"))
        .markup(">")
        .text(VERSION)
        .markup("</dd></div><div><dt>Uptime</dt><dd><time")
        .attribute("datetime", format_args!("PT{}S", overview.uptime.as_secs()))
        .attribute(
            "title",
            format_args!("since {}", timestamp::show(overview.started)),
        )
        .markup(">")
        .text(Span(overview.uptime.as_secs()))
        .markup("</time></dd></div><div><dt>As of</dt><dd><time")
        .attribute("datetime", timestamp::rfc3339(overview.now))
        .markup(">")
        .text(timestamp::show(overview.now))
        .markup("</time></dd></div><div class=\"screen\"><dt>Refresh</dt><dd>");
    match refresh.loading {
        Loading { is_open: true, .. } => html.markup("paused while the form is open"),
        Loading { is_paused: true, .. } => html
            .markup("paused · <a")
            .attribute("href", &refresh.turn)
            .markup(">resume</a>"),
        _ => html
            .text(format_args!("every {} s", frame.refresh_seconds))
            .markup(" · <a")
            .attribute("href", &refresh.turn)
            .markup(">pause</a>"),
    };
    html.markup("</dd></div></dl>\n");
}

fn nav(html: &mut Html, frame: Frame<'_>, page: Page, loading: Loading) {
    html.markup("<nav aria-label=\"Pages\"><ul><li><a")
        .attribute("href", HomeAsked::all(loading).link())
        .markup(if page == Page::Home {
            " aria-current=\"page\""
        } else {
            ""
        })
        .markup(">Status</a></li><li><a")
        .attribute("href", FailuresAsked::all(loading).link())
        .markup(if page == Page::Failures {
            " aria-current=\"page\""
        } else {
            ""
        })
        .markup(">Failures</a></li><li><a")
        .attribute("href", format_args!(".{}", frame.telemetry_path))
        .markup(
            ">Metrics</a></li><li><a href=\"./api/v1/status\">Status as JSON</a></li>\
             <li><a href=\"./api/v1/failures\">Failures as JSON</a></li>\
             <li><a href=\"./-/ready\">Ready</a></li><li><a href=\"./-/healthy\">Healthy</a></li></ul></nav>",
        );
}

fn refused_reload(html: &mut Html, overview: &Overview<'_>) {
    let Some(refused) = &overview.view.refused_reload else {
        return;
    };
    html.markup("<div class=\"notice\" role=\"status\"><p><strong>The configuration was not taken</strong> when it was last read, ");
    super::show::relative_time(html, refused.at, overview.now);
    html.markup("; the one before is in force:</p><pre>")
        .text(cut(&refused.reason))
        .markup("</pre></div>\n");
}
