//! Selected commands within the record: which series each result belongs to, and what waits for a name.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::command::{AllSeries, CommandSettings, SeriesNumber, Settled};
use super::findings::{Naming, Trouble, duration, started};
use super::known::{KnownCommands, Name};
use super::label::StatusNumber;
use super::saved::{Damaged, Key, decode, encode};
use super::slots::{Entry, Slot, Slots};
use super::window::Window;
use super::{Record, Settings};
use crate::result::{CommandOfRow, Identity, Row, Seconds};
use crate::selection::Chosen;

/// After so many polls in a row whose questions for names had trouble, what has no name is taken by its CommandId.
const PATIENCE: u8 = 3;

/// So many results wait for names at most.
const MAX_UNNAMED: usize = 10_000;

/// Of so many pairs of CommandId and tags the series is kept at hand.
const MAX_RESOLVED: usize = 100_000;

/// Everything about selected commands. The record has none where nothing is selected.
#[derive(Debug)]
pub(super) struct Commands {
    pub known: KnownCommands,
    pub series: AllSeries,
    /// The series of held results, of those that have one.
    of: BTreeMap<Slot, SeriesNumber>,
    pub window: Window<(SeriesNumber, StatusNumber)>,
    /// Counted results whose command's name is still being asked for.
    unnamed: BTreeMap<u32, Unnamed>,
    /// Why what has no name is taken by its CommandId, until an answer comes.
    trouble: Option<Trouble>,
    /// Polls in a row that had trouble with names.
    troubled: u8,
    /// Series by CommandId and tags, until a name changes.
    resolved: HashMap<(Box<str>, Chosen), Option<SeriesNumber>>,
}

/// A counted result that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unnamed {
    identity: Identity,
    command_id: Box<str>,
    /// Under the selection with this fingerprint.
    tagged: Chosen,
    selection: u64,
    settled: Settled,
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
pub enum Lack {
    /// Its name.
    Name,
    /// How the schedule that the row belongs to repeats.
    Schedule,
    /// Nothing; but whether the name is still the same may be looked at.
    Nothing,
}

impl Commands {
    /// None where nothing is selected.
    pub(super) fn new(settings: &Settings) -> Option<Self> {
        let commands: CommandSettings = settings.commands.clone()?;
        Some(Self {
            known: KnownCommands::default(),
            series: AllSeries::new(commands, &settings.duration_buckets),
            of: BTreeMap::new(),
            window: Window::new(settings.window),
            unnamed: BTreeMap::new(),
            trouble: None,
            troubled: 0,
            resolved: HashMap::new(),
        })
    }

    /// The series of a held result.
    pub(super) fn of(&self, slot: Slot) -> Option<SeriesNumber> {
        self.of.get(&slot).copied()
    }

    /// Why commands are labelled by CommandIds, if they are.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    fn resolve(&mut self, command: &CommandOfRow, unsaved: &mut BTreeSet<Key>) -> Resolved {
        let is_awaited = self.known.name(&command.id) == Name::Unknown && self.trouble().is_none();
        if is_awaited && self.unnamed.len() < MAX_UNNAMED {
            return Resolved::Unnamed;
        }
        let name = match self.known.name(&command.id) {
            Name::Is(name) => Some(name),
            Name::Gone | Name::Unknown => None,
        };
        let key = (command.id.clone(), command.tagged);
        if let Some(number) = self.resolved.get(&key) {
            return number.map_or(Resolved::Unselected, Resolved::To);
        }
        let selection = &self.series.settings.selection;
        let chosen = selection.choose(&command.id, command.tagged, name);
        let label: Box<str> = name.filter(|name| !name.is_empty()).unwrap_or(&command.id).into();
        let number = (chosen != 0).then(|| self.series.of_label(&label, chosen, unsaved));
        if self.resolved.len() >= MAX_RESOLVED {
            self.resolved.clear();
        }
        self.resolved.insert(key, number);
        number.map_or(Resolved::Unselected, Resolved::To)
    }

    /// A held result belongs to a series from now on.
    fn tie(&mut self, slot: Slot, entry: &Entry, number: SeriesNumber, unsaved: &mut BTreeSet<Key>) {
        let before = self.of(slot);
        // A settled result stays where it was counted, whatever its command is called later.
        if before == Some(number) || (before.is_some() && !entry.is_open()) {
            return;
        }
        self.leaves(slot, entry);
        self.of.insert(slot, number);
        unsaved.insert(Key::CommandOf(slot));
        self.enters(slot, entry);
    }

    /// Time passes: settled results leave the window.
    pub(super) fn advance(&mut self, now: Seconds, slots: &Slots) {
        let Self { window, of, .. } = self;
        let held = of.iter().filter_map(|(slot, number)| {
            let entry = slots.get(*slot)?;
            Some(((*number, entry.combination.status), entry))
        });
        window.advance(now, held);
    }

    /// A held result comes into this state.
    pub(super) fn enters(&mut self, slot: Slot, entry: &Entry) {
        if let Some(number) = self.of(slot) {
            self.window.add((number, entry.combination.status), entry);
        }
    }

    /// A held result leaves this state.
    pub(super) fn leaves(&mut self, slot: Slot, entry: &Entry) {
        if let Some(number) = self.of(slot) {
            self.window.remove((number, entry.combination.status), entry);
        }
    }

    /// A result is no longer held.
    pub(super) fn forget(&mut self, slot: Slot, unsaved: &mut BTreeSet<Key>) {
        if self.of.remove(&slot).is_some() {
            unsaved.insert(Key::CommandOf(slot));
        }
    }

    fn wait(&mut self, unnamed: Unnamed, unsaved: &mut BTreeSet<Key>) {
        let number = self.unnamed.last_key_value().map_or(0, |(last, _)| last + 1);
        self.unnamed.insert(number, unnamed);
        unsaved.insert(Key::Unnamed(number));
    }

    fn note_trouble(&mut self, naming: &Naming) {
        let before = self.trouble;
        match naming.trouble {
            Some(Trouble::Refused) => self.trouble = naming.trouble,
            Some(Trouble::Passing) => {
                self.troubled = self.troubled.saturating_add(1);
                if self.troubled >= PATIENCE {
                    self.trouble = self.trouble.or(naming.trouble);
                }
            }
            None if naming.is_answered() => {
                self.trouble = None;
                self.troubled = 0;
            }
            None => {}
        }
        if self.trouble != before {
            self.resolved.clear();
        }
    }

    /// To be saved.
    pub(super) fn value(&self, key: Key) -> Option<Vec<u8>> {
        match key {
            Key::Command(number) => self.known.get(number).map(encode),
            Key::CommandSeries(number) => self.series.get(number).map(encode),
            Key::CommandOf(slot) => self.of.get(&slot).map(encode),
            Key::Unnamed(number) => self.unnamed.get(&number).map(encode),
            _ => None,
        }
    }

    /// Puts a saved pair back; `false` where no sound state has it.
    pub(super) fn restore(&mut self, key: Key, value: &[u8]) -> Result<bool, Damaged> {
        Ok(match key {
            Key::Command(number) => self.known.restore(number, decode(key, value)?),
            Key::CommandSeries(number) => self.series.restore(number, decode(key, value)?),
            Key::CommandOf(slot) => {
                let number: SeriesNumber = decode(key, value)?;
                self.series.get(number).is_some() && self.of.insert(slot, number).is_none()
            }
            // The next one needs a number too.
            Key::Unnamed(u32::MAX) => false,
            Key::Unnamed(number) => self.unnamed.insert(number, decode(key, value)?).is_none(),
            _ => false,
        })
    }
}

impl Record {
    /// Whether commands are selected, so that their names are asked for.
    pub fn asks_for_names(&self) -> bool {
        self.commands.is_some()
    }

    /// What is to be asked about a row's command; none where that is not selected.
    pub fn lacks(&self, row: &Row) -> Option<Lack> {
        let (commands, command) = (self.commands.as_ref()?, row.command.as_deref()?);
        let name = match commands.known.name(&command.id) {
            Name::Unknown => return Some(Lack::Name),
            Name::Gone => None,
            Name::Is(name) => Some(name),
        };
        let selection = &commands.series.settings.selection;
        if selection.choose(&command.id, command.tagged, name) == 0 {
            return None;
        }
        match &row.ids {
            Some(ids)
                if row.scheduled
                    && row.status.is_open()
                    && commands.known.repeats(&command.id, &ids.invoke_id).is_none() =>
            {
                Some(Lack::Schedule)
            }
            _ => Some(Lack::Nothing),
        }
    }

    /// CommandIds whose names counted results wait for.
    pub fn awaited_names(&self) -> impl Iterator<Item = &str> {
        self.commands
            .iter()
            .flat_map(|commands| commands.unnamed.values())
            .map(|unnamed| &*unnamed.command_id)
    }

    /// Takes in names, and counts what has waited for them. Returns the trouble with names where it is new.
    pub(super) fn learn_names(&mut self, naming: &Naming) -> Option<Trouble> {
        let commands = self.commands.as_mut()?;
        let before = commands.trouble();
        commands.note_trouble(naming);
        if commands.known.learn(naming, &mut self.unsaved) {
            commands.resolved.clear();
        }
        let trouble = commands.trouble().filter(|trouble| Some(*trouble) != before);
        for (number, unnamed) in std::mem::take(&mut commands.unnamed) {
            let same = unnamed.selection == commands.series.settings.selection.fingerprint();
            let command = CommandOfRow {
                id: unnamed.command_id.clone(),
                tagged: if same { unnamed.tagged } else { 0 },
            };
            match commands.resolve(&command, &mut self.unsaved) {
                Resolved::Unnamed => {
                    commands.unnamed.insert(number, unnamed);
                    continue;
                }
                Resolved::Unselected => {}
                Resolved::To(series) => {
                    commands
                        .series
                        .settled(series, unnamed.settled, true, &mut self.unsaved);
                    let slot = self.slots.find(&unnamed.identity);
                    if let Some((slot, entry)) = slot.and_then(|slot| Some((slot, self.slots.get(slot)?))) {
                        commands.tie(slot, entry, series, &mut self.unsaved);
                    }
                }
            }
            self.unsaved.insert(Key::Unnamed(number));
        }
        trouble
    }

    /// A held result is shown by a row: it belongs to the series of the row's command.
    pub(super) fn tie(&mut self, slot: Slot, row: &Row, now: Seconds) {
        let (Some(commands), Some(command)) = (&mut self.commands, row.command.as_deref()) else {
            return;
        };
        commands.known.note_listed(&command.id);
        let Resolved::To(number) = commands.resolve(command, &mut self.unsaved) else {
            return;
        };
        if let Some(entry) = self.slots.get(slot) {
            commands.tie(slot, entry, number, &mut self.unsaved);
        }
        if (row.scheduled || self.schedules.contains_key(&slot))
            && row.repeats > 0
            && let Some(at) = started(row, now)
        {
            commands.series.ran(number, at, &mut self.unsaved);
        }
    }

    /// A result is held by itself from now on that was held by another's slot.
    pub(super) fn tie_as(&mut self, slot: Slot, other: Slot) {
        if let Some(commands) = &mut self.commands
            && let Some(number) = commands.of(other)
            && let Some(entry) = self.slots.get(slot)
        {
            commands.tie(slot, entry, number, &mut self.unsaved);
        }
    }

    /// A result of a command is settled, and counted where `counts`.
    pub(super) fn command_settled(
        &mut self,
        row: &Row,
        identity: Identity,
        (status, time): (StatusNumber, Seconds),
        counts: bool,
        now: Seconds,
    ) {
        let (Some(commands), Some(command)) = (&mut self.commands, row.command.as_deref()) else {
            return;
        };
        let settled = Settled {
            status,
            time,
            duration: duration(row, now),
        };
        match commands.resolve(command, &mut self.unsaved) {
            Resolved::To(number) => commands
                .series
                .settled(number, settled, counts, &mut self.unsaved),
            Resolved::Unnamed if counts => {
                let unnamed = Unnamed {
                    identity,
                    command_id: command.id.clone(),
                    tagged: command.tagged,
                    selection: commands.series.settings.selection.fingerprint(),
                    settled,
                };
                commands.wait(unnamed, &mut self.unsaved);
            }
            Resolved::Unnamed | Resolved::Unselected => {}
        }
    }

    /// A settled result has left its status; if it was its command's newest, another one is now.
    pub(super) fn renew_newest_of_command(&mut self, slot: Slot, before: &Entry) {
        let Some(commands) = &mut self.commands else {
            return;
        };
        let Some(number) = commands.of(slot) else { return };
        let slots = &self.slots;
        let left = commands
            .of
            .iter()
            .filter(|(_, other)| **other == number)
            .filter_map(|(slot, _)| slots.get(*slot).copied());
        commands
            .series
            .renew_newest(number, before, left, &mut self.unsaved);
    }

    /// Rule 8 for commands.
    pub(super) fn forget_unlisted_commands(&mut self) {
        let Some(commands) = &mut self.commands else {
            return;
        };
        let live: HashSet<&str> = self
            .schedules
            .values()
            .map(|schedule| &*schedule.ids.invoke_id)
            .collect();
        if commands.known.forget_unlisted(&live, &mut self.unsaved) {
            commands.resolved.clear();
        }
    }

    /// After the last saved pair: what is derived of commands, and what has gone with a change of the selection.
    pub(super) fn restored_commands(&mut self, now: Seconds) -> Result<(), Damaged> {
        let Some(commands) = &mut self.commands else {
            return Ok(());
        };
        commands.series.restored(&mut self.unsaved);
        let Commands { of, series, .. } = commands;
        of.retain(|slot, number| {
            let stays = series.get(*number).is_some();
            if !stays {
                self.unsaved.insert(Key::CommandOf(*slot));
            }
            stays
        });
        commands.window.advance(now, std::iter::empty());
        for slot in commands.of.keys().copied().collect::<Vec<Slot>>() {
            let entry = self.slots.get(slot).ok_or(Damaged {
                key: Key::CommandOf(slot),
            })?;
            commands.enters(slot, entry);
        }
        Ok(())
    }
}
