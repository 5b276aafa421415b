//! Findings, restarts and the clock against a model: a result that settled after the baseline counts once, a count that
//! was shown is never taken back, and a restart changes nothing.

#![no_main]

use std::collections::{BTreeMap, BTreeSet, HashSet};

use arbitrary::{Result, Unstructured};
use cloud_assistant_exporter::record::{Answer, Findings, History, Record, Settings, Sought, Sweep};
use cloud_assistant_exporter::result::{Identity, KnownStatus, Row, Status};
use cloud_assistant_exporter_fuzz::record::{Picture, at, row, settings};
use libfuzzer_sys::fuzz_target;

const BEGIN: u32 = 1_800_000_000;
const DAY: u32 = 86_400;

fuzz_target!(|bytes: &[u8]| {
    let _ = run(&mut Unstructured::new(bytes));
});

/// One result as the cloud has it.
struct Invoked {
    number: u32,
    status: KnownStatus,
    code: u8,
    started: u32,
    finished: Option<u32>,
    is_listed: bool,
    /// Never listed again: the API has dropped it, or it stood at the old end of the list when that was cut off.
    is_gone: bool,
    /// Outcomes of a schedule's runs, the first first; the last may be open. None for a one-time result.
    runs: Option<Vec<KnownStatus>>,
}

impl Invoked {
    fn row(&self) -> Row {
        let mut row = row(
            self.number,
            Status::Known(self.status),
            self.code,
            self.started,
            self.finished,
        );
        if let Some(runs) = &self.runs {
            row.scheduled = true;
            row.repeats = runs.len() as u32;
        }
        row
    }

    fn history(&self) -> Vec<Row> {
        let runs = self.runs.iter().flatten().zip(1_u32..);
        let mut rows: Vec<Row> = runs
            .map(|(status, run)| {
                let finished = (!status.is_open()).then_some(self.started + run);
                let mut row = row(
                    self.number,
                    Status::Known(*status),
                    self.code,
                    self.started,
                    finished,
                );
                (row.repeats, row.scheduled) = (run, true);
                row
            })
            .collect();
        rows.reverse();
        rows
    }
}

/// What must be counted: by identity and run.
#[derive(Clone, Default)]
struct Model {
    /// Settled before the first look.
    before: BTreeSet<(Identity, u32)>,
    counted: BTreeSet<(Identity, u32)>,
}

impl Model {
    fn settled(&mut self, identity: Identity, run: u32) {
        if !self.before.contains(&(identity, run)) {
            self.counted.insert((identity, run));
        }
    }
}

/// Everything that polls, restarts and clocks act on.
struct World {
    settings: Settings,
    /// Newest first, mostly.
    cloud: Vec<Invoked>,
    /// The right time, and how far the machine's clock is from it.
    now: u32,
    skew: i64,
    record: Record,
    pairs: BTreeMap<(u8, u64), Vec<u8>>,
    model: Model,
    shown: Picture,
    /// The rows of a sweep under way, and what polls have seen since it began.
    sweep: Option<(Vec<Row>, HashSet<Identity>)>,
    has_schedules: bool,
    /// When the look-back window was moved last.
    looked_back_at: u32,
    /// What has happened, for a finding.
    told: Vec<String>,
}

fn run(choices: &mut Unstructured<'_>) -> Result<()> {
    let settings = settings(*choices.choose(&[0, 0, 90])?);
    let mut world = World {
        record: Record::new(settings.clone()),
        settings,
        cloud: Vec::new(),
        now: BEGIN,
        skew: 0,
        pairs: BTreeMap::new(),
        model: Model::default(),
        shown: Picture::default(),
        sweep: None,
        has_schedules: false,
        looked_back_at: 0,
        told: Vec::new(),
    };
    let most = choices.int_in_range(4..=80)?;
    for _ in 0..most {
        if choices.is_empty() {
            break;
        }
        world.step(choices)?;
    }
    world.skew = 0;
    world.poll(choices, true, false)?;
    world.restart();
    Ok(())
}

impl World {
    fn clock(&self) -> u32 {
        u32::try_from(i64::from(self.now) + self.skew).unwrap_or(0)
    }

    fn step(&mut self, choices: &mut Unstructured<'_>) -> Result<()> {
        match choices.int_in_range(0..=20)? {
            0..=3 => self.begin(choices)?,
            4..=6 => self.change(choices)?,
            7 => {
                self.now += *choices.choose(&[1, 60, 600, 3600, DAY, 8 * DAY])?;
                let now = self.now;
                for result in &mut self.cloud {
                    result.is_gone |= result.started + 28 * DAY < now && !result.status.is_open();
                }
            }
            8 => self.skew = *choices.choose(&[0, 0, 900, -900, 7200, -7200, 40 * 86_400, -40 * 86_400])?,
            9 => self.hide(choices)?,
            10 | 11 => self.restart(),
            12 => {
                if self.sweep.is_none() && !self.record.needs_baseline() {
                    self.told.push("a sweep begins".to_owned());
                    self.sweep = Some((self.listed().map(Invoked::row).collect(), HashSet::new()));
                }
            }
            13 => {
                if let Some((rows, newer)) = self.sweep.take() {
                    self.skew = self.skew.clamp(-900, 900);
                    self.apply(rows, true, Vec::new(), Vec::new(), newer, false);
                }
            }
            14 | 15 => self.poll(choices, true, false)?,
            16 => self.poll(choices, false, true)?,
            17 => self.hole(choices)?,
            _ => self.poll(choices, false, false)?,
        }
        Ok(())
    }

    fn listed(&self) -> impl Iterator<Item = &Invoked> {
        self.cloud
            .iter()
            .filter(|result| result.is_listed && !result.is_gone)
    }

    fn last_run_is_open(&self, identity: &Identity) -> bool {
        let schedules = self
            .cloud
            .iter()
            .filter(|result| result.row().identity == *identity);
        let mut last = schedules.filter_map(|result| result.runs.as_ref()?.last());
        last.any(|status| status.is_open())
    }

    fn begin(&mut self, choices: &mut Unstructured<'_>) -> Result<()> {
        if self.cloud.len() > 30 {
            return Ok(());
        }
        let status = *choices.choose(&[
            KnownStatus::Running,
            KnownStatus::Pending,
            KnownStatus::Success,
            KnownStatus::Failed,
        ])?;
        let runs = choices.ratio(1_u8, 12)?.then(Vec::new);
        self.has_schedules |= runs.is_some();
        let result = Invoked {
            number: self.cloud.len() as u32,
            status: if runs.is_some() {
                KnownStatus::Scheduled
            } else {
                status
            },
            code: choices.arbitrary()?,
            started: self.now,
            finished: (!status.is_open() && runs.is_none()).then_some(self.now),
            is_listed: true,
            is_gone: false,
            runs,
        };
        // The order of the list is no promise.
        let place = match choices.ratio(1_u8, 8)? {
            true => choices.int_in_range(0..=self.cloud.len())?,
            false => 0,
        };
        self.told
            .push(format!("{} begins {:?} at {place}", result.number, result.status));
        self.cloud.insert(place, result);
        self.now += 1;
        Ok(())
    }

    fn change(&mut self, choices: &mut Unstructured<'_>) -> Result<()> {
        if self.cloud.is_empty() {
            return Ok(());
        }
        let place = choices.choose_index(self.cloud.len())?;
        let status = *choices.choose(&KnownStatus::ALL)?;
        let result = &mut self.cloud[place];
        if let Some(runs) = &mut result.runs {
            let last = runs.last().copied();
            self.told
                .push(format!("{} has runs {runs:?}, next {status:?}", result.number));
            if result.status == KnownStatus::Scheduled
                && last.is_some_and(|last| !last.is_open())
                && choices.ratio(1_u8, 4)?
            {
                result.status = last.unwrap_or(status);
                result.finished = Some(result.started + runs.len() as u32);
                return Ok(());
            }
            match last.filter(|status| status.is_open()) {
                Some(_) if !status.is_open() => *runs.last_mut().expect("a run") = status,
                None if result.status == KnownStatus::Scheduled && runs.len() < 12 => {
                    runs.push(if status.is_open() {
                        KnownStatus::Running
                    } else {
                        status
                    });
                }
                _ => {}
            }
            return Ok(());
        }
        let is_odd = !result.status.is_open() && status.is_open();
        if status == KnownStatus::Scheduled || is_odd && !choices.ratio(1_u8, 8)? {
            return Ok(());
        }
        self.told.push(format!("{} becomes {status:?}", result.number));
        result.status = status;
        result.finished = (!status.is_open()).then_some(result.finished.unwrap_or(self.now));
        Ok(())
    }

    /// A hole in the list, or its end; a hole closes again.
    fn hide(&mut self, choices: &mut Unstructured<'_>) -> Result<()> {
        if !self.cloud.is_empty() && !self.record.needs_baseline() {
            let place = choices.choose_index(self.cloud.len())?;
            self.cloud[place].is_listed ^= true;
            self.told.push(format!(
                "{} listed: {}",
                self.cloud[place].number, self.cloud[place].is_listed
            ));
        }
        Ok(())
    }

    /// A hole that sweeps see, and that closes again; what stood in it may have gone on meanwhile.
    fn hole(&mut self, choices: &mut Unstructured<'_>) -> Result<()> {
        if self.cloud.is_empty() || self.record.needs_baseline() {
            return Ok(());
        }
        let place = choices.choose_index(self.cloud.len())?;
        self.cloud[place].is_listed = false;
        self.told.push(format!("{} in a hole", self.cloud[place].number));
        for _ in 0..choices.int_in_range(1..=3)? {
            self.poll(choices, true, false)?;
            self.now += *choices.choose(&[1, 900, DAY])?;
        }
        if choices.ratio(1_u8, 2)? {
            self.change(choices)?;
        }
        self.cloud[place].is_listed = true;
        self.told.push("the hole closes".to_owned());
        self.poll(choices, true, false)
    }

    /// A poll: from the front until a page ends with what is known, or everything.
    fn poll(&mut self, choices: &mut Unstructured<'_>, sweep: bool, crashes: bool) -> Result<()> {
        let first_look = self.record.needs_baseline();
        // What is found is dated by requests that the API has answered: it refuses those of a clock that is further off.
        self.skew = self.skew.clamp(-900, 900);
        let sweep = sweep || first_look;
        if sweep {
            self.sweep = None;
        }
        let rows: Vec<Row> = self.listed().map(Invoked::row).collect();
        let page = choices.int_in_range(1..=4)?;
        let mut pages = Vec::new();
        for chunk in rows.chunks(page) {
            pages.extend_from_slice(chunk);
            if !sweep && chunk.last().is_some_and(|row| self.record.knows(&row.identity)) {
                break;
            }
        }
        let mut answers = Vec::new();
        let open: Vec<Identity> = self.record.open().map(|(identity, ..)| identity).collect();
        if !open.is_empty() && choices.ratio(1_u8, 2)? {
            let asked = *choices.choose(&open)?;
            let rows = rows.iter().filter(|row| row.identity == asked).cloned().collect();
            answers.push(Answer {
                asked: vec![asked],
                rows,
            });
        }
        let mut histories = Vec::new();
        for result in self.listed().filter(|result| result.runs.is_some()) {
            let identity = result.row().identity;
            if choices.ratio(1_u8, 2)? {
                histories.push(History {
                    asked: vec![(identity, Sought::Newest)],
                    rows: result.history(),
                    thorough: false,
                });
            }
        }
        self.apply(pages, sweep, answers, histories, HashSet::new(), crashes);
        Ok(())
    }

    fn apply(
        &mut self,
        pages: Vec<Row>,
        is_sweep: bool,
        answers: Vec<Answer>,
        histories: Vec<History>,
        newer: HashSet<Identity>,
        crashes: bool,
    ) {
        let first_look = self.record.needs_baseline();
        let now = self.clock();
        let mut model = self.model.clone();
        let on_pages: BTreeSet<Identity> = pages.iter().map(|row| row.identity).collect();
        let is_known = |identity: &Identity| self.record.knows(identity) || on_pages.contains(identity);
        for row in pages.iter().filter(|row| !newer.contains(&row.identity)) {
            if first_look {
                // A schedule's runs are known up to its Repeats, but for one that is still open.
                let known = match (row.scheduled, row.status.is_open()) {
                    (true, true) => row.repeats - u32::from(self.last_run_is_open(&row.identity)),
                    (true, false) => row.run(),
                    (false, true) => 0,
                    (false, false) => row.run(),
                };
                model.before.extend((1..=known).map(|run| (row.identity, run)));
            } else if !row.status.is_open() {
                model.settled(row.identity, row.run());
            }
        }
        let answered = answers.iter().flat_map(|answer| &answer.rows);
        for row in answered.filter(|row| is_known(&row.identity) && !row.status.is_open()) {
            model.settled(row.identity, row.run());
        }
        for row in histories.iter().flat_map(|history| &history.rows) {
            if is_known(&row.identity) && !row.status.is_open() && !first_look {
                model.settled(row.identity, row.run());
            }
        }
        let front = pages.len().min(2);
        let numbers = |rows: &[Row]| -> Vec<String> {
            let ids = rows.iter().filter_map(|row| row.ids.as_ref());
            ids.map(|ids| ids.invoke_id.to_string()).collect()
        };
        self.told.push(format!(
            "{} of {:?} at {now}, asked {:?}, histories {:?}{}",
            if is_sweep { "a sweep" } else { "a poll" },
            numbers(&pages),
            answers
                .iter()
                .map(|answer| numbers(&answer.rows))
                .collect::<Vec<_>>(),
            histories
                .iter()
                .map(|history| numbers(&history.rows))
                .collect::<Vec<_>>(),
            if crashes { ", not saved" } else { "" },
        ));
        let findings = Findings {
            sweep: is_sweep.then_some(Sweep { front, newer }),
            pages,
            answers,
            histories,
            ..Findings::default()
        };
        let looked_at: Vec<Identity> = findings.looked_at().collect();
        self.record.apply(findings, at(now));
        self.looked_back_at = now;
        if crashes {
            // Not saved, not shown.
            self.reload();
            return;
        }
        self.model = model;
        match &mut self.sweep {
            Some((_, newer)) if !is_sweep => newer.extend(looked_at),
            _ => {}
        }
        if is_sweep {
            self.cut_off();
        }
        self.save();
        self.check();
    }

    /// What two sweeps do not list, and is older than all settled results that they do, is the list's old end.
    fn cut_off(&mut self) {
        let settled = self.listed().filter(|result| result.runs.is_none());
        let oldest = settled.filter_map(|result| result.finished).min();
        for result in self.cloud.iter_mut().filter(|result| !result.is_listed) {
            let time = result.finished.unwrap_or(result.started);
            result.is_gone |= oldest.is_some_and(|oldest| time < oldest);
        }
    }

    fn save(&mut self) {
        for change in self.record.take_changes() {
            match change.value {
                Some(value) => self.pairs.insert(change.key.encode(), value),
                None => self.pairs.remove(&change.key.encode()),
            };
        }
    }

    fn check(&mut self) {
        let now = self.clock();
        let Some(counts) = self.record.counts(at(now).steady) else {
            return;
        };
        let shown = Picture::of(&counts);
        shown.assert_after(&self.shown, &self.told);
        let expected = self.model.counted.len() as u64;
        assert!(
            shown.counted() <= expected,
            "{} of {expected} results counted: {:?}",
            shown.counted(),
            self.told
        );
        if !self.has_schedules && self.settings.new_series_hold == 0 {
            assert_eq!(shown.counted(), expected, "results counted: {:?}", self.told);
        }
        self.shown = shown;
    }

    /// The record as it was saved.
    fn reload(&mut self) {
        let pairs = self.pairs.iter().map(|(place, value)| (*place, value.as_slice()));
        let now = self.clock();
        let record = Record::from_pairs(&self.settings, pairs, now);
        self.record = record.expect("what was saved is accepted");
        self.looked_back_at = now;
        self.sweep = None;
    }

    fn restart(&mut self) {
        if self.record.needs_baseline() {
            return;
        }
        let now = self.clock();
        self.told.push(format!("a restart at {now}"));
        let is_as_old = self.looked_back_at == now;
        let picture = |record: &mut Record| {
            let counts = record.counts(at(now).steady)?;
            let mut picture = Picture::of(&counts);
            if !is_as_old {
                // Only the record that is read again knows how late it is.
                picture.gauges.retain(|name, _| !name.starts_with("recent "));
            }
            Some(picture)
        };
        let before = picture(&mut self.record);
        self.save();
        self.reload();
        let after = picture(&mut self.record);
        if let (Some(before), Some(after)) = (before, after) {
            // A series that is held at 0 is so for longer after a restart.
            if self.settings.new_series_hold == 0 {
                assert_eq!(after, before, "a restart changes nothing: {:?}", self.told);
            }
            after.assert_after(&self.shown, &self.told);
        }
        self.save();
    }
}
