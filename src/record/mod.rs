//! The record of one scope: which results are known, and what they add up to.
//!
//! Pure: no I/O, no clock, no async. [`Record::apply`] takes what one poll found and changes the record;
//! [`Record::take_changes`] then says what must be saved before [`Record::counts`] may be shown. The rules that are
//! named in comments are those of "How counting works" in the README.

mod apply;
mod command;
mod commands;
mod counts;
mod failure;
mod findings;
mod hold;
mod known;
mod label;
mod migrate;
mod news;
mod pairs;
mod restore;
mod rows;
mod runs;
mod saved;
mod schedule;
mod settled;
mod shown_commands;
mod slots;
mod totals;
mod unlisted;
mod window;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use apply::Applied;
pub use command::CommandSettings;
pub use commands::Lack;
pub use counts::{Counts, ShownDurations, ShownFailure, ShownTotal};
pub use failure::MAX_FAILURES;
pub use findings::{Answer, Findings, History, Naming, Sweep, Trouble};
pub use label::{Bounds, OTHER};
pub use migrate::from_version_1;
pub use news::{CountedResult, MAX_NEWS, News, Wanted};
pub use pairs::{DamagedPair, pairs_from_version_1};
pub use saved::{Change, Damaged, Key};
pub use schedule::{Looks, Pauses, Schedule, Sought};
pub use shown_commands::{ShownCommand, ShownCommands, ShownSchedule};

use crate::result::{Identity, Ids, Row, Seconds, Status};
use commands::Commands;
use failure::Failures;
use label::{Combination, Labels, StatusNumber};
use slots::{Slot, Slots};
use totals::{Counter, Durations, Total};
use window::Window;

/// What the configuration says about counting.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `poll.window` in seconds.
    pub window: u32,
    /// `metrics.new_series_hold` in seconds.
    pub new_series_hold: u32,
    /// `metrics.max_error_codes`.
    pub max_error_codes: u16,
    /// `metrics.max_exit_codes`.
    pub max_exit_codes: u16,
    /// `metrics.duration_buckets` in seconds.
    pub duration_buckets: Vec<f64>,
    /// Of the account's filters (resource group, tags): another filter lists other results, so that the next
    /// complete scan is a first look again.
    pub filter: u64,
    /// Between looks in vain for runs of schedules.
    pub pauses: Pauses,
    /// `metrics.commands` and what goes with it; none where nothing is selected.
    pub commands: Option<CommandSettings>,
}

impl Settings {
    fn bounds(&self) -> Bounds {
        Bounds {
            error_codes: self.max_error_codes,
            exit_codes: self.max_exit_codes,
        }
    }
}

/// Everything that is known of one scope's results.
#[derive(Debug)]
pub struct Record {
    settings: Settings,
    head: Head,
    labels: Arc<Labels>,
    slots: Slots,
    open: BTreeMap<Slot, Open>,
    schedules: BTreeMap<Slot, Schedule>,
    /// Runs from histories, by their time: they are forgotten when they leave the window.
    runs: BTreeSet<(Seconds, Slot)>,
    window: Window<Combination>,
    totals: BTreeMap<Combination, Total>,
    durations: BTreeMap<StatusNumber, Durations>,
    deliveries: BTreeMap<(bool, u16), Counter>,
    failures: Failures,
    /// None where no commands are selected.
    commands: Option<Commands>,
    /// While a sweep is under way: what polls have seen, or looked for in vain, since it began. Its pages are older.
    touched: Option<HashSet<Slot>>,
    /// Which counted results [`Record::apply`] is to tell of.
    wanted: Wanted,
    /// How many new rows pages have shown since the start: how far what is open has sunk.
    listed: i64,
    /// What has changed since the last save.
    unsaved: BTreeSet<Key>,
}

/// The single numbers of a scope.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Head {
    /// The filter of the last first look; none before there was one.
    looked_with: Option<u64>,
    /// When the last first look began: rule 2.
    baseline_began: Seconds,
    /// When a poll was last recorded.
    recorded_at: Seconds,
    /// When a sweep was last recorded.
    swept_at: Seconds,
    /// The oldest settled one-time result that the last sweep listed; none where it listed none.
    oldest_listed: Option<Seconds>,
    /// Time of the newest result that was forgotten: what is as old and listed again has been known.
    forgotten_until: Seconds,
    lost: u64,
    late: u64,
    old: u64,
    reclassified: u64,
    dropped_bytes: u64,
    /// By label: invocation_status, error_code, exit_code.
    overflow: [u64; 3],
    /// Time of the newest settled result by status.
    newest: BTreeMap<StatusNumber, Seconds>,
}

/// What is known of an open result beside its entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// For asking about it.
    pub ids: Ids,
    /// When the exporter first saw it.
    pub first_seen: Seconds,
    /// StartTime, once it has one.
    pub started: Option<Seconds>,
    /// Since when looks for it have been in vain, by the process's own time: a restart begins them anew.
    #[serde(skip)]
    missing_since: Option<Duration>,
    /// [`Record::listed`] when it was last seen on a page, less its place in the list then.
    #[serde(skip)]
    listed_at: Option<i64>,
}

impl Record {
    /// An empty record, whose first complete scan is its first look.
    pub fn new(settings: Settings) -> Self {
        Self {
            window: Window::new(settings.window),
            commands: Commands::new(&settings),
            settings,
            head: Head::default(),
            labels: Arc::default(),
            slots: Slots::default(),
            open: BTreeMap::new(),
            schedules: BTreeMap::new(),
            runs: BTreeSet::new(),
            totals: BTreeMap::new(),
            durations: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            failures: Failures::default(),
            touched: None,
            wanted: Wanted::default(),
            listed: 0,
            unsaved: BTreeSet::new(),
        }
    }

    /// From now on [`Record::apply`] tells of these counted results, one by one.
    pub fn tell(&mut self, wanted: Wanted) {
        self.wanted = wanted;
    }

    /// Whether a result, open or settled, is known.
    pub fn knows(&self, identity: &Identity) -> bool {
        self.slots.find(identity).is_some()
    }

    /// Whether everything must be read once before anything can be counted.
    pub fn needs_first_look(&self) -> bool {
        self.head.looked_with != Some(self.settings.filter)
    }

    /// When everything was last read; 0 for never.
    pub fn swept_at(&self) -> Seconds {
        self.head.swept_at
    }

    /// When a poll was last recorded; 0 for never.
    pub fn recorded_at(&self) -> Seconds {
        self.head.recorded_at
    }

    /// How many results are held.
    pub fn held(&self) -> usize {
        self.slots.len()
    }

    /// The open results, with how deep in the list each should be now where that can be told.
    pub fn open(&self) -> impl Iterator<Item = (Identity, &Open, Option<usize>)> {
        self.open.iter().filter_map(|(slot, open)| {
            let identity = self.slots.get(*slot)?.identity;
            let depth = open
                .listed_at
                .map(|at| usize::try_from(self.listed - at).unwrap_or(0));
            Some((identity, open, depth))
        })
    }

    /// Whether a result is open.
    pub fn is_open(&self, identity: &Identity) -> bool {
        self.slots
            .find(identity)
            .is_some_and(|slot| self.open.contains_key(&slot))
    }

    /// The schedules' rows.
    pub fn schedules(&self) -> impl Iterator<Item = (Identity, &Schedule)> {
        self.schedules
            .iter()
            .filter_map(|(slot, schedule)| Some((self.slots.get(*slot)?.identity, schedule)))
    }

    /// The schedule that a row belongs to.
    pub fn schedule(&self, identity: &Identity) -> Option<&Schedule> {
        self.schedules.get(&self.slots.find(identity)?)
    }

    /// A row that is no schedule's in the record yet, as the schedule that it is.
    pub fn as_schedule(&self, row: &Row, ids: Ids) -> Schedule {
        let entry = self
            .slots
            .find(&row.identity)
            .and_then(|slot| self.slots.get(slot));
        let is_known = entry.is_some_and(|entry| entry.flags.has(slots::Flags::KNOWN));
        match self.needs_first_look() && !is_known {
            true => Schedule::at_baseline(ids, row),
            false => Schedule::new(ids, row.repeats, u32::from(is_known)),
        }
    }

    /// Whether a schedule's row shows another number of runs than before, or another status.
    pub fn has_moved(&self, row: &Row) -> bool {
        let Some(slot) = self.slots.find(&row.identity) else {
            return false;
        };
        let shown = self.schedules.get(&slot).map(|schedule| schedule.shown);
        let status = self.slots.get(slot).map(|entry| entry.combination.status);
        let has_settled = status.is_some_and(StatusNumber::is_open) != row.status.is_open();
        let other = match row.status {
            Status::Known(known) => status != Some(StatusNumber::of(known)),
            Status::Unknown(_) => has_settled,
        };
        row.repeats > 0 && (other || shown != Some(row.repeats))
    }

    /// How many rows each invocation has that is a schedule.
    pub fn instances_of_schedules(&self) -> HashMap<&str, u64> {
        let mut instances = HashMap::new();
        for schedule in self.schedules.values() {
            *instances.entry(&*schedule.ids.invoke_id).or_default() += 1;
        }
        instances
    }

    /// How the pauses between looks in vain grow.
    pub fn pauses(&self) -> Pauses {
        self.settings.pauses
    }

    /// A sweep begins: until it is applied, what polls see in between is newer than what it reads.
    pub fn sweep_begins(&mut self) {
        self.touched = Some(HashSet::new());
    }

    /// The sweep was given up.
    pub fn sweep_abandoned(&mut self) {
        self.touched = None;
    }
}
