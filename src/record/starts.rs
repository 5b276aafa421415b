//! When a series was at 0: before it began, and never again another time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Change, Findings, Record, Settings, Sweep};
use crate::clock::Now;
use crate::result::{KnownStatus, Row, Seconds, Status};

const NOW: Seconds = 1_800_000_000;

const YEAR: Seconds = 365 * 86_400;

/// A record, and what is saved of it.
struct Saved {
    record: Record,
    pairs: BTreeMap<(u8, u64), Vec<u8>>,
    rows: u32,
}

impl Saved {
    fn new() -> Self {
        Self {
            record: Record::new(Settings::default()),
            pairs: BTreeMap::new(),
            rows: 0,
        }
    }

    /// A poll of ten seconds that has ended at `wall` shows results with these exit codes; it is saved.
    fn poll(&mut self, wall: Seconds, exit_codes: &[i64]) {
        let at = |wall| Now {
            wall,
            steady: Duration::from_secs(wall.into()),
        };
        let pages = exit_codes.iter().map(|exit_code| {
            self.rows += 1;
            Row {
                exit_code: Some(*exit_code),
                ..Row::numbered(self.rows, Status::Known(KnownStatus::Failed))
            }
        });
        let findings = Findings {
            began: at(wall.saturating_sub(10)),
            pages: pages.collect(),
            sweep: self.record.needs_baseline().then(Sweep::default),
            ..Findings::default()
        };
        self.record.apply(findings, at(wall));
        for Change { key, value } in self.record.take_changes() {
            match value {
                Some(value) => self.pairs.insert(key.encode(), value),
                None => self.pairs.remove(&key.encode()),
            };
        }
    }

    fn restart(&mut self, now: Seconds) {
        let pairs = self.pairs.iter().map(|(key, value)| (*key, value.as_slice()));
        self.record = Record::from_pairs(&Settings::default(), pairs, now).unwrap();
    }

    /// Of counters by their exit codes; and of what begins with the first result.
    fn starts(&mut self) -> (BTreeMap<String, Seconds>, Option<Seconds>) {
        let counts = self.record.counts(Duration::ZERO).unwrap();
        let totals = counts
            .totals()
            .filter(|total| total.invocation_status == "Failed");
        let starts = totals.filter_map(|total| Some((total.exit_code.to_owned(), total.start?.get())));
        (starts.collect(), counts.start.map(std::num::NonZeroU32::get))
    }
}

#[test]
fn it_is_the_end_of_the_last_poll_before_whatever_comes_between() {
    let mut saved = Saved::new();
    saved.poll(NOW, &[1]);
    let (mut expected, first) = (BTreeMap::from([("1".to_owned(), NOW - 10)]), Some(NOW - 10));
    assert_eq!(
        saved.starts(),
        (expected.clone(), first),
        "the first look began then"
    );
    saved.poll(NOW + 60, &[]);
    saved.poll(NOW + 120, &[1, 7]);
    expected.insert("7".to_owned(), NOW + 60);
    assert_eq!(saved.starts(), (expected.clone(), first));
    // After a crash, and after a year without the program.
    saved.restart(NOW + YEAR);
    assert_eq!(saved.starts(), (expected.clone(), first));
    saved.poll(NOW + YEAR, &[7, 8]);
    expected.insert("8".to_owned(), NOW + 120);
    assert_eq!(saved.starts(), (expected.clone(), first));
    saved.poll(NOW + YEAR + 60, &[8, 9]);
    expected.insert("9".to_owned(), NOW + YEAR);
    assert_eq!(saved.starts(), (expected, first));
}

#[test]
fn it_lies_before_the_poll_whatever_the_clock_does() {
    let mut saved = Saved::new();
    saved.poll(NOW, &[]);
    // The clock was an hour ahead.
    saved.poll(NOW - 3600, &[7]);
    let (starts, _) = saved.starts();
    assert_eq!(starts["7"], NOW - 3601);
    saved.poll(NOW + 3600, &[]);
    saved.poll(NOW + 3660, &[8]);
    saved.poll(NOW, &[9]);
    let (starts, _) = saved.starts();
    assert_eq!(
        (starts.get("8"), starts["9"]),
        (None, NOW - 1),
        "it is ahead of the clock"
    );
    saved.poll(NOW + 3660, &[]);
    assert_eq!(saved.starts().0.get("8"), None, "it does not come back");
    saved.restart(NOW + 3660);
    assert_eq!(saved.starts().0.get("8"), None);
    // A machine without a clock.
    let mut saved = Saved::new();
    saved.poll(0, &[1]);
    assert_eq!(saved.starts(), (BTreeMap::new(), None));
}
