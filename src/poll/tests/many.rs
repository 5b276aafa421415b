//! One scope of many: what it takes of what all of them share.

use super::exporter::settings;
use super::shell::{Stage, plan, scope};
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
    let saved = stage.disk.load(&scope(), &settings(), 0).await.unwrap();
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
