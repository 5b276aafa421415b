//! Failures by what they have in common.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::filter::Found;
use super::parameters::{BadParameter, Parameters};
use crate::result::Seconds;

/// What failures are put together by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Account,
    Region,
    Status,
    ErrorCode,
    ExitCode,
    Command,
    CommandId,
    Instance,
    Invocation,
}

/// Failures that have one value in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group<'a> {
    pub(super) value: &'a str,
    pub(super) count: usize,
    pub(super) oldest: Seconds,
    pub(super) newest: Seconds,
}

impl By {
    const ALL: [Self; 9] = [
        Self::Account,
        Self::Region,
        Self::Status,
        Self::ErrorCode,
        Self::ExitCode,
        Self::Command,
        Self::CommandId,
        Self::Instance,
        Self::Invocation,
    ];

    /// The field of a failure in the API.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Region => "region_id",
            Self::Status => "invocation_status",
            Self::ErrorCode => "error_code",
            Self::ExitCode => "exit_code",
            Self::Command => "command",
            Self::CommandId => "command_id",
            Self::Instance => "instance_id",
            Self::Invocation => "invoke_id",
        }
    }

    /// Takes `group_by`.
    pub(super) fn take(parameters: &mut Parameters) -> Result<Option<Self>, BadParameter> {
        let Some(text) = parameters.text("group_by") else {
            return Ok(None);
        };
        let found = Self::ALL.into_iter().find(|by| by.as_str() == text);
        found.map(Some).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            BadParameter::new("group_by", format!("expected one of {names}"))
        })
    }

    fn value<'a>(self, (scope, failure): &Found<'a>) -> &'a str {
        match self {
            Self::Account => &scope.account,
            Self::Region => &scope.region_id,
            Self::Status => failure.invocation_status(),
            Self::ErrorCode => failure.error_code(),
            Self::ExitCode => failure.exit_code(),
            Self::Command => failure.command().unwrap_or_else(|| failure.ids().command_id),
            Self::CommandId => failure.ids().command_id,
            Self::Instance => failure.ids().instance_id,
            Self::Invocation => failure.ids().invoke_id,
        }
    }
}

/// The groups, those of most failures first.
pub(super) fn groups<'a>(failures: &[Found<'a>], by: By) -> Vec<Group<'a>> {
    let mut groups: HashMap<&str, Group<'_>> = HashMap::new();
    for found in failures {
        let value = by.value(found);
        let time = found.1.time();
        let group = groups.entry(value).or_insert(Group {
            value,
            count: 0,
            oldest: time,
            newest: time,
        });
        group.count += 1;
        group.oldest = group.oldest.min(time);
        group.newest = group.newest.max(time);
    }
    let mut groups: Vec<Group<'_>> = groups.into_values().collect();
    groups.sort_by_key(|group| (Reverse(group.count), Reverse(group.newest), group.value));
    groups
}
