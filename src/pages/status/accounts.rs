//! What is to be said about accounts: regions that are not known, or set aside.

use super::html::Html;
use super::scope_row::error;
use super::show::cut;
use crate::pages::overview::Overview;

/// So many regions are named of one account.
const MAX_SET_ASIDE: usize = 100;

/// So many accounts are told of.
const MAX_ACCOUNTS: usize = 100;

/// Nothing where there is nothing to say.
pub(super) fn section(html: &mut Html, overview: &Overview<'_>) {
    let accounts = overview.view.accounts.iter();
    let told: Vec<_> = accounts
        .filter(|(_, account)| account.error.is_some() || !account.set_aside.is_empty())
        .collect();
    if told.is_empty() {
        return;
    }
    html.markup("<section aria-labelledby=\"accounts\"><h2 id=\"accounts\">Accounts</h2>\n");
    for (name, account) in told.into_iter().take(MAX_ACCOUNTS) {
        if let Some(failed) = &account.error {
            html.markup("<div class=\"note bad\"><p>The regions of account <strong>")
                .text(cut(name))
                .markup("</strong> could not be discovered")
                .markup(match account.discovered {
                    Some(_) => "; those that were known before are polled.</p>",
                    None => ".</p>",
                });
            error(html, failed, overview.now);
            html.markup("</div>\n");
        }
        if !account.set_aside.is_empty() {
            html.markup("<p class=\"note\">Set aside of account <strong>")
                .text(cut(name))
                .markup(
                    "</strong> until the next discovery, since their API does not know Cloud Assistant: ",
                );
            for (place, region_id) in account.set_aside.iter().take(MAX_SET_ASIDE).enumerate() {
                html.text(if place > 0 { ", " } else { "" }).text(cut(region_id));
            }
            let more = account.set_aside.len().saturating_sub(MAX_SET_ASIDE);
            if more > 0 {
                html.text(format_args!(" and {more} more"));
            }
            html.markup(".</p>\n");
        }
    }
    html.markup("</section>\n");
}
