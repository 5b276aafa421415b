//! Native histograms over restarts: with and without `metrics.native_histograms`, and from records that had none.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::labels::ResultLabels;
use super::{Change, CommandSettings, Counts, Findings, Key, Naming, Record, Settings, ShownNative, Sweep};
use crate::clock::Now;
use crate::result::{CommandOfRow, InvocationSummary, KnownStatus, Row, Seconds, Status, Times};

const NOW: Seconds = 1_800_000_000;

fn settings(native_histograms: bool) -> Settings {
    Settings {
        duration_buckets: vec![1.0, 64.0].into(),
        native_histograms,
        commands: Some(CommandSettings::by_name("backup")),
        ..Settings::default()
    }
}

/// The result of a command that ran for so long.
fn row(number: u32, seconds: u32) -> Row {
    Row {
        times: Times {
            started: NonZeroU32::new(NOW - seconds),
            finished: NonZeroU32::new(NOW),
            stopped: None,
        },
        command: Some(Arc::new(CommandOfRow {
            id: "c-1".into(),
            tagged: 0,
        })),
        ..Row::numbered(number, Status::Known(KnownStatus::Failed))
    }
}

/// A record, and what is saved of it.
struct Saved {
    record: Record,
    pairs: BTreeMap<(u8, u64), Vec<u8>>,
    rows: u32,
}

impl Saved {
    /// After its first look.
    fn new(settings: Settings) -> Self {
        let record = Record::new(settings);
        let (pairs, rows) = (BTreeMap::new(), 0);
        let mut saved = Self { record, pairs, rows };
        saved.apply(Findings {
            sweep: Some(Sweep::default()),
            naming: Naming {
                found: vec![InvocationSummary {
                    command_id: "c-1".into(),
                    invoke_id: "t-0".into(),
                    name: "backup".into(),
                    kind: "RunShellScript".into(),
                    repeat_mode: "".into(),
                    frequency: "".into(),
                    created: 0,
                }],
                ..Naming::default()
            },
            ..Findings::default()
        });
        saved
    }

    fn apply(&mut self, findings: Findings) {
        let now = Now {
            wall: NOW,
            steady: Duration::from_secs(3600),
        };
        self.record.apply(findings, now);
        self.record.counts(now.steady);
        self.record.release(now.steady);
        for Change { key, value } in self.record.take_changes() {
            match value {
                Some(value) => self.pairs.insert(key.encode(), value),
                None => self.pairs.remove(&key.encode()),
            };
        }
    }

    fn ran(&mut self, seconds: &[u32]) {
        let rows = seconds.iter().map(|seconds| {
            self.rows += 1;
            row(self.rows, *seconds)
        });
        let pages = rows.collect();
        self.apply(Findings {
            pages,
            ..Findings::default()
        });
    }

    fn restart(&mut self, settings: &Settings) {
        self.record = self.read(settings).unwrap();
        // What begins with it is saved with the next poll.
        self.apply(Findings::default());
    }

    fn read(&self, settings: &Settings) -> Result<Record, String> {
        let pairs = self.pairs.iter().map(|(key, value)| (*key, value.as_slice()));
        Record::from_pairs(settings, pairs, NOW).map_err(|error| error.to_string())
    }

    fn counts(&mut self) -> Counts {
        self.record.counts(Duration::from_secs(3600)).unwrap()
    }

    /// Of the status, and of the command: always the same here.
    fn native(&mut self) -> Option<ShownNative> {
        let counts = self.counts();
        let commands = counts.commands.unwrap();
        let of_command = commands.commands[0].durations.clone().unwrap();
        let [of_status] = &counts.durations[..] else {
            panic!("{:?}", counts.durations);
        };
        assert_eq!(of_status.histogram.native, of_command.native);
        if let Some(native) = &of_command.native {
            let all: u64 = native.buckets.iter().map(|(_, count)| count).sum();
            assert_eq!(
                native.zero + all,
                of_command.count,
                "a server refuses it otherwise"
            );
        }
        of_command.native
    }

    fn natives(&self) -> usize {
        let kinds = self.pairs.keys().map(|(kind, _)| *kind);
        kinds.filter(|kind| *kind > 14).count()
    }
}

fn shown(zero: u64, buckets: &[(u16, u64)]) -> Option<ShownNative> {
    let buckets = buckets.to_vec();
    Some(ShownNative { zero, buckets })
}

#[test]
fn they_are_exact_and_come_back_after_a_restart() {
    let on = settings(true);
    let mut saved = Saved::new(on.clone());
    saved.ran(&[0, 1, 2, 3, 3, 1000]);
    let expected = shown(1, &[(0, 1), (8, 1), (13, 2), (80, 1)]);
    assert_eq!(saved.native(), expected);
    saved.restart(&on);
    assert_eq!(saved.native(), expected);
    saved.ran(&[1000, 100_000]);
    assert_eq!(
        saved.native(),
        shown(1, &[(0, 1), (8, 1), (13, 2), (80, 2), (133, 1)])
    );
}

#[test]
fn off_they_cost_nothing_and_a_record_that_had_none_begins_them() {
    let off = settings(false);
    let mut saved = Saved::new(off.clone());
    saved.ran(&[0, 1, 30, 64, 100]);
    saved.restart(&off);
    assert_eq!((saved.native(), saved.natives()), (None, 0));
    // What was counted is where the buckets have it.
    saved.restart(&settings(true));
    assert_eq!(saved.native(), shown(0, &[(0, 2), (48, 2), (49, 1)]));
    saved.ran(&[3]);
    assert_eq!(
        (saved.native(), saved.natives()),
        (shown(0, &[(0, 2), (13, 1), (48, 2), (49, 1)]), 2)
    );
}

#[test]
fn a_record_of_an_earlier_version_begins_them_too() {
    let mut saved = Saved::new(settings(false));
    saved.ran(&[0, 1, 30]);
    // Earlier versions saved no series at 0.
    let (total, _) = Key::Total(ResultLabels::unpacked(0)).encode();
    saved.pairs.retain(|(kind, _), _| *kind != total);
    let on = settings(true);
    for _ in 0..2 {
        saved.restart(&on);
        let durations = saved.counts().durations;
        let mut of_failed = durations.iter().filter(|durations| durations.histogram.count > 0);
        let native = of_failed
            .next()
            .and_then(|durations| durations.histogram.native.clone());
        assert_eq!(native, shown(0, &[(0, 2), (48, 1)]));
        assert!(
            of_failed.next().is_none() && durations.len() > 1,
            "every status is shown"
        );
    }
}

#[test]
fn off_and_on_again_takes_nothing_back() {
    let (on, off) = (settings(true), settings(false));
    let mut saved = Saved::new(on.clone());
    saved.ran(&[3]);
    saved.restart(&off);
    assert_eq!(saved.native(), None);
    saved.ran(&[5]);
    saved.restart(&on);
    assert_eq!(saved.native(), shown(0, &[(13, 1), (19, 1)]));
}

#[test]
fn one_that_does_not_fit_its_histogram_is_damaged() {
    let on = settings(true);
    let mut saved = Saved::new(on.clone());
    saved.ran(&[3, 0]);
    let sound = saved.pairs.clone();
    for kind in [15, 16] {
        let (key, value) = sound.iter().find(|((other, _), _)| *other == kind).unwrap();
        assert_eq!(*value, [1, 1, 13, 1], "one of no second, and one bucket");
        for damaged in [
            &[][..],
            &[0, 1, 13, 1],
            &[1, 1, 13, 2],
            &[1, 2, 13, 1, 14, 0],
            &[1, 1, 0x81, 2, 1],
            &[1, 1, 13, 1, 0],
        ] {
            saved.pairs.insert(*key, damaged.to_vec());
            let name = format!("{:?}", Key::decode(key.0, key.1).unwrap());
            let refused = saved.read(&on).map(|_| ()).unwrap_err();
            assert!(refused.contains(&name), "{refused}");
        }
        saved.pairs.insert(*key, value.clone());
        // Of what has no histogram.
        saved.pairs.insert((kind, 7), value.clone());
        assert!(saved.read(&on).is_err());
        saved.pairs.remove(&(kind, 7));
        assert!(saved.read(&on).is_ok());
    }
}
