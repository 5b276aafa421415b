//! `/`: how it goes, in the whole and region by region.

use super::asked::{FailuresAsked, HomeAsked as Asked};
use super::frame::{Frame, Page, Refresh, begin, end};
use super::html::Html;
use super::{accounts, bars, scopes, timeline};
use crate::pages::overview::Overview;

/// The page.
pub(in crate::pages) fn page(overview: &Overview<'_>, asked: &Asked, frame: Frame<'_>) -> String {
    let refresh = Refresh::of(asked.loading, asked.loaded(asked.loading.turned()));
    let failures = FailuresAsked::all(asked.loading);
    let mut html = Html::default();
    begin(&mut html, overview, frame, Page::Home, &refresh);
    timeline::section(&mut html, overview, &failures);
    scopes::section(&mut html, overview, asked);
    bars::section(&mut html, overview, &failures);
    accounts::section(&mut html, overview);
    end(&mut html);
    html.finish()
}
