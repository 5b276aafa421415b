//! The requests to the API.

use super::OfScopes;
use super::Points::EachOfActions;
use crate::expose::point::Family;
use crate::requests::{Action, Reason};
use crate::scope::Scope;

pub(super) static FAMILIES: [OfScopes; 2] = [
    (
        Family::counter(
            "cloud_assistant_exporter_api_requests",
            "Requests sent to the Alibaba Cloud API, tries again included.",
        ),
        EachOfActions(|requests, action, to| {
            if let Some(sent) = requests.sent(action) {
                to.point(&[], sent.into());
            }
        }),
    ),
    (
        Family::counter(
            "cloud_assistant_exporter_api_request_failures",
            "Requests to the Alibaba Cloud API that failed, by reason.",
        ),
        EachOfActions(|requests, action, to| {
            for reason in Reason::of_requests() {
                if let Some(failed) = requests.failed(action, reason) {
                    to.point(&[("reason", reason.as_str())], failed.into());
                }
            }
        }),
    ),
];

/// The calls that are made for a scope, or for an account without a region.
pub(super) fn actions(scope: &Scope) -> impl Iterator<Item = Action> {
    let is_account = scope.region_id.is_empty();
    let actions = Action::ALL.into_iter();
    actions.filter(move |action| action.has_region() != is_account)
}
