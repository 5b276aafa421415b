//! `/-/ready`.

use std::fmt::Display;

use crate::view::{Replica, View};

/// So many of the accounts and scopes that are waited for are named: whoever asks reads it in a terminal.
const NAMED: usize = 10;

/// What is missing until the exporter is ready; nothing when it is. A standby is as ready as a leader: if it were not,
/// nothing would ever be rolled out.
pub(super) fn missing(replica: &Replica, view: &View, stopping: bool) -> Vec<String> {
    if stopping {
        return vec!["Stopping.".to_owned()];
    }
    if let Replica::Standby(standby) = replica {
        let trouble = standby.trouble.iter();
        return trouble
            .map(|trouble| format!("The database of the record cannot be had: {trouble}"))
            .collect();
    }
    let accounts = view.accounts.iter().filter(|(_, account)| !account.is_ready);
    let accounts: Vec<&str> = accounts.map(|(name, _)| &**name).collect();
    let scopes = view.scopes.values().filter(|scope| scope.last_poll.is_none());
    let scopes: Vec<_> = scopes.map(|scope| &scope.scope).collect();
    let mut missing = Vec::new();
    if !accounts.is_empty() {
        let (known, all) = (view.accounts.len() - accounts.len(), view.accounts.len());
        missing.push(format!(
            "The regions of {known} of {all} accounts are known. Missing:"
        ));
        missing.extend(named(&accounts));
    }
    if !scopes.is_empty() {
        let (ended, all) = (view.scopes.len() - scopes.len(), view.scopes.len());
        missing.push(format!(
            "The first polls of {ended} of {all} regions have ended. Missing:"
        ));
        missing.extend(named(&scopes));
    }
    if view.accounts.is_empty() {
        missing.push("Starting.".to_owned());
    }
    missing
}

/// Some of them, and how many more there are.
fn named(all: &[impl Display]) -> impl Iterator<Item = String> {
    let more = all.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("  and {more} more"));
    let some = all.iter().take(NAMED).map(|name| format!("  {name}"));
    some.chain(more)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::scope::Scope;
    use crate::view::{AccountView, Board, CredentialsView, LastPoll, ScopeView};

    #[test]
    fn how_far_the_first_round_is() {
        let board = Board::new();
        let discovering = AccountView {
            credentials: CredentialsView::default(),
            discovered: None,
            is_ready: false,
            error: None,
            console: None,
            set_aside: Vec::new(),
        };
        board.publish_accounts([("a".into(), Arc::new(discovering))].into());
        for number in 0..23 {
            let mut scope = ScopeView::new(Scope::new("a", &format!("region-{number:02}")));
            if number < 8 {
                scope.last_poll = Some(LastPoll {
                    up: true,
                    took: Duration::ZERO,
                });
            }
            board.publish(scope);
        }
        let missing = missing(&Replica::Alone, &board.view(), false);
        assert_eq!(
            missing[..2],
            ["The regions of 0 of 1 accounts are known. Missing:", "  a"]
        );
        assert!(missing.contains(&"The first polls of 8 of 23 regions have ended. Missing:".to_owned()));
        assert!(missing.contains(&"  a/region-08".to_owned()), "{missing:?}");
        assert_eq!(missing.last().unwrap(), "  and 5 more");
    }
}
