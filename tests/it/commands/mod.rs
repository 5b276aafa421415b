//! Series of selected commands, through the real binary.

mod fleet;
mod schedule;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use simulator::{Fault, FaultKind, Outcome, Simulator};
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, REGION, cloud, config};
use crate::exporter::{Exporter, config_path};
use crate::exposition::promtool;
use crate::scrape::Scrape;

const RESULTS: &str = "cloud_assistant_command_results_total";
const RECENT: &str = "cloud_assistant_command_recent_results";
const OVERFLOW: &str = "cloud_assistant_exporter_label_overflow_total";
const NAMES: &str = "DescribeInvocations";

/// (command, InvocationStatus), without zeros.
type Counts = BTreeMap<(String, String), u64>;

fn with(simulator: &Simulator, directory: &Path, commands: &str) -> String {
    with_metrics(simulator, directory, &format!("commands: [{commands}]"))
}

fn with_metrics(simulator: &Simulator, directory: &Path, metrics: &str) -> String {
    let metrics = format!("metrics: {{new_series_hold: 0s, {metrics}}}\n");
    config(simulator, directory, &[REGION], &metrics)
}

fn counts(scrape: &Scrape, name: &str) -> Counts {
    let samples = scrape.all(name).filter(|(_, value)| *value > 0.0);
    samples
        .map(|(labels, value)| {
            let key = (labels["command"].clone(), labels["invocation_status"].clone());
            (key, value as u64)
        })
        .collect()
}

fn expected<const N: usize>(counts: [(&str, &str, u64); N]) -> Counts {
    let count =
        |(command, status, count): (&str, &str, u64)| ((command.to_owned(), status.to_owned()), count);
    counts.into_iter().map(count).collect()
}

/// Runs a command to its end on so many instances.
fn ran(simulator: &Simulator, name: &str, instances: usize, outcome: &Outcome) {
    let mut cloud = simulator.cloud();
    let region = cloud.region(ACCOUNT, REGION);
    let invoke_id = region.run(name, instances);
    region.settle_all(&invoke_id, outcome);
}

fn requests(simulator: &Simulator, action: &str) -> usize {
    let requests = simulator.requests();
    requests.iter().filter(|request| request.action == action).count()
}

#[test]
fn selection_by_each_kind() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let id = simulator.cloud().region(ACCOUNT, REGION).id_of_command("by-id");
    let selectors = format!(
        "{{name: 'night.*'}}, {{id: {id}}}, {{tag: {{key: team, value: data}}}}, \
         {{name: 'both', tag: {{key: team, value: web}}}}"
    );
    let exporter = Exporter::start(
        directory.path(),
        &with_metrics(
            &simulator,
            directory.path(),
            &format!("command_durations: true, commands: [{selectors}]"),
        ),
    );
    exporter.looked();
    for (name, tag) in [
        ("nightly", ""),
        ("a-nightly", ""),
        ("by-id", ""),
        ("tagged", "data"),
        ("both", "web"),
        ("both", "other"),
        ("not-both", "web"),
        ("nothing", ""),
    ] {
        let mut cloud = simulator.cloud();
        let region = cloud.region(ACCOUNT, REGION);
        let invoke_id = region.command(name).on(2).tag("team", tag).run();
        region.settle(&invoke_id, 0, Outcome::success());
        region.settle(&invoke_id, 1, Outcome::failed(3));
    }
    let scrape = exporter.polled();
    let checked = promtool(scrape.text.as_bytes());
    let said =
        String::from_utf8_lossy(&checked.stderr).into_owned() + &String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.is_empty(), "{said}");
    let failures = exporter.get("/api/v1/failures?command=tagged").text();
    assert!(
        failures.contains("\"total\": 1,") && failures.contains("\"command\": \"tagged\""),
        "{failures}"
    );
    let all = ["nightly", "by-id", "tagged", "both"];
    let wanted: Counts = all
        .iter()
        .flat_map(|name| [(name, "Success"), (name, "Failed")])
        .map(|(name, status)| ((String::from(*name), status.to_owned()), 1))
        .collect();
    assert_eq!(counts(&scrape, RESULTS), wanted);
    assert_eq!(counts(&scrape, RECENT), wanted);
    for name in all {
        let command = [("command", name)];
        let now = simulator.cloud().now() as f64;
        for last in ["last_success", "last_failure"] {
            let metric = format!("cloud_assistant_command_{last}_timestamp_seconds");
            assert_eq!(scrape.value(&metric, &command), now, "{metric}");
        }
        let durations = "cloud_assistant_command_result_duration_seconds_count";
        assert_eq!(scrape.value(durations, &command), 2.0);
        let zero = [("command", name), ("invocation_status", "Timeout")];
        assert_eq!(
            scrape.value(RESULTS, &zero),
            0.0,
            "exists before its first increment"
        );
    }
}

#[test]
fn without_selectors_nothing_is_asked_and_with_them_names_cost_few_requests() {
    let cost = |selectors: &str| {
        let directory = tempdir().unwrap();
        let simulator = cloud(&[REGION]);
        let text = with(&simulator, directory.path(), selectors);
        let exporter = Exporter::start(directory.path(), &text);
        exporter.looked();
        simulator.forget_requests();
        // Ten polls that find a hundred results of twenty ad-hoc commands each.
        for _ in 0..10 {
            for number in 0..20 {
                let mut cloud = simulator.cloud();
                let region = cloud.region(ACCOUNT, REGION);
                let name = format!("name-{}", number % 7);
                let invoke_id = region.command(&name).on(5).ad_hoc().run();
                region.settle_all(&invoke_id, &Outcome::success());
            }
            exporter.polled();
        }
        let scrape = exporter.polled();
        (requests(&simulator, NAMES), counts(&scrape, RESULTS), scrape)
    };
    let (without, none, scrape) = cost("");
    assert_eq!((without, none.len()), (0, 0));
    assert!(!scrape.text.contains("command"), "{}", scrape.shown("cloud"));
    let (with, counted, _) = cost("{name: name-3}");
    assert_eq!(counted, expected([("name-3", "Success", 150)]));
    println!("{with} requests for names of 200 new commands with 1000 results; {without} without selectors");
    assert!(with <= 30, "{with}");
}

#[test]
fn a_change_of_selection_starts_new_series_and_ends_old_ones_and_moves_nothing_else() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let first = with(&simulator, directory.path(), "{name: kept}, {name: old}");
    let second = with(&simulator, directory.path(), "{name: 'kept|new'}");
    let exporter = Exporter::start(directory.path(), &first);
    exporter.looked();
    for name in ["kept", "old", "new"] {
        ran(&simulator, name, 2, &Outcome::success());
    }
    let before = exporter.polled();
    assert_eq!(
        counts(&before, RESULTS),
        expected([("kept", "Success", 2), ("old", "Success", 2)])
    );
    let reload = |text: &str| {
        fs::write(config_path(directory.path()), text).unwrap();
        assert_eq!(exporter.request("POST", "/-/reload", "").status, 200);
        exporter.polled()
    };
    let after = reload(&second);
    assert_eq!(counts(&after, RESULTS), expected([("kept", "Success", 2)]));
    assert_eq!(
        after.counts("cloud_assistant_results_total", ACCOUNT, REGION),
        before.counts("cloud_assistant_results_total", ACCOUNT, REGION)
    );
    let new = [("command", "new"), ("invocation_status", "Success")];
    assert_eq!(after.value(RESULTS, &new), 0.0);
    ran(&simulator, "new", 3, &Outcome::success());
    ran(&simulator, "old", 3, &Outcome::success());
    let end = expected([("kept", "Success", 2), ("new", "Success", 3)]);
    assert_eq!(counts(&exporter.polled(), RESULTS), end);
    let none = reload(&with(&simulator, directory.path(), ""));
    assert!(!none.text.contains("cloud_assistant_command"));
    let again = reload(&second);
    assert_eq!(counts(&again, RESULTS), Counts::new(), "nothing was remembered");
}

#[test]
fn a_renamed_command_keeps_its_counters_and_starts_new_ones() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let poll = "poll: {interval: 100ms, sweep_interval: 1s, request_timeout: 2s}\n";
    let text = with(&simulator, directory.path(), "{name: 'backup.*'}");
    let text = text.lines().filter(|line| !line.starts_with("poll:"));
    let text = text.fold(poll.to_owned(), |text, line| text + line + "\n");
    let exporter = Exporter::start(directory.path(), &text);
    exporter.looked();
    ran(&simulator, "backup", 2, &Outcome::success());
    assert_eq!(
        counts(&exporter.polled(), RESULTS),
        expected([("backup", "Success", 2)])
    );
    {
        let mut cloud = simulator.cloud();
        cloud.advance(10);
        cloud.region(ACCOUNT, REGION).rename_command("backup", "backup-2");
    }
    ran(&simulator, "backup-2", 1, &Outcome::success());
    let swept = |scrape: &Scrape| scrape.value("cloud_assistant_exporter_sweeps_total", &[]);
    let sweeps = swept(&exporter.scrape());
    exporter.scrape_until("two sweeps more", |scrape| swept(scrape) >= sweeps + 2.0);
    ran(&simulator, "backup-2", 4, &Outcome::failed(1));
    let counted = counts(&exporter.polled(), RESULTS);
    println!("{counted:?}");
    let count = |command: &str, status: &str| {
        counted
            .get(&(command.to_owned(), status.to_owned()))
            .copied()
            .unwrap_or(0)
    };
    assert_eq!(count("backup-2", "Failed"), 4);
    assert_eq!(count("backup", "Success") + count("backup-2", "Success"), 3);
    assert!(count("backup", "Success") >= 2);
}

#[test]
fn where_names_are_denied_the_same_counts_are_under_the_command_ids() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    simulator.cloud().deny(ACCOUNT, NAMES, None);
    let text = with(&simulator, directory.path(), "{name: backup}");
    let exporter = Exporter::start(directory.path(), &text);
    exporter.looked();
    for _ in 0..3 {
        ran(&simulator, "backup", 2, &Outcome::success());
        exporter.polled();
    }
    let id = simulator.cloud().region(ACCOUNT, REGION).id_of_command("backup");
    let scrape = exporter.polled();
    assert_eq!(counts(&scrape, RESULTS), expected([(&id, "Success", 6)]));
    assert_eq!(scrape.value("cloud_assistant_up", &[]), 1.0);
    assert_eq!(
        scrape.value("cloud_assistant_exporter_poll_failures_total", &[]),
        0.0
    );
    let said = exporter.log();
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("names of commands cannot be had"))
        .collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    println!("{}", lines[0]);
    let page = exporter.get("/").text();
    assert!(page.contains("labelled by their CommandIds"), "{page}");
    // It is asked again with growing pauses, not at each poll.
    let polls = scrape.value("cloud_assistant_exporter_polls_total", &[]);
    let asked = requests(&simulator, NAMES);
    assert!((1..=8).contains(&asked), "{asked} requests in {polls} polls");
}

#[test]
fn names_that_fail_for_a_while_hold_nothing_back_and_no_result_is_counted_wrong() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let text = with(&simulator, directory.path(), "{name: backup}");
    let exporter = Exporter::start(directory.path(), &text);
    exporter.looked();
    let fault = Fault::once(FaultKind::documented("InternalError"));
    simulator.faults().add(fault.on(NAMES).times(4));
    ran(&simulator, "backup", 2, &Outcome::success());
    ran(&simulator, "other", 2, &Outcome::success());
    let all = exporter.scrape_until("everything is counted", |scrape| {
        scrape.sum("cloud_assistant_results_total", &[]) == Some(4.0)
    });
    assert_eq!(
        all.value("cloud_assistant_exporter_poll_failures_total", &[]),
        0.0
    );
    exporter.scrape_until("the name has come", |scrape| {
        counts(scrape, RESULTS) == expected([("backup", "Success", 2)])
    });
}

#[test]
fn a_thousand_names_are_bounded_and_the_rest_is_other() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let text = with(&simulator, directory.path(), "{name: '.*'}");
    let exporter = Exporter::start(directory.path(), &text);
    exporter.looked();
    for round in 0..2 {
        let mut cloud = simulator.cloud();
        let region = cloud.region(ACCOUNT, REGION);
        for number in 0..1000 {
            let invoke_id = region.run(&format!("name-{number}"), 1);
            region.settle_all(&invoke_id, &Outcome::success());
        }
        drop(cloud);
        let scrape = exporter.scrape_until("all are counted", |scrape| {
            scrape.sum("cloud_assistant_results_total", &[]) == Some(1000.0 * f64::from(round + 1))
        });
        let counted = counts(&scrape, RESULTS);
        assert_eq!(counted.len(), 201);
        let of_other = counted[&("other".to_owned(), "Success".to_owned())];
        assert_eq!(of_other, 800 * u64::try_from(round + 1).unwrap());
        assert_eq!(
            counted.values().sum::<u64>(),
            1000 * u64::try_from(round + 1).unwrap()
        );
        let overflow = scrape.value(OVERFLOW, &[("label", "command")]);
        assert_eq!(overflow, of_other as f64);
    }
    println!("{} requests for 1000 names", requests(&simulator, NAMES));
}

#[test]
fn a_new_series_is_shown_at_zero_first() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let metrics = "metrics: {new_series_hold: 2s, commands: [{name: backup}]}\n";
    let text = config(&simulator, directory.path(), &[REGION], metrics);
    let exporter = Exporter::start(directory.path(), &text);
    exporter.looked();
    ran(&simulator, "backup", 2, &Outcome::success());
    let success = [("invocation_status", "Success")];
    let first = exporter.scrape_until("a series", |scrape| scrape.sum(RESULTS, &success).is_some());
    assert_eq!(first.value(RESULTS, &success), 0.0);
    exporter.kill();
    let exporter = Exporter::start(directory.path(), &text);
    assert_eq!(
        exporter.looked().value(RESULTS, &success),
        0.0,
        "the hold goes on"
    );
    exporter.scrape_until("the value", |scrape| scrape.value(RESULTS, &success) == 2.0);
}
