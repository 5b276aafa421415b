//! A day with events and without: what it costs, and how late results are. The figures are printed with
//! `cargo test --lib poll::tests::day -- --nocapture`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::shell::{Stage, counted, plan};
use crate::poll::plan::PollPlan;

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

/// How long events take, of which Alibaba Cloud promises nothing.
const DELIVERY: Duration = Duration::from_secs(2);

/// How a day went.
#[derive(Debug)]
struct Day {
    requests: usize,
    /// How late each result was, in seconds, in order.
    late: Vec<u64>,
}

impl Day {
    fn at(&self, share: usize) -> u64 {
        self.late
            .get(self.late.len().saturating_sub(1) * share / 100)
            .copied()
            .unwrap_or(0)
    }
}

/// A day in which so many results settle at chance times; the same ones each time.
async fn day(interval: Duration, results: usize, events: bool) -> Day {
    let mut plan = PollPlan { interval, ..plan() };
    Arc::make_mut(&mut plan.settings).commands = None;
    let stage = Stage::looked(plan).await;
    let start = Instant::now();
    let asked = stage.api.requests();
    let mut chance = fastrand::Rng::with_seed(7);
    let mut settles: Vec<Duration> = (0..results).map(|_| DAY.mul_f64(chance.f64())).collect();
    settles.sort();
    // Both in the order in which they happen.
    let mut happens: Vec<(Instant, bool)> = settles.iter().map(|at| (start + *at, true)).collect();
    happens.extend(
        settles
            .iter()
            .filter(|_| events)
            .map(|at| (start + *at + DELIVERY, false)),
    );
    happens.sort();
    let mut waiting: VecDeque<Instant> = VecDeque::new();
    let mut late = Vec::new();
    let mut board = stage.board.subscribe();
    let mut seen = 0;
    let mut happens = happens.into_iter().peekable();
    let end = start + DAY + interval;
    while Instant::now() < end {
        let next = happens.peek().map_or(end, |(at, _)| *at);
        tokio::select! {
            () = sleep_until(next) => match happens.next() {
                Some((_, true)) => {
                    stage.api.settle(1, 1);
                    waiting.push_back(Instant::now());
                }
                Some((_, false)) => stage.inbox.hint(),
                None => {}
            },
            changed = board.changed() => {
                changed.unwrap();
                let now = board.borrow_and_update().scopes.values().map(|scope| counted(scope)).sum::<u64>();
                for _ in seen..now {
                    late.extend(waiting.pop_front().map(|since| since.elapsed().as_secs()));
                }
                seen = now;
            }
        }
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(
        (late.len(), waiting.len()),
        (results, 0),
        "every result is counted"
    );
    late.sort_unstable();
    Day {
        requests: stage.api.requests() - asked,
        late,
    }
}

#[tokio::test(start_paused = true)]
#[allow(clippy::print_stdout, reason = "these are figures")]
async fn events_cost_less_and_tell_sooner() {
    println!(
        "| a day of a scope | requests | late: p50 s | p90 s | p99 s | most s |\n|---|---|---|---|---|---|"
    );
    let mut days = Vec::new();
    for (what, results) in [("quiet", 0), ("1,000 results", 1000)] {
        for (how, interval, events) in [
            ("polls each 60 s", MINUTE, false),
            ("polls each 10 m, and events", MINUTE * 10, true),
        ] {
            let day = day(interval, results, events).await;
            let late = [50, 90, 99, 100]
                .map(|share| day.at(share).to_string())
                .join(" | ");
            println!("| {what}, {how} | {} | {late} |", day.requests);
            days.push(day);
        }
    }
    let requests: Vec<usize> = days.iter().map(|day| day.requests).collect();
    assert!((1440..=1442).contains(&requests[0]), "{requests:?}");
    assert!((144..=146).contains(&requests[1]), "{requests:?}");
    let (each_minute, with_events) = (&days[2], &days[3]);
    assert!(
        with_events.at(99) <= 10 && each_minute.at(50) >= 20,
        "{with_events:?}"
    );
    // A poll for each event at most, and one more where another event had been answered by it already.
    assert!(with_events.requests <= 146 + 3 * 1000, "{requests:?}");
}
