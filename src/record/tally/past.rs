//! What had settled by the first look, one by one: the past of the counters, which themselves begin at 0.

use std::collections::HashMap;

use crate::record::fact::{Fact, How, Settled};
use crate::record::labels::ResultLabels;
use crate::result::{CommandOfRow, Identity, Seconds};
use crate::selection::SelectorSet;

/// Settled results, by what tells them apart.
#[derive(Debug, Default)]
pub(in crate::record) struct PastResults {
    pub results: HashMap<Identity, Kept>,
    pub commands: Vec<CommandOfRow>,
    by_command: HashMap<(Box<str>, SelectorSet), u32>,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(in crate::record) struct Kept {
    /// Its own time; none where it has none.
    pub time: Option<Seconds>,
    pub duration: Option<u32>,
    pub labels: ResultLabels,
    /// Its place in `commands`.
    pub command: Option<u32>,
    /// Whether the counters have it.
    pub counted: bool,
}

impl PastResults {
    pub(in crate::record) fn on(&mut self, fact: &Fact<'_>) {
        if let Fact::Settled(settled) = fact
            && settled.how != How::Again
        {
            let command = settled.command.map(|command| self.number(command));
            self.results
                .entry(settled.identity)
                .or_insert_with(|| Kept::of(settled, command));
        }
    }

    fn number(&mut self, command: &CommandOfRow) -> u32 {
        let commands = &mut self.commands;
        *self
            .by_command
            .entry((command.id.clone(), command.tagged))
            .or_insert_with(|| {
                commands.push(command.clone());
                commands.len() as u32 - 1
            })
    }
}

impl Kept {
    fn of(settled: &Settled<'_>, command: Option<u32>) -> Self {
        Self {
            time: settled.own_time,
            duration: settled.duration,
            labels: settled.labelled.labels,
            command,
            counted: settled.counts(),
        }
    }
}
