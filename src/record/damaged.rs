//! Saved pairs that no version of the program has written, and what earlier ones have written otherwise.

use super::identities::Entry;
use super::identities::tests::entry;
use super::labels::{NewLabel, ResultLabels, StatusNumber};
use super::ledger::schedule::tests::schedule;
use super::table::encode;
use super::tally::hold::{Beginning, Counter};
use super::{Key, Record, Settings};
use crate::result::KnownStatus;

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
