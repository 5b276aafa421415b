//! The requests to the API.

use std::time::Duration;

use super::listed;
use crate::expose::point::{Family, Sink};
use crate::requests::{Action, Moment, Reason, Requests, ShownTally};
use crate::scope::Scope;
use crate::view::View;

const REQUESTS: Family<'_> = Family::counter(
    "cloud_assistant_exporter_api_requests",
    "Requests sent to the Alibaba Cloud API, tries again included.",
);

const FAILURES: Family<'_> = Family::counter(
    "cloud_assistant_exporter_api_request_failures",
    "Requests to the Alibaba Cloud API that failed, by reason.",
);

/// Gives them as they are at `moment`; returns when a series that is held at 0 is to show its value.
pub(super) fn all(view: &View, requests: &Requests, moment: Moment, to: &mut dyn Sink) -> Option<Duration> {
    let mut tallies = requests.all();
    // A scope that is no longer polled leaves every series.
    tallies.retain(|(scope, _)| {
        let is_account = scope.region_id.is_empty() && view.accounts.contains_key(&scope.account);
        view.scopes.contains_key(scope) || is_account
    });
    let tallies = tallies.into_iter().map(|(scope, tally)| {
        let has_listed = view.scopes.get(&scope).is_some_and(|view| listed(view).is_some());
        (scope, tally.shown(has_listed, moment))
    });
    let tallies: Vec<(Scope, ShownTally)> = tallies.collect();
    to.family(&REQUESTS);
    each(&tallies, to, |tally, action, to| {
        if let Some(sent) = tally.sent(action) {
            to.point(&[], sent.into());
        }
    });
    to.family(&FAILURES);
    each(&tallies, to, |tally, action, to| {
        for reason in Reason::of_requests() {
            if let Some(failed) = tally.failed(action, reason) {
                to.point(&[("reason", reason.as_str())], failed.into());
            }
        }
    });
    tallies.iter().filter_map(|(_, tally)| tally.next_change).min()
}

/// The calls that are made for a scope, or for an account without a region.
fn each(tallies: &[(Scope, ShownTally)], to: &mut dyn Sink, points: fn(&ShownTally, Action, &mut dyn Sink)) {
    for (Scope { account, region_id }, tally) in tallies {
        let actions = Action::ALL.into_iter();
        for action in actions.filter(|action| action.has_region() != region_id.is_empty()) {
            to.of(&[
                ("account", &**account),
                ("region_id", &**region_id),
                ("action", action.as_str()),
            ]);
            points(tally, action, to);
        }
    }
}
