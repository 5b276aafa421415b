//! `/`: how it goes, in the whole and region by region.

use super::asked::HomeAsked as Asked;
use super::frame::{Frame, Page, Refresh, begin, end};
use super::html::Html;
use super::{accounts, bars, scopes, timeline};
use crate::pages::filter::Filter;
use crate::pages::overview::Overview;

/// The page.
pub(in crate::pages) fn page(overview: &Overview<'_>, asked: &Asked, frame: Frame<'_>) -> String {
    let refresh = Refresh::of(asked.is_open, asked.is_paused, |is_paused| {
        asked.paused(is_paused)
    });
    let mut html = Html::default();
    begin(&mut html, overview, frame, Page::Home, &refresh);
    timeline::section(&mut html, overview, &Filter::default());
    scopes::section(&mut html, overview, asked);
    bars::section(&mut html, overview);
    accounts::section(&mut html, overview);
    end(&mut html);
    html.finish()
}
