//! Many accounts: filters, permissions, and that each is alone in its failures.

use simulator::{AccessKey, Clock, Cloud, Fault, FaultKind, Outcome, Simulator, unix_now};
use tempfile::tempdir;

use crate::exporter::{Exporter, eventually};
use crate::fleet::{self, account, account_with, assert_no_secrets, check, config};

const REGION: &str = "cn-hangzhou";
const RESULTS: &str = "cloud_assistant_results_total";
const RECENT: &str = "cloud_assistant_recent_results";
const POLL_FAILURES: &str = "cloud_assistant_exporter_poll_failures_total";

fn key(name: &str) -> String {
    format!("{{type: access_key, access_key_id: {name}-key, access_key_secret: hunter2-{name}}}")
}

fn cloud(names: &[&str]) -> Simulator {
    let mut cloud = Cloud::new(Clock::Manual(unix_now()));
    for name in names {
        cloud.add_account(
            name,
            AccessKey::new(&format!("{name}-key"), &format!("hunter2-{name}")),
        );
        cloud.region(name, REGION);
    }
    Simulator::start(cloud)
}

#[test]
fn results_are_filtered_by_resource_group_and_by_tags() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&["a"]);
    let url = simulator.url();
    let of = |name: &str, more: &str| account_with(name, &url, &[REGION], &key("a"), more);
    let accounts = [
        of("all", ""),
        of("group", "resource_group_id: rg-one"),
        of("tag", "tags: {env: production}"),
        of("tags", "tags: {env: production, team: '', owner: '张三~*(a) +'}"),
        of("both", "resource_group_id: rg-one\ntags: {env: production}"),
        of("none", "tags: {env: staging}"),
    ];
    let exporter = Exporter::start(directory.path(), &config(directory.path(), &accounts, ""));
    exporter.looked();
    {
        let mut cloud = simulator.cloud();
        let region = cloud.region("a", REGION);
        let plain = region.command("plain").on(1).run();
        let group = region.command("group").on(2).resource_group("rg-one").run();
        let tag = region.command("tag").on(4).tag("env", "production").run();
        let tags = region
            .command("tags")
            .on(8)
            .tag("env", "production")
            .tag("team", "")
            .tag("owner", "张三~*(a) +")
            .run();
        let both = region
            .command("both")
            .on(16)
            .resource_group("rg-one")
            .tag("env", "production")
            .run();
        for invoke_id in [plain, group, tag, tags, both] {
            region.settle_all(&invoke_id, &Outcome::success());
        }
    }
    let expected = [
        ("all", 31.0),
        ("group", 18.0),
        ("tag", 28.0),
        ("tags", 8.0),
        ("both", 16.0),
    ];
    let scrape = exporter.polled();
    for (name, count) in expected {
        assert_eq!(scrape.value(RESULTS, &[("account", name)]), count, "{name}");
        assert_eq!(scrape.value(RECENT, &[("account", name)]), count, "{name}");
    }
    for name in [RESULTS, RECENT] {
        assert_eq!(
            scrape.sum(name, &[("account", "none")]),
            None,
            "it has no results"
        );
    }
}

#[test]
fn each_account_is_alone_in_its_failures() {
    let directory = tempdir().unwrap();
    let sick: [(&str, FaultKind); 7] = [
        ("hang", FaultKind::Hang),
        ("cut", FaultKind::CutHeaders),
        ("html", FaultKind::Html502),
        (
            "throttled",
            FaultKind::ThrottleHeader {
                retry_after_ms: 60_000,
            },
        ),
        ("denied", FaultKind::documented("Forbidden.RAM")),
        ("giant", FaultKind::Giant(65 << 20)),
        ("expired", FaultKind::documented("InvalidSecurityToken.Expired")),
    ];
    let names: Vec<&str> = sick.iter().map(|(name, _)| *name).chain(["well"]).collect();
    let simulator = cloud(&names);
    let regions = ["cn-hangzhou", "cn-beijing", "cn-shanghai", "cn-shenzhen"];
    let accounts: Vec<String> = names
        .iter()
        .map(|name| account(name, &simulator.url(), &regions, &key(name)))
        .collect();
    for (name, kind) in &sick {
        simulator.faults().add(Fault::forever(kind.clone()).of(name));
    }
    let exporter = Exporter::start(directory.path(), &config(directory.path(), &accounts, ""));
    let polls = "cloud_assistant_exporter_polls_total";
    exporter.scrape_until("many polls of the well account", |scrape| {
        scrape
            .by_scope(polls)
            .iter()
            .filter(|((name, _), polls)| name == "well" && **polls >= 10.0)
            .count()
            == 4
    });
    simulator.cloud().mark_baseline();
    for region in regions {
        simulator
            .cloud()
            .region("well", region)
            .add_settled(130, Outcome::failed(3));
    }
    let scrape = exporter.scrape_until("the counts of the well account", |scrape| {
        scrape.sum(RESULTS, &[("account", "well")]) == Some(520.0)
    });
    assert_eq!(scrape.value(POLL_FAILURES, &[("account", "well")]), 0.0);
    assert!(scrape.value("cloud_assistant_poll_duration_seconds", &[("account", "well")]) < 4.0);
    // Cured, they go on.
    simulator.faults().clear();
    exporter.scrape_until("all but the one that was told to wait are up", |scrape| {
        let up = scrape.all("cloud_assistant_up");
        up.filter(|(labels, up)| labels["account"] != "throttled" && *up == 1.0)
            .count()
            == 7 * regions.len()
    });
    assert_no_secrets(&exporter, directory.path());
}

/// Accounts whose every request hangs fill neither the process nor the way of another account.
#[test]
fn requests_in_flight_are_bounded_and_hanging_accounts_leave_the_others_theirs() {
    let directory = tempdir().unwrap();
    let names: Vec<String> = (0..15).map(|number| format!("sick-{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).chain(["well"]).collect();
    let simulator = cloud(&names);
    let regions = &simulator::ALL_REGIONS[..30];
    let accounts: Vec<String> = names
        .iter()
        .map(|name| account(name, &simulator.url(), regions, &key(name)))
        .collect();
    for name in &names[..15] {
        simulator.faults().add(Fault::forever(FaultKind::Hang).of(name));
    }
    let config = config(directory.path(), &accounts, "interval: 1s")
        .replace("request_timeout: 5s", "request_timeout: 20s");
    let exporter = Exporter::start(directory.path(), &config);
    // Sixteen accounts have sixteen requests each.
    eventually("all hang", || (simulator.in_flight() >= 15 * 16).then_some(()));
    let polls = "cloud_assistant_exporter_polls_total";
    let scrape = exporter.scrape_until("polls of the well account", |scrape| {
        let polls = scrape.by_scope(polls);
        polls
            .iter()
            .filter(|((name, _), polls)| name == "well" && **polls >= 5.0)
            .count()
            == 30
    });
    assert_eq!(scrape.value(POLL_FAILURES, &[("account", "well")]), 0.0);
    assert!(simulator.max_in_flight() <= 256, "{}", simulator.max_in_flight());
    assert!(simulator.in_flight() >= 15 * 16);
}

/// The actions that the policy in the README grants. Each one that is taken away is named by the check, in
/// the log and, where a poll fails for it, on the page; and no other action is ever asked for.
#[test]
fn each_action_of_the_least_policy_is_missed_by_its_name() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&["a"]);
    let credentials = key("a").replace('}', &format!(", sts_endpoint: '{}'}}", simulator.url()));
    let accounts = [account("a", &simulator.url(), &[], &credentials)];
    let config = config(directory.path(), &accounts, "discovery_interval: 200ms");
    let text = include_str!("../../README.md");
    let policy = &text[text.find("{\"Version\"").unwrap()..];
    let policy = &policy[..policy.find("}]}").unwrap() + 3];
    let policy: serde_json::Value = serde_json::from_str(policy).unwrap();
    let actions = policy["Statement"][0]["Action"].as_array().unwrap();
    let actions: Vec<&str> = actions
        .iter()
        .map(|action| action.as_str().unwrap().strip_prefix("ecs:").unwrap())
        .collect();
    let (content, said) = check(directory.path(), &config, &[]);
    assert!(
        content && said.contains("  regions: 1 by DescribeRegions\n  cn-hangzhou: ok\n"),
        "{said}"
    );
    for action in &actions {
        simulator.cloud().deny("a", action, None);
        let (content, said) = check(directory.path(), &config, &[]);
        let needed = format!("grant the RAM action ecs:{action}");
        assert!(!content && said.contains(&needed), "{said}");
        for other in actions.iter().filter(|other| *other != action) {
            assert!(!said.contains(&format!("ecs:{other} ")), "{said}");
        }
        let fresh = tempdir().unwrap();
        let exporter = Exporter::start(
            fresh.path(),
            &fleet::config(fresh.path(), &accounts, "discovery_interval: 200ms"),
        );
        eventually(&needed, || exporter.log().contains(&needed).then_some(()));
        drop(exporter);
        simulator.cloud().allow("a", action, None);
    }
    let mut asked: Vec<String> = simulator
        .requests()
        .into_iter()
        .map(|request| request.action)
        .collect();
    asked.sort();
    asked.dedup();
    let mut granted = actions.clone();
    granted.push("GetCallerIdentity");
    granted.sort_unstable();
    assert_eq!(asked, granted, "what needs no permission, and nothing else");
}
