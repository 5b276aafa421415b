//! Events, and what they have hurried. Where none are taken there is nothing of it.

use super::labels;
use crate::expose::point::{Family, Sink};
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

pub(super) fn all(view: &View, to: &mut dyn Sink) {
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
    to.family(&LAST_EVENT);
    each(view, to, |scope, _, to| {
        if let Some(last) = scope.last {
            to.point(&[], last.into());
        }
    });
    to.family(&EVENT_POLLS);
    each(view, to, |_, view, to| {
        to.point(&[], view.work.event_polls.into())
    });
    if !events.is_shown(Source::Queue) {
        return;
    }
    to.family(&QUEUE_FAILURES);
    each(view, to, |scope, _, to| {
        let failures = scope.queue.iter().flat_map(|queue| queue.failures);
        for (reason, count) in QueueReason::ALL.into_iter().zip(failures) {
            if count > 0 {
                to.point(&[("reason", reason.as_str())], count.into());
            }
        }
    });
}

/// Every scope that is polled, with what is known of its events.
fn each(view: &View, to: &mut dyn Sink, points: fn(&ScopeEvents, &ScopeView, &mut dyn Sink)) {
    let none = ScopeEvents::default();
    for (scope, shown) in &view.scopes {
        to.of(&labels(shown));
        points(view.events.scopes.get(scope).unwrap_or(&none), shown, to);
    }
}
