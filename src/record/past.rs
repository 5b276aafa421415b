//! The past of a record: every result that its first look has shown settled, with its own time.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::Record;
use super::findings::Naming;
use super::tally::past::PastResults;
use crate::clock::Now;
use crate::result::{Row, Seconds};

/// What had settled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// The label values that occur together.
    pub classes: Vec<PastClass>,
    /// One by one.
    pub results: Vec<PastResult>,
    /// Results of commands whose names could not be had, though they decide.
    pub unnamed: u64,
}

/// Label values that occur together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PastClass {
    /// InvocationStatus.
    pub invocation_status: Box<str>,
    /// ErrorCode.
    pub error_code: Box<str>,
    /// ExitCode.
    pub exit_code: Box<str>,
    /// The value of `command`, where that is selected.
    pub command: Option<Box<str>>,
}

/// One settled result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastResult {
    /// The place of its labels in [`Past::classes`].
    pub class: u32,
    /// FinishedTime, else StopTime, else StartTime; none where it has none of them.
    pub time: Option<Seconds>,
    /// FinishedTime − StartTime.
    pub duration: Option<u32>,
    /// Whether the record's counters have it: it settled while the look was under way.
    pub counted: bool,
}

impl Record {
    /// From now on what [`Record::apply`] is the first to show settled is kept for [`Record::take_past`].
    pub fn keep_past(&mut self) {
        self.tallies.past = Some(Box::new(PastResults::default()));
    }

    /// Runs of schedules, which the first look knows by their numbers only, as a history shows them.
    pub fn past_runs(&mut self, rows: &[Row], now: Now) {
        let Self {
            ledger,
            tallies,
            labels,
            ..
        } = self;
        ledger.past_runs(rows, now, labels, &mut |fact, _| {
            if let Some(past) = &mut tallies.past {
                past.on(fact);
            }
        });
    }

    /// CommandIds of kept results whose names decide, and are not known.
    pub fn unnamed_past(&mut self) -> BTreeSet<Box<str>> {
        let past = self.tallies.past.iter().flat_map(|past| &past.commands);
        let mut unnamed = BTreeSet::new();
        if let Some(commands) = &mut self.tallies.commands {
            unnamed.extend(
                past.filter(|command| commands.label(command).is_err())
                    .map(|command| command.id.clone()),
            );
        }
        unnamed
    }

    /// What was asked of commands apart from a poll.
    pub fn learn_names(&mut self, naming: &Naming) {
        let Self { ledger, tallies, .. } = self;
        if let Some(commands) = &mut tallies.commands {
            commands.named(naming, &ledger.identities);
        }
    }

    /// What has been kept. The row of a schedule stands for its last run: where that is there itself, only that is.
    pub fn take_past(&mut self) -> Past {
        let Some(mut kept) = self.tallies.past.take() else {
            return Past::default();
        };
        for (identity, schedule) in self.ledger.schedules() {
            if kept.results.contains_key(&identity.of_run(schedule.shown.max(1))) {
                kept.results.remove(&identity);
            }
        }
        let commands = &mut self.tallies.commands;
        let named: Vec<_> = kept
            .commands
            .iter()
            .map(|command| {
                commands
                    .as_mut()
                    .map_or(Ok(None), |commands| commands.label(command))
            })
            .collect();
        let texts = self.labels.texts();
        let (mut past, mut numbers) = (Past::default(), HashMap::new());
        for kept in kept.results.into_values() {
            let name = kept.command.and_then(|place| named.get(place as usize));
            past.unnamed += u64::from(name.is_some_and(Result::is_err));
            let command = name.and_then(|name| name.as_ref().ok()?.clone());
            let class = *numbers
                .entry((kept.labels, command))
                .or_insert_with_key(|(labels, command)| {
                    past.classes.push(PastClass {
                        invocation_status: texts.status_text(labels.status).into(),
                        error_code: texts.error_codes.text(labels.error_code).into(),
                        exit_code: texts.exit_codes.text(labels.exit_code).into(),
                        command: command.clone(),
                    });
                    past.classes.len() as u32 - 1
                });
            past.results.push(PastResult {
                class,
                time: kept.time,
                duration: kept.duration,
                counted: kept.counted,
            });
        }
        past.results
            .sort_unstable_by_key(|result| (result.time, result.class, result.duration));
        past
    }
}
