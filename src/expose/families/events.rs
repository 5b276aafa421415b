//! Events, and what they have hurried. Where none are taken there is nothing of it.

use super::labels;
use crate::expose::point::{Family, Label, Sink};
use crate::requests::QueueReason;
use crate::view::{Outcome, ScopeEvents, ScopeView, Source, View};

const EVENTS: Family<'_> = Family::counter(
    "cloud_assistant_exporter_events",
    "Events that were received, by the way they came and by what they came to: a hint that it is time to look, ignored \
     for its type, of an unknown account or region, or unreadable.",
);

const LAST_EVENT: Family<'_> = Family::gauge(
    "cloud_assistant_exporter_last_event_timestamp_seconds",
    "When the last event for the scope was received, in Unix time; absent before the first.",
);

const EVENT_POLLS: Family<'_> = Family::counter(
    "cloud_assistant_exporter_event_polls",
    "Polls of the scope that events brought forward.",
);

const QUEUE_FAILURES: Family<'_> = Family::counter(
    "cloud_assistant_exporter_queue_failures",
    "Requests to the queue of the scope's events that failed, by reason; a reason that it has not met has no series.",
);

/// Gives their families; those without points are left out.
pub(in crate::expose) fn of_events(view: &View, to: &mut dyn Sink) {
    let events = &view.events;
    if !Source::ALL.into_iter().any(|source| events.is_shown(source)) {
        return;
    }
    to.family(&EVENTS);
    for source in Source::ALL.into_iter().filter(|source| events.is_shown(*source)) {
        to.of(&[("source", source.as_str())]);
        for outcome in Outcome::ALL {
            let count = events.received[source as usize][outcome as usize];
            to.point(&[("outcome", outcome.as_str())], count.into());
        }
    }
    family(&LAST_EVENT, view, to, |seen, _, to| {
        if let Some(last) = seen.last {
            to(&[], last.into());
        }
    });
    // The alert for events that do not come looks for it.
    family(&EVENT_POLLS, view, to, |_, scope, to| {
        if view.events.has_source(&scope.scope) {
            to(&[], scope.work.event_polls);
        }
    });
    family(&QUEUE_FAILURES, view, to, |seen, _, to| {
        let failures = seen.queue.iter().flat_map(|queue| queue.failures);
        for (reason, count) in QueueReason::ALL.into_iter().zip(failures) {
            if count > 0 {
                to(&[("reason", reason.as_str())], count);
            }
        }
    });
}

/// Takes a point of a scope: what labels it has beside those of the scope, and its value.
type ToScope<'a> = &'a mut dyn FnMut(&[Label<'_>], u64);

/// A family of what is known of the events of each scope that is polled.
fn family(
    family: &Family<'_>,
    view: &View,
    to: &mut dyn Sink,
    points: impl Fn(&ScopeEvents, &ScopeView, ToScope<'_>),
) {
    let none = ScopeEvents::default();
    let mut has_begun = false;
    for (scope, shown) in &view.scopes {
        let events = view.events.scopes.get(scope).unwrap_or(&none);
        points(events, shown, &mut |point, value| {
            if !has_begun {
                to.family(family);
                has_begun = true;
            }
            to.of(&labels(scope));
            to.point(point, value.into());
        });
    }
}
