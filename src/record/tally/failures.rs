//! The newest results that did not succeed, for a person to look at.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::record::fact::{Changed, Fact, Settled};
use crate::record::labels::{LabelTexts, ResultLabels};
use crate::record::table::{Table, decode};
use crate::result::{Identity, Ids, Seconds};

/// So many are kept of each scope.
pub const MAX_FAILURES: usize = 1000;

/// A settled result that is not Success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::record) struct Failure {
    /// Of the result; with its run for one of a schedule.
    pub identity: Identity,
    /// Its time.
    pub time: Seconds,
    /// Where to look.
    pub ids: Ids,
    /// Its newest state.
    pub labels: ResultLabels,
}

/// A failure with its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownFailure {
    /// Its time.
    pub time: Seconds,
    /// Where to look.
    pub ids: Ids,
    /// InvocationStatus.
    pub invocation_status: Box<str>,
    /// ErrorCode.
    pub error_code: Box<str>,
    /// ExitCode.
    pub exit_code: Box<str>,
    /// The name of its command, where it is known.
    pub command: Option<Box<str>>,
}

/// A bounded set of failures, by time.
#[derive(Debug, Default)]
pub(in crate::record) struct Failures {
    /// The upper half of a key is the time, the lower a number that tells equal times apart.
    pub by_time: Table<u64, Failure>,
    next: u32,
    /// As they were shown last; pictures share them.
    shown: HashMap<u64, Arc<ShownFailure>>,
    /// All of them, made anew when they have changed.
    all_shown: Option<Arc<[Arc<ShownFailure>]>>,
    /// [`super::commands::Commands::names_revision`] of what is shown.
    shown_with: u64,
}

impl Failures {
    pub(super) fn on(&mut self, fact: &Fact<'_>) {
        match fact {
            Fact::Settled(settled) if !settled.is_success() => self.add(settled),
            Fact::Changed {
                how: Changed::Unhidden,
                ..
            } => {}
            Fact::Changed { before, .. } => self.forget(&before.identity),
            _ => {}
        }
    }

    fn add(&mut self, settled: &Settled<'_>) {
        let Some(ids) = settled.ids else { return };
        let failure = Failure {
            identity: settled.identity,
            time: settled.time,
            ids: ids.clone(),
            labels: settled.labelled.labels,
        };
        let key = u64::from(failure.time) << 32 | u64::from(self.next);
        self.next = self.next.wrapping_add(1);
        self.by_time.insert(key, failure);
        self.all_shown = None;
        if self.by_time.len() > MAX_FAILURES
            && let Some(oldest) = self.by_time.first()
        {
            self.remove(oldest);
        }
    }

    fn forget(&mut self, identity: &Identity) {
        let mut failures = self.by_time.iter();
        let found = failures.find(|(_, failure)| failure.identity == *identity);
        if let Some(key) = found.map(|(key, _)| *key) {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: u64) {
        self.by_time.remove(key);
        self.shown.remove(&key);
        self.all_shown = None;
    }

    pub(in crate::record) fn restore(&mut self, key: u64, bytes: &[u8], labels: &LabelTexts) -> bool {
        self.next = self.next.max((key as u32).wrapping_add(1));
        let failure = decode(bytes).filter(|failure: &Failure| labels.has(failure.labels));
        failure.is_some_and(|failure| self.by_time.restore_value(key, failure))
    }

    /// All of them, the newest first. What was shown before is shared, as long as commands have the same names: those
    /// of `revision`.
    pub(in crate::record) fn shown<'a>(
        &mut self,
        labels: &LabelTexts,
        revision: u64,
        name: impl Fn(&str) -> Option<&'a str>,
    ) -> Arc<[Arc<ShownFailure>]> {
        if self.shown_with != revision {
            self.shown_with = revision;
            self.shown.clear();
            self.all_shown = None;
        }
        let Self {
            by_time,
            shown,
            all_shown,
            ..
        } = self;
        let all = all_shown.get_or_insert_with(|| {
            let newest_first = by_time.iter().rev();
            let shown = newest_first.map(|(key, failure)| {
                let show = || Arc::new(failure.shown(labels, name(&failure.ids.command_id)));
                Arc::clone(shown.entry(*key).or_insert_with(show))
            });
            shown.collect()
        });
        Arc::clone(all)
    }
}

impl Failure {
    fn shown(&self, labels: &LabelTexts, command: Option<&str>) -> ShownFailure {
        ShownFailure {
            time: self.time,
            ids: self.ids.clone(),
            invocation_status: labels.status_text(self.labels.status).into(),
            error_code: labels.error_codes.text(self.labels.error_code).into(),
            exit_code: labels.exit_codes.text(self.labels.exit_code).into(),
            command: command.map(Into::into),
        }
    }
}
