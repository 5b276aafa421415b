//! The machine's clock steps, as Debian's `faketime` lets it: once it is right again, it is as if it had never been
//! wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use simulator::{Fault, FaultKind, Outcome, Simulator};
use tempfile::{TempDir, tempdir};

use super::OLD;
use crate::cloud::{ACCOUNT, REGION, cloud, config};
use crate::exporter::{Exporter, eventually};
use crate::stage::*;

const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// A cloud, and a machine whose clock can be set.
struct Machine {
    simulator: Simulator,
    directory: TempDir,
    offset: PathBuf,
}

impl Machine {
    fn new(regions: &[&str]) -> Self {
        let directory = tempdir().unwrap();
        let offset = directory.path().join("offset");
        let machine = Self {
            simulator: cloud(regions),
            directory,
            offset,
        };
        machine.set(0);
        machine
    }

    /// Any date of a request is accepted: polls succeed whatever the clock says.
    fn accepting_any_date(self) -> Self {
        self.simulator
            .set_date_tolerance(Duration::from_secs(u32::MAX.into()));
        self
    }

    /// The clock is ahead by so many seconds; of a running process, too.
    fn set(&self, seconds: i64) {
        let next = self.offset.with_extension("next");
        fs::write(&next, format!("{seconds:+}\n")).unwrap();
        fs::rename(next, &self.offset).unwrap();
    }

    fn start(&self, regions: &[&str], more: &str) -> Exporter {
        let library = LIBRARIES.into_iter().find(|library| Path::new(library).exists());
        let library = library.expect("faketime is not installed; see tests/install-tools");
        let config = config(&self.simulator, self.directory.path(), regions, more);
        let variables = [
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", self.offset.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        Exporter::start_with(self.directory.path(), &config, &[], &variables)
    }

    fn settle(&self, count: usize, outcome: Outcome) {
        let mut cloud = self.simulator.cloud();
        cloud.region(ACCOUNT, REGION).add_settled(count, outcome);
    }
}

fn failed(scrape: &crate::scrape::Scrape, exit_code: &str) -> Option<f64> {
    scrape.sum(RESULTS, &class("Failed", "ExitCodeNonzero", exit_code))
}

/// So soon what was held is shown.
fn assert_shown_soon(exporter: &Exporter, exit_code: &str, expected: f64) {
    let began = std::time::Instant::now();
    exporter.scrape_until("its value", |scrape| {
        let now = failed(scrape, exit_code);
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "exit code {exit_code} is at {now:?}"
        );
        now == Some(expected)
    });
}

fn a_hold_ends_after_a_restart_eight_hours_off(machine: &Machine, ahead: i64) {
    let hold = "metrics: {new_series_hold: 3s}\n";
    let exporter = machine.start(&[REGION], hold);
    exporter.looked();
    machine.settle(6, Outcome::failed(7));
    exporter.scrape_until("the series is held", |scrape| failed(scrape, "7") == Some(0.0));
    exporter.kill();
    machine.set(ahead);
    let exporter = machine.start(&[REGION], hold);
    exporter.polled();
    machine.set(0);
    exporter.polled();
    assert_shown_soon(&exporter, "7", 6.0);
    exporter.kill();
    let exporter = machine.start(&[REGION], hold);
    assert_shown_soon(&exporter, "7", 6.0);
}

#[test]
fn a_hold_ends_though_a_restart_was_eight_hours_ahead() {
    a_hold_ends_after_a_restart_eight_hours_off(&Machine::new(&[REGION]).accepting_any_date(), 8 * HOUR);
    a_hold_ends_after_a_restart_eight_hours_off(&Machine::new(&[REGION]), 8 * HOUR);
}

#[test]
fn a_hold_ends_though_a_restart_was_eight_hours_back() {
    a_hold_ends_after_a_restart_eight_hours_off(&Machine::new(&[REGION]).accepting_any_date(), -8 * HOUR);
}

#[test]
fn a_restart_four_hundred_days_ahead_takes_nothing_out_of_the_window() {
    let machine = Machine::new(&[REGION]).accepting_any_date();
    machine.settle(4, Outcome::success());
    let exporter = machine.start(&[REGION], SWEEPING);
    exporter.looked();
    machine.settle(7, Outcome::failed(2));
    let recent = exporter.polled().value(RECENT, &[]);
    assert_eq!(recent, 11.0);
    exporter.kill();
    machine.set(400 * DAY);
    let exporter = machine.start(&[REGION], SWEEPING);
    exporter.polled();
    machine.set(0);
    let right = exporter.polled();
    assert_eq!(right.value(RESULTS, &[]), 7.0);
    assert_eq!(right.value(RECENT, &[]), 11.0, "{}", right.shown(RECENT));
    exporter.kill();
    let exporter = machine.start(&[REGION], SWEEPING);
    assert_eq!(exporter.polled().value(RECENT, &[]), 11.0);
}

#[test]
fn a_jump_of_seconds_leaves_the_hold_of_later_series() {
    let machine = Machine::new(&[REGION]).accepting_any_date();
    let hold = "metrics: {new_series_hold: 2s}\n";
    let exporter = machine.start(&[REGION], hold);
    exporter.looked();
    machine.settle(1, Outcome::failed(7));
    exporter.scrape_until("the series is held", |scrape| failed(scrape, "7") == Some(0.0));
    machine.set(DAY);
    exporter.polled();
    machine.set(0);
    exporter.polled();
    let is_held = |exporter: &Exporter, exit_code: i64| {
        machine.settle(1, Outcome::failed(exit_code));
        let code = exit_code.to_string();
        let first = exporter.scrape_until("a new series", |scrape| failed(scrape, &code).is_some());
        assert_eq!(
            failed(&first, &code),
            Some(0.0),
            "exit code {code} is not held at 0"
        );
        assert_shown_soon(exporter, &code, 1.0);
    };
    is_held(&exporter, 8);
    exporter.kill();
    let exporter = machine.start(&[REGION], hold);
    exporter.polled();
    is_held(&exporter, 9);
    assert_shown_soon(&exporter, "7", 1.0);
}

#[test]
fn a_start_forty_days_ahead_deletes_no_state() {
    const OTHER: &str = "cn-beijing";
    let machine = Machine::new(&[REGION, OTHER]);
    let exporter = machine.start(&[REGION, OTHER], "");
    exporter.looked();
    {
        let mut cloud = machine.simulator.cloud();
        cloud.region(ACCOUNT, OTHER).add_settled(5, Outcome::failed(6));
    }
    let other = [("region_id", OTHER)];
    exporter.scrape_until("five are counted", |scrape| {
        scrape.sum(RESULTS, &other) == Some(5.0)
    });
    assert!(exporter.terminate().0.success());
    machine.set(40 * DAY);
    // Its requests are refused for their date.
    let exporter = machine.start(&[REGION], "");
    exporter.polled();
    assert!(exporter.terminate().0.success());
    machine.set(0);
    let exporter = machine.start(&[REGION], "");
    exporter.polled();
    assert!(exporter.terminate().0.success());
    let exporter = machine.start(&[REGION, OTHER], "");
    let scrape = exporter.polled();
    assert_eq!(scrape.sum(RESULTS, &other), Some(5.0));
}

#[test]
fn a_clock_that_goes_back_and_forth_while_it_runs_stops_neither_polls_nor_sweeps() {
    let machine = Machine::new(&[REGION]).accepting_any_date();
    machine.settle(60, Outcome::success());
    let exporter = machine.start(&[REGION], SWEEPING);
    exporter.looked();
    for (turn, ahead) in [2 * HOUR, -3 * DAY, 40 * DAY, 0].into_iter().enumerate() {
        machine.set(ahead);
        let before = exporter.fresh().value(SWEEPS, &[]);
        machine.settle(3, Outcome::failed(5));
        let began = std::time::Instant::now();
        let scrape = exporter.scrape_until("polls and sweeps go on", |scrape| {
            assert!(began.elapsed() < Duration::from_secs(30), "none at {ahead} s");
            scrape.value(SWEEPS, &[]) >= before + 2.0
        });
        assert_eq!(
            failed(&scrape, "5"),
            Some(3.0 * (turn as f64 + 1.0)),
            "at {ahead} s"
        );
    }
    let scrape = exporter.polled();
    assert_eq!(scrape.value(RECENT, &[]), 72.0);
    assert_eq!(scrape.value(TRACKED, &[]), 72.0);
}

#[test]
fn a_clock_that_is_set_between_two_tries_of_the_first_look_makes_nothing_old() {
    let machine = Machine::new(&[REGION]);
    // The machine boots with the time of another zone, and its clock is set before the network is up.
    machine.set(8 * HOUR);
    let wait = Fault::once(FaultKind::CutHeaders).on("DescribeInvocationResults");
    machine.simulator.faults().add(wait);
    let exporter = machine.start(&[REGION], "");
    eventually("the first try", || {
        (!machine.simulator.requests().is_empty()).then_some(())
    });
    machine.set(0);
    let looked = exporter.looked();
    assert_eq!(
        looked.sum("cloud_assistant_exporter_poll_failures_total", &[]),
        Some(0.0),
        "a second try has succeeded"
    );
    machine.settle(3, Outcome::failed(5));
    let counted = exporter.scrape_until("they are shown", |scrape| scrape.sum(RECENT, &[]) == Some(3.0));
    assert_eq!((counted.value(RESULTS, &[]), counted.value(OLD, &[])), (3.0, 0.0));
}
