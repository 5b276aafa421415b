//! One scope of many: what it takes of what all of them share.

use std::sync::Arc;

use super::exporter::settings;
use super::shell::{FIRST_VIEW, Stage, counted, failures, is_up, plan, scope};
use crate::aliyun::error::Reason;
use crate::poll::records::Records;
use crate::record::MAX_FAILURES;
use crate::scope::Scope;
use crate::view::ScopeView;

#[tokio::test(start_paused = true)]
async fn a_scope_that_fails_a_thousand_times_at_once_saves_and_shows_its_share() {
    let full = Stage::looked(plan()).await;
    full.api.settle(MAX_FAILURES as u32, 1);
    let full = full.more(1).await;
    assert_eq!(full.failures(), MAX_FAILURES);
    let stage = Stage::looked(plan()).await;
    for number in 0..100 {
        stage.board.publish(ScopeView {
            counts: full.counts.clone(),
            ..ScopeView::new(Scope::new("other", &number.to_string()))
        });
    }
    assert_eq!(stage.board.view().failures, 100_000);
    stage.api.settle(MAX_FAILURES as u32, 1);
    let seen = stage.more(1).await;
    assert_eq!(seen.failures(), 100_000 / 101);
    let saved = stage.disk.load(&scope(), &settings().into(), 0).await.unwrap();
    assert_eq!(saved.failures(), 100_000 / 101);
    // The others have gone: there is room again.
    for number in 0..100 {
        stage.board.remove(&Scope::new("other", &number.to_string()));
    }
    stage.api.settle(500, 1);
    let seen = stage.more(1).await;
    assert_eq!(
        (seen.failures(), stage.board.view().failures),
        (MAX_FAILURES, MAX_FAILURES)
    );
}

#[tokio::test(start_paused = true)]
async fn polls_that_find_nothing_are_not_saved_each_time_and_the_time_of_the_last_is_at_a_stop() {
    let stage = Stage::looked(plan()).await;
    stage.api.settle(9, 1);
    stage.more(1).await;
    let disk = stage.disk.clone();
    let saves = disk.used().1;
    stage.more(4).await;
    assert_eq!(disk.used().1, saves, "four minutes");
    stage.more(1).await;
    assert_eq!(disk.used().1, saves + 1, "five");
    stage.api.settle(1, 1);
    let new = stage.more(1).await;
    assert_eq!(
        (counted(&new), disk.used().1),
        (10, saves + 2),
        "what is new, at once"
    );
    stage.more(1).await;
    assert_eq!(disk.used().1, saves + 2);
    let api = stage.api.clone();
    stage.end().await;
    assert_eq!(disk.used().1, saves + 3, "when the last poll was");
    let stage = Stage::begin(api, disk.clone(), plan(), FIRST_VIEW).await;
    let seen = stage.more(1).await;
    assert_eq!(counted(&seen), 10);
    assert_eq!(disk.used().1, saves + 4, "the first poll of what was read");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_is_noticed_by_polls_that_find_nothing_and_then_fails_each() {
    let stage = Stage::looked(plan()).await;
    stage.disk.fill(true);
    let seen = stage.more(4).await;
    assert!(is_up(&seen), "there was nothing to save");
    let last_success = seen.last_success;
    let noticed = stage.until("it fails", |view| !is_up(view)).await;
    assert!(noticed.work.polls <= seen.work.polls + 2, "after five minutes");
    let failed = stage.more(2).await;
    assert_eq!((is_up(&failed), failures(&failed, Reason::State)), (false, 3));
    assert_eq!(failed.last_success, last_success);
    stage.disk.fill(false);
    assert!(is_up(&*stage.more(1).await));
}

#[tokio::test(start_paused = true)]
async fn a_scope_has_no_settings_of_its_own() {
    let plan = plan();
    let settings = Arc::clone(&plan.settings);
    let _stage = Stage::looked(plan).await;
    assert_eq!(
        Arc::strong_count(&settings),
        3,
        "this, the plan's, and the record's"
    );
}
