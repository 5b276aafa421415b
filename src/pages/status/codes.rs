//! Results by how they ended: InvocationStatus, ErrorCode and ExitCode.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::pages::filter::Found;
use crate::result::StatusKind;
use crate::view::ScopeView;

/// InvocationStatus, ErrorCode and ExitCode.
pub(super) type Codes<'a> = (&'a str, &'a str, &'a str);

/// Those of the window of some scopes, and how many of each, of statuses that are wanted; the most frequent first.
pub(super) fn of_window<'a>(
    scopes: impl IntoIterator<Item = &'a ScopeView>,
    is_wanted: impl Fn(StatusKind) -> bool,
) -> Vec<(Codes<'a>, u64)> {
    let counts = scopes.into_iter().filter_map(|scope| scope.counts.as_ref());
    let totals = counts.flat_map(|counts| counts.recent());
    let wanted = totals
        .filter(|total| total.value > 0 && is_wanted(StatusKind::of_text(total.invocation_status)))
        .map(|total| {
            let codes = (total.invocation_status, total.error_code, total.exit_code);
            (codes, total.value)
        });
    ranked(wanted)
}

/// Those of some failures, and how many of each; the most frequent first.
pub(super) fn of_failures<'a>(failures: impl IntoIterator<Item = &'a Found<'a>>) -> Vec<(Codes<'a>, u64)> {
    ranked(failures.into_iter().map(|(_, failure)| {
        let codes = (
            failure.invocation_status(),
            failure.error_code(),
            failure.exit_code(),
        );
        (codes, 1)
    }))
}

fn ranked<'a>(counts: impl Iterator<Item = (Codes<'a>, u64)>) -> Vec<(Codes<'a>, u64)> {
    let mut sums: BTreeMap<Codes<'_>, u64> = BTreeMap::new();
    for (codes, count) in counts {
        *sums.entry(codes).or_insert(0) += count;
    }
    let mut ranked: Vec<_> = sums.into_iter().collect();
    // A stable sort: then by the codes, as they come.
    ranked.sort_by_key(|(_, count)| Reverse(*count));
    ranked
}
