//! What is known of a scope's results. The ledger takes in what polls found and says what happened, as facts; what
//! they add up to is none of its business.

mod applying;
pub(super) mod baseline;
mod ended;
pub(super) mod open;
mod pages;
mod past;
mod rows;
mod runs;
pub(super) mod schedule;
mod sweeps;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use applying::{Applying, Tell};
use baseline::Baseline;
use open::{ListDepth, Open};
use schedule::Schedule;

use super::fact::Fact;
use super::findings::{Dated, Findings};
use super::identities::{Entry, EntryId, Flags, Identities, Kind};
use super::labels::{LabelTexts, Labels, StatusNumber};
use super::looks::Pauses;
use super::saved::{Change, Key};
use super::settings::Settings;
use super::table::{Table, decode};
use crate::clock::Now;
use crate::result::{Identity, Ids, Row, Seconds, Status};

/// Every result that is known.
#[derive(Debug)]
pub(super) struct Ledger {
    /// `poll.window` in seconds: runs of schedules are held for so long.
    window: u32,
    /// The filter that results are listed with.
    filter: u64,
    /// Between looks in vain for runs of schedules.
    pub pauses: Pauses,
    pub baseline: Baseline,
    pub identities: Identities,
    pub open: Table<EntryId, Open>,
    pub schedules: Table<EntryId, Schedule>,
    /// Runs from histories, by their time: they are forgotten when they leave the window.
    runs: BTreeSet<(Seconds, EntryId)>,
    depth: ListDepth,
    /// Rows of schedules that have settled with a run that nothing is known of: they wait until their history has been
    /// asked for. A crash forgets them, and the history tells of the run all the same.
    ended: BTreeMap<EntryId, (Row, Dated)>,
}

impl Ledger {
    /// Nothing is known.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            window: settings.window,
            filter: settings.filter,
            pauses: settings.pauses,
            baseline: Baseline::default(),
            identities: Identities::default(),
            open: Table::default(),
            schedules: Table::default(),
            runs: BTreeSet::new(),
            depth: ListDepth::default(),
            ended: BTreeMap::new(),
        }
    }

    /// Takes in what one complete poll found.
    pub(super) fn apply(&mut self, findings: &Findings, now: Now, labels: &mut Labels, tell: Tell<'_>) {
        let is_baseline = self.needs_baseline();
        let mut at = Applying::new(findings, now, (is_baseline, self.window), labels, tell);
        if is_baseline {
            self.baseline.began = findings.began.wall;
        }
        at.tell(&Fact::Passed(now.wall), &self.identities);
        self.forget_runs(&mut at);
        at.tell(&Fact::Named(&findings.naming), &self.identities);
        let newer = findings.sweep.iter().flat_map(|sweep| &sweep.newer);
        let newer = newer.filter_map(|identity| self.find(identity)).collect();
        self.pages(&mut at, findings, &newer);
        for answer in &findings.answers {
            self.answer(&mut at, answer);
        }
        self.mark_scheduled(&mut at, &findings.scheduled);
        for history in &findings.histories {
            self.history(&mut at, history, findings.began.steady);
        }
        for (id, row, dated) in self.all_ended(&mut at) {
            self.schedule_ended(&mut at, id, row, dated);
        }
        at.tell(&Fact::TakenIn, &self.identities);
        if findings.sweep.is_some() {
            self.swept(&mut at, &findings.pages, &newer);
        }
        self.baseline.recorded_at = now.wall;
    }

    /// Where a result, open or settled, is held.
    pub(super) fn find(&self, identity: &Identity) -> Option<EntryId> {
        self.identities.find(identity)
    }

    /// Whether everything must be read once before anything can be counted.
    pub(super) fn needs_baseline(&self) -> bool {
        self.baseline.looked_with != Some(self.filter)
    }

    /// Whether what is held shows that a result has ever been listed.
    pub(super) fn has_listed(&self) -> bool {
        let baseline = &self.baseline;
        self.identities.len() > 0 || baseline.oldest_listed.is_some() || baseline.has_forgotten()
    }

    /// The open results, with how deep in the list each should be now where that can be told.
    pub(super) fn open(&self) -> impl Iterator<Item = (Identity, &Open, Option<usize>)> {
        self.open.iter().filter_map(|(id, open)| {
            let identity = self.identities.get(*id)?.identity;
            Some((identity, open, open.listed.map(|listed| self.depth.of(listed))))
        })
    }

    /// The schedules' rows.
    pub(super) fn schedules(&self) -> impl Iterator<Item = (Identity, &Schedule)> {
        let schedules = self.schedules.iter();
        schedules.filter_map(|(id, schedule)| Some((self.identities.get(*id)?.identity, schedule)))
    }

    /// The ids of schedules whose rows have not settled, and where those are held.
    pub(super) fn live_schedules(&self) -> impl Iterator<Item = (EntryId, &Ids)> {
        let schedules = self.schedules.iter();
        schedules.filter_map(|(id, schedule)| {
            self.identities.get(*id).filter(|entry| entry.is_open())?;
            Some((*id, &schedule.ids))
        })
    }

    /// The schedule that a row belongs to.
    pub(super) fn schedule(&self, identity: &Identity) -> Option<&Schedule> {
        self.schedules.get(self.find(identity)?)
    }

    /// A row that is no schedule's yet, as the schedule that it is. `is_known` where its first run has settled.
    fn begun(&self, ids: Ids, row: &Row, is_known: bool) -> Schedule {
        match self.needs_baseline() && !is_known {
            true => Schedule::at_baseline(ids, row),
            false => Schedule::new(ids, row.repeats, u32::from(is_known)),
        }
    }

    /// The same of one that a poll has just shown.
    pub(super) fn as_schedule(&self, row: &Row, ids: Ids) -> Schedule {
        let entry = self.find(&row.identity).and_then(|id| self.identities.get(id));
        self.begun(ids, row, entry.is_some_and(|entry| entry.flags.has(Flags::KNOWN)))
    }

    /// Whether a row is a schedule's.
    fn is_of_schedule(&self, id: EntryId, row: &Row) -> bool {
        row.scheduled || self.schedules.contains(id)
    }

    /// Whether a schedule's row shows another number of runs than before, or another status.
    pub(super) fn has_moved(&self, row: &Row) -> bool {
        let Some(id) = self.find(&row.identity) else {
            return false;
        };
        let shown = self.schedules.get(id).map(|schedule| schedule.shown);
        let status = self.identities.get(id).map(|entry| entry.labels.status);
        let has_settled = status.is_some_and(StatusNumber::is_open) != row.status.is_open();
        let other = match row.status {
            Status::Known(known) => status != Some(StatusNumber::of(known)),
            Status::Unknown(_) => has_settled,
        };
        row.repeats > 0 && (other || shown != Some(row.repeats))
    }

    /// How many rows each invocation has that is a schedule.
    pub(super) fn instances_of_schedules(&self) -> HashMap<&str, u64> {
        let mut instances = HashMap::new();
        for (_, schedule) in self.schedules.iter() {
            *instances.entry(&*schedule.ids.invoke_id).or_default() += 1;
        }
        instances
    }

    // === What is held ===

    /// A result is held from now on.
    fn hold(&mut self, at: &mut Applying<'_>, entry: Entry) -> EntryId {
        let id = self.identities.insert(entry);
        self.moved(at, id, None, Some(&entry));
        id
    }

    /// What is known of a held result changes.
    fn change(&mut self, at: &mut Applying<'_>, id: EntryId, change: impl FnOnce(&mut Entry)) {
        if let Some((before, after)) = self.identities.change(id, change) {
            self.moved(at, id, Some(&before), Some(&after));
        }
    }

    /// A result is held no longer.
    fn remove(&mut self, at: &mut Applying<'_>, id: EntryId) {
        if let Some(entry) = self.identities.remove(id) {
            self.open.remove(id);
            self.schedules.remove(id);
            self.ended.remove(&id);
            self.moved(at, id, Some(&entry), None);
        }
    }

    fn moved(&self, at: &mut Applying<'_>, id: EntryId, before: Option<&Entry>, after: Option<&Entry>) {
        at.tell(&Fact::Moved { id, before, after }, &self.identities);
    }

    // === What is saved ===

    /// What has changed since the last call; the baseline is saved with the head.
    pub(super) fn changes(&mut self) -> impl Iterator<Item = Change> {
        Change::all(self.identities.changes(), Key::Entry)
            .chain(Change::all(self.open.changes(), Key::Open))
            .chain(Change::all(self.schedules.changes(), Key::Schedule))
    }

    /// Puts a saved pair back; `false` where no sound state has it.
    pub(super) fn restore(&mut self, key: Key, bytes: &[u8], labels: &LabelTexts) -> bool {
        match key {
            Key::Entry(id) => {
                let entry = decode(bytes).filter(|entry: &Entry| labels.has(entry.labels));
                entry.is_some_and(|entry| self.identities.restore(id, entry))
            }
            Key::Open(id) => self.open.restore(id, bytes),
            Key::Schedule(id) => {
                let schedule = decode(bytes).filter(Schedule::is_sound);
                schedule.is_some_and(|schedule| self.schedules.restore_value(id, schedule))
            }
            _ => false,
        }
    }

    /// After the last saved pair: makes what is derived.
    ///
    /// # Errors
    /// With the key of what is said about a result that is not held.
    pub(super) fn restored(&mut self) -> Result<(), Key> {
        self.identities.restored();
        for (id, _) in self.open.iter() {
            let entry = self.identities.get(*id);
            let followed = entry.filter(|entry| entry.kind() == Kind::Followed);
            followed.ok_or(Key::Open(*id))?;
        }
        for (id, _) in self.schedules.iter() {
            self.identities.get(*id).ok_or(Key::Schedule(*id))?;
        }
        for (id, entry) in self.identities.iter() {
            if entry.kind() == Kind::Followed && !self.open.contains(id) {
                return Err(Key::Entry(id));
            }
            if entry.flags.has(Flags::RUN) {
                self.runs.insert((entry.time, id));
            }
        }
        Ok(())
    }
}
