//! Random histories of a cloud that misbehaves, a clock that steps, and an exporter that crashes.
//!
//! The model is a set of identities: each result that settled after the first look began counts once.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::cloud::{Cloud, End, Instance, name};
use super::exporter::{Exporter, PAUSES};
use crate::record::Record;
use crate::result::{Identity, Seconds};

const START: Seconds = 1_700_000_000;

/// What ended so long before the first look began does not count, though only a later look shows it.
const BEFORE_THE_BASELINE: Seconds = 900;

#[derive(Debug, Clone)]
enum Event {
    Run {
        count: u32,
        listed: bool,
    },
    Schedule {
        count: u32,
        listed: bool,
    },
    Settle {
        which: usize,
        code: i64,
    },
    Reopen {
        which: usize,
    },
    ScheduledRun {
        which: usize,
        skip: u32,
        code: i64,
        lags: bool,
        stuck: bool,
    },
    EndSchedule {
        which: usize,
    },
    Running {
        which: usize,
    },
    Spike {
        which: usize,
    },
    Unlist {
        which: usize,
    },
    List,
    CatchUp,
    Empty(bool),
    Refuse(u32),
    Forget(u32, u32),
    Nameless(u32),
    Shuffle(u64),
    Pass {
        seconds: u32,
    },
    Poll {
        cut: usize,
    },
    Sweep {
        requests: usize,
    },
    AbandonSweep,
    Clock {
        off: i64,
    },
    Restart {
        hold: u32,
        buckets: u8,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let cut = prop_oneof![3 => Just(usize::MAX), 1 => 0usize..12];
    let off = prop_oneof![
        4 => Just(0),
        1 => -800i64..800,
        1 => prop::sample::select(vec![-400 * 86_400, -28_800, 28_800, 40 * 86_400, 400 * 86_400]),
    ];
    let hold = prop::sample::select(vec![0, 0, 30, 90, 1000]);
    let seconds = prop_oneof![3 => 1u32..120, 1 => 120u32..2000, 1 => Just(86_400)];
    prop_oneof![
        3 => (1u32..9, prop::bool::weighted(0.9)).prop_map(|(count, listed)| Event::Run { count, listed }),
        1 => (1u32..3, prop::bool::weighted(0.9)).prop_map(|(count, listed)| Event::Schedule { count, listed }),
        6 => (0usize..1000, 0i64..3).prop_map(|(which, code)| Event::Settle { which, code }),
        1 => (0usize..1000).prop_map(|which| Event::Reopen { which }),
        5 => (0usize..1000, 0u32..2, 0i64..3, prop::bool::weighted(0.2), prop::bool::weighted(0.1)).prop_map(
            |(which, skip, code, lags, stuck)| Event::ScheduledRun { which, skip, code, lags, stuck }
        ),
        1 => (0usize..1000).prop_map(|which| Event::EndSchedule { which }),
        1 => (0usize..1000).prop_map(|which| Event::Running { which }),
        1 => (0usize..1000).prop_map(|which| Event::Spike { which }),
        2 => (0usize..1000).prop_map(|which| Event::Unlist { which }),
        1 => Just(Event::List),
        1 => Just(Event::CatchUp),
        2 => prop::bool::weighted(0.4).prop_map(Event::Empty),
        1 => (1u32..6).prop_map(Event::Refuse),
        1 => (0u32..4, 1u32..4).prop_map(|(pages, times)| Event::Forget(pages, times)),
        1 => (1u32..3).prop_map(Event::Nameless),
        1 => (0u64..4).prop_map(Event::Shuffle),
        4 => seconds.prop_map(|seconds| Event::Pass { seconds }),
        7 => cut.prop_map(|cut| Event::Poll { cut }),
        3 => (1usize..9).prop_map(|requests| Event::Sweep { requests }),
        1 => Just(Event::AbandonSweep),
        1 => off.prop_map(|off| Event::Clock { off }),
        1 => (hold, 0u8..3).prop_map(|(hold, buckets)| Event::Restart { hold, buckets }),
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

fn is_one_time(one: &Instance) -> bool {
    one.runs.is_none() && one.settled.is_none()
}

fn is_live_schedule(one: &Instance) -> bool {
    one.runs.is_some() && one.settled.is_none()
}

/// What of the cloud's doing an event is.
fn happen(cloud: &mut Cloud, exporter: &Exporter, event: &Event) {
    let now = cloud.now;
    match *event {
        Event::Run { count, listed } => cloud.run(count, listed, false),
        Event::Schedule { count, listed } => cloud.run(count, listed, true),
        Event::Settle { which, code } => {
            if let Some(one) = pick(cloud, which, |one| is_one_time(one) || one.reopened) {
                // What it was the first time it is again.
                one.settled.get_or_insert(End { code, at: now });
                one.reopened = false;
            }
        }
        Event::Reopen { which } => {
            let seen = |one: &Instance| exporter.record.knows(&one.row().identity);
            if let Some(one) = pick(cloud, which, |one| {
                one.runs.is_none() && one.settled.is_some() && seen(one)
            }) {
                one.reopened = true;
            }
        }
        Event::ScheduledRun {
            which,
            skip,
            code,
            lags,
            stuck,
        } => {
            if let Some(one) = pick(cloud, which, is_live_schedule)
                && let Some(runs) = &mut one.runs
            {
                let run = runs.last_key_value().map_or(0, |(run, _)| *run) + 1 + skip;
                runs.insert(run, End { code, at: now });
                one.running = false;
                if lags {
                    one.lagging.insert(run);
                } else if stuck && one.stuck.is_none() && !exporter.record.needs_baseline() {
                    one.stuck = Some(run);
                }
            }
        }
        Event::EndSchedule { which } => {
            let ready = |one: &Instance| {
                is_live_schedule(one) && one.lagging.is_empty() && one.stuck.is_none() && one.spike.is_none()
            };
            if let Some(one) = pick(cloud, which, ready) {
                let last = one.runs.as_ref().and_then(|runs| runs.last_key_value());
                if let Some((_, end)) = last {
                    one.settled = Some(*end);
                    one.running = false;
                }
            }
        }
        Event::Running { which } => {
            if let Some(one) = pick(cloud, which, |one| is_live_schedule(one) && one.spike.is_none()) {
                one.running = !one.running;
            }
        }
        Event::Spike { which } => {
            // In a first look it would be what the baseline is.
            if !exporter.record.needs_baseline()
                && let Some(one) = pick(cloud, which, |one| {
                    is_live_schedule(one) && exporter.record.knows(&one.row().identity)
                })
            {
                one.spike = Some(1_000_000);
            }
        }
        Event::Unlist { which } => {
            if let Some(one) = pick(cloud, which, |one| one.listed) {
                one.listed = false;
            }
        }
        Event::List => cloud.instances.iter_mut().for_each(|one| one.listed = true),
        Event::CatchUp => cloud.instances.iter_mut().for_each(|one| {
            one.lagging.clear();
            one.stuck = None;
            one.spike = None;
        }),
        Event::Empty(empty) => cloud.empty = empty,
        Event::Refuse(count) => cloud.refusing = count,
        Event::Forget(pages, times) => cloud.forgetting = Some((pages, times)),
        // More would make names be done without.
        Event::Nameless(count) if !cloud.was_nameless => {
            (cloud.nameless, cloud.was_nameless) = (count, true);
        }
        Event::Shuffle(seed) => cloud.shuffle = seed,
        _ => {}
    }
}

/// What the exporter does.
fn act(cloud: &mut Cloud, exporter: &mut Exporter, event: &Event) {
    match *event {
        Event::Pass { seconds } => exporter.pass(cloud, seconds),
        Event::Poll { cut } => {
            exporter.pass(cloud, 60);
            exporter.poll(cloud, false, cut);
        }
        Event::Sweep { requests } => exporter.sweep_goes_on(cloud, requests),
        Event::AbandonSweep => exporter.abandon_sweep(),
        Event::Clock { off } => exporter.clock_off = off,
        Event::Restart { hold, buckets } => {
            exporter.settings.new_series_hold = hold;
            exporter.settings.duration_buckets = [vec![1.0, 60.0], vec![2.0], vec![0.5, 1.0, 60.0]]
                [usize::from(buckets)]
            .as_slice()
            .into();
            exporter.restart(cloud);
        }
        _ => {}
    }
}

/// What does not count: what a first look has shown settled, and what ended long before it began.
struct Model {
    baseline: BTreeSet<Identity>,
    began: Seconds,
    /// What nothing had shown yet when the record forgot something: were it older than that, nobody could tell it from
    /// what is forgotten, so that it may count or not.
    unseen: BTreeSet<Identity>,
}

impl Model {
    /// The cloud as a first look sees it now.
    fn of(cloud: &Cloud, began: Seconds) -> Self {
        let seen = cloud.instances.iter().filter(|one| one.listed && !cloud.empty);
        let seen = seen.filter(|one| !one.reopened || one.runs.is_some());
        Self {
            baseline: seen.flat_map(|one| one.ends().into_keys()).collect(),
            began,
            unseen: BTreeSet::new(),
        }
    }

    /// Something has been forgotten.
    fn forgets(&mut self, cloud: &Cloud, record: &Record) {
        for one in &cloud.instances {
            let row = one.row();
            let schedule = record.schedule(&row.identity);
            let knows = |end: &Identity| match (&one.runs, schedule) {
                (None, _) => record.knows(&row.identity),
                (Some(runs), Some(schedule)) => {
                    let mut known = runs.keys().filter(|run| schedule.knows(**run));
                    known.any(|run| row.identity.of_run(*run) == *end)
                }
                (Some(_), None) => false,
            };
            self.unseen
                .extend(one.ends().into_keys().filter(|end| !knows(end)));
        }
    }

    fn counts(&self, (identity, end): (&Identity, &End)) -> bool {
        !self.baseline.contains(identity) && end.at + BEFORE_THE_BASELINE >= self.began
    }

    fn counted<'a>(&self, ends: impl Iterator<Item = (&'a Identity, &'a End)>) -> BTreeMap<i64, u64> {
        let mut counted = BTreeMap::new();
        for (_, end) in ends.filter(|end| self.counts(*end)) {
            *counted.entry(end.code).or_default() += 1;
        }
        counted
    }
}

/// In the end everything is listed, a sweep has read it, and polls have read the histories.
fn come_to_rest(cloud: &mut Cloud, exporter: &mut Exporter) {
    cloud.behaves();
    exporter.clock_off = 0;
    exporter.abandon_sweep();
    exporter.poll(cloud, true, usize::MAX);
    for _ in 0..8 {
        exporter.pass(cloud, PAUSES.most.as_secs() as u32 + 1000);
        exporter.poll(cloud, false, usize::MAX);
    }
}

/// The same so many cases each time, so that what passes goes on passing; `PROPTEST_CASES=100000` takes so many others.
pub(crate) fn cases(few: u32) -> ProptestConfig {
    let given = std::env::var_os("PROPTEST_CASES").is_some();
    let config = ProptestConfig::default();
    ProptestConfig {
        cases: if given { config.cases } else { few },
        rng_seed: if given {
            RngSeed::Random
        } else {
            RngSeed::Fixed(13)
        },
        failure_persistence: Some(Box::new(
            proptest::test_runner::FileFailurePersistence::SourceParallel("proptest-regressions"),
        )),
        ..config
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn counters_are_what_a_set_of_identities_says(events in prop::collection::vec(event(), 1..80)) {
        let mut cloud = Cloud { now: START, ..Cloud::default() };
        let mut exporter = Exporter::new();
        let mut model: Option<Model> = None;
        let mut before: BTreeMap<String, u64> = BTreeMap::new();
        let (mut started, mut clock_was_right) = (BTreeMap::new(), true);
        for event in &events {
            // Results of the same second cannot be told apart by their time.
            exporter.pass(&mut cloud, 1);
            happen(&mut cloud, &exporter, event);
            let seen = Model::of(&cloud, cloud.now);
            act(&mut cloud, &mut exporter, event);
            if model.is_none() && !exporter.record.needs_baseline() {
                let began = (i64::from(cloud.now) + exporter.clock_off) as Seconds;
                model = Some(Model { began, ..seen });
            }
            exporter.can_be_loaded(&cloud);
            if std::mem::take(&mut exporter.applied).forgotten > 0
                && let Some(model) = &mut model
            {
                model.forgets(&cloud, &exporter.record);
            }
            let counters = exporter.counters();
            for (name, value) in &counters {
                let was = before.get(name).copied().unwrap_or(0);
                prop_assert!(*value >= was, "{name} went back from {was} to {value}");
            }
            before.extend(counters);
            clock_was_right &= exporter.clock_off == 0;
            for (name, start) in exporter.starts() {
                // One ahead of a clock that has stepped back is not shown.
                let Some(start) = start else {
                    prop_assert!(!clock_was_right, "{name} has no start");
                    continue;
                };
                prop_assert!(start.get() <= exporter.record.recorded_at(), "{name}: {start}");
                prop_assert!(start.get() < cloud.now || !clock_was_right, "{name}: {start}");
                let was = started.insert(name.clone(), start);
                prop_assert!(was.is_none_or(|was| was == start), "{name} moved from {was:?} to {start}");
            }
        }
        let seen = Model::of(&cloud, cloud.now);
        let began = cloud.now;
        come_to_rest(&mut cloud, &mut exporter);
        let settled = cloud.settled();
        let model = model.unwrap_or_else(|| {
            let all: BTreeSet<Identity> = settled.keys().copied().collect();
            Model { baseline: all, began: began.max(seen.began), unseen: BTreeSet::new() }
        });
        let expected = model.counted(settled.iter());
        if !model.unseen.is_empty() {
            let certain = settled.iter().filter(|(identity, _)| !model.unseen.contains(identity));
            let (certain, totals) = (model.counted(certain), exporter.totals());
            for code in 0..3 {
                let of = |counts: &BTreeMap<i64, u64>| counts.get(&code).copied().unwrap_or(0);
                prop_assert!((of(&certain)..=of(&expected)).contains(&of(&totals)), "{totals:?}");
            }
            return Ok(());
        }
        prop_assert_eq!(exporter.totals(), expected.clone());
        let delivered = expected.get(&1).copied().unwrap_or(0);
        let deliveries: u64 = exporter.counts().deliveries().map(|(.., value)| value).sum();
        prop_assert_eq!(deliveries, delivered, "deliveries");
        let mut of_commands: BTreeMap<String, u64> = BTreeMap::new();
        for one in &cloud.instances {
            let counted: u64 = model.counted(one.ends().iter()).values().sum();
            let name = name(one.invoke_id);
            if counted > 0 && ["n0", "n1"].contains(&&*name) {
                *of_commands.entry(name).or_default() += counted;
            }
        }
        prop_assert_eq!(exporter.commands(), of_commands.clone());
        let open = cloud.instances.iter().filter(|one| one.settled.is_none());
        let (scheduled, running): (Vec<&Instance>, Vec<&Instance>) = open.partition(|one| one.runs.is_some());
        let gauges = exporter.gauges();
        prop_assert_eq!(gauges.get("Running").copied().unwrap_or(0), running.len() as u64);
        prop_assert_eq!(gauges.get("Scheduled").copied().unwrap_or(0), scheduled.len() as u64);
        // A restart changes nothing that is shown.
        let recent = exporter.recent_of_commands();
        let counters = exporter.counters();
        exporter.restart(&cloud);
        prop_assert_eq!(exporter.counters(), counters);
        prop_assert_eq!(exporter.gauges(), gauges);
        prop_assert_eq!(exporter.recent_of_commands(), recent);
        exporter.poll(&mut cloud, false, usize::MAX);
        prop_assert_eq!(exporter.totals(), expected);
    }
}
