//! What results add up to. Each tally folds the ledger's facts in its own way, is saved, and is shown.

pub(super) mod commands;
pub(super) mod counted;
pub(super) mod deliveries;
pub(super) mod durations;
pub(super) mod failures;
pub(super) mod hold;
pub(super) mod newest;
pub(super) mod totals;
pub(super) mod window;
pub(super) mod work;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use commands::Commands;
use counted::{Applied, Wanted};
use deliveries::Deliveries;
use durations::Durations;
use failures::{Failures, ShownFailure};
use hold::{OnHold, milliseconds};
use newest::Newest;
use totals::Totals;
use window::Window;
use work::Work;

use super::fact::{Context, Fact};
use super::labels::{LabelTexts, ResultLabels};
use super::ledger::identities::Identities;
use super::saved::{Change, Key};
use super::settings::Settings;
use crate::result::Seconds;

/// All tallies of one scope.
#[derive(Debug)]
pub(super) struct Tallies {
    /// `metrics.new_series_hold`, in seconds.
    hold: u32,
    pub window: Window<ResultLabels>,
    pub totals: Totals,
    pub durations: Durations,
    pub deliveries: Deliveries,
    pub newest: Newest,
    pub work: Work,
    pub failures: Failures,
    /// None where no commands are selected.
    pub commands: Option<Commands>,
    /// Which counted results the log is told of.
    pub wanted: Wanted,
    applied: Applied,
    /// What is saved of commands though none are selected any more: with the next save it goes.
    unselected: BTreeSet<Key>,
}

impl Tallies {
    /// Of nothing.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            hold: settings.new_series_hold,
            window: Window::new(settings.window),
            totals: Totals::default(),
            durations: Durations::new(&settings.duration_buckets),
            deliveries: Deliveries::default(),
            newest: Newest::default(),
            work: Work::default(),
            failures: Failures::default(),
            commands: Commands::new(settings),
            wanted: Wanted::default(),
            applied: Applied::default(),
            unselected: BTreeSet::new(),
        }
    }

    /// Something happened.
    pub(super) fn on(&mut self, fact: &Fact<'_>, context: Context<'_>) {
        let Context { identities, labels } = context;
        self.window.on(fact, identities);
        self.totals.on(fact, labels);
        self.durations.on(fact, labels);
        self.deliveries.on(fact);
        self.newest.on(fact, identities);
        self.work.on(fact);
        self.failures.on(fact);
        self.applied.on(fact, self.wanted, labels);
        if let Some(commands) = &mut self.commands {
            let before = commands.trouble();
            commands.on(fact, context);
            if commands.trouble() != before {
                self.applied.nameless = commands.trouble();
            }
        }
    }

    /// What has happened since the last call, for the log.
    pub(super) fn take_applied(&mut self) -> Applied {
        std::mem::take(&mut self.applied)
    }

    /// Lets the time pass for series that are held at 0. Returns whether one is to show its value from now on.
    pub(super) fn release(&mut self, steady: Duration) -> bool {
        let length = self.hold.saturating_mul(1000);
        let steady = milliseconds(steady);
        let mut has_released = false;
        self.each_hold(&mut |hold| {
            let has_passed = hold.pass(steady, length);
            has_released |= has_passed && !hold.is_on();
            has_passed
        });
        has_released
    }

    /// A picture shows what is held at 0 from now on. Returns when the first of them will be over.
    pub(super) fn see_holds(&mut self, steady: Duration) -> Option<Duration> {
        let length = Duration::from_secs(u64::from(self.hold));
        let mut next: Option<Duration> = None;
        self.each_hold(&mut |hold| {
            let over = hold.seen(steady, length);
            next = next.into_iter().chain(over).min();
            false
        });
        next
    }

    fn each_hold(&mut self, on_hold: OnHold<'_>) {
        self.totals.each_hold(on_hold);
        self.durations.each_hold(on_hold);
        self.deliveries.each_hold(on_hold);
        if let Some(commands) = &mut self.commands {
            commands.each_hold(on_hold);
        }
    }

    /// The newest failures, with the names of their commands.
    pub(super) fn shown_failures(&mut self, labels: &LabelTexts) -> Arc<[Arc<ShownFailure>]> {
        let commands = self.commands.as_ref();
        let revision = commands.map_or(0, Commands::names_revision);
        let name = |id: &str| commands.and_then(|commands| commands.name(id));
        self.failures.shown(labels, revision, name)
    }

    /// Puts a saved pair back; `false` where no sound state has it.
    pub(super) fn restore(&mut self, key: Key, bytes: &[u8]) -> bool {
        match key {
            Key::Total(combination) => self.totals.counters.restore(combination, bytes),
            Key::Durations(status) => self.durations.restore(status, bytes),
            Key::Delivery(finished, error_code) => {
                let counters = &mut self.deliveries.counters;
                counters.restore((finished, error_code), bytes)
            }
            Key::Failure(number) => self.failures.restore(number, bytes),
            Key::Command(_) | Key::CommandSeries(_) | Key::CommandOf(_) | Key::Unnamed(_) => {
                match &mut self.commands {
                    Some(commands) => commands.restore(key, bytes),
                    None => self.unselected.insert(key),
                }
            }
            Key::Head | Key::Label(_) | Key::Entry(_) | Key::Open(_) | Key::Schedule(_) => false,
        }
    }

    /// After the last saved pair: makes what is derived, as of `now`.
    ///
    /// # Errors
    /// With the key of what is said about a result that is not held.
    pub(super) fn restored(&mut self, now: Seconds, identities: &Identities) -> Result<(), Key> {
        self.window.advance(now, std::iter::empty());
        for (_, entry) in identities.iter() {
            self.window.add(entry.combination, entry);
        }
        match &mut self.commands {
            Some(commands) => commands.restored(now, identities),
            None => Ok(()),
        }
    }

    /// What has changed since the last call; the work and the newest are saved with the head.
    pub(super) fn changes(&mut self) -> impl Iterator<Item = Change> {
        let unselected = std::mem::take(&mut self.unselected);
        let unselected = unselected.into_iter().map(|key| Change { key, value: None });
        let delivery = |(finished, error_code)| Key::Delivery(finished, error_code);
        Change::all(self.totals.counters.changes(), Key::Total)
            .chain(Change::all(self.durations.histograms.changes(), Key::Durations))
            .chain(Change::all(self.deliveries.counters.changes(), delivery))
            .chain(Change::all(self.failures.by_time.changes(), Key::Failure))
            .chain(self.commands.iter_mut().flat_map(Commands::changes))
            .chain(unselected)
    }
}
