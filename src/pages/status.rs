//! `/`: what is polled, and how it goes.

use crate::timestamp;
use crate::version::VERSION;
use crate::view::{AccountView, ScopeView, View};

/// The page.
pub(super) fn page(view: &View, telemetry_path: &str) -> String {
    let rows: String = view.scopes.values().map(|scope| row(scope)).collect();
    let accounts: String = view
        .accounts
        .iter()
        .map(|(name, account)| account_row(name, account))
        .collect();
    let metrics = escape(telemetry_path);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Cloud Assistant Exporter</title>\n\
         <style>body{{font-family:sans-serif;margin:2rem}}table{{border-collapse:collapse}}\
         th,td{{border:1px solid #ccc;padding:.3rem .6rem;text-align:left}}</style></head>\n\
         <body><h1>Cloud Assistant Exporter</h1><h2>Results of Alibaba Cloud ECS Cloud Assistant commands</h2>\n\
         <p>Version: {VERSION}</p>\n\
         <ul><li><a href=\"{metrics}\">Metrics</a></li><li><a href=\"/-/healthy\">Healthy</a></li>\
         <li><a href=\"/-/ready\">Ready</a></li></ul>\n\
         <table><thead><tr><th>Account</th><th>Regions</th><th>Set aside: Cloud Assistant is not known there</th>\
         <th>Last error</th></tr></thead><tbody>\n{accounts}</tbody></table>\n\
         <table><thead><tr><th>Account</th><th>Region</th><th>State</th><th>Last success</th><th>Results tracked</th>\
         <th>Next poll</th><th>Last error</th></tr></thead><tbody>\n{rows}</tbody></table></body></html>\n"
    )
}

fn account_row(name: &str, account: &AccountView) -> String {
    let regions = match (account.discovered, account.error.is_some()) {
        (Some(count), _) => format!("{count} discovered"),
        (None, true) => "failed: not known".to_owned(),
        (None, false) if account.is_ready => "configured".to_owned(),
        (None, false) => "not known yet".to_owned(),
    };
    let error = account.error.as_ref();
    let cells = [
        name.to_owned(),
        regions,
        account.set_aside.join(", "),
        error
            .map(|error| format!("{}: {}", error.reason.as_str(), error.what))
            .unwrap_or_default(),
    ];
    cells_row(&cells)
}

fn row(scope: &ScopeView) -> String {
    let state = match (&scope.progress, scope.last_poll) {
        (Some(progress), _) => format!("reading everything, {} rows so far", progress.rows),
        (None, None) => "waiting for its first poll".to_owned(),
        (None, Some(last)) if last.up => "up".to_owned(),
        (None, Some(_)) => "down".to_owned(),
    };
    let error = scope.error.as_ref();
    let cells = [
        scope.scope.account.to_string(),
        scope.scope.region_id.to_string(),
        state,
        scope.last_success.map(timestamp::show).unwrap_or_default(),
        scope
            .counts
            .as_ref()
            .map(|counts| counts.held.to_string())
            .unwrap_or_default(),
        scope.next_poll.map(timestamp::show).unwrap_or_default(),
        error
            .map(|error| format!("{}: {}", error.reason.as_str(), error.what))
            .unwrap_or_default(),
    ];
    cells_row(&cells)
}

fn cells_row(cells: &[String]) -> String {
    let cells: String = cells
        .iter()
        .map(|cell| format!("<td>{}</td>", escape(cell)))
        .collect();
    format!("<tr>{cells}</tr>\n")
}

/// Text as HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
