//! What is known of the commands behind CommandIds: their names, and how their schedules repeat.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::record::findings::Naming;
use crate::record::table::{Table, decode};
use crate::result::{InvocationSummary, Seconds};

/// A CommandId that DescribeInvocations was asked for so often, and did not list, has no name. Once is not enough:
/// the two lists need not be of the same moment.
const MISSES: u8 = 2;

/// So many schedules of one command are remembered, the newest.
const MAX_SCHEDULES: usize = 16;

/// More CommandIds than the API can list results for; those beyond are asked for each time.
const MAX_COMMANDS: usize = 100_000;

/// Of a saved command; there are far fewer.
const MAX_NUMBER: u32 = 1 << 31;

/// What is known of one CommandId.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    id: Box<str>,
    /// CommandName of the newest invocation.
    name: Option<Box<str>>,
    /// CreationTime of that invocation.
    named_at: Seconds,
    /// CommandType.
    kind: Box<str>,
    /// Invocations that repeat.
    schedules: Vec<Repeats>,
    /// How often it was asked for in vain.
    misses: u8,
    /// No result of it was listed between the last two sweeps.
    unlisted: bool,
}

/// How one scheduled invocation repeats; both texts are empty where that could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Repeats {
    invoke_id: Box<str>,
    /// RepeatMode.
    pub mode: Box<str>,
    /// Frequency.
    pub frequency: Box<str>,
}

/// What can be said of the name of a CommandId.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name<'a> {
    /// It is this.
    Is(&'a str),
    /// It cannot be had.
    Gone,
    /// It has to be asked for.
    Unknown,
}

/// Every CommandId that results are listed for, by its order.
#[derive(Debug, Default)]
pub(super) struct KnownCommands {
    pub commands: Table<u32, Known>,
    by_id: HashMap<Box<str>, u32>,
    /// Those with a result that was listed since the last sweep.
    listed: HashSet<u32>,
    /// Goes up whenever anything that is known changes.
    pub revision: u64,
}

impl KnownCommands {
    /// The name of a CommandId.
    pub(super) fn name(&self, id: &str) -> Name<'_> {
        match self.find(id) {
            Some(Known { name: Some(name), .. }) => Name::Is(name),
            Some(known) if known.misses >= MISSES => Name::Gone,
            _ => Name::Unknown,
        }
    }

    /// How a scheduled invocation of a command repeats.
    pub(super) fn repeats(&self, id: &str, invoke_id: &str) -> Option<&Repeats> {
        let schedules = &self.find(id)?.schedules;
        schedules.iter().find(|repeats| *repeats.invoke_id == *invoke_id)
    }

    /// A result of the command is listed.
    pub(super) fn note_listed(&mut self, id: &str) {
        self.listed.extend(self.by_id.get(id));
    }

    /// Takes in what was read. Returns whether a name is new or another.
    pub(super) fn learn(&mut self, naming: &Naming) -> bool {
        let mut renamed = false;
        // What older invocations are called has passed; of equally old ones the list has the newest first.
        let mut newest: HashMap<&str, &InvocationSummary> = HashMap::new();
        for named in &naming.found {
            newest
                .entry(&named.command_id)
                .and_modify(|other| {
                    if named.created > other.created {
                        *other = named;
                    }
                })
                .or_insert(named);
            self.change(&named.command_id, |known| known.add_schedule(named));
        }
        for (id, named) in &newest {
            renamed |= self.change(id, |known| {
                if known.name.is_none() || named.created >= known.named_at {
                    known.name = Some(named.name.clone());
                    known.named_at = named.created;
                    known.kind.clone_from(&named.kind);
                }
                known.misses = 0;
            });
        }
        for id in naming.missing.iter().filter(|id| !newest.contains_key(&***id)) {
            renamed |= self.change(id, |known| {
                known.misses = known.misses.saturating_add(1).min(MISSES);
            });
        }
        for (id, invoke_id) in &naming.missing_schedules {
            self.change(id, |known| known.add_unknown_schedule(invoke_id));
        }
        renamed
    }

    /// After a sweep: a command that two in a row have no results of is forgotten, and so are schedules that are
    /// over. Returns whether one is.
    pub(super) fn forget_unlisted(&mut self, live_schedules: &HashSet<&str>) -> bool {
        let listed = std::mem::take(&mut self.listed);
        let mut gone = HashSet::new();
        let numbers: Vec<u32> = self.commands.iter().map(|(number, _)| *number).collect();
        for number in numbers {
            let is_listed = listed.contains(&number);
            self.change_number(number, |known| {
                if known.unlisted && !is_listed {
                    gone.insert(number);
                }
                known.unlisted = !is_listed;
                known
                    .schedules
                    .retain(|repeats| live_schedules.contains(&*repeats.invoke_id));
            });
        }
        for number in &gone {
            self.commands.remove(*number);
            self.revision += 1;
        }
        self.by_id.retain(|_, number| !gone.contains(number));
        !gone.is_empty()
    }

    /// Puts a saved one back; `false` where it is there already.
    pub(super) fn restore(&mut self, number: u32, bytes: &[u8]) -> bool {
        // The next one needs a number too.
        let known = decode(bytes).filter(|_| number < MAX_NUMBER);
        known.is_some_and(|known: Known| {
            let twice = self.by_id.insert(known.id.clone(), number).is_some();
            self.commands.restore_value(number, known) && !twice
        })
    }

    fn find(&self, id: &str) -> Option<&Known> {
        self.commands.get(*self.by_id.get(id)?)
    }

    /// Changes or begins what is known of a CommandId. Returns whether what is said of its name has changed.
    fn change(&mut self, id: &str, change: impl FnOnce(&mut Known)) -> bool {
        let number = match self.by_id.get(id) {
            Some(number) => *number,
            None if self.commands.len() >= MAX_COMMANDS => return false,
            None => {
                let number = self.commands.last().map_or(0, |last| last + 1);
                self.by_id.insert(id.into(), number);
                self.listed.insert(number);
                let known = Known {
                    id: id.into(),
                    ..Known::default()
                };
                self.commands.insert(number, known);
                number
            }
        };
        self.change_number(number, change)
    }

    fn change_number(&mut self, number: u32, change: impl FnOnce(&mut Known)) -> bool {
        let Some(known) = self.commands.change_unsaved(number) else {
            return false;
        };
        let before = known.clone();
        change(known);
        if *known == before {
            return false;
        }
        let renamed = known.name != before.name || known.misses != before.misses;
        self.commands.change(number);
        self.revision += 1;
        renamed
    }
}

impl Known {
    fn add_schedule(&mut self, named: &InvocationSummary) {
        if !matches!(&*named.repeat_mode, "Period" | "EveryReboot") {
            return;
        }
        self.schedules
            .retain(|repeats| repeats.invoke_id != named.invoke_id || !repeats.mode.is_empty());
        if self
            .schedules
            .iter()
            .any(|repeats| repeats.invoke_id == named.invoke_id)
        {
            return;
        }
        self.push(Repeats {
            invoke_id: named.invoke_id.clone(),
            mode: named.repeat_mode.clone(),
            frequency: named.frequency.clone(),
        });
    }

    fn add_unknown_schedule(&mut self, invoke_id: &str) {
        if !self
            .schedules
            .iter()
            .any(|repeats| *repeats.invoke_id == *invoke_id)
        {
            self.push(Repeats {
                invoke_id: invoke_id.into(),
                mode: "".into(),
                frequency: "".into(),
            });
        }
    }

    fn push(&mut self, repeats: Repeats) {
        if self.schedules.len() >= MAX_SCHEDULES {
            self.schedules.remove(0);
        }
        self.schedules.push(repeats);
    }
}
