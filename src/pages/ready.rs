//! `/-/ready`.

use crate::view::View;

/// What is missing until the exporter is ready; nothing when it is.
pub(super) fn missing(view: &View, stopping: bool) -> Vec<String> {
    if stopping {
        return vec!["Stopping.".to_owned()];
    }
    let accounts = view.accounts.iter().filter(|(_, account)| !account.is_ready);
    let accounts = accounts.map(|(name, _)| format!("The regions of {name} are not known yet."));
    let scopes = view.scopes.values().filter(|scope| scope.last_poll.is_none());
    let scopes = scopes.map(|scope| format!("The first poll of {} has not ended yet.", scope.scope));
    let mut missing: Vec<String> = accounts.chain(scopes).collect();
    if view.accounts.is_empty() {
        missing.push("Starting.".to_owned());
    }
    missing
}
