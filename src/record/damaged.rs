//! Saved pairs that no version of the program has written, and what earlier ones have written otherwise.

use std::sync::Arc;

use super::identities::Entry;
use super::identities::tests::entry;
use super::labels::{LabelTexts, NewLabel, ResultLabels, StatusNumber};
use super::ledger::schedule::tests::schedule;
use super::table::encode;
use super::tally::failures::kept::{Failure, Kept, PackedIds};
use super::tally::hold::{Beginning, Counter};
use super::{Key, LEAST_FAILURES, MAX_FAILURES, Record, Settings};
use crate::result::{Identity, Ids, KnownStatus, Seconds};

fn record() -> Record {
    Record::new(Settings::default())
}

/// Pairs that pass the checksums of the store, and that no version of the program has saved.
#[test]
fn damaged_pairs_are_refused_as_they_are_read() {
    let mut known = entry(1);
    let unknown_code = ResultLabels {
        status: StatusNumber::of(KnownStatus::Failed),
        error_code: 5000,
        exit_code: 0,
    };
    let too_large = Counter {
        value: u64::MAX,
        beginning: Beginning::shown(None),
    };
    let mut unsound = schedule(10);
    unsound.gaps = vec![(5, 3)];
    known.labels = ResultLabels {
        error_code: 0,
        ..unknown_code
    };
    let unknown = Entry {
        labels: unknown_code,
        ..known
    };
    for (key, value, is_sound) in [
        (Key::Entry(1), encode(&known), true),
        (Key::Entry(100_000_000), encode(&known), false),
        (Key::Entry(2), encode(&unknown), false),
        (Key::Delivery(true, 0), encode(&too_large), false),
        (
            Key::Delivery(true, 5000),
            encode(&Counter::new(too_large.beginning)),
            false,
        ),
        (Key::Schedule(1), encode(&schedule(10)), true),
        (Key::Schedule(1), encode(&unsound), false),
        (Key::Label(NewLabel::ErrorCode(10)), encode(&"New"), true),
        (
            Key::Label(NewLabel::ErrorCode(10)),
            encode(&"ExitCodeNonzero"),
            false,
        ),
    ] {
        assert_eq!(record().restore(key, &value).is_ok(), is_sound, "{key:?}");
    }
}

#[test]
fn labels_of_earlier_versions_become_one_line() {
    let mut record = record();
    for (number, text) in [(10, "A\rB"), (11, "A\u{2028}B")] {
        record
            .restore(Key::Label(NewLabel::ErrorCode(number)), &encode(&text))
            .unwrap();
    }
    assert_eq!(record.labels.texts().error_codes.text(10), "A\u{fffd}B");
    assert_eq!(record.labels.texts().error_codes.text(11), "A\u{fffd}B\u{fffd}");
}

/// The `number`-th failure, with a status and so many bytes of ErrorInfo, under its key.
fn failure(number: u32, status: KnownStatus, error_info: usize) -> (Key, Vec<u8>) {
    let kept = Kept(Arc::new(Failure {
        identity: Identity([number; 4]),
        time: 1000 + number,
        labels: LabelTexts::default().reserved(status, "", ""),
        run: 0,
        duration: None,
        ids: PackedIds::of(&Ids::of_test("t", "i")),
        error_info: "x".repeat(error_info).into(),
        delivery: None,
    }));
    let key = u64::from(1000 + number) << 32 | u64::from(number);
    (Key::Failure(key), encode(&kept))
}

#[test]
fn failures_that_are_none_or_too_many_or_too_long_are_refused() {
    for (status, error_info, is_sound) in [
        (KnownStatus::Terminated, 256, true),
        (KnownStatus::Terminated, 257, false),
        (KnownStatus::Success, 0, false),
        (KnownStatus::Running, 0, false),
    ] {
        let (key, value) = failure(1, status, error_info);
        let restored = record().restore(key, &value);
        assert_eq!(restored.is_ok(), is_sound, "{status:?} {error_info}");
    }
    let mut record = record();
    for number in 0..MAX_FAILURES as u32 {
        let (key, value) = failure(number, KnownStatus::Terminated, 1);
        record.restore(key, &value).unwrap();
    }
    let (key, value) = failure(MAX_FAILURES as u32, KnownStatus::Terminated, 1);
    assert!(record.restore(key, &value).is_err());
}

/// What a record says of its failures that keeps `kept`, and has let go of others where `is_cut`: as it is, and read
/// from what it has saved, in the form of now and in the one that did not have this.
fn complete_after(kept: u32, is_cut: bool) -> [Option<Seconds>; 3] {
    let mut record = record();
    for number in 0..kept + 5 {
        let (key, value) = failure(number, KnownStatus::Terminated, 1);
        record.restore(key, &value).unwrap();
    }
    record.bound_failures(if is_cut { kept as usize } else { MAX_FAILURES });
    let head = record.head();
    let baseline = &record.ledger.baseline;
    let first = encode(&(baseline, &record.tallies.work, &record.tallies.newest));
    let failures: Vec<(Key, Vec<u8>)> = record
        .tallies
        .failures
        .by_time
        .iter()
        .map(|(key, kept)| (Key::Failure(*key), encode(kept)))
        .collect();
    let read = |head: Vec<u8>| {
        let mut record = self::record();
        let pairs = failures.iter().map(|(key, value)| (*key, value.clone()));
        for (key, value) in [(Key::Head, head)].into_iter().chain(pairs) {
            record.restore(key, &value).unwrap();
        }
        record.restored(5000).unwrap();
        record
    };
    [record, read(head), read(first)].map(|mut record| record.tallies.shown_failures().complete_after())
}

#[test]
fn what_was_let_go_is_known_after_a_restart() {
    assert_eq!(complete_after(166, true), [Some(1004), Some(1004), Some(1005)]);
    assert_eq!(complete_after(166, false), [None, None, Some(1000)]);
    let few = LEAST_FAILURES as u32 - 6;
    assert_eq!(complete_after(few, false), [None; 3]);
}
