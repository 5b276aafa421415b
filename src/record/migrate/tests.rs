//! What is made of the single numbers of version 1.

use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::clock::Now;
use crate::record::{Findings, Record, Settings};
use crate::result::{KnownStatus, Row, Status, Times};

const LAST_POLL: Seconds = 1_800_000_000;

/// The record of a scope that had listed nothing.
fn upgraded() -> Record {
    let none = BTreeMap::<StatusNumber, Seconds>::new();
    let times = (LAST_POLL, LAST_POLL, LAST_POLL - 5);
    let head = (Some(7_u64), times, [0_u64; 4], [0_u64; 3], none);
    let head = encode(&head);
    let pairs = pairs_from_version_1([(Key::Head.encode(), head.as_slice())], 90).unwrap();
    let pairs = pairs.iter().map(|(place, value)| (*place, value.as_slice()));
    Record::from_pairs(&Settings::default(), pairs, LAST_POLL).unwrap()
}

#[test]
fn nobody_knows_when_the_first_look_began() {
    let mut record = upgraded();
    assert!(!record.needs_baseline());
    assert_eq!(record.first_look_began(), None);
    let counts = record.counts(Duration::ZERO).unwrap();
    assert_eq!(counts.first_look, None);
    assert_eq!(counts.totals().count(), 0, "it has never listed a result");
}

#[test]
fn what_had_ended_well_before_the_last_poll_is_known() {
    let row = |number, finished| Row {
        times: Times {
            finished: NonZeroU32::new(finished),
            ..Default::default()
        },
        ..Row::numbered(number, Status::Known(KnownStatus::Success))
    };
    let now = Now {
        wall: LAST_POLL + 3600,
        steady: Duration::ZERO,
    };
    let findings = Findings {
        began: now,
        pages: vec![row(1, LAST_POLL - 900), row(2, LAST_POLL - 901)],
        ..Findings::default()
    };
    let applied = upgraded().apply(findings, now);
    assert_eq!((applied.counted, applied.old), (1, 1));
}
