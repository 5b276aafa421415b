//! What the official SDK is run against: content that its tests know.

use crate::{AccessKey, Clock, Cloud, Delivery, InvocationStatus, Outcome, Role};

/// When everything in it was created, so that times can be compared: 2026-01-02T03:04:05Z.
const CREATED: i64 = 1_767_323_045;

/// The cloud that `tests/sdk/test_sdk.py` knows.
pub fn sdk() -> Cloud {
    let mut cloud = Cloud::new(Clock::Manual(CREATED));
    cloud.add_account("sdk", AccessKey::new("sdk-key", "sdk-secret"));
    cloud.add_account(
        "sdk",
        AccessKey::with_token("STS.sdk-key", "sdk-secret", "CAISdk/+=="),
    );
    cloud.add_account(
        "sdk",
        AccessKey::with_token("STS.expired", "sdk-secret", "CAIExpired/+=="),
    );
    cloud.expire_key("STS.expired", CREATED);
    cloud.add_account("sdk", AccessKey::new("inactive", "sdk-secret"));
    cloud.set_key_active("inactive", false);
    cloud.deny("sdk", "DescribeInvocationResults", Some("cn-shanghai"));
    cloud.unsupported_region("me-east-1");
    cloud.add_role(Role::new("acs:ram::123456789012:role/exporter", "sdk"));
    cloud.serve_credentials("/credentials/sdk", "sdk");
    for region in ["cn-shanghai", "cn-beijing"] {
        cloud.region("sdk", region);
    }

    let region = cloud.region("sdk", "cn-hangzhou");
    region.add_settled(120, Outcome::success().lasting(5));
    let full = region
        .command("full")
        .on("i-full")
        .in_container("c0ffee", "web")
        .timeout(60)
        .tag("owner name", "张三~*(a)")
        .resource_group("rg-sdk")
        .username("operator")
        .launcher("python3 -u {{ACS::ScriptFileName|Ext(\".py\")}}")
        .termination_mode("ProcessTree")
        .deliver_to("oss://bucket/prefix")
        .run();
    let outcome = Outcome::failed(7).lasting(20).dropping(4_096).output(12);
    region.settle(
        &full,
        0,
        outcome.delivery(Delivery::Failed("OSS.AccessDenied".to_owned())),
    );
    let mixed = region.run(
        "mixed",
        ["i-pending", "i-running", "i-timeout", "i-aborted", "i-terminated"],
    );
    region.start(&mixed, 1);
    region.settle(&mixed, 2, Outcome::timeout().dropping(49_259));
    region.settle(&mixed, 3, Outcome::aborted("ClientNotRunning"));
    region.settle(&mixed, 4, Outcome::terminated().lasting(3));
    let schedule = region.schedule("nightly", "rate(5m)", ["i-nightly"]);
    region.run_once(&schedule, 0, Outcome::success());
    region.run_once(&schedule, 0, Outcome::failed(2));
    region.begin_run(&schedule, 0);
    let reboot = region.command("at-boot").on("i-boot").on_every_reboot().run();
    region.end_schedule(&reboot, InvocationStatus::Cancelled);
    cloud
}
