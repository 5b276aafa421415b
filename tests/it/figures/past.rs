//! What the past costs: `make figures`.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use simulator::Outcome;
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, REGION, cloud, config};
use crate::exporter::{command, config_path, of_status, pause};
use crate::fleet::many_accounts;

const DAY: i64 = 86_400;

/// Seconds of CPU that a process has taken; ticks are hundredths.
fn cpu_of(id: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    // utime and stime.
    let ticks = fields.split(' ').skip(11).take(2);
    Some(ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0)
}

/// Runs it twice to its end, and prints what that took: it reads and writes, and then writes again what it has kept.
fn measure(directory: &Path, config: &str, what: &str, arguments: &[&str]) {
    for done in ["read and written", "written again"] {
        run(directory, config, &format!("{what}, {done}"), arguments);
    }
}

fn run(directory: &Path, config: &str, what: &str, arguments: &[&str]) {
    fs::write(config_path(directory), config).unwrap();
    let started = Instant::now();
    let mut child = command()
        .arg(format!("--config.file={}", config_path(directory).display()))
        .arg(format!("--backfill={}", directory.join("past").display()))
        .args([
            "--backfill.label=job=j",
            "--backfill.label=instance=i",
            "--log.level=warn",
        ])
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut most, mut cpu) = (0, 0.0);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let is_there = fs::read_to_string(format!("/proc/{}/status", child.id()));
        if is_there.is_ok_and(|text| text.contains("VmHWM")) {
            most = most.max(of_status(child.id(), "VmHWM:"));
            cpu = cpu_of(child.id()).unwrap_or(cpu);
        }
        pause();
    };
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(status.success(), "{said}");
    let checked = said.lines().find(|line| line.starts_with("checked: ")).unwrap();
    println!(
        "{what} {arguments:?}: {:.1} s, {cpu:.1} s of CPU, {:.0} MB of memory; {checked}",
        started.elapsed().as_secs_f64(),
        most as f64 / 1e6
    );
}

#[test]
#[ignore = "prints figures; make figures"]
fn the_past_of_100_000_results() {
    let simulator = cloud(&[REGION]);
    {
        let mut cloud = simulator.cloud();
        cloud.region(ACCOUNT, REGION).retention_rows = usize::MAX;
        cloud.advance(-27 * DAY);
        for _ in 0..27 * 24 {
            cloud.advance(3600);
            let region = cloud.region(ACCOUNT, REGION);
            region.add_settled(150, Outcome::success());
            region.add_settled(5, Outcome::failed(3));
        }
    }
    for arguments in [&[][..], &["--backfill.near-changes=10m"]] {
        let directory = tempdir().unwrap();
        let config = config(&simulator, directory.path(), &[REGION], "");
        measure(directory.path(), &config, "100,000 results of a scope", arguments);
    }
}

#[test]
#[ignore = "prints figures; make figures"]
fn the_past_of_600_scopes() {
    let (simulator, accounts) = many_accounts(20, 30);
    {
        let mut cloud = simulator.cloud();
        let names: Vec<(String, Vec<String>)> = (1..=20)
            .map(|number| format!("account-{number:02}"))
            .map(|name| {
                let regions = simulator::ALL_REGIONS[..30]
                    .iter()
                    .map(|region| (*region).to_owned());
                (name, regions.collect())
            })
            .collect();
        cloud.advance(-27 * DAY);
        for _ in 0..27 {
            cloud.advance(DAY);
            for (name, regions) in &names {
                for region in regions {
                    cloud.region(name, region).add_settled(4, Outcome::success());
                }
            }
        }
    }
    let directory = tempdir().unwrap();
    let config = format!(
        "accounts:\n{accounts}state: {{path: {}}}\n",
        directory.path().join("state").display()
    );
    measure(
        directory.path(),
        &config,
        "600 scopes",
        &["--backfill.near-changes=10m"],
    );
}
