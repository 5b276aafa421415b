//! What results add up to. Each tally folds the ledger's facts in its own way, is saved, and is shown.

pub(super) mod commands;
pub(super) mod counted;
pub(super) mod deliveries;
pub(super) mod durations;
pub(super) mod failures;
pub(super) mod hold;
pub(super) mod native;
pub(super) mod newest;
pub(super) mod past;
pub(super) mod timeline;
pub(super) mod totals;
pub(super) mod window;
pub(super) mod work;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use commands::Commands;
use counted::{Applied, ListedResults};
use deliveries::Deliveries;
use durations::Durations;
use failures::Failures;
use failures::shown::ShownFailures;
use hold::{Beginning, Hold, OnBeginning, Start, milliseconds};
use newest::Newest;
use past::PastResults;
use timeline::Timeline;
use totals::Totals;
use window::Window;
use work::Work;

use super::fact::{Context, Fact};
use super::labels::{LabelTexts, ResultLabels};
use super::saved::{Change, Key};
use super::settings::Settings;
use crate::result::Seconds;

/// All tallies of one scope.
#[derive(Debug)]
pub(super) struct Tallies {
    /// `metrics.new_series_hold`, in seconds.
    hold: u32,
    pub window: Window<ResultLabels, Timeline>,
    pub totals: Totals,
    pub durations: Durations,
    pub deliveries: Deliveries,
    pub newest: Newest,
    pub work: Work,
    pub failures: Failures,
    /// None where no commands are selected.
    pub commands: Option<Commands>,
    /// What had settled by the first look; none where nobody wants it, as in every poller.
    pub past: Option<Box<PastResults>>,
    /// Which counted results the log is told of.
    pub listed: ListedResults,
    applied: Applied,
    /// Whether there was a baseline before what is told now.
    pub has_looked: bool,
    /// When the series that begin with what is told now were at 0.
    start: Start,
    /// Whether a result has ever been listed: the series of results exist from then on.
    has_begun: bool,
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
            durations: Durations::new(settings),
            deliveries: Deliveries::default(),
            newest: Newest::default(),
            work: Work::default(),
            failures: Failures::default(),
            commands: Commands::new(settings),
            past: None,
            listed: ListedResults::default(),
            applied: Applied::default(),
            has_looked: false,
            start: None,
            has_begun: false,
            unselected: BTreeSet::new(),
        }
    }

    /// Something happened.
    pub(super) fn on(&mut self, fact: &Fact<'_>, context: Context<'_>) {
        let Context { identities, labels } = context;
        // What the baseline lists does not count: long before something does, all is seen at 0. But not where nothing
        // is shown of it: whoever keeps the past shows nothing.
        let of_baseline = match self.past {
            Some(_) => Beginning::held(self.start),
            None => Beginning::shown(self.start),
        };
        if !self.has_begun && matches!(fact, Fact::Moved { .. } | Fact::Settled(_)) {
            let is_first = !self.has_looked;
            self.begin(
                if is_first {
                    of_baseline
                } else {
                    Beginning::held(self.start)
                },
                labels,
            );
        }
        self.window.on(fact, identities);
        self.totals.on(fact, self.start);
        self.durations.on(fact, self.start, of_baseline);
        self.deliveries.on(fact, self.start);
        self.newest.on(fact, identities);
        self.work.on(fact);
        self.failures.on(fact, identities);
        self.applied.on(fact, self.listed, labels);
        if let Some(past) = &mut self.past {
            past.on(fact);
        }
        if let Some(commands) = &mut self.commands {
            let before = commands.names_unavailable();
            commands.on(fact, context);
            if commands.names_unavailable() != before {
                self.applied.names_unavailable = commands.names_unavailable();
            }
        }
    }

    /// What is told next begins series that were at 0 then, at the latest; 0 where nobody knows when.
    pub(super) fn begin_at(&mut self, seconds: Seconds) {
        self.start = NonZeroU32::new(seconds);
        if let Some(commands) = &mut self.commands {
            commands.begin_at(self.start);
        }
    }

    /// From now on there are the series of results: they are saved with their beginnings.
    fn begin(&mut self, beginning: Beginning, labels: &LabelTexts) {
        self.has_begun = true;
        self.totals.begin(beginning, labels);
        self.deliveries.begin(beginning);
    }

    /// Whether a result has ever been listed.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether what begins with the first result is still shown at 0, whatever it counts.
    pub(super) fn is_held(&self, labels: &LabelTexts) -> bool {
        self.totals.is_held(labels)
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
        self.each_beginning(&mut |Beginning { hold, .. }| {
            let has_passed = hold.pass(steady, length);
            has_released |= has_passed && !hold.is_on();
            has_passed
        });
        has_released
    }

    /// Every series shows its value from now on.
    pub(super) fn end_holds(&mut self) {
        self.each_beginning(&mut |Beginning { hold, .. }| {
            let was_on = hold.is_on();
            *hold = Hold::Over;
            was_on
        });
    }

    /// A picture shows what is held at 0 from now on. Returns when the first of them will be over.
    pub(super) fn see_holds(&mut self, steady: Duration) -> Option<Duration> {
        let length = Duration::from_secs(u64::from(self.hold));
        let mut next: Option<Duration> = None;
        self.each_beginning(&mut |Beginning { hold, .. }| {
            let over = hold.seen(steady, length);
            next = next.into_iter().chain(over).min();
            false
        });
        next
    }

    /// The clock was ahead: what has begun by it has no start.
    pub(super) fn forget_starts_after(&mut self, wall: Seconds) {
        self.each_beginning(&mut |beginning| beginning.forget_start_after(wall));
    }

    fn each_beginning(&mut self, on_beginning: OnBeginning<'_>) {
        self.totals.each_beginning(on_beginning);
        self.durations.each_beginning(on_beginning);
        self.deliveries.each_beginning(on_beginning);
        if let Some(commands) = &mut self.commands {
            commands.each_beginning(on_beginning);
        }
    }

    /// The newest failures, with the names of their commands.
    pub(super) fn shown_failures(&mut self) -> ShownFailures {
        let commands = self.commands.as_ref();
        let revision = commands.map_or(0, Commands::names_revision);
        let name = |id: &str| commands.and_then(|commands| commands.name(id));
        self.failures.shown(revision, name)
    }

    /// Puts a saved pair back; `false` where no sound state has it.
    pub(super) fn restore(&mut self, key: Key, bytes: &[u8], labels: &LabelTexts) -> bool {
        match key {
            Key::Total(of) => labels.has(of) && self.totals.restore(of, bytes),
            Key::Durations(status) => labels.has_status(status) && self.durations.restore(status, bytes),
            Key::NativeDurations(status) => self.durations.restore_native(status, bytes),
            Key::Delivery(finished, error_code) => {
                labels.has_error_code(error_code) && self.deliveries.restore((finished, error_code), bytes)
            }
            Key::Failure(number) => self.failures.restore(number, bytes, labels),
            Key::Command(_)
            | Key::CommandSeries(_)
            | Key::CommandOf(_)
            | Key::Unnamed(_)
            | Key::CommandNative(_) => match &mut self.commands {
                Some(commands) => commands.restore(key, bytes),
                None => self.unselected.insert(key),
            },
            Key::Head | Key::Label(_) | Key::Entry(_) | Key::Open(_) | Key::Schedule(_) => false,
        }
    }

    /// After the last saved pair: makes what is derived, as of `now`. `has_listed` where the ledger shows that there
    /// has been a result.
    ///
    /// # Errors
    /// With the key of what is said about a result that is not held.
    pub(super) fn restored(
        &mut self,
        now: Seconds,
        has_listed: bool,
        context: Context<'_>,
    ) -> Result<(), Key> {
        let Context { identities, labels } = context;
        self.failures.restored();
        self.has_begun = self.totals.has_begun(labels);
        if !self.has_begun && (has_listed || self.has_counted()) {
            // Earlier versions showed all of them from the first poll on, and saved none at 0.
            self.begin(Beginning::shown(None), labels);
            self.durations.begin_known();
        }
        self.durations.restored();
        self.window.advance(now, std::iter::empty());
        for (_, entry) in identities.iter() {
            self.window.add(entry.labels, entry);
        }
        match &mut self.commands {
            Some(commands) => commands.restored(now, identities),
            None => Ok(()),
        }
    }

    fn has_counted(&self) -> bool {
        let counters = [
            self.totals.counters.len(),
            self.durations.histograms.len(),
            self.deliveries.counters.len(),
            self.failures.by_time.len(),
        ];
        counters.iter().any(|count| *count > 0)
            || self.work != Work::default()
            || self.newest != Newest::default()
    }

    /// What has changed since the last call; the work and the newest are saved with the head.
    pub(super) fn changes(&mut self) -> impl Iterator<Item = Change> {
        let unselected = std::mem::take(&mut self.unselected);
        let unselected = unselected.into_iter().map(|key| Change { key, value: None });
        let delivery = |(finished, error_code)| Key::Delivery(finished, error_code);
        Change::all(self.totals.counters.changes(), Key::Total)
            .chain(Change::all(self.durations.histograms.changes(), Key::Durations))
            .chain(Change::all(
                self.durations.natives.changes(),
                Key::NativeDurations,
            ))
            .chain(Change::all(self.deliveries.counters.changes(), delivery))
            .chain(Change::all(self.failures.by_time.changes(), Key::Failure))
            .chain(self.commands.iter_mut().flat_map(Commands::changes))
            .chain(unselected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fact::{Changed, Details, How, Settled};
    use crate::record::identities::{Entry, Flags, Identities};
    use crate::record::labels::{Folded, Labelled, StatusNumber};
    use crate::result::{Identity, Ids, KnownStatus};

    const NOW: Seconds = 1_000_000;

    fn tallies() -> Tallies {
        Tallies::new(&Settings {
            new_series_hold: 90,
            duration_buckets: vec![5.0].into(),
            ..Settings::default()
        })
    }

    #[test]
    fn each_tally_folds_the_facts_that_it_is_about() {
        let (identities, labels) = (Identities::default(), LabelTexts::default());
        let context = Context {
            identities: &identities,
            labels: &labels,
        };
        let combination = labels.reserved(KnownStatus::Failed, "ExitCodeNonzero", "1");
        let entry = Entry {
            identity: Identity([1; 4]),
            time: NOW - 10,
            labels: combination,
            flags: Flags::KNOWN,
        };
        let ids = Ids::of_test("t-1", "i-1");
        let folded = Folded {
            exit_code: true,
            ..Folded::default()
        };
        let settled = |how, time| Settled {
            // What the first look and a later one have shown are others.
            identity: match how {
                How::Baseline | How::Old => Identity([time; 4]),
                How::Counted | How::Again => entry.identity,
            },
            ids: Some(&ids),
            command: None,
            labelled: Labelled {
                labels: combination,
                folded,
            },
            time,
            own_time: Some(time),
            duration: Some(3),
            dropped: 7,
            details: Details::default(),
            how,
        };
        let mut tallies = tallies();
        let mut tell = |fact: Fact<'_>| tallies.on(&fact, context);
        tell(Fact::Passed(NOW));
        tell(Fact::Moved {
            id: 0,
            before: None,
            after: Some(&entry),
        });
        tell(Fact::Settled(&settled(How::Baseline, NOW - 50)));
        tell(Fact::Settled(&settled(How::Old, NOW - 40)));
        tell(Fact::Settled(&settled(How::Counted, NOW - 10)));
        tell(Fact::Changed {
            id: 0,
            before: &entry,
            how: Changed::Retimed,
        });
        tell(Fact::Settled(&settled(How::Again, NOW - 20)));
        let delivery = crate::result::Delivery {
            finished: true,
            error_code: "".into(),
            uri: "".into(),
        };
        tell(Fact::Delivered {
            identity: Identity([0; 4]),
            delivery: &delivery,
            error_code: 0,
            folded: true,
        });
        tell(Fact::Late);
        tell(Fact::TakenIn);
        tell(Fact::Lost);
        let applied = tallies.take_applied();
        assert_eq!((applied.counted, applied.baseline, applied.old), (1, 1, 1));
        assert_eq!((applied.reclassified, applied.late, applied.lost), (0, 1, 1));
        let work = tallies.work;
        assert_eq!((work.old, work.dropped_bytes, work.overflow), (1, 7, [0, 1, 1]));
        let totals = tallies.totals.shown();
        let total = totals.iter().find(|total| total.labels == combination).unwrap();
        assert!(total.value == 1 && total.exemplar.as_ref().unwrap().time == NOW - 10);
        assert_eq!(tallies.window.counts().get(&combination), Some(&1));
        let deliveries = tallies.deliveries.shown();
        assert_eq!(deliveries, [(false, 0, None, 0), (true, 0, None, 1)]);
        let failed = StatusNumber::of(KnownStatus::Failed);
        assert_eq!(tallies.newest.shown(), [(failed, NOW - 20)]);
        assert_eq!(tallies.shown_failures().iter(&labels).len(), 3);
    }
}
