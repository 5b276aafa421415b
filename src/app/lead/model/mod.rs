//! The protocol, by chance: two replicas, one database, and everything that happens to them, in whatever order. What is
//! promised holds at every instant.
//!
//! Not among what happens, since it is not promised then: that somebody else ends the session of a leader which cannot
//! hear of it, and that a failover loses what nobody is left to know of: a whole term, or saves of a leader that never
//! comes back.

mod database;
mod machine;
mod replica;
mod session;
mod world;

use std::time::Duration;

use proptest::prelude::*;

use crate::poll::tests::property::cases;
use crate::scope::Scope;
use world::World;

const LEASE: Duration = Duration::from_secs(30);

/// By so much of itself a clock is fast or slow; two that differ twice as much do so by less than the margin of a lease.
const DRIFT: f64 = 0.03;

const SCOPES: usize = 2;

fn scope(number: usize) -> Scope {
    Scope::new("a", ["r0", "r1"][number])
}

/// Something that happens to a replica, a scope or the database.
#[derive(Debug, Clone)]
enum Event {
    Settles(usize, u32),
    Hangs(usize),
    GoesOn(usize),
    IsCutOff(usize),
    ReachesAgain(usize),
    LosesAnswer(usize),
    LosesSession(usize),
    IsKilled(usize),
    Starts(usize),
    FailsOver { away: u64, loses: usize },
    ApiFails(usize),
    ApiWorks(usize),
}

fn event() -> impl Strategy<Value = Event> {
    use Event::*;
    let one = || 0..2_usize;
    prop_oneof![
        6 => (one(), 1..6_u32).prop_map(|(scope, results)| Settles(scope, results)),
        1 => one().prop_map(Hangs),
        2 => one().prop_map(GoesOn),
        3 => one().prop_map(IsCutOff),
        2 => one().prop_map(ReachesAgain),
        1 => one().prop_map(LosesAnswer),
        2 => one().prop_map(LosesSession),
        1 => one().prop_map(IsKilled),
        2 => one().prop_map(Starts),
        3 => (0..6000_u64, 0..5_usize).prop_map(|(away, loses)| FailsOver { away, loses }),
        1 => one().prop_map(ApiFails),
        1 => one().prop_map(ApiWorks),
    ]
}

/// What happens, each after so many milliseconds.
fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
    // Soon, later, or about a lease later, when it matters whose clock is fast.
    let after = prop_oneof![6 => 100..3000_u64, 1 => 3000..28_000_u64, 3 => 29_000..33_000_u64];
    prop::collection::vec((after, event()), 1..30)
}

fn live(clocks: [f64; 3], new_series_hold: u32, events: &[(u64, Event)]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::begin(clocks, new_series_hold).await;
        for (after, event) in events {
            world.pass(Duration::from_millis(*after)).await;
            world.happens(event);
        }
        world.ends_well().await;
    });
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn whatever_happens_one_shows_what_is_saved_and_no_count_goes_back(
        clocks in prop::array::uniform3(prop::sample::select(vec![-DRIFT, DRIFT])),
        new_series_hold in prop::sample::select(vec![0, 20]),
        events in events(),
    ) {
        live(clocks, new_series_hold, &events);
    }
}

#[test]
fn a_leader_whose_clock_is_slow_is_silent_before_another_leads() {
    for phase in 0..8 {
        let cut_off = (1000 + phase * 250, Event::IsCutOff(0));
        live([DRIFT, -DRIFT, DRIFT], 0, &[cut_off, (35_000, Event::GoesOn(0))]);
    }
}

/// Saves of one scope follow upon those that were lost, while the other one cannot be read; then whoever leads ends.
#[test]
fn what_was_lost_is_known_until_it_is_found_again_whoever_leads() {
    for end in [Event::LosesAnswer(0), Event::LosesSession(0), Event::IsKilled(0)] {
        let events = [
            (100, Event::Settles(0, 3)),
            (6000, Event::FailsOver { away: 1000, loses: 1 }),
            (100, Event::ApiFails(0)),
            (3000, Event::Settles(1, 1)),
            (6000, Event::Settles(1, 1)),
            (6000, end),
            (100, Event::Settles(1, 1)),
        ];
        live([0.0; 3], 0, &events);
    }
}

/// Whoever has seen the number of a save that was lost misses nothing any more once that was made good.
#[test]
fn what_was_lost_is_missed_once_whoever_leads() {
    let mut events = vec![(100, Event::Settles(0, 1)); 6];
    events.iter_mut().for_each(|(after, _)| *after = 6000);
    events.extend([
        (6000, Event::FailsOver { away: 1000, loses: 6 }),
        (20_000, Event::Settles(0, 1)),
        (6000, Event::IsKilled(0)),
        (100, Event::Settles(1, 1)),
    ]);
    live([0.0; 3], 0, &events);
}

/// What has shown its value is lost, and found again.
#[test]
fn a_series_that_was_shown_is_not_held_at_0_again() {
    let events = [
        (100, Event::Settles(0, 3)),
        (28_000, Event::Settles(1, 1)),
        (6000, Event::FailsOver { away: 1000, loses: 9 }),
    ];
    live([0.0; 3], 20, &events);
}
