//! What a schedule of a hundred instances that runs every minute costs through a day, undisturbed and disturbed,
//! printed.
//!
//! A poll stands for a minute: the cloud's clock goes on by one between two polls, so that a day of 1,440 polls takes
//! some minutes. Pauses grow by the exporter's own clock, in intervals as on a real day.

use simulator::{ApiError, InvokeId, List, Misbehaviour, Outcome, Region};

use crate::cost::begins_a_poll;
use crate::exporter::wait_until;
use crate::stage::Stage;

const INSTANCES: usize = 100;

/// A day in minutes, and a sweep in its usual six hours: 360 polls.
const POLLS: usize = 1_440;
const POLLING: &str = "poll: {interval: 250ms, sweep_interval: 90s, request_timeout: 5s}\n";

/// What is wrong from a tenth of the day on.
type Disturb = fn(&mut Region, &InvokeId);

const DAYS: [(&str, Disturb); 6] = [
    ("undisturbed", |_, _| ()),
    (
        "a run under way all day, not in the history",
        |region, schedule| {
            let instance = region.row(schedule, 0).instance_id.clone();
            region.begin_run(schedule, 0);
            region.misbehave(Misbehaviour::hides().of(schedule).on(&instance).newest_runs(1));
        },
    ),
    ("one run that never settles", |region, schedule| {
        let row = region.row(schedule, 0);
        let (instance, run) = (row.instance_id.clone(), row.repeats);
        let stuck = Misbehaviour::shows("InvocationStatus", "Running");
        region.misbehave(stuck.of(schedule).on(&instance).run(run + 1));
    }),
    ("one number missing for good", |region, schedule| {
        region.skip_runs(schedule, 0, 1);
    }),
    ("Repeats shows 1,000,000 once", |region, schedule| {
        let instance = region.row(schedule, 0).instance_id.clone();
        let jump = Misbehaviour::shows("Repeats", 1_000_000).of(schedule);
        region.misbehave(jump.on(&instance).for_answers(3));
    }),
    ("one other history that is rejected", |region, _| {
        let other = region.schedule("other", "rate(60s)", 1);
        region.run_once(&other, 0, Outcome::success());
        let refused = ApiError::new(400, "InvalidParameter.InvokeId", "no");
        region.misbehave(Misbehaviour::refuses(refused).of(&other).only(List::History));
    }),
];

#[test]
#[ignore = "six days of some minutes each"]
fn a_schedule_of_a_hundred_instances_through_a_day() {
    let polls = std::env::var("DAY_POLLS").map_or(POLLS, |polls| polls.parse().unwrap());
    println!("| day of {polls} polls | mean requests a poll | most |\n|---|---|---|");
    for (name, disturb) in DAYS {
        day(name, disturb, polls);
    }
}

fn day(name: &str, disturb: Disturb, polls: usize) {
    let mut schedule = None;
    let stage = Stage::new(POLLING, |region| {
        region.retention_rows = usize::MAX;
        region.add_settled(60, Outcome::success());
        let id = region.schedule("every minute", "rate(60s)", INSTANCES);
        for instance in 0..INSTANCES {
            region.run_once(&id, instance, Outcome::success());
        }
        schedule = Some(id);
    });
    let schedule = schedule.unwrap();
    let busy = if name.starts_with("a run under way") { 1 } else { 0 };
    let mut costs = Vec::new();
    let mut seen = begun(&stage).len();
    for minute in 0..polls {
        wait_until("the next poll", || begun(&stage).len() > seen);
        seen = begun(&stage).len();
        let mut cloud = stage.simulator.cloud();
        cloud.advance(60);
        drop(cloud);
        stage.region(|region| {
            for instance in busy..INSTANCES {
                region.run_once(&schedule, instance, Outcome::success());
            }
            if minute == polls / 10 {
                disturb(region, &schedule);
            }
        });
        // The list of requests is bounded: what is counted is taken off it.
        if minute % 100 == 99 || minute + 1 == polls {
            let begins = begun(&stage);
            costs.extend(begins.windows(2).map(|two| two[1] - two[0]));
            stage.simulator.forget_requests();
            seen = 0;
        }
    }
    stage.region(Region::behave);
    // A run that was missing is looked for again within a sweep's interval.
    let exact = (0..450).any(|_| {
        let scrape = stage.exporter.polled();
        scrape.counts(crate::stage::RESULTS, crate::cloud::ACCOUNT, crate::cloud::REGION)
            == stage.truth().results
    });
    let disturbed = &costs[costs.len() / 10..];
    let mean = disturbed.iter().sum::<usize>() as f64 / disturbed.len() as f64;
    let most = disturbed.iter().max().unwrap();
    println!("| {name} | {mean:.2} | {most} |");
    assert!(exact, "{name}: {} are not counted", stage.truth().total());
}

/// Where polls begin in the list of requests.
fn begun(stage: &Stage) -> Vec<usize> {
    let requests = stage.simulator.requests();
    (0..requests.len())
        .filter(|at| begins_a_poll(&requests[*at]))
        .collect()
}
