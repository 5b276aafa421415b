//! The requests to the API.

use std::sync::Arc;

use crate::expose::point::{Family, Sink};
use crate::requests::{Action, Reason, Requests, Tally};
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

pub(super) fn all(view: &View, requests: &Requests, to: &mut dyn Sink) {
    let mut tallies = requests.all();
    // A scope that is no longer polled leaves every series.
    tallies.retain(|(scope, _)| {
        let is_account = scope.region_id.is_empty() && view.accounts.contains_key(&scope.account);
        view.scopes.contains_key(scope) || is_account
    });
    to.family(&REQUESTS);
    each(&tallies, to, |tally, action, to| {
        to.point(&[], tally.sent(action).into());
    });
    to.family(&FAILURES);
    each(&tallies, to, |tally, action, to| {
        for reason in Reason::ALL.into_iter().filter(|reason| *reason != Reason::State) {
            let count = tally.failed(action, reason);
            // DescribeInvocations is rare; what it has not met is not worth a series.
            if count > 0 || action != Action::DescribeInvocations {
                to.point(&[("reason", reason.as_str())], count.into());
            }
        }
    });
}

/// The calls that are made for a scope, or for an account without a region.
fn each(tallies: &[(Scope, Arc<Tally>)], to: &mut dyn Sink, points: fn(&Tally, Action, &mut dyn Sink)) {
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
