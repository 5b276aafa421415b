//! How YAML is read, wherever it is: the limits of the parser, and what its errors are called.
//!
//! Anchors, aliases and merge keys are YAML's way of writing things once, and may be as many as one likes. What they
//! stand for is bounded, since a file of a few lines can stand for more than any memory holds.

use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Error, Location, NonFiniteFloatPolicy, Options, alias_limits, budget, options};

/// Keys and values, those behind an alias counted wherever it stands. A thousand accounts with fifty regions each are
/// a seventh of it; it takes some two hundred megabytes to read.
const MAX_NODES: usize = 500_000;

/// Lists and mappings within each other: what a thread of 2 MiB can follow, and many times what a configuration needs.
const MAX_DEPTH: usize = 32;

/// Bytes of keys and values, counted in the same way.
const MAX_TEXT: usize = 64 << 20;

/// For what is bounded by the nodes.
const UNLIMITED: usize = usize::MAX;

/// Comments say nothing here, and an excerpt of the file could show a secret. A tag that is not YAML's own is for a
/// program that would have replaced the value.
pub(crate) fn reading() -> Options {
    options! {
        with_snippet: false,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        reject_unsupported_tags: true,
        budget: budget! {
            max_nodes: MAX_NODES,
            max_depth: MAX_DEPTH,
            max_total_scalar_bytes: MAX_TEXT,
            max_recorded_anchor_bytes: MAX_TEXT,
            max_recorded_anchor_events: MAX_NODES * 10,
            max_events: UNLIMITED,
            max_aliases: UNLIMITED,
            max_anchors: UNLIMITED,
            max_merge_keys: UNLIMITED,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: alias_limits! {
            max_total_replayed_events: UNLIMITED,
            max_replay_stack_depth: MAX_DEPTH,
        },
    }
}

/// The error itself, without the alias on whose way it was met.
pub(crate) fn cause(error: &Error) -> &Error {
    match error {
        Error::AliasError { error, .. } | Error::WithSnippet { error, .. } => cause(error),
        error => error,
    }
}

/// Where it was met: the alias, where there is one.
pub(crate) fn location(error: &Error) -> Option<Location> {
    error.location().filter(|location| location.line() > 0)
}

/// What is wrong where the text is YAML, but not what is taken for a configuration: a limit by its name, or a tag.
pub(crate) fn refusal(error: &Error) -> Option<String> {
    let limit = match cause(error) {
        Error::UnsupportedTag { .. } => {
            return Some(
                "there is a tag (!…) that nothing here would resolve; remove it, and put values that begin with ! in \
                 quotes"
                    .to_owned(),
            );
        }
        Error::AliasReplayStackDepthExceeded { .. } => {
            format!("aliases within aliases at {MAX_DEPTH} levels")
        }
        Error::Budget { breach, .. } => match breach {
            BudgetBreach::Nodes { .. } => {
                format!("{MAX_NODES} keys and values, those behind an alias counted wherever it stands")
            }
            BudgetBreach::Depth { .. } => {
                format!("lists and mappings within each other at {MAX_DEPTH} levels")
            }
            BudgetBreach::ScalarBytes { .. } => format!("{} MiB of keys and values", MAX_TEXT >> 20),
            BudgetBreach::RecordedAnchorBytes { .. } | BudgetBreach::RecordedAnchorEvents { .. } => {
                "what anchors may hold".to_owned()
            }
            _ => return None,
        },
        _ => return None,
    };
    Some(format!("there is more than a configuration may have: {limit}"))
}
