//! The record of one scope: which results are known, and what they add up to.
//!
//! Pure: no I/O, no clock, no async. [`Record::apply`] takes what one poll found; the ledger, which holds every result
//! that is known, says what happened, and each tally folds those facts into what it counts.
//! [`Record::take_changes`] then says what must be saved before [`Record::counts`] may be shown. The rules that are
//! named in comments are those of "How counting works" in the README.

#[cfg(test)]
mod damaged;
#[cfg(test)]
mod ends;
mod fact;
mod findings;
mod head;
mod identities;
mod labels;
mod ledger;
mod looks;
mod migrate;
#[cfg(test)]
mod natives;
mod pairs;
mod past;
mod saved;
mod settings;
mod shown;
#[cfg(test)]
mod sparse;
#[cfg(test)]
mod starts;
mod table;
mod tally;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

pub use findings::{Answer, Findings, History, NamesUnavailable, Naming, Sought, Sweep};
pub use ledger::open::Open;
pub use ledger::schedule::Schedule;
pub use looks::{Looked, Looks, Pauses};
pub use migrate::pairs_from_version_1;
pub use pairs::DamagedPair;
pub use past::{Past, PastClass, PastResult};
pub use saved::{Change, Damaged, Key};
pub use settings::{CommandSettings, Settings};
pub use shown::{Counts, ShownTotal};
pub use tally::commands::NameNeed;
pub use tally::commands::shown::ShownCommand;
pub use tally::counted::{Applied, CountedResult, CountedResults, ListedResults, MAX_LISTED};
pub use tally::durations::{DurationExemplar, Histogram, ShownDurations, ShownHistogram};
pub use tally::failures::shown::{ShownFailure, ShownIds};
pub use tally::failures::{LEAST_FAILURES, MAX_FAILURES};
pub use tally::native::ShownNative;
pub use tally::timeline::{COLUMNS, Column, ShownTimeline};
pub use tally::totals::Exemplar;

use crate::clock::Now;
use crate::result::{Identity, Ids, Row, Seconds};
use fact::Context;
use head::HeadSaves;
use labels::Labels;
use ledger::Ledger;
use tally::Tallies;

/// Everything that is known of one scope's results.
#[derive(Debug)]
pub struct Record {
    settings: Arc<Settings>,
    ledger: Ledger,
    tallies: Tallies,
    labels: Labels,
    head_saves: HeadSaves,
    /// Whether what is found may have been shown before.
    lacks_saves: bool,
}

impl Record {
    /// An empty record, whose first complete scan is its baseline.
    pub fn new(settings: impl Into<Arc<Settings>>) -> Self {
        let settings = settings.into();
        Self {
            ledger: Ledger::new(&settings),
            tallies: Tallies::new(&settings),
            labels: Labels::new(settings.bounds()),
            settings,
            head_saves: HeadSaves::default(),
            lacks_saves: false,
        }
    }

    /// From now on [`Record::apply`] lists these of the results that it counts, one by one.
    pub fn list_counted(&mut self, listed: ListedResults) {
        self.tallies.listed = listed;
    }

    /// Whether the record is behind what has been shown of it. What [`Record::apply`] takes in may then have been shown
    /// before, with its value: no series is held at 0, and none says when it began, which may have been before.
    pub fn lacks_saves(&mut self, lacks_saves: bool) {
        self.lacks_saves = lacks_saves;
    }

    /// How many failures are kept.
    pub fn failures(&self) -> usize {
        self.tallies.failures.by_time.len()
    }

    /// Lets go of failures that are more than so many; [`Record::apply`] keeps at most [`MAX_FAILURES`].
    pub fn bound_failures(&mut self, most: usize) {
        self.tallies.failures.bound(most);
    }

    /// Records what one complete poll found. `now` is its end, as dated by the last request that was answered ([`Now::at`]).
    pub fn apply(&mut self, findings: Findings, now: Now) -> Applied {
        self.release(now.steady);
        let before = self.numbers();
        let Self {
            ledger,
            tallies,
            labels,
            ..
        } = self;
        tallies.has_looked = !ledger.needs_baseline();
        let last = ledger.baseline.recorded_at;
        if now.wall < last {
            tallies.forget_starts_after(now.wall);
        }
        tallies.begin_at(match self.lacks_saves {
            true => 0,
            false => at_zero(last, findings.began, now),
        });
        ledger.apply(&findings, now, labels, &mut |fact, context| {
            tallies.on(fact, context);
        });
        let is_news = self.numbers() != before;
        self.head_saves.recorded(is_news, now.steady);
        match self.lacks_saves {
            true => self.tallies.end_holds(),
            false => _ = self.release(now.steady),
        }
        self.tallies.take_applied()
    }

    // === What is known ===

    /// Whether a result, open or settled, is known.
    pub fn knows(&self, identity: &Identity) -> bool {
        self.ledger.find(identity).is_some()
    }

    /// Whether everything must be read once before anything can be counted.
    pub fn needs_baseline(&self) -> bool {
        self.ledger.needs_baseline()
    }

    /// When the first complete look began; none before there was one.
    pub fn first_look_began(&self) -> Option<Seconds> {
        let baseline = &self.ledger.baseline;
        baseline
            .looked_with
            .map(|_| baseline.began)
            .filter(|began| *began > 0)
    }

    /// When everything was last read; 0 for never.
    pub fn swept_at(&self) -> Seconds {
        self.ledger.baseline.swept_at
    }

    /// When a poll was last recorded; 0 for never.
    pub fn recorded_at(&self) -> Seconds {
        self.ledger.baseline.recorded_at
    }

    /// How many results are held.
    pub fn held(&self) -> usize {
        self.ledger.identities.len()
    }

    /// The open results, with how deep in the list each should be now where that can be told.
    pub fn open(&self) -> impl Iterator<Item = (Identity, &Open, Option<usize>)> {
        self.ledger.open()
    }

    /// The schedules' rows.
    pub fn schedules(&self) -> impl Iterator<Item = (Identity, &Schedule)> {
        self.ledger.schedules()
    }

    /// The schedule that a row belongs to.
    pub fn schedule(&self, identity: &Identity) -> Option<&Schedule> {
        self.ledger.schedule(identity)
    }

    /// A row that is no schedule's in the record yet, as the schedule that it is.
    pub fn as_schedule(&self, row: &Row, ids: Ids) -> Schedule {
        self.ledger.as_schedule(row, ids)
    }

    /// Whether a schedule's row shows another number of runs than before, or another status.
    pub fn has_moved(&self, row: &Row) -> bool {
        self.ledger.has_moved(row)
    }

    /// How many rows each invocation has that is a schedule.
    pub fn instances_of_schedules(&self) -> HashMap<&str, u64> {
        self.ledger.instances_of_schedules()
    }

    /// How the pauses between looks in vain grow.
    pub fn pauses(&self) -> Pauses {
        self.settings.pauses
    }

    // === Names of commands ===

    /// What is to be asked about a row's command; none where that is not selected.
    pub fn name_need(&self, row: &Row) -> Option<NameNeed> {
        self.tallies.commands.as_ref()?.name_need(row)
    }

    /// CommandIds whose names counted results wait for.
    pub fn awaited_names(&self) -> impl Iterator<Item = &str> {
        let commands = self.tallies.commands.iter();
        commands.flat_map(tally::commands::Commands::awaited_names)
    }

    // === What is shown ===

    /// Lets the time pass for series that are held at 0. Returns whether one is to show its value from now on: that
    /// must be saved before it is.
    pub fn release(&mut self, steady: Duration) -> bool {
        self.tallies.release(steady)
    }

    /// The picture of the record, once there was a baseline. What is held at 0 in it has been seen since `steady`.
    pub fn counts(&mut self, steady: Duration) -> Option<Counts> {
        self.ledger.baseline.looked_with?;
        let Self {
            settings,
            ledger,
            tallies,
            labels,
            ..
        } = self;
        Some(Counts::of(settings, ledger, tallies, labels, steady))
    }

    // === What is saved ===

    /// What has changed since the last call, and must be saved before it is shown; nothing where only the time of the
    /// last poll is another, which is saved now and then.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let mut changes: Vec<Change> = Change::all(self.labels.changes(), Key::Label).collect();
        changes.extend(self.tallies.changes());
        changes.extend(self.ledger.changes());
        if self.head_saves.take(!changes.is_empty()) {
            let value = Some(self.head());
            changes.push(Change {
                key: Key::Head,
                value,
            });
        }
        changes
    }

    /// The next [`Record::take_changes`] has the time of the last poll.
    pub fn save_last_poll(&mut self) {
        self.head_saves.hurry();
    }

    /// Takes back one saved pair. Pairs must come in the order of their encoded keys, then [`Record::restored`]; [`Record::from_pairs`] does all of it.
    ///
    /// # Errors
    /// When the bytes are not what this program writes under that key.
    pub fn restore(&mut self, key: Key, value: &[u8]) -> Result<(), Damaged> {
        let labels = self.labels.texts();
        let is_sound = match key {
            Key::Head => self.restore_head(value),
            Key::Label(label) => self.labels.restore(label, value),
            Key::Entry(_) | Key::Open(_) | Key::Schedule(_) => self.ledger.restore(key, value, labels),
            _ => self.tallies.restore(key, value, labels),
        };
        is_sound.then_some(()).ok_or(Damaged { key })
    }

    /// After the last pair: makes what is derived, as of `now` by the wall clock, which nobody has confirmed yet.
    ///
    /// # Errors
    /// When something is said about a result that is not held.
    pub fn restored(&mut self, now: Seconds) -> Result<(), Damaged> {
        let newest = self.tallies.newest.has_labels(self.labels.texts());
        newest.then_some(()).ok_or(Damaged { key: Key::Head })?;
        let ledger = self.ledger.restored();
        let has_listed = self.ledger.has_listed();
        // What begins by the configuration alone has not been there in the last poll.
        self.tallies
            .begin_at(self.ledger.baseline.recorded_at.saturating_sub(1));
        let context = Context {
            identities: &self.ledger.identities,
            labels: self.labels.texts(),
        };
        let tallies = ledger.and_then(|()| self.tallies.restored(now, has_listed, context));
        tallies.map_err(|key| Damaged { key })
    }
}

/// When what begins with a poll was certainly at 0: at the end of the last one, where there was one, else when it began
/// itself. It lies before its end, whatever the clock has done meanwhile.
fn at_zero(last: Seconds, began: Now, ended: Now) -> Seconds {
    let at = if last > 0 { last } else { began.wall };
    at.min(ended.wall.saturating_sub(1))
}
