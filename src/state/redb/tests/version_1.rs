//! What the last program of format version 1 has shown of a state, the next one shows too: every counter and gauge.

use std::fmt::Write as _;
use std::fs::File;

use flate2::read::GzDecoder;

use super::*;
use crate::record::{CommandSettings, Counts, ShownCommand, ShownHistogram};

fn selecting() -> Settings {
    Settings {
        new_series_hold: 90,
        commands: Some(CommandSettings::by_name("backup")),
        ..settings()
    }
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/state")
        .join(name)
}

fn command(counts: &Counts, command: &ShownCommand) -> String {
    let of = |values: &[(_, u64)]| {
        let values = values.iter().filter(|(_, value)| *value > 0);
        let values = values.map(|(status, value)| format!("{} {value}", counts.status_text(*status)));
        values.collect::<Vec<String>>().join(", ")
    };
    let counted = command.counted.iter().map(|(status, start, value)| {
        assert_eq!(*start, None, "it was not saved");
        (*status, *value)
    });
    let durations = command.durations.as_ref().unwrap();
    assert_eq!(durations.start, None);
    let ShownHistogram {
        buckets, count, sum, ..
    } = durations;
    format!(
        "command {} {}; recent {}; {} {}; {buckets:?} {count} {sum}; {} schedule, {}",
        command.command,
        of(&counted.collect::<Vec<_>>()),
        of(&command.recent),
        command.last_success.unwrap(),
        command.last_failure.unwrap(),
        command.schedules.len(),
        command.last_run.unwrap(),
    )
}

fn everything_shown(counts: &Counts) -> String {
    let mut shown = String::new();
    for (name, all) in [
        ("total", counts.totals().collect::<Vec<_>>()),
        ("recent", counts.recent().collect()),
    ] {
        for one in all {
            let (status, error, exit) = (one.invocation_status, one.error_code, one.exit_code);
            assert_eq!(one.start, None);
            writeln!(shown, "{name} {status} {error} {exit} {}", one.value).unwrap();
        }
    }
    for one in &counts.durations {
        let status = counts.status_of(one);
        let one = &one.histogram;
        writeln!(
            shown,
            "durations {status} {:?} {} {}",
            one.buckets, one.count, one.sum
        )
        .unwrap();
    }
    for (status, code, _, value) in counts.deliveries() {
        writeln!(shown, "delivery {status} {code} {value}").unwrap();
    }
    for (status, time) in counts.newest() {
        writeln!(shown, "newest {status} {time}").unwrap();
    }
    for (status, time) in counts.oldest_open() {
        writeln!(shown, "oldest {status} {time}").unwrap();
    }
    writeln!(
        shown,
        "single {} {} {} {} {:?} {} {}",
        counts.dropped_bytes,
        counts.lost,
        counts.late,
        counts.reclassified,
        counts.overflow,
        counts.held,
        counts.open
    )
    .unwrap();
    for one in &counts.commands.as_ref().unwrap().commands {
        writeln!(shown, "{}", command(counts, one)).unwrap();
    }
    for one in counts.failures() {
        let (id, status) = (one.ids().invoke_id, one.invocation_status());
        writeln!(shown, "failure {} {id} {status} {}", one.time(), one.exit_code()).unwrap();
    }
    shown
}

#[test]
fn every_counter_and_gauge_is_as_it_was() {
    let directory = tempdir().unwrap();
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(data("version-1-everything.redb.gz")).unwrap())
        .read_to_end(&mut bytes)
        .unwrap();
    fs::write(directory.path().join(FILE), bytes).unwrap();
    let upgrade = FromVersion1::new(|pairs| pairs_from_version_1(pairs.iter(), 90));
    let store = Store::new(Redb::open(directory.path(), upgrade).unwrap());
    let loaded = store.load(&scope("cn-hangzhou"), |pairs| {
        Record::from_pairs(&selecting(), pairs.iter(), NOW)
    });
    let mut record = loaded.unwrap();
    assert_eq!(record.first_look_began(), None, "version 1 has not saved it");
    let expected = fs::read_to_string(data("version-1-everything.txt")).unwrap();
    assert_eq!(everything_shown(&record.counts(AT.steady).unwrap()), expected);
    // What was held at 0 for 30 of its 90 seconds is shown after the other 60.
    record.release(AT.steady + Duration::from_secs(59));
    let held = |counts: Counts| counts.totals().find(|one| one.exit_code == "-7").unwrap().value;
    let later = AT.steady + Duration::from_secs(59);
    assert_eq!(held(record.counts(later).unwrap()), 0);
    let later = later + Duration::from_secs(1);
    assert!(record.release(later));
    assert_eq!(held(record.counts(later).unwrap()), 1);
    // What settled while the program was exchanged counts, though it ended before the next one's first poll.
    let while_it_was = Row {
        times: Times {
            started: NonZeroU32::new(NOW + 1),
            finished: NonZeroU32::new(NOW + 2),
            stopped: None,
        },
        ..row(500, KnownStatus::Success)
    };
    let applied = record.apply(
        poll([while_it_was]),
        Now {
            wall: NOW + 3600,
            ..AT
        },
    );
    assert_eq!((applied.counted, applied.old), (1, 0));
}
