//! A record that is behind what has been shown of it: nothing is shown before all of it was found again.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::disk::Disk;
use super::shell::{FIRST_VIEW, INTERVAL, Stage, counted, plan};
use crate::aliyun::error::{CallError, Reason};
use crate::poll::plan::PollPlan;
use crate::poll::scan::{Question, Request};
use crate::view::ScopeView;

/// What is first shown after everything since `copy` was made was lost.
async fn found_again(stage: Stage, copy: Disk, plan: PollPlan) -> (Stage, Arc<ScopeView>) {
    let api = stage.api.clone();
    stage.end().await;
    // A poll begins at once, and others while the sweep waits for its answers.
    api.slow_down(INTERVAL / 10);
    let stage = Stage::begin_after_a_loss(api, copy, plan, FIRST_VIEW, true).await;
    let shown = stage.until("counts", |view| view.counts.is_some()).await;
    (stage, shown)
}

/// Since when that series has been there, as far as it says.
fn start(view: &ScopeView, code: u32) -> Option<NonZeroU32> {
    let counts = view.counts.as_ref().unwrap();
    let mut totals = counts.totals();
    let of = totals.find(|shown| *shown.exit_code == *code.to_string());
    of.unwrap().start
}

/// What has ended with this code.
fn with_code(view: &ScopeView, code: u32) -> u64 {
    let counts = view.counts.as_ref().unwrap();
    let totals = counts.totals();
    let with_code = totals.filter(|shown| *shown.exit_code == *code.to_string());
    with_code.map(|shown| shown.value).sum()
}

#[tokio::test(start_paused = true)]
async fn every_history_is_read_first_whatever_a_poll_may_ask_for_and_is_refused() {
    const SCHEDULES: u32 = 9;
    // Pages have four rows: a history is three of them.
    const RUNS: u32 = 10;
    let plan = PollPlan {
        history_budget: 1,
        ..plan()
    };
    let stage = Stage::looked(plan.clone()).await;
    stage.api.schedule(SCHEDULES);
    stage.more(1).await;
    let copy = stage.disk.copy();
    stage.api.run_schedules(RUNS);
    let all = u64::from(SCHEDULES * RUNS);
    stage.until("every run", |view| counted(view) == all).await;
    // Some of them are never had again.
    let refused = |request: &Request| match &request.question {
        Question::History { invoke_id, .. } if ["3", "4", "5", "6"].contains(&&**invoke_id) => {
            Some(CallError::new(Reason::Rejected, "no such invocation"))
        }
        _ => None,
    };
    stage.api.fail(refused);
    let (_stage, shown) = found_again(stage, copy, plan).await;
    let shown: Vec<u64> = (1..=SCHEDULES).map(|code| with_code(&shown, code)).collect();
    let runs = u64::from(RUNS);
    assert_eq!(shown, [runs, runs, 0, 0, 0, 0, runs, runs, runs]);
}

#[tokio::test(start_paused = true)]
async fn a_series_that_was_shown_is_neither_held_at_0_again_nor_begun_later() {
    const CODE: u32 = 77;
    let mut plan = plan();
    Arc::make_mut(&mut plan.settings).new_series_hold = 90;
    let mut stage = Stage::looked(plan.clone()).await;
    let before_it = stage.disk.copy();
    stage.api.settle(9, i64::from(CODE));
    let held = stage.more(1).await;
    assert_eq!(with_code(&held, CODE), 0);
    let while_held = stage.disk.copy();
    let before = stage.until("its value", |view| with_code(view, CODE) == 9).await;
    assert!(start(&before, CODE).is_some());
    for (copy, begun) in [(before_it, None), (while_held, start(&before, CODE))] {
        let shown;
        (stage, shown) = found_again(stage, copy, plan.clone()).await;
        assert_eq!(with_code(&shown, CODE), 9);
        assert_eq!(counted(&shown), counted(&before));
        assert_eq!(start(&shown, CODE), begun);
    }
    // What is new from now on is.
    stage.api.settle(1, 78);
    let held = stage.more(1).await;
    assert_eq!(with_code(&held, 78), 0);
    stage.until("its value", |view| with_code(view, 78) == 1).await;
}
