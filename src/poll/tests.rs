//! Polls and the record together, against a cloud of a few lines: whatever happens, and in whatever order it is
//! listed, the counters are what a set of identities says.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::cycle::{About, Ask, Cycle};
use super::history::Turn;
use crate::aliyun::invocations::Scheduled;
use crate::aliyun::rows::Page;
use crate::record::{Record, Settings};
use crate::result::{Identity, Ids, KnownStatus, Row, Seconds, Status, Times};

const START: Seconds = 1_700_000_000;

/// Small pages, so that a few rows are many pages.
const ROWS_ON_A_PAGE: usize = 4;

/// What the cloud knows of one instance of one invocation.
#[derive(Debug, Clone)]
struct Instance {
    invoke_id: u32,
    instance_id: u32,
    /// The exit code it ended with.
    settled: Option<i64>,
    /// For a schedule: each run with its exit code.
    runs: Option<BTreeMap<u32, i64>>,
    /// Whether the list has it yet.
    listed: bool,
    forgotten: bool,
}

#[derive(Debug, Default)]
struct Cloud {
    instances: Vec<Instance>,
    invocations: u32,
    shuffle: u64,
}

impl Cloud {
    fn run(&mut self, count: u32, listed: bool, scheduled: bool) {
        self.invocations += 1;
        for instance_id in 0..count {
            self.instances.push(Instance {
                invoke_id: self.invocations,
                instance_id,
                settled: None,
                runs: scheduled.then(BTreeMap::new),
                listed,
                forgotten: false,
            });
        }
    }

    /// What is settled: one-time results, and each run of a schedule.
    fn settled(&self) -> BTreeMap<Identity, i64> {
        let mut settled = BTreeMap::new();
        for instance in self.instances.iter() {
            let row = instance.row().identity;
            match &instance.runs {
                None => settled.extend(instance.settled.map(|code| (row.of_run(1), code))),
                Some(runs) => settled.extend(runs.iter().map(|(run, code)| (row.of_run(*run), *code))),
            }
        }
        settled
    }

    fn rows(&self, ask: &Ask) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for instance in self
            .instances
            .iter()
            .rev()
            .filter(|instance| instance.listed && !instance.forgotten)
        {
            let row = instance.row();
            let matches = |invoke_id: &str, instance_id: &Option<Box<str>>| {
                *invoke_id == instance.invoke_id.to_string()
                    && instance_id
                        .as_ref()
                        .is_none_or(|id| **id == instance.instance_id.to_string())
            };
            match &ask.about {
                About::List => rows.push(row),
                About::Running => rows.extend(row.status.is_open().then_some(row)),
                About::Invocation {
                    invoke_id,
                    instance_id,
                } if matches(invoke_id, instance_id) => rows.push(row),
                About::History {
                    invoke_id,
                    instance_id,
                } if matches(invoke_id, instance_id) => {
                    let runs = instance.runs.iter().flatten().rev();
                    rows.extend(runs.map(|(run, code)| ended(&row, *run, *code)));
                }
                _ => {}
            }
        }
        if self.shuffle != 0 {
            rows.sort_by_key(|row| row.identity.of_run(self.shuffle as u32).0);
        }
        rows
    }

    fn page(&self, ask: &Ask) -> Page {
        let rows = self.rows(ask);
        let from: usize = ask.token.as_ref().map_or(0, |token| token.parse().unwrap());
        let to = (from + ROWS_ON_A_PAGE).min(rows.len());
        let next_token = (to < rows.len()).then(|| to.to_string());
        Page {
            rows: rows[from.min(to)..to].to_vec(),
            skipped: 0,
            next_token,
        }
    }
}

impl Instance {
    fn row(&self) -> Row {
        let (invoke_id, instance_id) = (self.invoke_id.to_string(), self.instance_id.to_string());
        let identity = Identity::of_row(&invoke_id, &instance_id, "");
        let ids = Ids {
            invoke_id: invoke_id.into(),
            instance_id: instance_id.into(),
            container_id: "".into(),
            command_id: "".into(),
        };
        let open = if self.runs.is_some() {
            KnownStatus::Scheduled
        } else {
            KnownStatus::Running
        };
        let row = Row {
            identity,
            status: Status::Known(open),
            error_code: "".into(),
            exit_code: None,
            repeats: 0,
            times: Times {
                started: NonZeroU32::new(START),
                ..Times::default()
            },
            dropped: 0,
            delivery: None,
            scheduled: self.runs.is_some(),
            ids: Some(Box::new(ids)),
        };
        let last = self.runs.as_ref().and_then(|runs| runs.last_key_value());
        let repeats = last.map_or(0, |(run, _)| *run);
        match self.settled {
            Some(code) => Row {
                repeats,
                ..ended(&row, repeats, code)
            },
            None => Row { repeats, ..row },
        }
    }
}

fn ended(row: &Row, run: u32, code: i64) -> Row {
    let status = if code == 0 {
        KnownStatus::Success
    } else {
        KnownStatus::Failed
    };
    let plain = code == 0 && run <= 1;
    Row {
        status: Status::Known(status),
        exit_code: Some(code),
        repeats: run,
        times: Times {
            finished: NonZeroU32::new(START + 10),
            ..row.times
        },
        ids: row.ids.clone().filter(|_| !plain),
        ..row.clone()
    }
}

fn settings() -> Settings {
    Settings {
        window: 1_000_000,
        new_series_hold: 0,
        max_error_codes: 100,
        max_exit_codes: 100,
        duration_buckets: vec![1.0, 60.0],
        filter: 7,
    }
}

/// The exporter: a record, and what of it has been saved.
struct Exporter {
    record: Record,
    turn: Turn,
    saved: BTreeMap<(u8, u64), Vec<u8>>,
    /// A sweep in the background.
    sweep: Option<Cycle>,
    now: Seconds,
}

impl Exporter {
    fn new() -> Self {
        Self {
            record: Record::new(settings()),
            turn: Turn::default(),
            saved: BTreeMap::new(),
            sweep: None,
            now: START + 100,
        }
    }

    /// Asks up to `cut` requests; a poll that is cut off changes nothing. Returns how many it took.
    fn poll(&mut self, cloud: &Cloud, sweep: bool, cut: usize) -> usize {
        self.now += 60;
        let sweep = sweep || self.record.needs_first_look();
        let mut cycle = if sweep {
            Cycle::sweep(1000)
        } else {
            Cycle::poll(1000)
        };
        let mut requests = 0;
        while let Some(ask) = cycle.next() {
            if requests == cut {
                return requests;
            }
            requests += 1;
            if let About::Schedules(_) = ask.about {
                cycle
                    .schedules(&self.record, &mut self.turn, Scheduled::default())
                    .unwrap();
            } else {
                cycle
                    .page(&self.record, &mut self.turn, cloud.page(&ask))
                    .unwrap();
            }
        }
        self.record_findings(cycle);
        requests
    }

    /// Goes on with a sweep in the background, by so many requests; begins one where there is none.
    fn sweep_goes_on(&mut self, cloud: &Cloud, requests: usize) {
        if self.record.needs_first_look() {
            return;
        }
        let record = &mut self.record;
        let mut cycle = self.sweep.take().unwrap_or_else(|| {
            record.sweep_begins();
            Cycle::sweep(1000)
        });
        for _ in 0..requests {
            let Some(ask) = cycle.next() else { break };
            if let About::Schedules(_) = ask.about {
                cycle
                    .schedules(&self.record, &mut self.turn, Scheduled::default())
                    .unwrap();
            } else {
                cycle
                    .page(&self.record, &mut self.turn, cloud.page(&ask))
                    .unwrap();
            }
        }
        match cycle.next() {
            Some(_) => self.sweep = Some(cycle),
            None => self.record_findings(cycle),
        }
    }

    fn abandon_sweep(&mut self) {
        if self.sweep.take().is_some() {
            self.record.sweep_abandoned();
        }
    }

    fn record_findings(&mut self, cycle: Cycle) {
        self.record.apply(cycle.findings(), self.now);
        for change in self.record.take_changes() {
            match change.value {
                Some(value) => self.saved.insert(change.key.encode(), value),
                None => self.saved.remove(&change.key.encode()),
            };
        }
    }

    /// A crash: what was not saved is gone.
    fn restart(&mut self) {
        let pairs = self.saved.iter().map(|((kind, number), value)| {
            (
                crate::record::Key::decode(*kind, *number).unwrap(),
                value.as_slice(),
            )
        });
        self.record = Record::from_saved(settings(), pairs, self.now).unwrap();
        self.sweep = None;
    }

    /// Counted results by exit code.
    fn totals(&mut self) -> BTreeMap<i64, u64> {
        let Some(counts) = self.record.counts(self.now) else {
            return BTreeMap::new();
        };
        counts
            .totals()
            .filter(|shown| shown.value > 0)
            .map(|shown| (shown.exit_code.parse().unwrap(), shown.value))
            .collect()
    }

    /// Results in the gauges by status.
    fn gauges(&mut self) -> BTreeMap<String, u64> {
        let Some(counts) = self.record.counts(self.now) else {
            return BTreeMap::new();
        };
        let mut gauges = BTreeMap::new();
        for shown in counts.recent().filter(|shown| shown.value > 0) {
            *gauges.entry(shown.invocation_status.to_owned()).or_default() += shown.value;
        }
        gauges
    }
}

#[derive(Debug, Clone)]
enum Event {
    Run { count: u32, listed: bool },
    Schedule { count: u32 },
    Settle { which: usize, code: i64 },
    ScheduledRun { which: usize, skip: u32, code: i64 },
    EndSchedule { which: usize },
    List,
    Shuffle(u64),
    Poll { cut: usize },
    Sweep { requests: usize },
    AbandonSweep,
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let cut = prop_oneof![2 => Just(usize::MAX), 1 => 0usize..12];
    prop_oneof![
        3 => (1u32..9, prop::bool::weighted(0.9)).prop_map(|(count, listed)| Event::Run { count, listed }),
        1 => (1u32..3).prop_map(|count| Event::Schedule { count }),
        6 => (0usize..1000, 0i64..3).prop_map(|(which, code)| Event::Settle { which, code }),
        4 => (0usize..1000, 0u32..2, 0i64..3)
            .prop_map(|(which, skip, code)| Event::ScheduledRun { which, skip, code }),
        1 => (0usize..1000).prop_map(|which| Event::EndSchedule { which }),
        1 => Just(Event::List),
        1 => (0u64..4).prop_map(Event::Shuffle),
        5 => cut.prop_map(|cut| Event::Poll { cut }),
        3 => (1usize..9).prop_map(|requests| Event::Sweep { requests }),
        1 => Just(Event::AbandonSweep),
        1 => Just(Event::Restart),
    ]
}

/// The instances for which `wanted` holds, one of them by number.
fn pick(cloud: &mut Cloud, which: usize, wanted: impl Fn(&Instance) -> bool) -> Option<&mut Instance> {
    let mut found: Vec<&mut Instance> = cloud
        .instances
        .iter_mut()
        .filter(|instance| wanted(instance))
        .collect();
    if found.is_empty() {
        return None;
    }
    let place = which % found.len();
    Some(found.swap_remove(place))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn counters_are_what_a_set_of_identities_says(events in prop::collection::vec(event(), 1..60)) {
        let mut cloud = Cloud::default();
        let mut exporter = Exporter::new();
        // The model: what was settled at the first look is not counted, all else is, once.
        let mut before: Option<BTreeSet<Identity>> = None;
        let mut last_totals = BTreeMap::new();
        for event in events {
            match event {
                Event::Run { count, listed } => cloud.run(count, listed, false),
                Event::Schedule { count } => cloud.run(count, true, true),
                Event::Settle { which, code } => {
                    if let Some(instance) =
                        pick(&mut cloud, which, |one| one.runs.is_none() && one.settled.is_none())
                    {
                        instance.settled = Some(code);
                    }
                }
                Event::ScheduledRun { which, skip, code } => {
                    if let Some(instance) =
                        pick(&mut cloud, which, |one| one.runs.is_some() && one.settled.is_none())
                    {
                        let runs = instance.runs.as_mut().unwrap();
                        let last = runs.last_key_value().map_or(0, |(run, _)| *run);
                        runs.insert(last + 1 + skip, code);
                    }
                }
                Event::EndSchedule { which } => {
                    if let Some(instance) =
                        pick(&mut cloud, which, |one| one.runs.as_ref().is_some_and(|runs| !runs.is_empty()))
                        && instance.settled.is_none()
                    {
                        // Whatever the row shows at its end, the last run keeps its own outcome.
                        instance.settled = Some(2);
                    }
                }
                Event::List => cloud.instances.iter_mut().for_each(|instance| instance.listed = true),
                Event::Shuffle(seed) => cloud.shuffle = seed,
                Event::Poll { cut } => {
                    exporter.poll(&cloud, false, cut);
                }
                Event::Sweep { requests } => exporter.sweep_goes_on(&cloud, requests),
                Event::AbandonSweep => exporter.abandon_sweep(),
                Event::Restart => exporter.restart(),
            }
            if before.is_none() && !exporter.record.needs_first_look() {
                let listed: BTreeSet<Identity> = cloud
                    .instances
                    .iter()
                    .filter(|instance| instance.listed)
                    .flat_map(|instance| {
                        let only = Cloud { instances: vec![instance.clone()], ..Cloud::default() };
                        only.settled().into_keys()
                    })
                    .collect();
                before = Some(listed);
            }
            let totals = exporter.totals();
            for (code, count) in &last_totals {
                prop_assert!(totals.get(code) >= Some(count), "a counter went back");
            }
            last_totals = totals;
        }
        // In the end everything is listed, a sweep has read it, and polls have read the histories.
        cloud.instances.iter_mut().for_each(|instance| instance.listed = true);
        let known = before.is_some();
        exporter.abandon_sweep();
        exporter.poll(&cloud, true, usize::MAX);
        exporter.poll(&cloud, false, usize::MAX);
        exporter.poll(&cloud, false, usize::MAX);
        let settled = cloud.settled();
        let before = if known { before.unwrap() } else { settled.keys().copied().collect() };
        let mut model: BTreeMap<i64, u64> = BTreeMap::new();
        for (_, code) in settled.iter().filter(|(identity, _)| !before.contains(identity)) {
            *model.entry(*code).or_default() += 1;
        }
        prop_assert_eq!(exporter.totals(), model.clone());
        let open = cloud.instances.iter().filter(|instance| instance.settled.is_none());
        let (scheduled, running): (Vec<&Instance>, Vec<&Instance>) = open.partition(|one| one.runs.is_some());
        let counts = exporter.record.counts(exporter.now).unwrap();
        prop_assert_eq!((counts.reclassified, counts.lost), (0, 0), "nothing has changed its mind");
        let gauges = exporter.gauges();
        prop_assert_eq!(gauges.get("Running").copied().unwrap_or(0), running.len() as u64);
        prop_assert_eq!(gauges.get("Scheduled").copied().unwrap_or(0), scheduled.len() as u64);
        // A restart changes nothing that is shown.
        exporter.restart();
        prop_assert_eq!(exporter.totals(), model.clone());
        prop_assert_eq!(exporter.gauges(), gauges.clone());
        prop_assert_eq!(exporter.poll(&cloud, false, usize::MAX) >= 1, true);
        prop_assert_eq!(exporter.totals(), model.clone());
    }
}

#[test]
fn a_quiet_poll_is_one_request_and_new_results_cost_their_pages() {
    let mut cloud = Cloud::default();
    let mut exporter = Exporter::new();
    cloud.run(10, true, false);
    cloud
        .instances
        .iter_mut()
        .for_each(|instance| instance.settled = Some(0));
    exporter.poll(&cloud, false, usize::MAX);
    assert_eq!(exporter.poll(&cloud, false, usize::MAX), 1);
    for new in [1, 3, 4, 7, 8, 21] {
        cloud.run(new, true, false);
        cloud
            .instances
            .iter_mut()
            .for_each(|instance| instance.settled = Some(0));
        assert_eq!(
            exporter.poll(&cloud, false, usize::MAX),
            new as usize / ROWS_ON_A_PAGE + 1,
            "{new} new"
        );
    }
}

#[test]
fn what_is_open_and_no_longer_listed_is_lost_after_twice() {
    let mut cloud = Cloud::default();
    let mut exporter = Exporter::new();
    cloud.run(1, true, false);
    cloud.run(9, true, false);
    cloud
        .instances
        .iter_mut()
        .skip(1)
        .for_each(|instance| instance.settled = Some(0));
    exporter.poll(&cloud, false, usize::MAX);
    cloud.instances[0].forgotten = true;
    exporter.poll(&cloud, false, usize::MAX);
    let lost = |exporter: &mut Exporter| exporter.record.counts(START).unwrap().lost;
    assert_eq!((lost(&mut exporter), exporter.record.open().count()), (0, 1));
    exporter.restart();
    exporter.poll(&cloud, false, usize::MAX);
    assert_eq!((lost(&mut exporter), exporter.record.open().count()), (1, 0));
}

#[test]
fn identities_are_forgotten_after_two_sweeps() {
    let mut cloud = Cloud::default();
    let mut exporter = Exporter::new();
    cloud.run(20, true, false);
    cloud
        .instances
        .iter_mut()
        .for_each(|instance| instance.settled = Some(0));
    exporter.poll(&cloud, false, usize::MAX);
    cloud
        .instances
        .iter_mut()
        .take(5)
        .for_each(|instance| instance.forgotten = true);
    exporter.poll(&cloud, true, usize::MAX);
    assert_eq!(exporter.record.held(), 20);
    exporter.restart();
    exporter.poll(&cloud, true, usize::MAX);
    assert_eq!(exporter.record.held(), 15);
    exporter.poll(&cloud, true, usize::MAX);
    assert_eq!(exporter.record.held(), 15);
}

#[test]
fn a_result_that_changes_or_shows_open_again_keeps_its_one_count() {
    let mut cloud = Cloud::default();
    let mut exporter = Exporter::new();
    cloud.run(1, true, false);
    exporter.poll(&cloud, false, usize::MAX);
    let reclassified = |exporter: &mut Exporter| exporter.record.counts(START).unwrap().reclassified;
    let mut shows = |settled: Option<i64>| {
        cloud.instances[0].settled = settled;
        exporter.poll(&cloud, false, usize::MAX);
        exporter.restart();
        (exporter.totals(), exporter.gauges(), reclassified(&mut exporter))
    };
    let one = |status: &str| BTreeMap::from([(status.to_owned(), 1)]);
    assert_eq!(shows(Some(1)), (BTreeMap::from([(1, 1)]), one("Failed"), 0));
    assert_eq!(shows(Some(0)), (BTreeMap::from([(1, 1)]), one("Success"), 1));
    assert_eq!(shows(None), (BTreeMap::from([(1, 1)]), one("Running"), 2));
    assert_eq!(shows(Some(0)), (BTreeMap::from([(1, 1)]), one("Success"), 2));
}
