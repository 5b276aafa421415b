//! Links to the pages of a table before and after the one that is shown.

use super::html::Html;

/// Where one is, and what the links say.
pub(super) struct Turn {
    /// What it has pages of.
    pub(super) of: &'static str,
    pub(super) before: &'static str,
    pub(super) after: &'static str,
    /// From 1.
    pub(super) page: usize,
    pub(super) pages: usize,
}

/// The links; nothing where there is one page.
pub(super) fn turn(html: &mut Html, at: &Turn, to: impl Fn(usize) -> String) {
    let Turn { page, pages, .. } = *at;
    if pages < 2 {
        return;
    }
    html.markup("<nav class=\"pages\"")
        .attribute("aria-label", format_args!("Pages of {}", at.of))
        .markup(">");
    if page > 1 {
        html.markup("<a class=\"button\" rel=\"prev\"")
            .attribute("href", to(page - 1))
            .markup(">")
            .text(at.before)
            .markup("</a>");
    }
    html.markup("<span>")
        .text(format_args!("Page {page} of {pages}"))
        .markup("</span>");
    if page < pages {
        html.markup("<a class=\"button\" rel=\"next\"")
            .attribute("href", to(page + 1))
            .markup(">")
            .text(at.after)
            .markup("</a>");
    }
    html.markup("</nav>\n");
}
