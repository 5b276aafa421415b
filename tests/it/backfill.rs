//! `--backfill` as an operator meets it: what it says, and what it leaves behind. What is in its files, databases say
//! (`exposition/backfill.rs`).

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;
use simulator::{Fault, FaultKind, Outcome, Simulator};
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, REGION, cloud, config};
use crate::exporter::{Exporter, command, config_path, eventually};

/// What Prometheus gives the target.
const LABELS: [&str; 2] = ["--backfill.label=job=exporter", "--backfill.label=instance=here"];

const DAY: i64 = 86_400;

/// Runs it to its end; what it has said.
pub fn backfill(directory: &Path, config: &str, arguments: &[&str]) -> (bool, String) {
    fs::write(config_path(directory), config).unwrap();
    let output = command()
        .arg(format!("--config.file={}", config_path(directory).display()))
        .arg(format!("--backfill={}", directory.join("past").display()))
        .args(LABELS)
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.success(), said)
}

/// A cloud in which so many results have settled, two days ago.
fn settled(results: usize) -> Simulator {
    let simulator = cloud(&[REGION]);
    let mut cloud = simulator.cloud();
    cloud.advance(-2 * DAY);
    cloud
        .region(ACCOUNT, REGION)
        .add_settled(results, Outcome::failed(7));
    cloud.advance(2 * DAY);
    drop(cloud);
    simulator
}

#[test]
fn the_report_names_the_state_and_says_when_it_is_new() {
    let directory = tempdir().unwrap();
    let simulator = settled(3);
    let config = config(&simulator, directory.path(), &[REGION], "");
    let state = format!("state: {}", directory.path().join("state").display());
    let (is_done, said) = backfill(directory.path(), &config, &[]);
    assert!(is_done && said.contains("checked: 3 results in"), "{said}");
    assert!(said.contains(&format!("{state}, made new.")), "{said}");
    let (is_done, said) = backfill(directory.path(), &config, &[]);
    assert!(is_done && said.contains("checked: 3 results in"), "{said}");
    assert!(said.contains(&format!("{state}\n")), "{said}");
}

/// A cloud whose regions are found, with two that know Cloud Assistant or do not.
fn found(unsupported: &[&str]) -> Simulator {
    let simulator = settled(3);
    let mut cloud = simulator.cloud();
    let regions = [REGION].iter().chain(unsupported);
    cloud.listed_regions = Some(regions.map(|region| (*region).to_owned()).collect());
    for region in unsupported {
        cloud.unsupported_region(region);
    }
    drop(cloud);
    simulator
}

#[test]
fn a_region_that_a_running_exporter_has_set_aside_is_left_out() {
    let directory = tempdir().unwrap();
    let simulator = found(&["me-east-1"]);
    let config = config(&simulator, directory.path(), &[], "");
    let exporter = Exporter::start(directory.path(), &config);
    let body = eventually("the region is set aside, the other looked at", || {
        let body = exporter.get("/api/v1/status").text();
        let status: Value = serde_json::from_str(&body).unwrap();
        let has_looked = status["scopes"][0]["first_look_at"].is_string();
        (has_looked && status["accounts"][0]["regions_set_aside"][0] == "me-east-1").then_some(body)
    });
    let status = directory.path().join("status.json");
    fs::write(&status, body).unwrap();
    let argument = format!("--backfill.status={}", status.display());
    let (is_done, said) = backfill(directory.path(), &config, &[&argument]);
    assert!(is_done && said.contains("checked: 3 results in"), "{said}");
    assert!(
        said.contains("no Cloud Assistant in production/me-east-1"),
        "{said}"
    );
}

#[test]
fn a_status_is_read_from_a_file_alone_and_not_without_bound() {
    let directory = tempdir().unwrap();
    let config = config(&settled(3), directory.path(), &[REGION], "");
    let [pipe, large] = ["pipe", "large"].map(|name| directory.path().join(name));
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    File::create(&large).unwrap().set_len(1 << 30).unwrap();
    for (path, why) in [
        (pipe.as_path(), "not a regular file"),
        (directory.path(), "not a regular file"),
        (large.as_path(), "longer than 67108864 bytes"),
    ] {
        let argument = format!("--backfill.status={}", path.display());
        let (is_done, said) = backfill(directory.path(), &config, &[&argument]);
        let expected = format!("--backfill.status, {}, cannot be read", path.display());
        assert!(
            !is_done && said.contains(&expected) && said.contains(why),
            "{said}"
        );
    }
}

#[test]
fn only_a_region_that_was_never_read_is_taken_to_have_no_cloud_assistant() {
    let directory = tempdir().unwrap();
    let simulator = found(&["me-east-1"]);
    let config = config(&simulator, directory.path(), &[], "");
    let exporter = Exporter::start(directory.path(), &config);
    exporter.looked();
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{log}");
    let refusal = || Fault::once(FaultKind::documented("RegionId.ApiNotSupported")).within(REGION);
    simulator.faults().add(refusal());
    let (is_done, said) = backfill(directory.path(), &config, &[]);
    assert!(is_done && said.contains("checked: 3 results in"), "{said}");
    assert!(
        said.contains("no Cloud Assistant in production/me-east-1"),
        "{said}"
    );

    fs::remove_dir_all(directory.path().join("past")).unwrap();
    simulator.faults().add(refusal().times(Fault::FOREVER));
    let (is_done, said) = backfill(directory.path(), &config, &[]);
    assert!(
        !is_done && said.contains("1 of 2 scopes cannot be read"),
        "{said}"
    );
}

#[test]
fn a_failure_of_describe_invocations_that_passes_is_not_kept_for_good() {
    let directory = tempdir().unwrap();
    let simulator = settled(3);
    {
        let mut cloud = simulator.cloud();
        let region = cloud.region(ACCOUNT, REGION);
        let schedule = region.schedule("heartbeat", "rate(6h)", 1);
        for _ in 0..2 {
            region.run_once(&schedule, 0, Outcome::success());
        }
    }
    let config = config(&simulator, directory.path(), &[REGION], "");
    // All that one request is tried.
    let fault = Fault::once(FaultKind::Html502).on("DescribeInvocations").times(4);
    simulator.faults().add(fault);
    let (is_done, said) = backfill(directory.path(), &config, &[]);
    assert_eq!(simulator.faults().left(), 0);
    assert!(is_done && said.contains("checked: 5 results in"), "{said}");
    assert!(!said.contains("DescribeInvocations could not be had"), "{said}");
}

#[test]
fn settings_that_tell_no_results_apart_cost_no_reading() {
    let directory = tempdir().unwrap();
    let simulator = settled(3);
    let plain = config(&simulator, directory.path(), &[REGION], "");
    let (is_done, said) = backfill(directory.path(), &plain, &[]);
    assert!(is_done && said.contains("the end of this first look"), "{said}");
    let requests = simulator.requests().len();
    let more = "poll: {interval: 1h, window: 2h}\nmetrics: {new_series_hold: 5m, duration_buckets: [3]}\n";
    let other = config(&simulator, directory.path(), &[REGION], more);
    let (is_done, said) = backfill(directory.path(), &other, &[]);
    assert!(is_done && said.contains("the end of this first look"), "{said}");
    assert_eq!(simulator.requests().len(), requests);

    // Other codes are `other`: what was read does not say which.
    let fewer = config(
        &simulator,
        directory.path(),
        &[REGION],
        "metrics: {max_exit_codes: 1}\n",
    );
    let (is_done, said) = backfill(directory.path(), &fewer, &[]);
    assert!(
        is_done && said.contains("the beginning of the exporter's first look"),
        "{said}"
    );
}

#[test]
fn what_the_first_look_has_begun_is_shown_at_0_before_it_counts() {
    let directory = tempdir().unwrap();
    let simulator = settled(3);
    let config = config(
        &simulator,
        directory.path(),
        &[REGION],
        "metrics: {new_series_hold: 1h}\n",
    );
    let (is_done, said) = backfill(directory.path(), &config, &[]);
    assert!(is_done, "{said}");
    // Before any Prometheus has seen the exporter.
    {
        let mut cloud = simulator.cloud();
        let region = cloud.region(ACCOUNT, REGION);
        region.add_settled(2, Outcome::success());
        region.add_settled(2, Outcome::failed(7));
    }
    let exporter = Exporter::start(directory.path(), &config);
    let scrape = exporter.polled();
    assert_eq!(
        scrape.value("cloud_assistant_recent_results", &[("exit_code", "0")]),
        2.0
    );
    let failed = [("invocation_status", "Failed")];
    assert_eq!(
        scrape.value("cloud_assistant_result_duration_seconds_count", &failed),
        0.0
    );
    let success = [("invocation_status", "Success")];
    assert_eq!(scrape.value("cloud_assistant_results_total", &success), 0.0);
}

/// Takes a lock that this program takes.
fn lock(path: &Path) -> Option<File> {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = File::options().create(true).append(true).open(path).unwrap();
    file.try_lock().is_ok().then_some(file)
}

#[test]
fn two_do_not_write_into_one_directory() {
    let directory = tempdir().unwrap();
    let simulator = settled(3);
    let config = config(&simulator, directory.path(), &[REGION], "");
    let held = lock(&directory.path().join("past/read/lock")).unwrap();
    let (is_done, said) = backfill(directory.path(), &config, &[]);
    assert!(!is_done && said.contains("another --backfill uses"), "{said}");
    drop(held);
    let (is_done, said) = backfill(directory.path(), &config, &[]);
    assert!(is_done, "{said}");
}

#[test]
fn the_state_is_free_again_while_files_are_written() {
    let directory = tempdir().unwrap();
    let simulator = settled(3);
    fs::write(
        config_path(directory.path()),
        config(&simulator, directory.path(), &[REGION], ""),
    )
    .unwrap();
    let past = directory.path().join("past");
    let mut child = command()
        .arg(format!(
            "--config.file={}",
            config_path(directory.path()).display()
        ))
        .arg(format!("--backfill={}", past.display()))
        .args(LABELS)
        .arg("--backfill.step=1s")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let writes = lines
        .map_while(Result::ok)
        .any(|line| line.contains("message=writing"));
    assert!(writes);
    let free = eventually("the state is free", || lock(&directory.path().join("state/lock")));
    let days = fs::read_dir(&past).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().ends_with(".om")
    });
    let days = days.count();
    child.kill().unwrap();
    child.wait().unwrap();
    drop(free);
    assert!(days < 3, "all days had been written");
}

#[test]
fn what_ends_it_is_a_line_of_the_log_in_its_format() {
    let directory = tempdir().unwrap();
    let simulator = settled(3);
    let more = "log: {format: json}\nstate: {path: ''}\n";
    let config = config(&simulator, directory.path(), &[REGION], more);
    let (is_done, said) = backfill(directory.path(), &config, &[]);
    assert!(!is_done);
    let last = said.trim_end().lines().last().unwrap();
    let line: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last}"));
    assert_eq!(line["level"], "ERROR", "{last}");
    assert!(
        line["message"].as_str().unwrap().contains("state.path is empty"),
        "{last}"
    );
}
