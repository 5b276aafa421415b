//! `/api/v1/status` and `/api/v1/failures`: what the status page shows, as JSON. `docs/api.md` describes it.
//!
//! A field that is here stays, with its name and its meaning; more may come.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bounded::bounded;
use super::console;
use super::cursor::{Cursor, digits};
use super::filter::{Filter, MAX_LIMIT, behind, part, take_offset};
use super::groups::{By, Group, groups};
use super::overview::{Overview, recent};
use super::parameters::{BadParameter, Parameters};
use crate::record::ShownFailure;
use crate::result::Seconds;
use crate::scope::Scope;
use crate::timestamp::rfc3339;
use crate::version::{REVISION, VERSION};
use crate::view::{AccountView, Failed, ScopeView, View};

/// Failures in an answer that says nothing of it.
const LIMIT: usize = 100;

/// The body of `/api/v1/status`.
pub(super) fn status(overview: &Overview<'_>, query: Option<&str>) -> Result<Vec<u8>, BadParameter> {
    Parameters::read(query)?.finish(&[])?;
    let view = overview.view;
    let window = view
        .scopes
        .values()
        .find_map(|scope| Some(scope.counts.as_ref()?.window));
    Ok(json(&Status {
        version: VERSION,
        revision: REVISION,
        started_at: rfc3339(overview.started),
        now: rfc3339(overview.now),
        uptime_seconds: overview.uptime.as_secs(),
        health: overview.health.as_str(),
        remarks: &overview.remarks,
        refused_reload: view.refused_reload.as_ref().map(|refused| RefusedReload {
            at: rfc3339(refused.at),
            message: &refused.reason,
        }),
        window_seconds: window,
        recent_results: overview.recent.clone(),
        accounts: view
            .accounts
            .iter()
            .map(|(name, account)| AccountStatus::of(name, account))
            .collect(),
        scopes: view
            .scopes
            .values()
            .map(|scope| ScopeStatus::of(overview, scope))
            .collect(),
    }))
}

/// The body of `/api/v1/failures`.
pub(super) fn failures(view: &View, query: Option<&str>) -> Result<Vec<u8>, BadParameter> {
    let mut parameters = Parameters::read(query)?;
    let (filter, after) = Filter::take(&mut parameters)?;
    let by = By::take(&mut parameters)?;
    let limit = parameters.number("limit", 1..=MAX_LIMIT)?.unwrap_or(LIMIT);
    let offset = take_offset(&mut parameters)?;
    let known: Vec<&str> = Filter::names().chain(["group_by", "limit", "offset"]).collect();
    parameters.finish(&known)?;
    let mut found = filter.all(view);
    let complete_after = complete_after(view, &filter);
    if let Some(by) = by {
        if let Some(after) = &after {
            behind(&mut found, after);
        }
        let all = groups(&found, by);
        let shown = all.iter().skip(offset).take(limit).map(GroupRow::of);
        return Ok(json(&Groups {
            total: all.len(),
            failures: found.len(),
            group_by: by.as_str(),
            limit,
            offset,
            complete_after,
            groups: shown.collect(),
        }));
    }
    let selection = part(found, after.as_ref(), offset, limit);
    let shown = selection.offset + selection.failures.len();
    let last = selection.failures.last().filter(|_| shown < selection.total);
    Ok(json(&Failures {
        total: selection.total,
        limit,
        offset,
        next_before: last.map(|(scope, failure)| Cursor::at(scope, failure).to_string()),
        complete_after,
        failures: selection
            .failures
            .iter()
            .map(|(scope, failure)| FailureRow::of(view, scope, failure))
            .collect(),
    }))
}

/// Up to when some failures of the scopes that are asked for are no longer kept.
fn complete_after(view: &View, filter: &Filter) -> Option<String> {
    kept_from(view, filter).map(rfc3339)
}

/// The same as a number.
pub(super) fn kept_from(view: &View, filter: &Filter) -> Option<Seconds> {
    let scopes = view
        .scopes
        .iter()
        .filter(|(scope, _)| filter.matches_scope(scope));
    let counts = scopes.filter_map(|(_, shown)| shown.counts.as_ref());
    counts.filter_map(|counts| counts.failures_complete_after()).max()
}

/// The body of an answer with status 400.
pub(super) fn refusal(bad: &BadParameter) -> Vec<u8> {
    json(&Refusal {
        error: Wrong {
            parameter: &bad.name,
            message: &bad.message,
        },
    })
}

fn json(body: &impl Serialize) -> Vec<u8> {
    // Texts and numbers cannot fail to be written; the keys of all maps are texts.
    let mut text = serde_json::to_vec_pretty(body).unwrap_or_default();
    text.push(b'\n');
    text
}

#[derive(Serialize)]
struct Status<'a> {
    version: &'static str,
    revision: &'static str,
    started_at: String,
    now: String,
    uptime_seconds: u64,
    health: &'static str,
    remarks: &'a [String],
    refused_reload: Option<RefusedReload<'a>>,
    window_seconds: Option<u32>,
    recent_results: BTreeMap<&'a str, u64>,
    accounts: Vec<AccountStatus<'a>>,
    scopes: Vec<ScopeStatus<'a>>,
}

#[derive(Serialize)]
struct RefusedReload<'a> {
    at: String,
    message: &'a str,
}

#[derive(Serialize)]
struct AccountStatus<'a> {
    account: &'a str,
    regions_discovered: Option<usize>,
    regions_set_aside: Vec<&'a str>,
    discovery_error: Option<LastError<'a>>,
}

#[derive(Serialize)]
struct ScopeStatus<'a> {
    account: &'a str,
    region_id: &'a str,
    state: &'static str,
    first_look_at: Option<String>,
    last_success_at: Option<String>,
    next_poll_at: Option<String>,
    last_event_at: Option<String>,
    last_poll_duration_seconds: Option<f64>,
    failing_since: Option<String>,
    failed_polls_in_a_row: u32,
    results_tracked: Option<usize>,
    results_open: Option<usize>,
    requests_last_hour: u64,
    throttled_requests_last_hour: u64,
    recent_results: BTreeMap<&'a str, u64>,
    last_error: Option<LastError<'a>>,
    progress: Option<ProgressStatus>,
}

#[derive(Serialize)]
struct LastError<'a> {
    at: String,
    reason: &'static str,
    message: &'a str,
    code: Option<&'a str>,
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct ProgressStatus {
    first_look: bool,
    rows_read: usize,
    rows_expected: Option<usize>,
}

#[derive(Serialize)]
struct Failures<'a> {
    total: usize,
    limit: usize,
    offset: usize,
    next_before: Option<String>,
    complete_after: Option<String>,
    failures: Vec<FailureRow<'a>>,
}

#[derive(Serialize)]
struct Groups<'a> {
    total: usize,
    failures: usize,
    group_by: &'static str,
    limit: usize,
    offset: usize,
    complete_after: Option<String>,
    groups: Vec<GroupRow<'a>>,
}

#[derive(Serialize)]
struct GroupRow<'a> {
    value: &'a str,
    failures: usize,
    oldest: String,
    newest: String,
}

#[derive(Serialize)]
struct FailureRow<'a> {
    time: String,
    account: &'a str,
    region_id: &'a str,
    invoke_id: &'a str,
    instance_id: &'a str,
    container_id: &'a str,
    command_id: &'a str,
    /// Only where the name is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
    invocation_status: &'a str,
    error_code: &'a str,
    exit_code: &'a str,
    error_info: &'a str,
    duration_seconds: Option<u32>,
    /// Only of a schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<u32>,
    output_delivery: Option<DeliveryOf<'a>>,
    id: String,
    console_url: String,
}

#[derive(Serialize)]
struct DeliveryOf<'a> {
    status: &'static str,
    error_code: &'a str,
    uri: &'a str,
}

#[derive(Serialize)]
struct Refusal<'a> {
    error: Wrong<'a>,
}

#[derive(Serialize)]
struct Wrong<'a> {
    parameter: &'a str,
    message: &'a str,
}

impl<'a> AccountStatus<'a> {
    fn of(name: &'a str, account: &'a AccountView) -> Self {
        Self {
            account: name,
            regions_discovered: account.discovered,
            regions_set_aside: account.set_aside.iter().map(|region| &**region).collect(),
            discovery_error: account.error.as_ref().map(LastError::of),
        }
    }
}

impl<'a> ScopeStatus<'a> {
    fn of(overview: &Overview<'a>, scope: &'a ScopeView) -> Self {
        let counts = scope.counts.as_ref();
        let hour = overview.last_hour(&scope.scope);
        Self {
            account: &scope.scope.account,
            region_id: &scope.scope.region_id,
            state: overview.state(scope).as_str(),
            first_look_at: counts.and_then(|counts| counts.first_look).map(rfc3339),
            last_success_at: scope.last_success.map(rfc3339),
            next_poll_at: scope.next_poll.map(rfc3339),
            last_event_at: overview.last_event(&scope.scope).map(rfc3339),
            last_poll_duration_seconds: scope.last_poll.map(|poll| poll.took.as_secs_f64()),
            failing_since: scope.work.outcomes.failing_since.map(rfc3339),
            failed_polls_in_a_row: scope.work.outcomes.failed_in_a_row,
            results_tracked: counts.map(|counts| counts.held),
            results_open: counts.map(|counts| counts.open),
            requests_last_hour: hour.requests,
            throttled_requests_last_hour: hour.throttled,
            recent_results: recent(scope),
            last_error: scope.error.as_ref().map(LastError::of),
            progress: scope.progress.map(|progress| ProgressStatus {
                first_look: progress.is_baseline,
                rows_read: progress.rows,
                rows_expected: progress.of,
            }),
        }
    }
}

impl<'a> LastError<'a> {
    fn of(error: &'a Failed) -> Self {
        Self {
            at: rfc3339(error.at),
            reason: error.reason.as_str(),
            message: bounded(&error.what),
            code: error.code.as_deref(),
            request_id: error.request_id.as_deref(),
        }
    }
}

impl<'a> GroupRow<'a> {
    fn of(group: &Group<'a>) -> Self {
        Self {
            value: bounded(group.value),
            failures: group.count,
            oldest: rfc3339(group.oldest),
            newest: rfc3339(group.newest),
        }
    }
}

impl<'a> FailureRow<'a> {
    fn of(view: &View, scope: &'a Scope, failure: &ShownFailure<'a>) -> Self {
        let ids = failure.ids();
        Self {
            time: rfc3339(failure.time()),
            account: &scope.account,
            region_id: &scope.region_id,
            invoke_id: bounded(ids.invoke_id),
            instance_id: bounded(ids.instance_id),
            container_id: bounded(ids.container_id),
            command_id: bounded(ids.command_id),
            command: failure.command().map(bounded),
            invocation_status: failure.invocation_status(),
            error_code: failure.error_code(),
            exit_code: failure.exit_code(),
            error_info: failure.error_info(),
            duration_seconds: failure.duration(),
            run: Some(failure.run()).filter(|run| *run > 0),
            output_delivery: failure.delivery().map(|delivery| DeliveryOf {
                status: if delivery.finished { "Finished" } else { "Failed" },
                error_code: &delivery.error_code,
                uri: bounded(&delivery.uri),
            }),
            id: digits(failure.identity()).to_string(),
            console_url: console::url(view, scope, ids),
        }
    }
}
