//! The record: what a poll costs, what a held result costs, and what it takes to put up a view.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufReader, BufWriter, Read, Write};
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cloud_assistant_exporter::aliyun::ecs::Filter;
use cloud_assistant_exporter::clock::Now;
use cloud_assistant_exporter::expose::{Answer, Exposition, Process};
use cloud_assistant_exporter::record::{
    Change, Findings, Key, Pauses, Record, Settings, Sweep, pairs_from_version_1,
};
use cloud_assistant_exporter::requests::Requests;
use cloud_assistant_exporter::result::{Identity, Ids, KnownStatus, Row, Seconds, Status, Times};
use cloud_assistant_exporter::scope::Scope;
use cloud_assistant_exporter::state::{FromVersion1, Store};
use cloud_assistant_exporter::timestamp;
use cloud_assistant_exporter::view::{Board, ScopeView};
use prometheus::Registry;
use tempfile::tempdir;
use tokio::runtime;

use crate::cloud::{ACCOUNT, REGION};
use crate::exporter::of_status;
use crate::measure::{cpu_time, median, thread_time};
use crate::table::{Beside, Targets, digits, header, megabytes, row, time};

pub const NEW: u32 = 50;
pub const POLLS: u32 = 20;

/// The hidden argument of the process that holds results and says what they take.
pub const HOLD: &str = "--hold";

/// An instant of a process whose own time is as old as that.
pub fn at(wall: Seconds) -> Now {
    let steady = Duration::from_secs(u64::from(wall));
    Now { wall, steady }
}

pub fn settings(window: u32) -> Settings {
    Settings {
        window,
        new_series_hold: 90,
        max_error_codes: 100,
        max_exit_codes: 10_000,
        duration_buckets: vec![
            1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0,
        ]
        .into(),
        native_histograms: false,
        filter: Filter::default().fingerprint(),
        pauses: Pauses::default(),
        commands: None,
    }
}

pub fn now() -> Seconds {
    timestamp::seconds(SystemTime::now())
}

/// A result that settled within a bit less than the last day; every tenth has failed.
pub fn settled(n: u32, now: Seconds) -> Row {
    settled_at(n, now - n % 80_000)
}

/// One that settled at that time; every tenth has failed.
pub fn settled_at(n: u32, time: Seconds) -> Row {
    with_exit(n, u32::from(n.is_multiple_of(10)), time)
}

fn with_exit(n: u32, exit_code: u32, time: Seconds) -> Row {
    let (invoke_id, instance_id) = (format!("t-hz0{n:012}"), format!("i-bp{:018}", n % 5000));
    let failed = exit_code > 0;
    Row {
        identity: Identity::of_row(&invoke_id, &instance_id, ""),
        status: Status::Known(if failed {
            KnownStatus::Failed
        } else {
            KnownStatus::Success
        }),
        error_code: if failed { "ExitCodeNonzero" } else { "" }.into(),
        exit_code: Some(exit_code.into()),
        error_info: None,
        repeats: 1,
        times: Times {
            started: NonZeroU32::new(time - 5),
            finished: NonZeroU32::new(time),
            stopped: None,
        },
        dropped: 0,
        delivery: None,
        scheduled: false,
        command: None,
        ids: failed.then(|| {
            Box::new(Ids {
                invoke_id: invoke_id.as_str().into(),
                instance_id: instance_id.as_str().into(),
                container_id: "".into(),
                command_id: "c-hz0000000000001".into(),
            })
        }),
    }
}

pub fn first_look(rows: Vec<Row>) -> Findings {
    Findings {
        sweep: Some(Sweep {
            front: 0,
            ..Sweep::default()
        }),
        pages: rows,
        ..Findings::default()
    }
}

/// What a poll of 50 new rows cost: the least of some, since the disk is shared with others.
pub struct Poll {
    count: Duration,
    save: Duration,
    written: u64,
}

/// Bytes passed to the system's calls for writing, by this process so far.
fn written() -> u64 {
    let text = fs::read_to_string("/proc/self/io").unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("wchar: "))
        .unwrap();
    line.parse().unwrap()
}

/// Makes a state with so many results, and polls it.
pub fn poll_into(directory: &Path, held: u32) -> Poll {
    let now = now();
    let scope = Scope::new(ACCOUNT, REGION);
    let from_version_1 = FromVersion1::new(|pairs| pairs_from_version_1(pairs.iter(), 0));
    let store = Arc::new(Store::open(directory, from_version_1).unwrap());
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    let mut record = Record::new(settings(86_400));
    record.apply(first_look((0..held).map(|n| settled(n, now)).collect()), at(now));
    let save = |changes| runtime.block_on(store.save(&scope, changes, now)).unwrap();
    save(record.take_changes());
    let (mut count, mut saved, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for poll in 0..POLLS {
        let first = held + poll * NEW;
        let found = Findings {
            pages: (first..first + NEW).rev().map(|n| settled(n, now)).collect(),
            ..Findings::default()
        };
        let began = Instant::now();
        record.apply(found, at(now));
        let changes = record.take_changes();
        black_box(record.counts(at(now).steady));
        count.push(began.elapsed());
        let before = written();
        let began = Instant::now();
        save(changes);
        saved.push(began.elapsed());
        bytes.push(written() - before);
    }
    Poll {
        count: count.into_iter().min().unwrap(),
        save: saved.into_iter().min().unwrap(),
        written: median(bytes),
    }
}

/// How the times of held results lie.
const SPREADS: [(&str, &str); 2] = [
    ("day", "a window of a day"),
    ("apart", "a window of 30 days, no two in one second"),
];

/// In a process of its own: holds so many results, and says by how much that has made it grow.
pub fn hold(arguments: &[String]) {
    let [held, spread, how, file] = arguments else {
        panic!("{HOLD} HELD SPREAD HOW FILE")
    };
    let held: u32 = held.parse().unwrap();
    let now = now();
    let apart = spread == "apart";
    let settings = settings(if apart { 30 * 86_400 } else { 86_400 });
    let result = |n: u32| match apart {
        true => with_exit(n, u32::from(n.is_multiple_of(10)), now - n * 2),
        false => settled(n, now),
    };
    let before = of_status(std::process::id(), "VmRSS:");
    let mut record = Record::new(settings);
    if how == "restored" {
        restore(&mut record, file);
        record.restored(now).unwrap();
    } else {
        // As polls do that find a little each.
        record.apply(first_look(Vec::new()), at(now));
        let mut changes = vec![record.take_changes()];
        for first in (0..held).step_by(NEW as usize) {
            let pages = (first..held.min(first + NEW)).map(result).collect();
            record.apply(
                Findings {
                    pages,
                    ..Findings::default()
                },
                at(now),
            );
            let changed = record.take_changes();
            if how == "saved" {
                changes.push(changed);
            }
        }
        if how == "saved" {
            save(file, changes.concat());
        }
    }
    let after = of_status(std::process::id(), "VmRSS:");
    assert_eq!(record.held(), held as usize);
    println!("{}", after.saturating_sub(before));
}

/// The newest value of each key, in the order of the keys.
fn save(file: &str, changes: Vec<Change>) {
    let mut pairs: BTreeMap<(u8, u64), Vec<u8>> = BTreeMap::new();
    for Change { key, value } in changes {
        match value {
            Some(value) => pairs.insert(key.encode(), value),
            None => pairs.remove(&key.encode()),
        };
    }
    let mut file = BufWriter::new(File::create(file).unwrap());
    for ((kind, number), value) in pairs {
        file.write_all(&[kind]).unwrap();
        file.write_all(&number.to_le_bytes()).unwrap();
        file.write_all(&(value.len() as u32).to_le_bytes()).unwrap();
        file.write_all(&value).unwrap();
    }
}

/// Reads them back one by one, so that nothing else is held meanwhile.
fn restore(record: &mut Record, file: &str) {
    let mut file = BufReader::new(File::open(file).unwrap());
    let (mut head, mut value) = ([0; 13], Vec::new());
    while file.read_exact(&mut head).is_ok() {
        let number = u64::from_le_bytes(head[1..9].try_into().unwrap());
        value.resize(u32::from_le_bytes(head[9..].try_into().unwrap()) as usize, 0);
        file.read_exact(&mut value).unwrap();
        record
            .restore(Key::decode(head[0], number).unwrap(), &value)
            .unwrap();
    }
}

fn bytes_held(held: u32, spread: &str, how: &str, file: &Path) -> u64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([HOLD, &held.to_string(), spread, how])
        .arg(file)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// A scope that shows about so many series, and how long it takes to make its picture.
struct Shown {
    view: ScopeView,
    counts: Duration,
    series: usize,
}

fn shown(series: u32) -> Shown {
    let now = now();
    let mut record = Record::new(settings(86_400));
    record.apply(first_look(Vec::new()), at(now));
    // A combination is a series in the gauge and one in the counter.
    let pages = (0..series / 2)
        .map(|n| Row {
            error_code: format!("Code{}", n / 5000).into(),
            ..with_exit(n, n % 5000 + 1, now - n)
        })
        .collect();
    record.apply(
        Findings {
            pages,
            ..Findings::default()
        },
        at(now),
    );
    record.take_changes();
    let counts = cpu_time(|| {
        black_box(record.counts(at(now).steady));
    });
    let picture = record.counts(at(now).steady).unwrap();
    let series = picture.recent().count() + picture.totals().count();
    let mut view = ScopeView::new(Scope::new(ACCOUNT, REGION));
    view.counts = Some(Arc::new(picture));
    Shown { view, counts, series }
}

fn exposition() -> Exposition {
    let registry = Registry::new();
    let requests = Arc::new(Requests::new(&registry).unwrap());
    Exposition::new(registry, Process::new(SystemTime::now()), requests)
}

pub fn run(targets: &mut Targets) {
    println!("\n## The record: a poll of {NEW} new rows\n");
    header(&[
        "held",
        "count them",
        "save them",
        "bytes written",
        "bytes on disk a result",
    ]);
    let polls = [10_000, 100_000, 1_000_000].map(|held| {
        let directory = tempdir().unwrap();
        let poll = poll_into(directory.path(), held);
        let size: u64 = fs::read_dir(directory.path())
            .unwrap()
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum();
        row(&[
            &held.to_string(),
            &time(poll.count),
            &time(poll.save),
            &poll.written.to_string(),
            &(size / u64::from(held)).to_string(),
        ]);
        poll
    });
    let [least, .., most] = polls;
    let whole = |poll: &Poll| (poll.count + poll.save).as_secs_f64();
    let growth = whole(&most) / whole(&least);
    targets.add(
        "a poll's cost does not depend on how many are held",
        format!("{} at 1,000,000 held", time(most.count + most.save)),
        Beside {
            limit: format!("{} at 10,000 held", time(least.count + least.save)),
            ratio: digits(growth),
            ..Beside::default()
        },
        Some(growth <= 2.0),
    );

    println!("\n## The record: memory of held results\n");
    header(&["held", "times", "how they came", "bytes", "bytes a result"]);
    let mut worst = 0;
    for held in [10_000, 100_000, 1_000_000] {
        for (spread, times) in SPREADS {
            let directory = tempdir().unwrap();
            let file = directory.path().join("pairs");
            // What is saved is made by a process of its own, whose size says nothing.
            bytes_held(held, spread, "saved", &file);
            for how in ["restored", "polled"] {
                let bytes = bytes_held(held, spread, how, &file);
                let each = bytes / u64::from(held);
                if held >= 100_000 {
                    worst = worst.max(each);
                }
                row(&[
                    &held.to_string(),
                    times,
                    how,
                    &megabytes(bytes),
                    &each.to_string(),
                ]);
            }
        }
    }
    targets.add(
        "at most 64 bytes of memory a held result (the record alone, 100,000 and more, the worst)",
        format!("{worst} bytes"),
        Beside {
            limit: "28 bytes of entry and 4.6 to 9.1 of index".to_owned(),
            ..Beside::default()
        },
        Some(worst <= 64),
    );

    println!("\n## Views\n");
    header(&[
        "series of the scope",
        "make the picture",
        "put it up",
        "render it (two formats, gzip too)",
        "again, unchanged",
        "answer plain",
        "answer gzip",
    ]);
    for series in [100, 1000, 30_000] {
        let shown = shown(series);
        let board = Board::new();
        // As with a reader: what it holds is not changed.
        let publish = cpu_time(|| {
            let held = board.view();
            board.publish(shown.view.clone());
            drop(held);
        });
        // Bytes that are served already are neither compressed nor copied again.
        let render = cpu_time(|| {
            exposition().render(&board);
        });
        let exposition = exposition();
        let again = cpu_time(|| {
            exposition.render(&board);
        });
        let [plain, gzip] = [None, Some("gzip")].map(|encoding| {
            let answer = Answer::to(None, encoding);
            cpu_time(|| {
                black_box(exposition.body(answer));
            })
        });
        row(&[
            &shown.series.to_string(),
            &time(shown.counts),
            &time(publish),
            &time(render),
            &time(again),
            &time(plain),
            &time(gzip),
        ]);
    }
}

/// For a profile: polls of 50 new rows.
pub fn profile() {
    let now = now();
    let mut record = Record::new(settings(86_400));
    record.apply(first_look(Vec::new()), at(now));
    for first in (0..100_000).step_by(NEW as usize) {
        let pages = (first..first + NEW).map(|n| settled(n, now)).collect();
        record.apply(
            Findings {
                pages,
                ..Findings::default()
            },
            at(now),
        );
        black_box(record.take_changes());
        black_box(record.counts(at(now).steady));
    }
}

/// For a profile: a view of 30,000 series, ten times.
pub fn profile_render() {
    let shown = shown(30_000);
    let board = Board::new();
    board.publish(shown.view);
    let before = thread_time();
    for _ in 0..10 {
        exposition().render(&board);
    }
    println!("a rendering takes {}", time((thread_time() - before) / 10));
}

/// For a profile: answers to gzip scrapes of 1,000 series.
pub fn profile_answer() {
    let shown = shown(1000);
    let board = Board::new();
    board.publish(shown.view);
    let exposition = exposition();
    exposition.render(&board);
    for _ in 0..1000 {
        black_box(exposition.body(Answer::to(None, Some("gzip"))));
    }
}
