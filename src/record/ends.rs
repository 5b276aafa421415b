//! How schedules and their runs end: each is shown once, as what it is, at its own time.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Counts, Findings, History, Record, Settings, Sought, Sweep};
use crate::clock::Now;
use crate::result::{Identity, KnownStatus, Row, Seconds, Status, Times};

const NOW: Seconds = 1_800_000_000;
const DAY: Seconds = 86_400;

fn row(status: KnownStatus, repeats: u32, finished: Seconds) -> Row {
    Row {
        exit_code: (status == KnownStatus::Failed).then_some(i64::from(repeats)),
        repeats,
        scheduled: true,
        times: Times {
            finished: NonZeroU32::new(finished),
            ..Times::default()
        },
        ..Row::numbered(1, Status::Known(status))
    }
}

fn scheduled(repeats: u32) -> Row {
    row(KnownStatus::Scheduled, repeats, 0)
}

/// A record that has had its first look at these.
fn looked(pages: Vec<Row>) -> Record {
    let mut record = Record::new(Settings {
        window: DAY,
        ..Settings::default()
    });
    let sweep = Some(Sweep::default());
    let findings = Findings {
        sweep,
        pages,
        ..Findings::default()
    };
    record.apply(findings, at(NOW - 60));
    record
}

fn at(wall: Seconds) -> Now {
    Now {
        wall,
        steady: Duration::from_secs((wall + 60 - NOW).into()),
    }
}

/// A poll that ends at that time; `runs` where the history was read, which has these.
fn poll(record: &mut Record, wall: Seconds, pages: Vec<Row>, runs: Option<Vec<Row>>) -> Counts {
    let history = runs.map(|rows| History {
        asked: vec![(Identity([1, 0, 0, 0]), Sought::Newest)],
        rows,
        thorough: false,
    });
    let findings = Findings {
        pages,
        histories: history.into_iter().collect(),
        ..Findings::default()
    };
    record.apply(findings, at(wall));
    record.counts(at(wall).steady).unwrap()
}

/// Runs and exit codes of the failures, the newest first.
fn failures(counts: &Counts) -> Vec<(u32, &str)> {
    let failures = counts.failures();
    failures
        .map(|failure| (failure.run(), failure.exit_code()))
        .collect()
}

#[test]
fn a_neighbours_time_is_not_taken_for_the_rows_own() {
    let mut record = looked(vec![scheduled(0)]);
    let counts = poll(
        &mut record,
        NOW,
        vec![row(KnownStatus::Failed, 1, NOW - 9)],
        Some(vec![]),
    );
    assert_eq!(counts.newest().collect::<Vec<_>>(), [("Failed", NOW - 9)]);
    let other = Row {
        scheduled: false,
        times: row(KnownStatus::Failed, 1, NOW + 50).times,
        ..Row::numbered(2, Status::Known(KnownStatus::Success))
    };
    let absurd = row(KnownStatus::Failed, 1, NOW + 3 * DAY);
    let counts = poll(&mut record, NOW + 60, vec![other, absurd], None);
    let newest: Vec<_> = counts.newest().collect();
    assert_eq!(newest, [("Success", NOW + 50), ("Failed", NOW - 9)]);
}

#[test]
fn a_row_that_waits_for_its_history_and_shows_open_again_is_open() {
    let mut record = looked(vec![scheduled(0)]);
    let ended = row(KnownStatus::Success, 1, NOW - 9);
    let counts = poll(&mut record, NOW, vec![ended.clone()], None);
    assert_eq!(counts.open, 1, "it waits");
    let counts = poll(&mut record, NOW + 60, vec![scheduled(1)], Some(vec![ended]));
    assert_eq!(counts.open, 1);
    let recent = counts.recent().filter(|shown| shown.value > 0);
    let recent: Vec<_> = recent.map(|shown| shown.invocation_status.to_owned()).collect();
    assert_eq!(recent, ["Scheduled", "Success"], "the row, and its run");
}

#[test]
fn a_failed_run_that_has_left_the_window_and_the_row_that_ends_with_it_are_one_failure() {
    let mut record = looked(vec![scheduled(0)]);
    let failed = row(KnownStatus::Failed, 1, NOW - 9);
    let counts = poll(&mut record, NOW, vec![scheduled(1)], Some(vec![failed.clone()]));
    assert_eq!(failures(&counts), [(1, "1")]);
    let later = NOW + DAY + 3600;
    let counts = poll(&mut record, later, vec![scheduled(1)], None);
    assert_eq!((counts.held, failures(&counts)), (1, vec![(1, "1")]));
    let counts = poll(&mut record, later + 60, vec![failed], None);
    assert_eq!(failures(&counts), [(1, "1")]);
}

#[test]
fn what_looked_like_a_result_and_is_the_first_run_of_a_schedule_is_one_failure() {
    for is_recent in [true, false] {
        let mut record = looked(vec![]);
        let one_time = Row {
            scheduled: false,
            ..row(KnownStatus::Failed, 1, NOW - 9)
        };
        let counts = poll(&mut record, NOW, vec![one_time], None);
        assert_eq!(failures(&counts), [(0, "1")]);
        let later = if is_recent { NOW + 60 } else { NOW + DAY + 3600 };
        let first = Row {
            exit_code: Some(7),
            ..row(KnownStatus::Failed, 1, NOW - 9)
        };
        let second = row(KnownStatus::Failed, 2, later - 5);
        let counts = poll(
            &mut record,
            later,
            vec![scheduled(2)],
            Some(vec![second.clone(), first]),
        );
        // What has left the window is known by its number, and does not change.
        let code = if is_recent { "7" } else { "1" };
        assert_eq!(failures(&counts), [(2, "2"), (1, code)]);
        let counts = poll(&mut record, later + 60, vec![second], None);
        assert_eq!(
            failures(&counts),
            [(2, "2"), (1, code)],
            "the row ends with its second run"
        );
    }
}

#[test]
fn a_row_that_fails_with_one_run_and_then_with_the_next_shows_both() {
    let mut record = looked(vec![scheduled(0)]);
    for run in 1..=3 {
        let failed = row(KnownStatus::Failed, run, NOW + run);
        poll(&mut record, NOW + run * 10, vec![failed], Some(vec![]));
    }
    let changed = Row {
        exit_code: Some(7),
        ..row(KnownStatus::Failed, 3, NOW + 3)
    };
    let counts = poll(&mut record, NOW + 60, vec![changed], None);
    assert_eq!(failures(&counts), [(3, "7"), (2, "2"), (1, "1")]);
}
