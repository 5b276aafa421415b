//! Which of the recent failures are asked for, and which those are.

use super::cursor::{Cursor, Place, place};
use super::parameters::{BadParameter, Parameters};
use crate::record::ShownFailure;
use crate::result::Seconds;
use crate::scope::Scope;
use crate::timestamp;
use crate::view::View;

/// The most failures in one answer.
pub(super) const MAX_LIMIT: usize = 1000;

/// No record holds so many.
const MAX_OFFSET: usize = 100_000_000;

/// No run has a higher number.
const MAX_RUN: usize = u32::MAX as usize;

/// A question about failures: the same of the page's form as of the API's query.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    /// The values of [`Filter::TEXTS`], those that are set.
    texts: [Option<String>; Self::TEXTS.len()],
    /// Only this run of a schedule; 0 for results of none.
    run: Option<u32>,
    /// Failures of this time and later.
    pub(super) since: Option<Seconds>,
    /// Failures from before this time.
    pub(super) before: Option<Seconds>,
}

/// A failure with its scope.
pub(super) type Found<'a> = (&'a Scope, ShownFailure<'a>);

/// A part of the failures that match, the newest first.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    /// How many match in all.
    pub(super) total: usize,
    /// How many of those come before the first one here.
    pub(super) offset: usize,
    pub(super) failures: Vec<Found<'a>>,
}

impl Filter {
    /// Its parameters that are compared with texts.
    pub(super) const TEXTS: [&'static str; 10] = [
        "account",
        "region_id",
        "invocation_status",
        "error_code",
        "exit_code",
        "command_id",
        "command",
        "command_contains",
        "instance_id",
        "invoke_id",
    ];

    /// The names of all its parameters.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        Self::TEXTS.into_iter().chain(["run", "since", "before"])
    }

    /// Takes its parameters. `before` may be a place in the list instead of a time, and is then given apart.
    pub(super) fn take(parameters: &mut Parameters) -> Result<(Self, Option<Cursor>), BadParameter> {
        let texts = Self::TEXTS.map(|name| {
            let text = parameters.text(name).map(|text| text.trim().to_owned());
            text.filter(|text| !text.is_empty())
        });
        let run = parameters.number("run", 0..=MAX_RUN)?;
        let since = time(parameters, "since")?;
        let cursor = parameters.peek("before").and_then(Cursor::parse);
        let before = match cursor {
            Some(_) => {
                parameters.text("before");
                None
            }
            None => time(parameters, "before")?,
        };
        let filter = Self {
            texts,
            run: run.map(|run| run as u32),
            since,
            before,
        };
        Ok((filter, cursor))
    }

    /// The value of a text, where it is set.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let place = Self::TEXTS.iter().position(|known| *known == name)?;
        self.texts[place].as_deref()
    }

    /// The same, but only with this value of a text, an empty one too.
    #[must_use]
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        self.set(name, Some(quoted(value)))
    }

    fn set(&self, name: &str, text: Option<String>) -> Self {
        let mut filter = self.clone();
        if let Some(place) = Self::TEXTS.iter().position(|known| *known == name) {
            filter.texts[place] = text;
        }
        filter
    }

    /// The same, but of one scope.
    #[must_use]
    pub(super) fn of_scope(&self, scope: &Scope) -> Self {
        let of_account = self.with("account", &scope.account);
        of_account.with("region_id", &scope.region_id)
    }

    /// The same, but for one run of a schedule.
    #[must_use]
    pub(super) fn of_run(&self, run: u32) -> Self {
        let run = Some(run);
        Self { run, ..self.clone() }
    }

    /// The same without one of its parameters.
    #[must_use]
    pub(super) fn without(&self, name: &str) -> Self {
        let mut filter = self.set(name, None);
        match name {
            "run" => filter.run = None,
            "since" => filter.since = None,
            "before" => filter.before = None,
            _ => {}
        }
        filter
    }

    /// The same between two times.
    #[must_use]
    pub(super) fn between(&self, since: Seconds, before: Seconds) -> Self {
        Self {
            since: Some(since),
            before: Some(before),
            ..self.clone()
        }
    }

    /// As parameters again, those that are set.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let texts = Self::TEXTS.into_iter().zip(&self.texts);
        let texts = texts.filter_map(|(name, value)| Some((name, value.clone()?)));
        let run = self.run.map(|run| ("run", run.to_string()));
        let since = self.since.map(|time| ("since", timestamp::rfc3339(time)));
        let before = self.before.map(|time| ("before", timestamp::rfc3339(time)));
        texts.chain(run).chain(since).chain(before).collect()
    }

    /// Whether everything matches.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it asks for nothing but scopes, so that what is counted by scope can be told exactly.
    pub(super) fn is_of_scopes(&self) -> bool {
        let Self {
            texts,
            run,
            since,
            before,
        } = self;
        let [_account, _region_id, others @ ..] = texts;
        let has_others = others.iter().any(Option::is_some);
        !has_others && run.is_none() && since.is_none() && before.is_none()
    }

    /// Whether a scope is asked for.
    pub(super) fn matches_scope(&self, scope: &Scope) -> bool {
        let [account, region_id, ..] = &self.texts;
        is(account, &scope.account) && is(region_id, &scope.region_id)
    }

    fn matches(&self, failure: &ShownFailure<'_>, contains: Option<&str>) -> bool {
        let [
            _,
            _,
            status,
            error_code,
            exit_code,
            command_id,
            command,
            _,
            instance_id,
            invoke_id,
        ] = &self.texts;
        let is_status = |status: &String| status.eq_ignore_ascii_case(failure.invocation_status());
        (is(status, failure.invocation_status()) || status.as_ref().is_some_and(is_status))
            && is(error_code, failure.error_code())
            && is(exit_code, failure.exit_code())
            && is(command_id, failure.ids().command_id)
            && is(instance_id, failure.ids().instance_id)
            && is(invoke_id, failure.ids().invoke_id)
            && is_command(command, failure)
            && self.run.is_none_or(|run| failure.run() == run)
            && self.since.is_none_or(|since| failure.time() >= since)
            && self.before.is_none_or(|before| failure.time() < before)
            && contains.is_none_or(|part| {
                let name = failure.command().unwrap_or_default();
                name.to_lowercase().contains(part)
            })
    }

    /// Every failure of a view that matches, in no order.
    pub(super) fn all<'a>(&self, view: &'a View) -> Vec<Found<'a>> {
        let contains = self.text("command_contains").map(str::to_lowercase);
        let scopes = view.scopes.iter().filter(|(scope, _)| self.matches_scope(scope));
        scopes
            .filter_map(|(scope, shown)| Some((scope, shown.counts.as_ref()?)))
            .flat_map(|(scope, counts)| counts.failures().map(move |failure| (scope, failure)))
            .filter(|(_, failure)| self.matches(failure, contains.as_deref()))
            .collect()
    }
}

/// Leaves those that come after a place.
pub(super) fn behind(found: &mut Vec<Found<'_>>, after: &Cursor) {
    let after = after.place();
    found.retain(|found| order(found) > after);
}

/// A part of failures, in order.
pub(super) fn part<'a>(
    mut matching: Vec<Found<'a>>,
    after: Option<&Cursor>,
    offset: usize,
    limit: usize,
) -> Selection<'a> {
    let total = matching.len();
    if let Some(after) = after {
        behind(&mut matching, after);
    }
    let passed = total - matching.len();
    // Only what is shown needs to be in order: a thousand of what may be a hundred thousand.
    let end = offset.saturating_add(limit).min(matching.len());
    if end < matching.len() {
        matching.select_nth_unstable_by(end, |one, other| order(one).cmp(&order(other)));
        matching.truncate(end);
    }
    matching.sort_by(|one, other| order(one).cmp(&order(other)));
    Selection {
        total,
        offset: passed + offset,
        failures: matching.split_off(offset.min(end)),
    }
}

/// The ids decide between equal times, so that pages neither repeat nor leave out.
fn order<'a>((scope, failure): &Found<'a>) -> Place<'a> {
    place(scope, failure)
}

/// Takes `offset`.
pub(super) fn take_offset(parameters: &mut Parameters) -> Result<usize, BadParameter> {
    Ok(parameters.number("offset", 0..=MAX_OFFSET)?.unwrap_or(0))
}

fn time(parameters: &mut Parameters, name: &'static str) -> Result<Option<Seconds>, BadParameter> {
    let Some(text) = parameters.text(name) else {
        return Ok(None);
    };
    let unix = || {
        text.parse::<Seconds>()
            .ok()
            .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let read = timestamp::parse_own(&text).or_else(unix);
    let expected = "expected a time such as 2026-01-02T03:04:05Z, or seconds since 1970";
    read.map(Some).ok_or_else(|| BadParameter::new(name, expected))
}

fn is(wanted: &Option<String>, value: &str) -> bool {
    wanted
        .as_deref()
        .is_none_or(|wanted| literal(wanted).unwrap_or(wanted) == value)
}

/// What is in quotation marks is meant as it stands: with blanks at its ends, or empty. A parameter without a value asks
/// for nothing.
fn literal(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

/// What asks for this value and no other.
fn quoted(value: &str) -> String {
    match value.is_empty() || value.trim() != value || literal(value).is_some() {
        true => format!("\"{value}\""),
        false => value.to_owned(),
    }
}

/// A command is called by its name, or by its id where that is not known: as in the label of metrics.
fn is_command(wanted: &Option<String>, failure: &ShownFailure<'_>) -> bool {
    match failure.command() {
        Some(name) => is(wanted, name),
        None => is(wanted, "") || is(wanted, failure.ids().command_id),
    }
}
