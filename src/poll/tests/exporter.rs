//! The exporter of these tests: polls without a network, a record, and what of it has been saved.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::cloud::Cloud;
use crate::clock::Now;
use crate::poll::scan::cursor::HistoryCursor;
use crate::poll::scan::{Question, Scan};
use crate::record::{Applied, CommandSettings, Counts, Looks, NamesUnavailable, Pauses, Record, Settings};
use crate::result::Seconds;

/// Between looks in vain: few, so that a test sees the end of it.
pub(super) const PAUSES: Pauses = Pauses {
    least: Duration::from_secs(60),
    most: Duration::from_secs(480),
};

/// The API refuses a clock that is further off.
const TOLERANCE: i64 = 900;

pub(in crate::poll) fn settings() -> Settings {
    Settings {
        window: 10_000_000,
        duration_buckets: vec![1.0, 60.0].into(),
        pauses: PAUSES,
        commands: Some(CommandSettings::by_name("n0|n1")),
        ..Settings::default()
    }
}

pub(super) struct Exporter {
    pub settings: Settings,
    pub record: Record,
    cursor: HistoryCursor,
    saved: BTreeMap<(u8, u64), Vec<u8>>,
    /// A sweep in the background.
    sweep: Option<(Scan, HistoryCursor)>,
    pub invocations: Looks,
    /// How far the machine's clock is off.
    pub clock_off: i64,
    /// The process's own time.
    pub steady: Duration,
    /// Requests for results of the last poll, those for histories among them.
    pub requests: usize,
    pub histories: usize,
    /// Requests that a poll may spend on histories.
    pub budget: u64,
    pub applied: Applied,
}

impl Exporter {
    pub(super) fn new() -> Self {
        Self {
            settings: settings(),
            record: Record::new(settings()),
            cursor: HistoryCursor::default(),
            saved: BTreeMap::new(),
            sweep: None,
            invocations: Looks::default(),
            clock_off: 0,
            steady: Duration::ZERO,
            requests: 0,
            histories: 0,
            budget: 1000,
            applied: Applied::default(),
        }
    }

    /// Time passes for the cloud and the exporter.
    pub(super) fn pass(&mut self, cloud: &mut Cloud, seconds: u32) {
        cloud.now += seconds;
        self.steady += Duration::from_secs(u64::from(seconds));
        self.show();
    }

    fn now(&self, cloud: &Cloud) -> Now {
        Now {
            wall: self.wall(cloud),
            steady: self.steady,
        }
    }

    fn wall(&self, cloud: &Cloud) -> Seconds {
        Seconds::try_from(i64::from(cloud.now) + self.clock_off).unwrap()
    }

    /// Asks up to `cut` requests; a poll that is cut off changes nothing. Returns how many it took.
    pub(super) fn poll(&mut self, cloud: &mut Cloud, sweep: bool, cut: usize) -> usize {
        let began = self.now(cloud);
        let sweep = sweep || self.record.needs_baseline();
        let mut scan = match sweep {
            true => Scan::sweep(began, self.budget),
            false => Scan::poll(began, self.budget),
        };
        if !self.invocations.is_due(self.steady, PAUSES) {
            scan = scan.without_invocations();
        }
        (self.requests, self.histories) = (0, 0);
        let mut cursor = std::mem::take(&mut self.cursor);
        while let Some(request) = scan.next_request(&cursor) {
            if self.requests == cut || self.clock_off.abs() > TOLERANCE {
                self.cursor = cursor;
                return self.requests;
            }
            self.requests += usize::from(!request.question.can_fail());
            self.histories += usize::from(matches!(request.question, Question::History { .. }));
            self.answer(&mut scan, &mut cursor, cloud);
        }
        self.cursor = cursor;
        self.record_findings(scan);
        self.requests
    }

    /// Goes on with a sweep in the background, by so many requests; begins one where there is none.
    pub(super) fn sweep_goes_on(&mut self, cloud: &mut Cloud, requests: usize) {
        // The first request of one that begins while the clock is wrong is refused.
        let is_refused = self.sweep.is_none() && self.clock_off.abs() > TOLERANCE;
        if self.record.needs_baseline() || is_refused {
            return;
        }
        let began = self.now(cloud);
        let begin = || (Scan::sweep(began, self.budget), HistoryCursor::default());
        let (mut scan, mut cursor) = self.sweep.take().unwrap_or_else(begin);
        for _ in 0..requests {
            if scan.next_request(&cursor).is_none() || self.clock_off.abs() > TOLERANCE {
                break;
            }
            self.answer(&mut scan, &mut cursor, cloud);
        }
        match scan.next_request(&cursor) {
            Some(_) => self.sweep = Some((scan, cursor)),
            None => {
                scan.leave_histories(&mut cursor);
                self.record_findings(scan);
            }
        }
    }

    fn answer(&mut self, scan: &mut Scan, cursor: &mut HistoryCursor, cloud: &mut Cloud) {
        let request = scan.next_request(cursor).unwrap();
        let record = &self.record;
        match request.question {
            Question::Schedules(_) | Question::Names(_) if cloud.nameless > 0 => {
                cloud.nameless -= 1;
                self.invocations.in_vain(self.steady, PAUSES);
                scan.on_names_failed(record, cursor, NamesUnavailable::Passing);
            }
            Question::Schedules(_) | Question::Names(_) => {
                self.invocations = Looks::default();
                scan.on_invocations(record, cursor, cloud.named(&request))
                    .unwrap();
            }
            Question::History { .. } if cloud.refusing > 0 => {
                cloud.refusing -= 1;
                scan.skip(record, cursor);
            }
            Question::History { .. } if request.token.is_some() && cloud.forgets_tokens() => {
                scan.skip(record, cursor);
            }
            _ => scan.on_results(record, cursor, cloud.page(&request)).unwrap(),
        }
    }

    pub(super) fn abandon_sweep(&mut self) {
        self.sweep = None;
    }

    fn record_findings(&mut self, scan: Scan) {
        let findings = scan.findings();
        if let Some((sweep, _)) = &mut self.sweep {
            sweep.note_newer(&findings);
        }
        let now = findings.ended(self.steady);
        self.applied = self.record.apply(findings, now);
        self.save();
        self.show();
    }

    fn save(&mut self) {
        for change in self.record.take_changes() {
            match change.value {
                Some(value) => self.saved.insert(change.key.encode(), value),
                None => self.saved.remove(&change.key.encode()),
            };
        }
    }

    /// As the poller shows it: what is to show its value is saved first.
    pub(super) fn show(&mut self) -> Option<Counts> {
        if self.record.release(self.steady) {
            self.save();
        }
        self.record.counts(self.steady)
    }

    /// A record read from what is saved: what is saved can always be read.
    fn loaded(&self, settings: &Settings, now: Seconds) -> Record {
        let pairs = self.saved.iter().map(|(place, value)| (*place, value.as_slice()));
        Record::from_pairs(settings, pairs, now).unwrap()
    }

    /// Has to be true at every moment: what is saved can be read, and is what is known, but for the time of the last
    /// poll. Every other pair than the head is saved as soon as it changes.
    pub(super) fn can_be_loaded(&self, cloud: &Cloud) {
        let loaded = self.loaded(&self.settings, self.wall(cloud));
        assert!(
            loaded.has_numbers_of(&self.record),
            "{loaded:?} {:?}",
            self.record
        );
    }

    /// A crash: what was not saved is gone, and the process's own time begins anew.
    pub(super) fn restart(&mut self, cloud: &Cloud) {
        self.record = self.loaded(&self.settings, self.wall(cloud));
        self.sweep = None;
        self.cursor = HistoryCursor::default();
        self.invocations = Looks::default();
        self.steady = Duration::ZERO;
        self.show();
    }

    pub(super) fn counts(&mut self) -> Counts {
        self.show().unwrap()
    }

    /// Counted results by exit code.
    pub(super) fn totals(&mut self) -> BTreeMap<i64, u64> {
        let Some(counts) = self.show() else {
            return BTreeMap::new();
        };
        let shown = counts.totals().filter(|shown| shown.value > 0);
        shown
            .map(|shown| (shown.exit_code.parse().unwrap(), shown.value))
            .collect()
    }

    /// Counted results of selected commands by their label.
    pub(super) fn commands(&mut self) -> BTreeMap<String, u64> {
        let shown = self.counts().commands.unwrap().commands.into_iter();
        shown
            .map(|shown| {
                let counted: u64 = shown.counted.iter().map(|(.., value)| value).sum();
                assert_eq!(shown.durations.unwrap().count, counted, "every duration is known");
                (shown.command.into(), counted)
            })
            .filter(|(_, counted)| *counted > 0)
            .collect()
    }

    /// Results of selected commands in the gauges.
    pub(super) fn recent_of_commands(&mut self) -> u64 {
        let shown = self.counts().commands.unwrap();
        let recent = shown.commands.iter().flat_map(|shown| &shown.recent);
        recent.map(|(_, count)| count).sum()
    }

    /// Results in the gauges by status.
    pub(super) fn gauges(&mut self) -> BTreeMap<String, u64> {
        let mut gauges = BTreeMap::new();
        let counts = self.counts();
        for shown in counts.recent().filter(|shown| shown.value > 0) {
            *gauges.entry(shown.invocation_status.to_owned()).or_default() += shown.value;
        }
        gauges
    }

    /// All counters of results, by a name for each series.
    pub(super) fn counters(&mut self) -> BTreeMap<String, u64> {
        let Some(counts) = self.show() else {
            return BTreeMap::new();
        };
        let mut counters = BTreeMap::from([
            ("lost".to_owned(), counts.lost),
            ("late".to_owned(), counts.late),
            ("old".to_owned(), counts.old),
            ("reclassified".to_owned(), counts.reclassified),
            ("dropped bytes".to_owned(), counts.dropped_bytes),
        ]);
        for shown in counts.totals() {
            counters.insert(format!("total {shown:?}").replace("value", ""), 0);
            let name = format!("total {} {}", shown.invocation_status, shown.exit_code);
            *counters.entry(name).or_default() += shown.value;
        }
        for (status, code, _, value) in counts.deliveries() {
            counters.insert(format!("delivery {status} {code}"), value);
        }
        for durations in &counts.durations {
            let status = counts.status_of(durations).to_owned();
            let durations = &durations.histogram;
            for (le, value) in counts.duration_buckets.iter().zip(&durations.buckets) {
                counters.insert(format!("durations {status} {le}"), *value);
            }
            counters.insert(format!("durations {status} count"), durations.count);
            counters.insert(format!("durations {status} sum"), durations.sum);
        }
        for command in counts.commands.iter().flat_map(|commands| &commands.commands) {
            for (status, _, value) in &command.counted {
                let name = format!("command {} {}", command.command, counts.status_text(*status));
                counters.insert(name, *value);
            }
            if let Some(durations) = &command.durations {
                counters.insert(format!("command {} count", command.command), durations.count);
                counters.insert(format!("command {} sum", command.command), durations.sum);
            }
        }
        counters
    }

    /// When each counter and histogram was at 0, as it is shown.
    pub(super) fn starts(&mut self) -> BTreeMap<String, Option<NonZeroU32>> {
        let counts = self.record.counts(self.steady).filter(|counts| counts.has_listed);
        let Some(counts) = counts else {
            return BTreeMap::new();
        };
        let totals = counts.totals();
        let mut starts: BTreeMap<String, Option<NonZeroU32>> = totals
            .map(|total| {
                let name = [total.invocation_status, total.error_code, total.exit_code].join(" ");
                (name, total.start)
            })
            .collect();
        starts.extend(
            counts
                .deliveries()
                .map(|(status, code, start, _)| (format!("delivery {status} {code}"), start)),
        );
        starts.extend(counts.durations.iter().map(|durations| {
            let status = counts.status_of(durations);
            (format!("durations {status}"), durations.histogram.start)
        }));
        for command in counts.commands.iter().flat_map(|commands| &commands.commands) {
            let name = |of: &str| format!("command {} {of}", command.command);
            for (status, start, _) in &command.counted {
                starts.insert(name(counts.status_text(*status)), *start);
            }
            starts.extend(
                command
                    .durations
                    .iter()
                    .map(|durations| (name("durations"), durations.start)),
            );
        }
        starts.insert("the rest".to_owned(), counts.start);
        starts
    }
}
