//! A disk that is full or cannot be written to, as far as this machine lets a test make one.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use simulator::{Outcome, unix_now};
use tempfile::tempdir;

use super::remembering_cloud;
use super::watch::Watch;
use crate::cloud::{ACCOUNT, REGION, config};
use crate::exporter::Exporter;

/// A small file system of its own, gone with the test.
pub struct Mount(PathBuf);

impl Mount {
    /// None where this user may not mount one.
    pub fn small(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mount = Self(at.to_owned());
        mount
            .run("mount", &["-t", "tmpfs", "-o", "size=2m", "small"])
            .then_some(mount)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    fn remount(&self, options: &str) -> bool {
        self.run("mount", &["-o", &format!("remount,{options}")])
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let ran = Command::new(program).args(arguments).arg(&self.0).output();
        ran.is_ok_and(|output| output.status.success())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Where nothing was mounted, nothing is taken away.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// Takes all the room that is left.
pub fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
}

#[test]
fn a_full_disk_stops_polls_and_nothing_else() {
    let directory = tempdir().unwrap();
    let Some(mount) = Mount::small(&directory.path().join("state")) else {
        println!("left out: this user may not mount a file system");
        return;
    };
    let simulator = remembering_cloud(&[REGION], unix_now());
    let config = config(&simulator, directory.path(), &[REGION], "");
    let mut watch = Watch::default();
    let exporter = Exporter::start(directory.path(), &config);
    watch.see(&exporter.looked());
    simulator.cloud().mark_baseline();
    let settle = |count| {
        let mut cloud = simulator.cloud();
        cloud
            .region(ACCOUNT, REGION)
            .add_settled(count, Outcome::failed(5));
    };
    settle(10);
    exporter.scrape_until("ten are counted", |scrape| {
        scrape.sum("cloud_assistant_results_total", &[]) == Some(10.0)
    });
    let filler = mount.0.join("filler");
    fill(&filler);
    // More than the file has free pages for.
    settle(4000);
    let failures = "cloud_assistant_exporter_poll_failures_total";
    let full = exporter.scrape_until("polls fail with the reason state", |scrape| {
        scrape.sum(failures, &[("reason", "state")]) >= Some(3.0)
    });
    watch.see(&full);
    assert_eq!(full.value("cloud_assistant_results_total", &[]), 10.0);
    assert_eq!(full.value("cloud_assistant_up", &[]), 0.0);
    assert_eq!(
        full.value("cloud_assistant_recent_results", &[("exit_code", "5")]),
        10.0
    );
    let log = exporter.log();
    let line = log
        .lines()
        .rev()
        .find(|line| line.contains("reason=state"))
        .unwrap();
    println!("{line}");
    assert!(line.contains("No space left on device"), "{line}");
    fs::remove_file(&filler).unwrap();
    let truth = simulator.cloud().truth_since_baseline(ACCOUNT, REGION);
    let then = watch.until_exact(&exporter, &[(REGION, &truth)]);
    assert_eq!(then.value("cloud_assistant_up", &[]), 1.0);
    exporter.kill();

    // A start on a full disk either goes on or says why not.
    fill(&filler);
    match Exporter::try_start(directory.path(), &config, &[], &[]) {
        Ok(exporter) => watch.see(&exporter.scrape()),
        Err((status, log)) => {
            println!("{}", log.lines().last().unwrap_or_default());
            assert_eq!(status.code(), Some(1));
            assert!(log.contains("No space left on device"), "{log}");
        }
    }
    fs::remove_file(&filler).unwrap();

    assert!(mount.remount("ro"));
    let refused = Exporter::try_start(directory.path(), &config, &[], &[]);
    let Err((status, log)) = refused else {
        panic!("started on a read-only file system")
    };
    let line = log.lines().last().unwrap_or_default();
    println!("{line}");
    assert_eq!(status.code(), Some(1));
    assert!(
        line.contains("Read-only file system (os error 30); check its permissions"),
        "{log}"
    );
    assert!(mount.remount("rw"));
    let exporter = Exporter::start(directory.path(), &config);
    watch.see(&exporter.scrape());
}
