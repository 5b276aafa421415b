//! `--backfill` as an operator meets it: what it says, and what it leaves behind. What is in its files, databases say
//! (`exposition/backfill.rs`).

use std::fs;
use std::path::Path;

use simulator::{Outcome, Simulator};
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, REGION, cloud, config};
use crate::exporter::{command, config_path};

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
    cloud.region(ACCOUNT, REGION).add_settled(results, Outcome::failed(7));
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
