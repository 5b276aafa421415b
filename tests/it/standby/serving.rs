//! What a standby serves: a closed list, on which rules of relabelling rest, and the way to the leader.

use std::collections::BTreeSet;

use super::pair::{CHANGES, LEADER, Pair};

#[test]
fn a_standby_serves_a_closed_list_and_names_the_leader() {
    let mut pair = Pair::start();
    pair.until_exact(0);
    let standby = pair.replica(1);
    standby.logged("standing by");

    let scrape = standby.scrape();
    let names: BTreeSet<&str> = scrape
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .filter(|name| !name.starts_with("process_"))
        .collect();
    let expected = [
        "cloud_assistant_exporter_build_info",
        "cloud_assistant_exporter_config_last_reload_success_timestamp_seconds",
        "cloud_assistant_exporter_config_last_reload_successful",
        "cloud_assistant_exporter_leader",
        "cloud_assistant_exporter_state_up",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    assert_eq!(scrape.value(LEADER, &[]), 0.0);
    assert_eq!(scrape.value("cloud_assistant_exporter_state_up", &[]), 1.0);
    let openmetrics = standby.request(
        "GET",
        "/metrics",
        "Accept: application/openmetrics-text; version=1.0.0\r\n",
    );
    assert!(openmetrics.text().ends_with("# EOF\n"), "{}", openmetrics.text());

    let leader = pair.replica(0).scrape();
    assert_eq!(leader.value(LEADER, &[]), 1.0);
    assert_eq!(leader.value(CHANGES, &[]), 1.0);
    let revision = pair
        .database
        .ask("select revision from cloud_assistant_exporter.leadership");
    let shown = leader.value("cloud_assistant_exporter_state_revision", &[]);
    assert!(shown > 0.0 && shown <= revision.parse().unwrap());

    assert_eq!(standby.get("/-/healthy").status, 200);
    assert_eq!(standby.get("/-/ready").status, 200);
    assert_eq!(standby.get("/-/leader").status, 503);
    assert_eq!(pair.replica(0).get("/-/leader").status, 200);

    let name = format!(":{}", pair.replica(0).address().port());
    for path in ["/", "/failures"] {
        let page = standby.get(path).text();
        assert!(page.contains("standby") && page.contains(&name), "{page}");
    }
    for path in ["/api/v1/status", "/api/v1/failures"] {
        let answer = standby.get(path);
        assert_eq!(answer.status, 503);
        let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(
            document["error"]["leader"].as_str().unwrap().ends_with(&name),
            "{document}"
        );
    }

    let hint = standby.request("POST", "/api/v1/events", "");
    assert_eq!(hint.status, 202, "{}", hint.text());
    assert_eq!(standby.request("POST", "/-/reload", "").status, 200);
    assert!(!standby.log().contains("test-secret"));
}
