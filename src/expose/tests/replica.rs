//! What a replica shows: everything while its lease is held, and a closed list else.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::lease::{self, Lease};
use crate::view::{Leader, Role};

#[test]
fn what_was_rendered_is_shown_while_the_lease_is_held() {
    let registry = Registry::new();
    let requests = Arc::new(Requests::new(&registry).unwrap());
    let board = Board::of_replica();
    board.publish(scope_view(Scope::new("production", "cn-beijing")));
    let exposition =
        Exposition::new(registry, Process::new(UNIX_EPOCH), requests).of_replica(board.leadership().clone());
    exposition.render(&board);
    let shown = |encodings| {
        let answer = Answer::to(None, encodings);
        String::from_utf8(exposition.body(answer).concat())
    };
    let is_led = || {
        let text = shown(None).unwrap();
        let is_led = text.contains("\ncloud_assistant_exporter_leader 1\n");
        assert_ne!(is_led, text.contains("\ncloud_assistant_exporter_leader 0\n"));
        // Nothing of polls or of the record, whatever has been rendered.
        let others = [
            "cloud_assistant_results_total",
            "cloud_assistant_up",
            "_api_requests_total",
        ];
        assert_eq!(others.map(|name| text.contains(name)), [is_led; 3], "{text}");
        is_led
    };
    assert!(!is_led(), "at first");
    let lease = Lease::default();
    lease.extend(lease::now() + Duration::from_secs(3600));
    let leader = Leader {
        lease: lease.clone(),
        epoch: 3,
        revision: Arc::new(AtomicU64::new(8)),
        lost_saves: 5,
    };
    board.leadership().set(Role::Leader(leader));
    assert!(is_led());
    let text = shown(None).unwrap();
    assert!(text.contains("\ncloud_assistant_exporter_leadership_changes_total 3\n"));
    assert!(text.contains("\ncloud_assistant_exporter_state_revision 8\n"));
    assert!(text.contains("\ncloud_assistant_exporter_lost_saves_total 5\n"));
    lease.end();
    assert!(!is_led(), "although nothing else has been said");
    assert!(shown(Some("gzip")).is_err(), "compressed all the same");
}
