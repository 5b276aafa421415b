//! Keys that are replaced while the exporter runs.

use std::fs;

use simulator::{AccessKey, ApiError, Clock, Cloud, Fault, FaultKind, Outcome, Simulator, unix_now};
use tempfile::tempdir;

use crate::exporter::{Exporter, eventually};
use crate::fleet::{account, assert_no_secrets, config, total};

const REGION: &str = "cn-hangzhou";

/// Whatever the code is that refuses a key, one that stands in its file already is used at once, and no poll is lost.
#[test]
fn a_key_that_is_refused_is_replaced_from_its_file_at_once() {
    let directory = tempdir().unwrap();
    let mut cloud = Cloud::new(Clock::Manual(unix_now()));
    cloud.add_account("a", AccessKey::new("key-0", "hunter2"));
    cloud.region("a", REGION).add_settled(3, Outcome::success());
    let simulator = Simulator::start(cloud);
    let path = directory.path().join("id");
    fs::write(&path, "key-0\n").unwrap();
    let credentials = format!(
        "{{type: access_key, access_key_id_file: {}, access_key_secret: \"hunter2\\n\"}}",
        path.display()
    );
    let accounts = [account("a", &simulator.url(), &[REGION], &credentials)];
    let exporter = Exporter::start(directory.path(), &config(directory.path(), &accounts, ""));
    exporter.looked();
    let disabled = ApiError::new(403, "Forbidden.AccessKeyDisabled", "The AccessKey is disabled.");
    let refusals = [
        FaultKind::Error(disabled),
        FaultKind::documented("InvalidAccessKeyId.Inactive"),
        FaultKind::documented("SignatureDoesNotMatch"),
    ];
    for (number, refusal) in (1..).zip(refusals) {
        let id = format!("key-{number}");
        simulator
            .cloud()
            .add_key("a", AccessKey::new(&id, "hunter2"), None);
        fs::write(&path, &id).unwrap();
        simulator.faults().add(Fault::once(refusal));
        eventually("the new key in use", || {
            let mut requests = simulator.requests().into_iter();
            requests
                .any(|request| request.access_key_id.as_deref() == Some(&id) && request.status == 200)
                .then_some(())
        });
        let failures = total(&exporter.polled(), "cloud_assistant_exporter_poll_failures_total");
        assert_eq!(failures, 0.0, "{id}: {}", exporter.log());
    }
    assert_no_secrets(&exporter, directory.path());
}
