//! A state file of each format version, which every later version of the program must read.

use std::fs::File;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::*;

fn fixture(version: u64) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/state");
    directory.join(format!("version-{version}.redb.gz"))
}

/// One of everything that a state can hold.
fn everything(store: &Arc<Store>) {
    let mut held = Record::new(settings());
    let mut rows: Vec<Row> = (0..10).map(|n| row(n, KnownStatus::Success)).collect();
    rows.push(row(10, KnownStatus::Running));
    rows.push(Row {
        scheduled: true,
        repeats: 3,
        ..row(11, KnownStatus::Scheduled)
    });
    record(store, &scope("cn-hangzhou"), &mut held, sweep(rows)).unwrap();
    let unknown = Row {
        status: Status::Unknown("Exploded".into()),
        error_code: "Boom".into(),
        exit_code: Some(-7),
        ..row(20, KnownStatus::Failed)
    };
    let delivered = Row {
        delivery: Some(Box::new(Delivery {
            finished: false,
            error_code: "BucketGone".into(),
            uri: "".into(),
        })),
        ..row(21, KnownStatus::Success)
    };
    let run = |repeats, status| Row {
        scheduled: true,
        repeats,
        ..row(11, status)
    };
    let findings = Findings {
        histories: vec![History {
            asked: vec![(row(11, KnownStatus::Scheduled).identity, Sought::Newest)],
            thorough: false,
            rows: vec![run(6, KnownStatus::Failed), run(4, KnownStatus::Success)],
        }],
        ..poll([
            row(22, KnownStatus::Failed),
            delivered,
            unknown,
            row(23, KnownStatus::Pending),
            run(6, KnownStatus::Scheduled),
        ])
    };
    record(store, &scope("cn-hangzhou"), &mut held, findings).unwrap();
    let mut other = Record::new(settings());
    let first = sweep([row(1, KnownStatus::Timeout)]);
    record(store, &scope("eu-central-1"), &mut other, first).unwrap();
}

#[test]
fn earlier_versions_are_read() {
    for version in 1..VERSION {
        is_read(version);
    }
}

fn is_read(version: u64) {
    let directory = tempdir().unwrap();
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(fixture(version)).unwrap())
        .read_to_end(&mut bytes)
        .unwrap();
    fs::write(directory.path().join(FILE), bytes).unwrap();
    let store = Arc::new(open(directory.path()).unwrap());
    assert_eq!(
        store.scopes().unwrap(),
        [scope("cn-hangzhou"), scope("eu-central-1")]
    );
    let mut held = load(&store, &scope("cn-hangzhou")).unwrap();
    let counts = held.counts(AT.steady).unwrap();
    let totals: Vec<(&str, &str, &str, u64)> = counts
        .totals()
        .filter(|total| total.value > 0)
        .map(|total| {
            (
                total.invocation_status,
                total.error_code,
                total.exit_code,
                total.value,
            )
        })
        .collect();
    assert_eq!(
        totals,
        [
            ("Success", "", "0", 2),
            ("Failed", "ExitCodeNonzero", "1", 2),
            ("Exploded", "Boom", "-7", 1),
        ]
    );
    assert_eq!((counts.held, counts.open), (18, 3));
    assert_eq!(counts.dropped_bytes, 15);
    assert_eq!((counts.lost, counts.late, counts.reclassified), (0, 0, 0));
    let deliveries: Vec<_> = counts.deliveries().filter(|(.., value)| *value > 0).collect();
    assert_eq!(deliveries, [("Failed", "BucketGone", None, 1)]);
    let durations: u64 = counts
        .durations
        .iter()
        .map(|durations| durations.histogram.count)
        .sum();
    assert_eq!(durations, 5);
    assert_eq!(counts.failures().len(), 3);
    let (_, schedule) = held.schedules().next().unwrap();
    assert!(schedule.knows(3) && schedule.knows(4) && !schedule.knows(5) && schedule.knows(6));
    let mut other = load(&store, &scope("eu-central-1")).unwrap();
    assert_eq!(counted(&mut other), (0, 1));
    assert_eq!(counts.start, None, "nobody has saved it");
    assert!(counts.totals().all(|total| total.start.is_none()));
    assert!(
        counts
            .durations
            .iter()
            .all(|durations| durations.histogram.start.is_none())
    );
    // And it is gone on from; what begins now has a start.
    let new = Row {
        exit_code: Some(77),
        ..row(30, KnownStatus::Failed)
    };
    record(
        &store,
        &scope("cn-hangzhou"),
        &mut held,
        poll([row(22, KnownStatus::Failed), new]),
    )
    .unwrap();
    let mut loaded = load(&store, &scope("cn-hangzhou")).unwrap();
    assert_eq!(counted(&mut loaded).0, 6);
    let counts = loaded.counts(AT.steady).unwrap();
    let starts: BTreeMap<&str, Option<NonZeroU32>> = counts
        .totals()
        .map(|total| (total.exit_code, total.start))
        .collect();
    assert_eq!((starts["1"], starts["-7"]), (None, None));
    assert_eq!(starts["77"].map(NonZeroU32::get), Some(AT.wall - 1));
    // Opened once more, it is of this version.
    drop(store);
    let store = Arc::new(open(directory.path()).unwrap());
    assert_eq!(counted(&mut load(&store, &scope("cn-hangzhou")).unwrap()).0, 6);
}

#[test]
#[ignore = "writes the fixture; never again for a version that was released"]
fn write_the_fixture() {
    let directory = tempdir().unwrap();
    let store = Arc::new(open(directory.path()).unwrap());
    everything(&store);
    drop(store);
    let file = File::create(fixture(VERSION)).unwrap();
    let mut file = GzEncoder::new(file, Compression::best());
    let bytes = fs::read(directory.path().join(FILE)).unwrap();
    io::copy(&mut &bytes[..], &mut file).unwrap();
    file.finish().unwrap();
}
