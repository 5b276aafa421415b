//! A cloud, and a clock, that are not what they should be: counts are exact all the same.

mod answers;
mod clock;
mod first_look;
mod histories;
mod holds;
mod pauses;
mod reloads;
mod rows;

use simulator::{AccessKey, Clock, Cloud, Region, Simulator, unix_now};

use crate::cloud::{ACCOUNT, REGION};
use crate::cost::begins_a_poll;
use crate::exporter::eventually;
use crate::stage::{POLLS, Stage};

pub const OLD: &str = "cloud_assistant_exporter_old_results_total";

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// What a cloud has done, and how many seconds ago.
type Past<'a> = (i64, &'a mut dyn FnMut(&mut Region));

/// A cloud with this past, which forgets nothing of it.
fn cloud_with_a_past(past: &mut [Past<'_>]) -> Simulator {
    let now = unix_now();
    let first = past.iter().map(|(ago, _)| *ago).max().unwrap_or(0);
    let mut cloud = Cloud::new(Clock::Manual(now - first));
    cloud.add_account(ACCOUNT, AccessKey::new("test-key", "test-secret"));
    past.sort_by_key(|(ago, _)| -ago);
    for (ago, change) in past {
        let passes = now - *ago - cloud.now();
        cloud.advance(passes);
        let region = cloud.region(ACCOUNT, REGION);
        region.retention_rows = usize::MAX;
        change(region);
    }
    let passes = now - cloud.now();
    cloud.advance(passes);
    cloud.region(ACCOUNT, REGION);
    cloud.mark_baseline();
    Simulator::start(cloud)
}

/// So many more polls have ended.
fn polls(stage: &Stage, polls: u32) {
    let before = stage.exporter.fresh().value(POLLS, &[]);
    stage.exporter.scrape_until("more polls", |scrape| {
        scrape.value(POLLS, &[]) >= before + f64::from(polls)
    });
}

/// How many requests each of the next so many polls costs.
fn costs(stage: &Stage, polls: usize) -> Vec<usize> {
    let before = stage.simulator.requests().len();
    eventually("so many polls", || {
        let requests = stage.simulator.requests().split_off(before);
        let begins: Vec<usize> = (0..requests.len())
            .filter(|at| begins_a_poll(&requests[*at]))
            .collect();
        (begins.len() > polls).then(|| begins.windows(2).take(polls).map(|two| two[1] - two[0]).collect())
    })
}
