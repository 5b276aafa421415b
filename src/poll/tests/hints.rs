//! Hints to the poller itself, in time that passes when nobody works.

use std::time::Duration;

use proptest::prelude::*;
use proptest::{collection, option};
use tokio::time::{Instant, sleep, sleep_until};

use super::shell::{INTERVAL, Stage, counted, plan};
use crate::aliyun::error::{CallError, Reason};
use crate::aliyun::limit::Priority;
use crate::poll::plan::PollPlan;

const MIN_INTERVAL: Duration = Duration::from_secs(5);

/// When polls have begun since, in seconds.
fn begun(stage: &Stage, since: Instant) -> Vec<u64> {
    let polls = stage.api.first_pages().into_iter();
    let polls = polls.filter(|(at, priority)| *at >= since && *priority == Priority::Poll);
    polls.map(|(at, _)| (at - since).as_secs()).collect()
}

/// A scope that is polled each 100 minutes, a minute after its first look.
async fn quiet() -> (Stage, Instant) {
    let stage = Stage::looked(PollPlan {
        interval: INTERVAL * 100,
        ..plan()
    })
    .await;
    sleep(Duration::from_secs(60)).await;
    let polls = stage
        .board
        .view()
        .scopes
        .values()
        .map(|view| view.work.polls)
        .sum::<u64>();
    assert_eq!(polls, 1, "choose another scope: this one is polled now");
    (stage, Instant::now())
}

#[tokio::test(start_paused = true)]
async fn a_result_is_seen_when_its_event_comes() {
    let (stage, since) = quiet().await;
    stage.api.settle(1, 1);
    stage.inbox.hint();
    let view = stage.more(1).await;
    assert_eq!((counted(&view), since.elapsed()), (1, Duration::ZERO));
    assert_eq!(view.work.event_polls, 1);
    sleep(INTERVAL).await;
    assert_eq!(begun(&stage, since), [0], "it was found");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_lags_is_looked_at_once_more() {
    let (stage, since) = quiet().await;
    stage.inbox.hint();
    stage.more(1).await;
    stage.api.settle(1, 1);
    let view = stage.more(1).await;
    assert_eq!((counted(&view), since.elapsed()), (1, MIN_INTERVAL));
    sleep(INTERVAL).await;
    assert_eq!(begun(&stage, since), [0, 5]);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_hints_in_a_second_are_one_poll_and_one_more() {
    let (stage, since) = quiet().await;
    stage.api.settle(1, 1);
    for _ in 0..1000 {
        (0..10).for_each(|_| stage.inbox.hint());
        sleep(Duration::from_millis(1)).await;
    }
    sleep(INTERVAL).await;
    // The one that follows finds nothing, and looks once more.
    assert_eq!(begun(&stage, since), [0, 5, 10]);
    let view = stage.more(0).await;
    assert_eq!((counted(&view), view.work.event_polls), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn hints_without_end_are_a_poll_each_min_interval() {
    let (stage, since) = quiet().await;
    for _ in 0..600 {
        stage.inbox.hint();
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(begun(&stage, since), (0..60).step_by(5).collect::<Vec<u64>>());
}

#[tokio::test(start_paused = true)]
async fn a_hint_during_a_poll_is_answered_after_it() {
    let (stage, since) = quiet().await;
    stage.api.slow_down(Duration::from_secs(8));
    stage.inbox.hint();
    sleep(Duration::from_secs(1)).await;
    stage.inbox.hint();
    stage.more(1).await;
    stage.api.slow_down(Duration::ZERO);
    stage.api.settle(1, 1);
    assert_eq!(counted(&*stage.more(1).await), 1);
    assert_eq!(
        begun(&stage, since),
        [0, 8],
        "later than min_interval, so at once"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_api_asks_for_comes_before_hints() {
    let (stage, since) = quiet().await;
    stage.api.pause(Duration::from_secs(30));
    stage.api.settle(1, 1);
    stage.inbox.hint();
    stage.more(1).await;
    assert_eq!(begun(&stage, since), [30]);
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_fails_is_hurried_less_and_less() {
    let (stage, since) = quiet().await;
    stage.api.settle(1, 1);
    stage
        .api
        .fail(|_| Some(CallError::new(Reason::Unavailable, "503")));
    for _ in 0..3000 {
        stage.inbox.hint();
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(begun(&stage, since), [0, 10, 30, 70, 150]);
    stage.api.behave();
    let view = stage.more(1).await;
    assert_eq!(counted(&view), 1, "the hint was not forgotten");
    assert_eq!(begun(&stage, since).last(), Some(&310));
}

#[tokio::test(start_paused = true)]
async fn first_looks_and_sweeps_are_not_hurried() {
    let api = super::api::Api::new();
    api.fail(|_| Some(CallError::new(Reason::Unavailable, "503")));
    let since = Instant::now();
    let stage = Stage::begin(
        api,
        super::disk::Disk::default(),
        plan(),
        super::shell::FIRST_VIEW,
    )
    .await;
    for _ in 0..100 {
        stage.inbox.hint();
        sleep(INTERVAL / 10).await;
    }
    assert!(begun(&stage, since).len() <= 12, "{:?}", begun(&stage, since));

    let stage = Stage::looked(PollPlan {
        sweep_interval: Some(INTERVAL * 10),
        ..plan()
    })
    .await;
    let since = Instant::now();
    for _ in 0..(30 * 60) {
        stage.inbox.hint();
        sleep(Duration::from_secs(1)).await;
    }
    let sweeps = stage.api.first_pages().into_iter();
    let sweeps = sweeps.filter(|(at, priority)| *at >= since && *priority == Priority::Sweep);
    assert!((2..=3).contains(&sweeps.count()));
}

/// What becomes of the events of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    None,
    InOrder,
    Mixed,
}

/// Something happens so many seconds after what was before: results settle, with events that are lost, doubled or late
/// by so many seconds, or a stranger sends events of nothing.
#[derive(Debug, Clone)]
struct Happening {
    after: u64,
    results: u32,
    late: Option<u64>,
    doubled: bool,
    forged: u8,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = (
        0_u64..400,
        0_u32..4,
        option::weighted(0.8, 0_u64..300),
        any::<bool>(),
        0_u8..4,
    )
        .prop_map(|(after, results, late, doubled, forged)| Happening {
            after,
            results,
            late,
            doubled,
            forged,
        });
    collection::vec(one, 1..30)
}

/// Plays a history; returns what was counted, the polls, the hints, and how long it took.
async fn play(history: &[Happening], fate: Fate) -> (u64, usize, usize, Duration) {
    let (stage, since) = quiet().await;
    let mut hints: Vec<Instant> = Vec::new();
    let mut at = since;
    for happening in history {
        at += Duration::from_secs(happening.after);
        let times = match fate {
            Fate::None => 0,
            Fate::InOrder => happening.results,
            Fate::Mixed => happening.results * (1 + u32::from(happening.doubled)),
        };
        let late = match fate {
            Fate::Mixed => happening.late,
            _ => Some(0),
        };
        if let Some(late) = late {
            hints.extend((0..times).map(|_| at + Duration::from_secs(late)));
        }
        if fate == Fate::Mixed {
            hints.extend((0..happening.forged).map(|n| at + Duration::from_millis(u64::from(n) * 1700)));
        }
    }
    hints.sort();
    let (mut events, mut at) = (hints.iter().peekable(), since);
    for happening in history {
        let next = at + Duration::from_secs(happening.after);
        while let Some(hint) = events.next_if(|hint| **hint < next) {
            sleep_until(*hint).await;
            stage.inbox.hint();
        }
        sleep_until(next).await;
        stage.api.settle(happening.results, 1);
        at = next;
    }
    for hint in events {
        sleep_until(*hint).await;
        stage.inbox.hint();
    }
    // And two intervals more, after which everything is known, whatever has come of its events.
    sleep(INTERVAL * 200).await;
    let polls = begun(&stage, since).len();
    let view = stage.more(0).await;
    (counted(&view), polls, hints.len(), since.elapsed())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// The same counts with events as they should be, with lost, doubled, late, disordered and forged ones, and without
    /// any; and no more polls than docs/events.md says.
    #[test]
    fn events_change_no_count_and_cost_what_the_formula_says(history in happenings()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let settled: u64 = history.iter().map(|happening| u64::from(happening.results)).sum();
        for fate in [Fate::None, Fate::InOrder, Fate::Mixed] {
            let (counted, polls, hints, took) = runtime.block_on(play(&history, fate));
            prop_assert_eq!(counted, settled, "{:?}", fate);
            let regular = took.as_secs().div_ceil((INTERVAL * 100).as_secs()) as usize;
            let most = regular + 2 + took.as_secs() as usize / MIN_INTERVAL.as_secs() as usize;
            prop_assert!(polls <= most, "{fate:?}: {polls} polls, {most} at most");
            prop_assert!(polls <= regular + 1 + 2 * hints, "{fate:?}: {polls} polls for {hints} hints");
        }
    }
}
