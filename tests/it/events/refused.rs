//! Requests to a queue that something else refuses, or nobody answers.

use std::net::TcpListener;

use simulator::{Fault, FaultKind, Role};
use tempfile::tempdir;

use super::queue::{FAILURES, MORE, account, asked};
use super::{Stage, cloud};
use crate::cloud::{ACCOUNT, REGION};

const CANNOT_BE_READ: &str = "the queue of events cannot be read";

#[test]
fn a_queue_that_nobody_answers_for_is_told_of_with_the_cause() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let simulator = cloud(&[REGION]);
    let account = account(&format!("http://{address}"));
    let stage = Stage::before(simulator, tempdir().unwrap(), &[REGION], &account, MORE);
    let said = stage.exporter.logged(CANNOT_BE_READ);
    assert!(said.contains(&address.to_string()), "{said}");
    assert!(said.contains("onnection refused"), "{said}");
    assert!(!said.contains("/queues/"), "{said}");
}

#[test]
fn a_page_that_refuses_a_queue_renews_no_credentials() {
    const ROLE: &str = "acs:ram::1234567890123456:role/exporter";
    let simulator = cloud(&[REGION]);
    simulator.cloud().add_role(Role::new(ROLE, ACCOUNT));
    simulator.cloud().queue(ACCOUNT, "q");
    let page = Fault::forever(FaultKind::PlainStatus(403));
    simulator.faults().add(page.on("BatchReceiveMessage"));
    let url = simulator.url();
    let directory = tempdir().unwrap();
    let key = "access_key_id: test-key, access_key_secret: test-secret";
    let role = format!("{{type: assume_role, role_arn: '{ROLE}', source: {{type: access_key, {key}}}");
    let config = super::config(&simulator, &directory, &[REGION], &account(&url), MORE)
        .replace(&format!("{{type: access_key, {key}"), &role);
    let stage = Stage::with(simulator, directory, &[REGION], &config);
    let failed = |scrape: &crate::scrape::Scrape| scrape.sum(FAILURES, &[("reason", "denied")]);
    stage
        .exporter
        .scrape_until("it is refused", |scrape| failed(scrape) == Some(1.0));
    let said = stage.exporter.logged(CANNOT_BE_READ);
    assert!(said.contains("status 403") && said.contains("proxy"), "{said}");
    assert_eq!(asked(&stage, "BatchReceiveMessage"), 1);
    assert_eq!(asked(&stage, "AssumeRole"), 1);
}
