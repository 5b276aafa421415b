//! Messages that cannot be deleted, and so come again.

use simulator::{ApiError, Fault, FaultKind, Queue};
use tempfile::tempdir;

use super::queue::{FAILURES, MORE, account};
use super::{ID, Stage, cloud, event, outcomes};
use crate::cloud::{ACCOUNT, REGION};

/// With a queue that is like this.
fn stage(change: impl FnOnce(&mut Queue)) -> Stage {
    let simulator = cloud(&[REGION]);
    change(simulator.cloud().queue(ACCOUNT, "q"));
    let account = account(&simulator.url());
    Stage::before(simulator, tempdir().unwrap(), &[REGION], &account, MORE)
}

fn fail_deletes(stage: &Stage, fault: FaultKind) {
    let fault = Fault::forever(fault).on("BatchDeleteMessage");
    stage.simulator.faults().add(fault);
}

fn put_one(stage: &Stage) {
    let body = event(ID, REGION, "TaskCompleted");
    stage.simulator.put_message(ACCOUNT, "q", body);
}

#[test]
fn a_delete_that_fails_does_not_pass_for_one_that_works() {
    // A proxy's page, and a list that refuses each message.
    for code in [None, Some("InternalError")] {
        let stage = stage(|queue| queue.undeletable = code.map(str::to_owned));
        if code.is_none() {
            fail_deletes(&stage, FaultKind::PlainStatus(405));
        }
        put_one(&stage);
        let scrape = stage.exporter.scrape_until("a failure", |scrape| {
            scrape.sum(FAILURES, &[("reason", "rejected")]) == Some(1.0)
        });
        assert_eq!(outcomes(&scrape, "queue"), [("hint".to_owned(), 1)].into());
        let said = stage.exporter.logged("the queue of events cannot be read");
        assert!(said.contains("messages cannot be deleted"), "{said}");
        assert!(said.contains(code.unwrap_or("status 405")), "{said}");
    }
}

#[test]
fn messages_that_cannot_be_deleted_hint_once() {
    let stage = stage(|queue| queue.visibility_timeout = 1500);
    // Before it comes again the queue is empty, and says so.
    stage.simulator.cloud().queue(ACCOUNT, "q").answers_at_once = true;
    let error = ApiError::new(500, "InternalError", "");
    fail_deletes(&stage, FaultKind::Error(error));
    put_one(&stage);
    let scrape = stage.exporter.scrape_until("two failures", |scrape| {
        scrape.sum(FAILURES, &[("reason", "unavailable")]) == Some(2.0)
    });
    assert_eq!(outcomes(&scrape, "queue"), [("hint".to_owned(), 1)].into());
    let log = stage.exporter.log();
    assert_eq!(log.matches("the queue of events").count(), 1, "{log}");
    stage.simulator.faults().clear();
    stage.exporter.logged("the queue of events is read again");
    assert!(stage.simulator.cloud().queue(ACCOUNT, "q").is_empty());
    // It may have been another.
    stage.exporter.scrape_until("one more hint", |scrape| {
        outcomes(scrape, "queue") == [("hint".to_owned(), 2)].into()
    });
}
