//! Which of the recent failures are asked for, and which those are.

use std::cmp::Reverse;

use super::parameters::{BadParameter, Parameters, encode};
use crate::record::ShownFailure;
use crate::scope::Scope;
use crate::view::View;

/// The most failures in one answer.
pub(super) const MAX_LIMIT: usize = 1000;

/// No record holds so many.
const MAX_OFFSET: usize = 100_000_000;

/// A question about failures: the same of the page's form as of the API's query.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    /// The configured name.
    pub(super) account: Option<String>,
    /// RegionId.
    pub(super) region_id: Option<String>,
    /// InvocationStatus, in any letter case.
    pub(super) invocation_status: Option<String>,
    /// ErrorCode.
    pub(super) error_code: Option<String>,
    /// CommandId.
    pub(super) command_id: Option<String>,
    /// CommandName, of commands whose names are known.
    pub(super) command: Option<String>,
}

/// A part of the failures that match, the newest first.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    /// How many match in all.
    pub(super) total: usize,
    /// How many of those come before the first one here.
    pub(super) offset: usize,
    /// With the scope of each.
    pub(super) failures: Vec<(&'a Scope, &'a ShownFailure)>,
}

impl Filter {
    /// The names of its parameters.
    pub(super) const NAMES: [&'static str; 6] = [
        "account",
        "region_id",
        "invocation_status",
        "error_code",
        "command_id",
        "command",
    ];

    /// Takes its parameters.
    pub(super) fn take(parameters: &mut Parameters) -> Self {
        let mut text = |name| parameters.text(name).map(|text| text.trim().to_owned());
        Self {
            account: text("account"),
            region_id: text("region_id"),
            invocation_status: text("invocation_status"),
            error_code: text("error_code"),
            command_id: text("command_id"),
            command: text("command"),
        }
    }

    /// As parameters again, those that are set.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let values = [
            &self.account,
            &self.region_id,
            &self.invocation_status,
            &self.error_code,
            &self.command_id,
            &self.command,
        ];
        let pairs = Self::NAMES.into_iter().zip(values);
        pairs.filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// As a query.
    pub(super) fn query(&self) -> String {
        encode(self.pairs())
    }

    /// Whether everything matches.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn matches_scope(&self, scope: &Scope) -> bool {
        is(&self.account, &scope.account) && is(&self.region_id, &scope.region_id)
    }

    fn matches(&self, failure: &ShownFailure) -> bool {
        let status = self.invocation_status.as_deref();
        status.is_none_or(|status| status.eq_ignore_ascii_case(&failure.invocation_status))
            && is(&self.error_code, &failure.error_code)
            && is(&self.command_id, &failure.ids.command_id)
            && self
                .command
                .as_deref()
                .is_none_or(|wanted| failure.command.as_deref() == Some(wanted))
    }

    /// The newest failures of a view that match, but for the first `offset`, at most `limit`.
    pub(super) fn select<'a>(&self, view: &'a View, offset: usize, limit: usize) -> Selection<'a> {
        let scopes = view.scopes.iter().filter(|(scope, _)| self.matches_scope(scope));
        let mut matching: Vec<(&Scope, &ShownFailure)> = scopes
            .filter_map(|(scope, shown)| Some((scope, shown.counts.as_ref()?)))
            .flat_map(|(scope, counts)| counts.failures().map(move |failure| (scope, failure)))
            .filter(|(_, failure)| self.matches(failure))
            .collect();
        let total = matching.len();
        // The ids decide between equal times, so that pages neither repeat nor leave out.
        let order = |(scope, failure): &(&'a Scope, &'a ShownFailure)| {
            let ids = &failure.ids;
            let ids = (&*ids.invoke_id, &*ids.instance_id, &*ids.container_id);
            (Reverse(failure.time), *scope, ids)
        };
        // Only what is shown needs to be in order: a thousand of what may be a million.
        let end = offset.saturating_add(limit).min(total);
        if end < total {
            matching.select_nth_unstable_by(end, |one, other| order(one).cmp(&order(other)));
            matching.truncate(end);
        }
        matching.sort_by(|one, other| order(one).cmp(&order(other)));
        Selection {
            total,
            offset,
            failures: matching.split_off(offset.min(end)),
        }
    }
}

/// Takes `offset`.
pub(super) fn take_offset(parameters: &mut Parameters) -> Result<usize, BadParameter> {
    Ok(parameters.number("offset", 0..=MAX_OFFSET)?.unwrap_or(0))
}

fn is(wanted: &Option<String>, value: &str) -> bool {
    wanted.as_deref().is_none_or(|wanted| wanted == value)
}
