//! A scope that has never listed a result has none of the series of results; what begins with the first is held at 0.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::{Change, Counts, Findings, Key, Record, Settings, Sweep};
use crate::clock::Now;
use crate::result::{Identity, KnownStatus, Row, Seconds, Status, Times};

const NOW: Seconds = 1_000_000;

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> Settings {
    Settings {
        new_series_hold: 90,
        duration_buckets: vec![5.0].into(),
        ..Settings::default()
    }
}

fn row(number: u32, status: KnownStatus, error_code: &str, exit_code: i64) -> Row {
    Row {
        identity: Identity([number, 0, 0, 0]),
        status: Status::Known(status),
        error_code: error_code.into(),
        exit_code: Some(exit_code),
        error_info: None,
        repeats: 1,
        times: Times {
            started: NonZeroU32::new(NOW + number - 3),
            finished: NonZeroU32::new(NOW + number),
            stopped: None,
        },
        dropped: 7,
        delivery: None,
        scheduled: false,
        command: None,
        ids: None,
    }
}

fn failed(number: u32) -> Row {
    row(number, KnownStatus::Failed, "ExitCodeNonzero", 1)
}

/// A record, and what is saved of it.
struct Saved {
    record: Record,
    pairs: BTreeMap<(u8, u64), Vec<u8>>,
}

impl Saved {
    fn new() -> Self {
        Self {
            record: Record::new(settings()),
            pairs: BTreeMap::new(),
        }
    }

    /// At so many seconds a poll finds these, and is saved.
    fn poll(&mut self, at: u32, pages: Vec<Row>, is_sweep: bool) -> Counts {
        let findings = Findings {
            sweep: is_sweep.then_some(Sweep {
                front: pages.len(),
                ..Sweep::default()
            }),
            pages,
            ..Findings::default()
        };
        let now = Now {
            wall: NOW + at,
            steady: SECOND * at,
        };
        self.record.apply(findings, now);
        self.shown(at)
    }

    fn shown(&mut self, at: u32) -> Counts {
        self.record.release(SECOND * at);
        for Change { key, value } in self.record.take_changes() {
            match value {
                Some(value) => self.pairs.insert(key.encode(), value),
                None => self.pairs.remove(&key.encode()),
            };
        }
        self.record.counts(SECOND * at).unwrap()
    }

    /// Of what is saved only this is left.
    fn keep(&mut self, is_kept: impl Fn(&Key) -> bool) {
        self.pairs
            .retain(|(kind, number), _| is_kept(&Key::decode(*kind, *number).unwrap()));
    }

    fn restart(&mut self) {
        let pairs = self.pairs.iter().map(|(key, value)| (*key, value.as_slice()));
        self.record = Record::from_pairs(&settings(), pairs, NOW).unwrap();
    }
}

/// The counter of a combination, and how many combinations there are.
fn failures(counts: &Counts) -> (Option<u64>, usize) {
    let failed = counts
        .totals()
        .find(|total| total.error_code == "ExitCodeNonzero");
    (failed.map(|total| total.value), counts.totals().count())
}

fn histograms(counts: &Counts) -> Vec<(&str, u64)> {
    let durations = counts.durations.iter();
    durations
        .map(|durations| (counts.status_of(durations), durations.histogram.count))
        .collect()
}

#[test]
fn the_first_result_begins_all_series_at_0_and_a_restart_does_not_end_that() {
    let mut saved = Saved::new();
    for at in [0, 60] {
        let empty = saved.poll(at, Vec::new(), true);
        assert!(!empty.has_listed);
        let series = [
            empty.totals().count(),
            empty.recent().count(),
            empty.durations.len(),
            empty.deliveries().count(),
        ];
        assert_eq!(series, [0; 4]);
        saved.restart();
    }
    let first = saved.poll(120, vec![failed(1)], false);
    assert!(first.has_listed);
    assert_eq!(failures(&first), (Some(0), 12));
    assert_eq!(histograms(&first), [("Failed", 0)]);
    assert_eq!((first.deliveries().count(), first.dropped_bytes), (2, 0));
    assert_eq!(first.recent().map(|shown| shown.value).sum::<u64>(), 1);
    // The other zero combinations are as new.
    let second = saved.poll(170, vec![row(2, KnownStatus::Success, "", 0), failed(1)], false);
    assert_eq!(second.totals().map(|total| total.value).sum::<u64>(), 0);
    assert_eq!(histograms(&second), [("Success", 0), ("Failed", 0)]);
    saved.restart();
    // 50 seconds have passed; the process's own time begins anew.
    let held = saved.shown(0);
    assert_eq!((failures(&held), held.dropped_bytes), ((Some(0), 12), 0));
    assert_eq!(saved.shown(39).dropped_bytes, 0);
    let over = saved.shown(40);
    assert_eq!((failures(&over), over.dropped_bytes), ((Some(1), 12), 14));
    assert_eq!(histograms(&over), [("Success", 0), ("Failed", 1)]);
    assert_eq!(histograms(&saved.shown(90)), [("Success", 1), ("Failed", 1)]);
}

#[test]
fn what_the_first_look_lists_has_its_series_at_0_before_anything_counts() {
    let mut saved = Saved::new();
    let first = saved.poll(0, vec![row(1, KnownStatus::Success, "", 0)], true);
    assert_eq!(
        (failures(&first), histograms(&first)),
        ((Some(0), 12), vec![("Success", 0)])
    );
    saved.restart();
    let rows = vec![
        row(3, KnownStatus::Success, "", 0),
        failed(2),
        row(1, KnownStatus::Success, "", 0),
    ];
    let counts = saved.poll(60, rows, false);
    assert_eq!((failures(&counts).0, counts.dropped_bytes), (Some(1), 14));
    assert_eq!(histograms(&counts), [("Success", 1), ("Failed", 0)]);
}

/// Earlier versions of the same format showed everything from the first poll on, and saved only what counted.
#[test]
fn what_an_earlier_version_showed_stays_where_a_result_was_listed() {
    let mut saved = Saved::new();
    saved.poll(0, vec![failed(1)], true);
    let zeros = |key: &Key| matches!(key, Key::Total(_) | Key::Durations(_) | Key::Delivery(..));
    saved.keep(|key| !zeros(key));
    saved.restart();
    let counts = saved.poll(60, vec![failed(2), failed(1)], false);
    assert_eq!(failures(&counts), (Some(1), 12));
    assert_eq!(histograms(&counts).len(), 8);
    assert!(histograms(&counts).contains(&("Failed", 1)));
    saved.restart();
    assert_eq!(histograms(&saved.shown(0)).len(), 8);
    // Results that were forgotten have been listed too, and so have those that are only counted.
    for keeps in [Key::Head, Key::Failure(0)] {
        let mut saved = Saved::new();
        saved.poll(0, vec![failed(1)], true);
        saved.keep(|key| *key == keeps || *key == Key::Head);
        saved.restart();
        assert_eq!(failures(&saved.shown(0)).1, 12, "{keeps:?}");
    }
    let mut empty = Saved::new();
    empty.poll(0, Vec::new(), true);
    empty.restart();
    assert_eq!(failures(&empty.shown(0)).1, 0);
}
