//! Selected commands: which series each result belongs to, what it adds to it, and what waits for a name.

pub(in crate::record) mod names;
pub(in crate::record) mod series;
pub(in crate::record) mod shown;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::hold::{OnBeginning, Start};
use super::window::Window;
use crate::record::fact::{Context, Fact, Settled};
use crate::record::findings::{NamesUnavailable, Naming};
use crate::record::identities::{Entry, EntryId, Identities};
use crate::record::labels::StatusNumber;
use crate::record::saved::{Change, Key};
use crate::record::settings::Settings;
use crate::record::table::Table;
use crate::result::{CommandOfRow, Identity, Row, Seconds};
use crate::selection::SelectorSet;
use names::{KnownCommands, Name};
use series::{AllSeries, CommandResult, SeriesNumber};

/// After so many polls in a row that could not have names, what has no name is taken by its CommandId.
const PATIENCE: u8 = 3;

/// So many results wait for names at most.
const MAX_UNNAMED: usize = 10_000;

/// Of so many pairs of CommandId and tags the series is kept at hand.
const MAX_RESOLVED: usize = 100_000;

/// Everything about selected commands. The record has none where nothing is selected.
#[derive(Debug)]
pub(in crate::record) struct Commands {
    known: KnownCommands,
    series: AllSeries,
    /// The series of held results, of those that have one.
    of: Table<EntryId, SeriesNumber>,
    window: Window<(SeriesNumber, StatusNumber)>,
    /// Counted results whose command's name is still being asked for.
    unnamed: Table<u32, Unnamed>,
    /// Why what has no name is taken by its CommandId, until an answer comes.
    names_unavailable: Option<NamesUnavailable>,
    /// Polls in a row that could not have names.
    polls_without_names: u8,
    /// Series by CommandId and tags, until a name changes.
    resolved: HashMap<(Box<str>, SelectorSet), Option<SeriesNumber>>,
}

/// A counted result that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::record) struct Unnamed {
    identity: Identity,
    command_id: Box<str>,
    /// Under the selection with this fingerprint.
    tagged: SelectorSet,
    selection: u64,
    settled: CommandResult,
}

/// Which series the results of a command belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resolved {
    To(SeriesNumber),
    Unselected,
    /// Its name decides, and is still to be had.
    Unnamed,
}

/// What is to be asked about a row's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameNeed {
    /// Its name.
    Name,
    /// How the schedule that the row belongs to repeats.
    Schedule,
    /// Nothing; but whether the name is still the same may be looked at.
    Nothing,
}

impl Commands {
    /// None where nothing is selected.
    pub(in crate::record) fn new(settings: &Settings) -> Option<Self> {
        let commands = settings.commands.clone()?;
        Some(Self {
            known: KnownCommands::default(),
            series: AllSeries::new(commands, settings),
            of: Table::default(),
            window: Window::new(settings.window),
            unnamed: Table::default(),
            names_unavailable: None,
            polls_without_names: 0,
            resolved: HashMap::new(),
        })
    }

    pub(in crate::record) fn on(&mut self, fact: &Fact<'_>, context: Context<'_>) {
        match fact {
            Fact::Passed(now) => {
                let Self { window, of, .. } = self;
                let held = of.iter().filter_map(|(id, number)| {
                    let entry = context.identities.get(*id)?;
                    Some(((*number, entry.labels.status), entry))
                });
                window.advance(*now, held);
            }
            Fact::Named(naming) => self.learn_names(naming, context.identities),
            Fact::Moved { id, before, after } => self.moved(*id, *before, *after),
            Fact::Shown {
                id,
                command,
                run_began,
            } => {
                self.known.note_listed(&command.id);
                if let Resolved::To(number) = self.resolve(command) {
                    self.tie(*id, number, context.identities);
                    if let Some(began) = run_began {
                        self.series.ran(number, *began);
                    }
                }
            }
            Fact::Parted { row, run } => {
                if let (Some(number), Some(run)) = (self.of(*row), run) {
                    self.tie(*run, number, context.identities);
                }
            }
            Fact::Settled(settled) => self.settled(settled),
            Fact::Changed { id, before, .. } => {
                if let Some(number) = self.of(*id) {
                    self.series.left(number, before);
                }
            }
            Fact::TakenIn => {
                let held = self.of.iter();
                let held = held.filter_map(|(id, number)| Some((*number, context.identities.get(*id)?)));
                self.series.renew_newest(held);
            }
            Fact::Swept(schedules) => {
                if self.known.forget_unlisted(schedules) {
                    self.resolved.clear();
                }
            }
            Fact::Delivered { .. } | Fact::Lost | Fact::Late | Fact::Forgotten => {}
        }
    }

    /// Why commands are labelled by CommandIds, if they are.
    pub(in crate::record) fn names_unavailable(&self) -> Option<NamesUnavailable> {
        self.names_unavailable
    }

    /// The name of a CommandId, where it is known.
    pub(in crate::record) fn name(&self, id: &str) -> Option<&str> {
        match self.known.name(id) {
            Name::Is(name) => Some(name),
            Name::Gone | Name::Unknown => None,
        }
    }

    /// Another number whenever anything that is known of commands has changed.
    pub(in crate::record) fn names_revision(&self) -> u64 {
        self.known.revision
    }

    /// What is to be asked about a row's command; none where that is not selected.
    pub(in crate::record) fn name_need(&self, row: &Row) -> Option<NameNeed> {
        let command = row.command.as_deref()?;
        if self.known.name(&command.id) == Name::Unknown {
            return Some(NameNeed::Name);
        }
        let selection = &self.series.settings.selection;
        if selection.choose(&command.id, command.tagged, self.name(&command.id)) == 0 {
            return None;
        }
        match &row.ids {
            Some(ids)
                if row.scheduled
                    && row.status.is_open()
                    && self.known.repeats(&command.id, &ids.invoke_id).is_none() =>
            {
                Some(NameNeed::Schedule)
            }
            _ => Some(NameNeed::Nothing),
        }
    }

    /// CommandIds whose names counted results wait for.
    pub(in crate::record) fn awaited_names(&self) -> impl Iterator<Item = &str> {
        self.unnamed.iter().map(|(_, unnamed)| &*unnamed.command_id)
    }

    /// The value of `command` for results of a command: none where that is not selected.
    ///
    /// # Errors
    /// While its name decides, and is not known.
    pub(in crate::record) fn label(&mut self, command: &CommandOfRow) -> Result<Option<Box<str>>, NameNeed> {
        match self.resolve(command) {
            Resolved::To(number) => Ok(self.series.series.get(number).map(|series| series.label.clone())),
            Resolved::Unselected => Ok(None),
            Resolved::Unnamed => Err(NameNeed::Name),
        }
    }

    /// Takes in names that were asked for apart from a poll.
    pub(in crate::record) fn named(&mut self, naming: &Naming, identities: &Identities) {
        self.learn_names(naming, identities);
    }

    /// The series of a held result.
    fn of(&self, id: EntryId) -> Option<SeriesNumber> {
        self.of.get(id).copied()
    }

    fn resolve(&mut self, command: &CommandOfRow) -> Resolved {
        let is_awaited = self.known.name(&command.id) == Name::Unknown && self.names_unavailable.is_none();
        if is_awaited && self.unnamed.len() < MAX_UNNAMED {
            return Resolved::Unnamed;
        }
        let key = (command.id.clone(), command.tagged);
        if let Some(number) = self.resolved.get(&key) {
            return number.map_or(Resolved::Unselected, Resolved::To);
        }
        let name = self.name(&command.id);
        let selection = &self.series.settings.selection;
        let chosen = selection.choose(&command.id, command.tagged, name);
        let label: Box<str> = name.filter(|name| !name.is_empty()).unwrap_or(&command.id).into();
        let number = (chosen != 0).then(|| self.series.of_label(&label, chosen));
        if self.resolved.len() >= MAX_RESOLVED {
            self.resolved.clear();
        }
        self.resolved.insert(key, number);
        number.map_or(Resolved::Unselected, Resolved::To)
    }

    /// A held result belongs to a series from now on.
    fn tie(&mut self, id: EntryId, number: SeriesNumber, identities: &Identities) {
        let Some(entry) = identities.get(id) else { return };
        let before = self.of(id);
        // A settled result stays where it was counted, whatever its command is called later.
        if before == Some(number) || (before.is_some() && !entry.is_open()) {
            return;
        }
        self.moved(id, Some(entry), None);
        self.of.insert(id, number);
        self.moved(id, None, Some(entry));
    }

    fn moved(&mut self, id: EntryId, before: Option<&Entry>, after: Option<&Entry>) {
        let Some(number) = self.of(id) else { return };
        if let Some(before) = before {
            self.window.remove((number, before.labels.status), before);
        }
        match after {
            Some(after) => self.window.add((number, after.labels.status), after),
            None => {
                self.of.remove(id);
            }
        }
    }

    fn settled(&mut self, settled: &Settled<'_>) {
        let Some(command) = settled.command else { return };
        let counts = settled.counts();
        let result = CommandResult {
            status: settled.labelled.labels.status,
            time: settled.time,
            duration: settled.duration,
        };
        match self.resolve(command) {
            Resolved::To(number) => self.series.settled(number, result, counts),
            Resolved::Unnamed if counts => {
                let number = self.unnamed.last().map_or(0, |last| last + 1);
                let unnamed = Unnamed {
                    identity: settled.identity,
                    command_id: command.id.clone(),
                    tagged: command.tagged,
                    selection: self.series.settings.selection.fingerprint(),
                    settled: result,
                };
                self.unnamed.insert(number, unnamed);
            }
            Resolved::Unnamed | Resolved::Unselected => {}
        }
    }

    /// Takes in names, and counts what has waited for them.
    fn learn_names(&mut self, naming: &Naming, identities: &Identities) {
        self.note_unavailable(naming);
        if self.known.learn(naming) {
            self.resolved.clear();
        }
        let selection = self.series.settings.selection.fingerprint();
        for (number, unnamed) in self.unnamed.take() {
            let command = CommandOfRow {
                id: unnamed.command_id.clone(),
                tagged: match unnamed.selection == selection {
                    true => unnamed.tagged,
                    false => 0,
                },
            };
            match self.resolve(&command) {
                Resolved::Unnamed => {
                    self.unnamed.restore_value(number, unnamed);
                }
                Resolved::Unselected => self.unnamed.is_removed(number),
                Resolved::To(series) => {
                    self.unnamed.is_removed(number);
                    self.series.settled(series, unnamed.settled, true);
                    if let Some(id) = identities.find(&unnamed.identity) {
                        self.tie(id, series, identities);
                    }
                }
            }
        }
    }

    fn note_unavailable(&mut self, naming: &Naming) {
        let before = self.names_unavailable;
        match naming.unavailable {
            Some(NamesUnavailable::Refused) => self.names_unavailable = naming.unavailable,
            Some(NamesUnavailable::Passing) => {
                self.polls_without_names = self.polls_without_names.saturating_add(1);
                if self.polls_without_names >= PATIENCE {
                    self.names_unavailable = self.names_unavailable.or(naming.unavailable);
                }
            }
            None if naming.is_answered() => {
                self.names_unavailable = None;
                self.polls_without_names = 0;
            }
            None => {}
        }
        if self.names_unavailable != before {
            self.resolved.clear();
        }
    }

    /// What begins from now on was at 0 then.
    pub(super) fn begin_at(&mut self, start: Start) {
        self.series.start = start;
    }

    pub(super) fn each_beginning(&mut self, on_beginning: OnBeginning<'_>) {
        self.series.each_beginning(on_beginning);
    }

    /// What has changed since the last call.
    pub(in crate::record) fn changes(&mut self) -> impl Iterator<Item = Change> {
        let known = Change::all(self.known.commands.changes(), Key::Command);
        let series = Change::all(self.series.series.changes(), Key::CommandSeries);
        let of = Change::all(self.of.changes(), Key::CommandOf);
        let unnamed = Change::all(self.unnamed.changes(), Key::Unnamed);
        let natives = Change::all(self.series.natives.changes(), Key::CommandNative);
        known.chain(series).chain(of).chain(unnamed).chain(natives)
    }

    /// Puts a saved pair back; `false` where no sound state has it.
    pub(in crate::record) fn restore(&mut self, key: Key, bytes: &[u8]) -> bool {
        match key {
            Key::Command(number) => self.known.restore(number, bytes),
            Key::CommandSeries(number) => self.series.restore(number, bytes),
            Key::CommandOf(id) => {
                self.of.restore(id, bytes)
                    && self
                        .of(id)
                        .is_some_and(|number| self.series.series.contains(number))
            }
            // The next one needs a number too.
            Key::Unnamed(u32::MAX) => false,
            Key::Unnamed(number) => self.unnamed.restore(number, bytes),
            Key::CommandNative(number) => self.series.restore_native(number, bytes),
            _ => false,
        }
    }

    /// After the last saved pair: what is derived, and what has gone with a change of the selection.
    ///
    /// # Errors
    /// With the key of what is said about a result that is not held.
    pub(in crate::record) fn restored(&mut self, now: Seconds, identities: &Identities) -> Result<(), Key> {
        self.series.restored();
        let series = &self.series.series;
        self.of.retain(|_, number| series.contains(*number));
        self.window.advance(now, std::iter::empty());
        for (id, number) in self.of.iter() {
            let entry = identities.get(*id).ok_or(Key::CommandOf(*id))?;
            self.window.add((*number, entry.labels.status), entry);
        }
        Ok(())
    }
}
