//! `/`: whether it is working, and what is failing, at a look.
//!
//! One document without any other: no script, no image, no font. It asks the browser to load it again, unless told
//! not to, which keeps the question in its address.

mod bars;
mod failures;
mod html;
mod scopes;
mod show;

use super::filter::{Filter, take_offset};
use super::overview::{Health, Overview};
use super::parameters::{BadParameter, Parameters, encode};
use crate::timestamp;
use crate::version::{REVISION, VERSION};
use html::Html;
use show::{Span, cut};

/// The only style; the policy of the page names its hash.
pub(super) const STYLE: &str = include_str!("style.css");

/// Failures that are shown at once.
pub(super) const FAILURES_ON_A_PAGE: usize = 50;

/// What the address of the page asks for.
#[derive(Debug, Default, Clone)]
pub(super) struct Asked {
    /// Of the failures.
    pub(super) filter: Filter,
    /// The first of the failures that match.
    pub(super) offset: usize,
    /// Whether the page is to stay as it is.
    pub(super) is_paused: bool,
}

impl Asked {
    /// Reads a query. What the page does not know is passed over: links may come with more.
    pub(super) fn read(query: Option<&str>) -> Result<Self, BadParameter> {
        let mut parameters = Parameters::read(query)?;
        Ok(Self {
            filter: Filter::take(&mut parameters),
            offset: take_offset(&mut parameters)?,
            is_paused: parameters.text("refresh").as_deref() == Some("off"),
        })
    }

    /// The page with another question about failures.
    fn link(&self, filter: &Filter, offset: usize) -> String {
        let query = self.query(filter, offset, self.is_paused);
        format!("./?{query}#failures")
    }

    /// The page as it is, refreshed or not.
    fn link_paused(&self, is_paused: bool) -> String {
        format!("./?{}", self.query(&self.filter, self.offset, is_paused))
    }

    fn query(&self, filter: &Filter, offset: usize, is_paused: bool) -> String {
        let offset = (offset > 0).then(|| offset.to_string());
        let offset = offset.as_deref().map(|offset| ("offset", offset));
        let refresh = is_paused.then_some(("refresh", "off"));
        encode(filter.pairs().chain(offset).chain(refresh))
    }
}

/// The page.
pub(super) fn page(
    overview: &Overview<'_>,
    asked: &Asked,
    telemetry_path: &str,
    refresh_seconds: u32,
) -> String {
    let mut html = Html::default();
    html.markup(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>",
    )
    // The tab tells it, too.
    .markup(match overview.health {
        Health::Ok | Health::Stopping => "",
        Health::Starting => "Starting · ",
        Health::Degraded => "Degraded · ",
    })
    .markup("Cloud Assistant Exporter</title>\n<style>")
    .markup(STYLE)
    .markup("</style></head>\n<body><a class=\"skip\" href=\"#failures\">Skip to the failures</a>\n");
    header(&mut html, overview, asked, telemetry_path, refresh_seconds);
    html.markup("<main>\n");
    scopes::section(&mut html, overview);
    bars::section(&mut html, overview);
    failures::section(&mut html, overview, asked);
    html.markup("</main>\n</body></html>\n");
    html.finish()
}

fn header(
    html: &mut Html,
    overview: &Overview<'_>,
    asked: &Asked,
    telemetry_path: &str,
    refresh_seconds: u32,
) {
    html.markup("<header><div class=\"title\"><h1>Cloud Assistant Exporter</h1>")
        .markup(match overview.health {
            Health::Ok => "<p class=\"health\"><span class=\"badge good\">All well</span> ",
            Health::Starting => "<p class=\"health\"><span class=\"badge busy\">Starting</span> ",
            Health::Degraded => "<p class=\"health\"><span class=\"badge bad\">Degraded</span> ",
            Health::Stopping => "<p class=\"health\"><span class=\"badge busy\">Stopping</span> ",
        });
    for (place, remark) in overview.remarks.iter().take(10).enumerate() {
        html.text(if place > 0 { " " } else { "" }).text(cut(remark));
    }
    html.markup("</p></div>\n<dl><div><dt>Version</dt><dd");
    html.attribute("title", format_args!("revision {REVISION}"))
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
        .markup("</time></dd></div><div><dt>Refresh</dt><dd>");
    if asked.is_paused {
        html.markup("paused · <a")
            .attribute("href", asked.link_paused(false))
            .markup(">resume</a>");
    } else {
        html.text(format_args!("every {refresh_seconds} s"))
            .markup(" · <a")
            .attribute("href", asked.link_paused(true))
            .markup(">pause</a>");
    }
    html.markup("</dd></div></dl>\n<nav aria-label=\"Other pages\"><ul><li><a")
        .attribute("href", format_args!(".{telemetry_path}"))
        .markup(
            ">Metrics</a></li><li><a href=\"./api/v1/status\">Status as JSON</a></li>\
             <li><a href=\"./api/v1/failures\">Failures as JSON</a></li>\
             <li><a href=\"./-/ready\">Ready</a></li><li><a href=\"./-/healthy\">Healthy</a></li></ul></nav></header>\n",
        );
}
