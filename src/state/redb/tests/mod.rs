//! The store on good disks, damaged ones and failing ones.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redb::{Builder, TableDefinition};
use tempfile::{TempDir, tempdir};
use tokio::runtime;

use super::format::FORMAT;
use super::*;
use crate::clock::Now;
use crate::record::{Findings, History, Record, Settings, Sought, Sweep, pairs_from_version_1};
use crate::result::{Delivery, Identity, Ids, KnownStatus, Row, Status, Times};
use crate::state::Store;
use crate::state::VERSION;

mod damage;
mod faults;
mod fixture;
mod version_1;

const NOW: Seconds = 1_800_000_000;

/// The same, long after the start of the process.
const AT: Now = Now {
    wall: NOW,
    steady: Duration::from_secs(3600),
};

fn scope(region_id: &str) -> Scope {
    Scope::new("production", region_id)
}

fn settings() -> Settings {
    Settings {
        duration_buckets: vec![1.0, 10.0, 60.0].into(),
        ..Settings::default()
    }
}

/// Result number `n`: a failure with ids and a time, or, where `status` is open, one that has begun.
fn row(n: u32, status: KnownStatus) -> Row {
    let (invoke_id, instance_id) = (format!("t-{n}"), format!("i-{}", n % 100));
    Row {
        identity: Identity::of_row(&invoke_id, &instance_id, ""),
        error_code: if status == KnownStatus::Failed {
            "ExitCodeNonzero".into()
        } else {
            "".into()
        },
        exit_code: (!status.is_open()).then_some(i64::from(status == KnownStatus::Failed)),
        times: Times {
            started: NonZeroU32::new(NOW - 100),
            finished: NonZeroU32::new(NOW - 95).filter(|_| !status.is_open()),
            stopped: None,
        },
        dropped: 3,
        ids: Some(Box::new(Ids::of_test(&invoke_id, &instance_id))),
        ..Row::numbered(n, Status::Known(status))
    }
}

fn poll(rows: impl IntoIterator<Item = Row>) -> Findings {
    Findings {
        pages: rows.into_iter().collect(),
        ..Findings::default()
    }
}

fn sweep(rows: impl IntoIterator<Item = Row>) -> Findings {
    Findings {
        sweep: Some(Sweep {
            front: 0,
            ..Sweep::default()
        }),
        ..poll(rows)
    }
}

/// Applies and saves, as a poller does.
fn record(
    store: &Arc<Store>,
    scope: &Scope,
    record: &mut Record,
    findings: Findings,
) -> Result<(), StateError> {
    record.apply(findings, AT);
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.save(scope, record.take_changes(), NOW))
}

fn load(store: &Store, scope: &Scope) -> Result<Record, StateError> {
    store.load(scope, |pairs| Record::from_pairs(&settings(), pairs.iter(), NOW))
}

/// Opens the state in a directory, as the program does.
fn redb(directory: &Path) -> Result<Redb, StateError> {
    Redb::open(
        directory,
        FromVersion1::new(|pairs| pairs_from_version_1(pairs.iter(), 0)),
    )
}

fn open(directory: &Path) -> Result<Store, StateError> {
    redb(directory).map(Store::new)
}

/// Results counted and results held.
fn counted(record: &mut Record) -> (u64, usize) {
    let held = record.held();
    let counts = record.counts(AT.steady);
    (
        counts.map_or(0, |counts| counts.totals().map(|total| total.value).sum()),
        held,
    )
}

/// A first look at 20 results, and then saves of ten more each.
fn grown(directory: &Path, saves: u32) -> (u64, usize) {
    let store = Arc::new(open(directory).unwrap());
    let mut held = load(&store, &scope("a")).unwrap();
    let old = (0..20).map(|n| row(n, KnownStatus::Success));
    record(&store, &scope("a"), &mut held, sweep(old)).unwrap();
    for save in 2..2 + saves {
        let new = (save * 10..save * 10 + 10).map(|n| row(n, KnownStatus::Failed));
        record(&store, &scope("a"), &mut held, poll(new)).unwrap();
    }
    counted(&mut held)
}

#[test]
fn what_is_saved_is_there_again() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("made/on/demand");
    assert_eq!(grown(&path, 3), (30, 50));
    let store = Arc::new(open(&path).unwrap());
    assert_eq!(store.scopes().unwrap(), [scope("a")]);
    assert_eq!(counted(&mut load(&store, &scope("a")).unwrap()), (30, 50));
    assert!(load(&store, &scope("b")).unwrap().needs_baseline());
    let mut other = Record::new(settings());
    record(
        &store,
        &scope("b"),
        &mut other,
        sweep([row(1, KnownStatus::Success)]),
    )
    .unwrap();
    assert_eq!(counted(&mut load(&store, &scope("a")).unwrap()), (30, 50));
    assert_eq!(counted(&mut load(&store, &scope("b")).unwrap()), (0, 1));
}

#[test]
fn a_second_process_is_refused_and_told_who_has_it() {
    let directory = tempdir().unwrap();
    let first = Arc::new(open(directory.path()).unwrap());
    let refused = open(directory.path()).unwrap_err().to_string();
    let expected = format!(
        "the state in {} is in use by process {}; stop that one, or give this one another state.path",
        directory.path().display(),
        std::process::id()
    );
    assert_eq!(refused, expected);
    drop(first);
    open(directory.path()).unwrap();
}

#[test]
fn a_file_that_was_being_made_is_made_anew() {
    let directory = tempdir().unwrap();
    fs::write(directory.path().join("record.redb.new"), "cut off").unwrap();
    assert_eq!(grown(directory.path(), 1), (10, 30));
}

#[test]
fn memory_ends_with_the_process() {
    let store = Arc::new(Store::in_memory().unwrap());
    let mut held = Record::new(settings());
    record(
        &store,
        &scope("a"),
        &mut held,
        sweep([row(1, KnownStatus::Success)]),
    )
    .unwrap();
    assert_eq!(counted(&mut load(&store, &scope("a")).unwrap()), (0, 1));
}

#[test]
fn a_scope_is_forgotten_thirty_days_after_its_last_use() {
    const DAY: Seconds = 86_400;
    let store = Arc::new(Store::in_memory().unwrap());
    for region_id in ["a", "b"] {
        let mut held = Record::new(settings());
        record(
            &store,
            &scope(region_id),
            &mut held,
            sweep([row(1, KnownStatus::Success)]),
        )
        .unwrap();
    }
    // Only `a` goes on being used.
    for day in 1..=30 {
        let forgotten = store.forget_unused(&[scope("a")], NOW + day * DAY).unwrap();
        assert_eq!(forgotten, []);
    }
    assert_eq!(counted(&mut load(&store, &scope("b")).unwrap()), (0, 1));
    let forgotten = store.forget_unused(&[scope("a")], NOW + 30 * DAY + 1).unwrap();
    assert_eq!(forgotten, [scope("b")]);
    assert_eq!(store.scopes().unwrap(), [scope("a")]);
    assert_eq!(counted(&mut load(&store, &scope("a")).unwrap()), (0, 1));
    assert!(load(&store, &scope("b")).unwrap().needs_baseline());
}

#[test]
fn a_write_is_as_large_as_what_changed() {
    let directory = tempdir().unwrap();
    let store = Arc::new(open(directory.path()).unwrap());
    let mut held = Record::new(settings());
    let old = (0..20_000).map(|n| row(n, KnownStatus::Success));
    record(&store, &scope("a"), &mut held, sweep(old)).unwrap();
    held.apply(poll((30_000..30_010).map(|n| row(n, KnownStatus::Success))), AT);
    let changes = held.take_changes();
    // The ten, their total, their durations and the head.
    assert_eq!(changes.len(), 13);
}

/// Saves that meet are committed together; each is there, and each was told so only then.
#[test]
fn saves_that_meet_are_saved_together_and_none_is_lost() {
    let directory = tempdir().unwrap();
    let store = Arc::new(open(directory.path()).unwrap());
    let names: Vec<String> = (0..64).map(|number| format!("region-{number:02}")).collect();
    let turn = store.group_commit.turn.blocking_lock();
    std::thread::scope(|threads| {
        for name in &names {
            threads.spawn(|| {
                let mut held = load(&store, &scope(name)).unwrap();
                record(&store, &scope(name), &mut held, sweep([])).unwrap();
                let new = (0..7).map(|n| row(n, KnownStatus::Failed));
                record(&store, &scope(name), &mut held, poll(new)).unwrap();
            });
        }
        while store.group_commit.waiting().len() < names.len() {
            std::thread::yield_now();
        }
        drop(turn);
    });
    let commits = LastRevision::read(directory.path()).unwrap().revision();
    assert!(commits < 2 * 64, "{commits}");
    drop(store);
    let store = Arc::new(open(directory.path()).unwrap());
    for name in &names {
        let mut loaded = load(&store, &scope(name)).unwrap();
        assert_eq!(counted(&mut loaded), (7, 7), "{name}");
    }
    let scopes: Vec<Scope> = names.iter().map(|name| scope(name)).collect();
    let settings = settings();
    let asked = scopes.into_iter().map(|scope| (scope, ())).collect();
    let restore = |(): &(), pairs: &Pairs| Record::from_pairs(&settings, pairs.iter(), NOW);
    for (_, (), loaded) in store.load_all(asked, restore) {
        assert_eq!(counted(&mut loaded.unwrap()), (7, 7));
    }
}
