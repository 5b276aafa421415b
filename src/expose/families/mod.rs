//! The families that are served: what each is, and which points it has. Their order, and that of their points, is fixed.

mod account;
mod api;
pub(super) mod commands;
mod events;
mod process;
mod registered;
mod replica;
pub(super) mod results;
mod scope;

pub(super) use account::of_accounts;
pub(super) use events::of_events;
pub use process::Process;
pub(super) use process::unix_time;
pub(super) use registered::registered;
pub(super) use replica::{OF_STANDBY, of_replica};

use crate::record::{Counts, ShownCommand, ShownHistogram};
use crate::requests::{Action, ShownTally};
use crate::scope::Scope;
use crate::view::ScopeView;

use super::point::{Exemplar, Family, Histogram, Label, Native, Number, Sink, Value};
use super::subjects::{Facet, Subject};

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
pub(super) type OfScopes = (Family<'static>, Points);

/// What a family shows of a scope.
pub(super) enum Points {
    /// One point, where there is something to show.
    One(fn(&ScopeView) -> Option<Number>),
    /// One point, once a result was listed.
    OneOfCounts(fn(&Counts) -> u64),
    /// Points with labels of their own.
    Each(fn(&ScopeView, &mut dyn Sink)),
    /// The same, once a result was listed.
    EachOfCounts(fn(&Counts, &mut dyn Sink)),
    /// Points of each selected command.
    EachOfCommands(fn(&Counts, &ShownCommand, &mut dyn Sink)),
    /// Points of each action.
    EachOfActions(fn(&ShownTally, Action, &mut dyn Sink)),
}

/// The families of scopes.
pub(super) fn of_scopes() -> impl Iterator<Item = &'static OfScopes> {
    let results = results::FAMILIES.iter().chain(&commands::FAMILIES);
    results.chain(&scope::FAMILIES).chain(&api::FAMILIES)
}

impl Points {
    /// What they are taken from.
    pub(super) fn facet(&self) -> Facet {
        match self {
            Self::One(_) | Self::Each(_) => Facet::Health,
            Self::OneOfCounts(_) | Self::EachOfCounts(_) | Self::EachOfCommands(_) => Facet::Results,
            Self::EachOfActions(_) => Facet::Requests,
        }
    }

    /// Gives those of a subject.
    pub(super) fn of(&self, subject: &Subject, to: &mut dyn Sink) {
        let (view, counts) = (subject.view.as_deref(), subject.counts());
        let [account, region_id] = labels(&subject.scope);
        to.of(&[account, region_id]);
        match self {
            Self::One(value) => {
                if let Some(value) = view.and_then(value) {
                    to.point(&[], value.into());
                }
            }
            Self::OneOfCounts(value) => {
                if let Some(counts) = counts {
                    to.point(&[], Value::counted(value(counts), counts.start.into()));
                }
            }
            Self::Each(points) => {
                if let Some(view) = view {
                    points(view, to);
                }
            }
            Self::EachOfCounts(points) => {
                if let Some(counts) = counts {
                    points(counts, to);
                }
            }
            Self::EachOfCommands(points) => {
                for (counts, command) in commands::of(counts) {
                    to.of(&[account, region_id, ("command", &*command.command)]);
                    points(counts, command, to);
                }
            }
            Self::EachOfActions(points) => {
                for action in api::actions(&subject.scope) {
                    to.of(&[account, region_id, ("action", action.as_str())]);
                    points(&subject.requests, action, to);
                }
            }
        }
    }
}

fn histogram<'a>(
    bounds: &'a [f64],
    shown: &'a ShownHistogram,
    exemplars: &'a [Option<Exemplar<'a>>],
) -> Histogram<'a> {
    let native = shown.native.as_ref().map(|native| Native {
        zero: native.zero,
        buckets: &native.buckets,
    });
    Histogram {
        bounds,
        cumulative: &shown.buckets,
        count: shown.count,
        sum: shown.sum.into(),
        start: shown.start.into(),
        exemplars,
        native,
    }
}

fn labels(scope: &Scope) -> [Label<'_>; 2] {
    [("account", &*scope.account), ("region_id", &*scope.region_id)]
}
