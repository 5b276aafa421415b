//! The families that are served: what each is, and which points it has. Their order, and that of their points, is fixed.

mod account;
mod api;
pub(super) mod commands;
mod events;
mod process;
mod registered;
pub(super) mod results;
mod scope;

pub use process::Process;
pub(super) use registered::registered;

use crate::record::Counts;
use crate::requests::Requests;
use crate::view::{ScopeView, View};

use super::point::{Family, Label, Number, Sink};

/// Said of everything that comes from the cloud, since it is not asked when Prometheus scrapes.
macro_rules! polled {
    ($text:literal) => {
        concat!(
            $text,
            " Polled in the background; time() - cloud_assistant_last_success_timestamp_seconds is its age in seconds."
        )
    };
}

use polled;

/// A family of scopes: what it is, and what it shows of one.
type OfScopes = (Family<'static>, Points);

/// What a family shows of a scope.
enum Points {
    /// One point, where there is something to show.
    One(fn(&ScopeView) -> Option<Number>),
    /// One point, once there are counts.
    OneOfCounts(fn(&Counts) -> u64),
    /// Points with labels of their own.
    Each(fn(&ScopeView, &mut dyn Sink)),
    /// The same, once there are counts.
    EachOfCounts(fn(&Counts, &mut dyn Sink)),
}

/// Gives everything that is known of the view.
pub(super) fn all(view: &View, requests: &Requests, to: &mut dyn Sink) {
    of_scopes(view, &results::FAMILIES, to);
    commands::all(view, to);
    of_scopes(view, &scope::FAMILIES, to);
    events::all(view, to);
    api::all(view, requests, to);
    account::all(view, to);
}

fn of_scopes(view: &View, families: &[OfScopes], to: &mut dyn Sink) {
    for (family, points) in families {
        to.family(family);
        for scope in view.scopes.values() {
            to.of(&labels(scope));
            points.of(scope, to);
        }
    }
}

impl Points {
    fn of(&self, scope: &ScopeView, to: &mut dyn Sink) {
        let counts = scope.counts.as_deref();
        match self {
            Self::One(value) => {
                if let Some(value) = value(scope) {
                    to.point(&[], value.into());
                }
            }
            Self::OneOfCounts(value) => {
                if let Some(counts) = counts {
                    to.point(&[], value(counts).into());
                }
            }
            Self::Each(points) => points(scope, to),
            Self::EachOfCounts(points) => {
                if let Some(counts) = counts {
                    points(counts, to);
                }
            }
        }
    }
}

fn labels(view: &ScopeView) -> [Label<'_>; 2] {
    let scope = &view.scope;
    [("account", &*scope.account), ("region_id", &*scope.region_id)]
}
