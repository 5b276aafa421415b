//! The log as go-logfmt reads it, and so Loki.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::tempdir;

use crate::cloud::{REGION, cloud, config};
use crate::exporter::{Exporter, config_path};

/// Every line by its keys; a line that is not logfmt fails the test.
fn decode(log: &str) -> Vec<BTreeMap<String, String>> {
    let mut decoder = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logfmt/run"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = decoder.stdin.take().unwrap();
    let log = log.to_owned();
    let writing = std::thread::spawn(move || input.write_all(log.as_bytes()));
    let output = decoder.wait_with_output().unwrap();
    // Fails as well when the decoder gives up.
    let written = writing.join().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    written.unwrap();
    let objects = String::from_utf8(output.stdout).unwrap();
    objects
        .lines()
        .map(|object| serde_json::from_str(object).unwrap())
        .collect()
}

#[test]
fn every_line_is_read_by_go_logfmt_whatever_is_in_it() {
    // All that may stand in the name of a directory, which messages show.
    let controls: String = (1..=0x9f)
        .filter_map(char::from_u32)
        .filter(|c| c.is_control())
        .collect();
    let name = format!("it's \"a\" \\ = {{b}} \u{2028}\u{2029}\u{fffd}é\u{1f600}{controls}");
    let directory = tempdir().unwrap();
    let directory = directory.path().join(name);
    fs::create_dir(&directory).unwrap();
    let simulator = cloud(&[REGION]);
    let config = config(&simulator, &directory, &[REGION], "state: {path: ''}\n");
    let exporter = Exporter::start(&directory, &config);
    fs::write(config_path(&directory), "nope: 1\n").unwrap();
    let answer = exporter.request("POST", "/-/reload", "");
    assert_eq!(answer.status, 500);
    exporter.logged("was not reloaded");
    let log = exporter.log();
    let lines = decode(&log);
    assert_eq!(lines.len(), log.lines().count());
    for line in &lines {
        assert!(line["ts"].ends_with('Z') && line["ts"].contains('T'), "{line:?}");
        assert!(
            ["debug", "info", "warn", "error"].contains(&line["level"].as_str()),
            "{line:?}"
        );
        assert!(!line["message"].is_empty(), "{line:?}");
    }
    let refusal = lines
        .iter()
        .find(|line| line["message"].contains("was not reloaded"))
        .unwrap();
    assert!(
        refusal["reason"].starts_with(&config_path(&directory).display().to_string()),
        "{refusal:?}"
    );
    assert_eq!(refusal["reason"], answer.text().trim_end());
    // A reader of lines finds as many, and a terminal nothing to obey.
    assert!(!log.contains(|character: char| character.is_control() && character != '\n'));
}
