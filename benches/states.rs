//! Where the record is kept: the embedded store beside PostgreSQL, through the door that pollers use.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud_assistant_exporter::config::{self, State};
use cloud_assistant_exporter::poll::records::Records;
use cloud_assistant_exporter::record::{Change, Findings, Record, pairs_from_version_1};
use cloud_assistant_exporter::scope::Scope;
use cloud_assistant_exporter::state::{FromVersion1, Postgres, Replica, Store};
use tempfile::tempdir;
use tokio::runtime::{self, Runtime};
use tokio::task::JoinSet;

use crate::cloud::{ACCOUNT, REGION};
use crate::database::{Database, as_server};
use crate::exporter::of_status;
use crate::measure::{median, percentile};
use crate::record::{at, first_look, now, settings, settled};
use crate::table::{Targets, header, megabytes, row, time};

/// The hidden argument of the process that begins with a state and says what that took.
pub const OPEN: &str = "--open";

const HELD: u32 = 1_000_000;

/// So many changes a save, so many saves.
const SAVES: [(u32, u32); 3] = [(1, 500), (50, 500), (5_000, 100)];

/// Scopes that save at once, each one change.
const SCOPES: u32 = 600;
const ROUNDS: u32 = 50;

/// A store, and where another process finds what is in it.
struct Kept {
    name: &'static str,
    place: String,
    /// Whoever leads, where replicas share the store.
    replica: Option<Arc<Replica>>,
    store: Arc<Store>,
}

impl Kept {
    async fn embedded(directory: &Path) -> Self {
        Self::open(directory.to_str().unwrap()).await
    }

    /// As the program begins with what is there.
    async fn open(place: &str) -> Self {
        let (replica, store) = match place.starts_with("postgres://") {
            true => {
                let (replica, store) = lead(place).await;
                (Some(replica), store)
            }
            false => {
                let from_version_1 = FromVersion1::new(|pairs| pairs_from_version_1(pairs.iter(), 0));
                (None, Store::open(Path::new(place), from_version_1).unwrap())
            }
        };
        Self {
            name: if replica.is_some() {
                "PostgreSQL"
            } else {
                "embedded"
            },
            place: place.to_owned(),
            replica,
            store: Arc::new(store),
        }
    }

    async fn save(&self, scope: &Scope, changes: Vec<Change>) -> Duration {
        let began = Instant::now();
        self.store.save(scope, changes, now()).await.unwrap();
        began.elapsed()
    }

    /// Leaves what is in it to another.
    async fn close(self) {
        if let Some(replica) = self.replica {
            replica.unlock().await;
        }
    }
}

async fn lead(url: &str) -> (Arc<Replica>, Store) {
    let variable = |key: &str| format!("CLOUD_ASSISTANT_EXPORTER__STATE__POSTGRES__{key}");
    // Nobody asks for an answer while the other store is measured.
    let variables = [("URL", url), ("LEASE", "60s")].map(|(key, value)| (variable(key), value.to_owned()));
    let config = config::load(None, variables).unwrap();
    let State::Postgres(postgres) = config.state else {
        panic!("{:?}", config.state);
    };
    let replica = Arc::new(Replica::connect_to_database(&postgres, None).await.unwrap());
    // Whoever had it before may still be leaving.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !replica.try_lock().await.unwrap() {
        assert!(Instant::now() < deadline, "somebody else leads");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let term = replica.begin_term("bench", 0).await.unwrap();
    let store = Store::new(Postgres::new(Arc::clone(&replica), term).await.unwrap());
    (replica, store)
}

/// As the program has it.
fn runtime() -> Runtime {
    runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn scope() -> Scope {
    Scope::new(ACCOUNT, REGION)
}

/// In a process of its own: from nothing to the record in memory.
pub fn open(arguments: &[String]) {
    let [place] = arguments else {
        panic!("{OPEN} PLACE")
    };
    runtime().block_on(async {
        let began = Instant::now();
        let kept = Kept::open(place).await;
        let opened = began.elapsed();
        assert_eq!(kept.store.scopes().await.unwrap(), [scope()]);
        let scopes = vec![(scope(), Arc::new(settings(86_400)))];
        let record = kept.store.load_all(scopes, now()).await.remove(0).unwrap();
        let whole = began.elapsed();
        assert_eq!(record.held(), HELD as usize);
        let of = |name| of_status(std::process::id(), name);
        println!(
            "{} {} {} {}",
            opened.as_nanos(),
            whole.as_nanos(),
            of("VmRSS:"),
            of("VmHWM:")
        );
        kept.close().await;
    });
}

/// What a start took: until the store was open, until the record was there, resident bytes then, and the most.
fn start(place: &str) -> [u64; 4] {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([OPEN, place])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<u64> = text
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    numbers
        .try_into()
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn starts(places: &[(&str, String)]) {
    println!("\n## States: a start with {HELD} held, the median of 3\n");
    beside(places.iter().map(|(name, _)| *name), "", &[""]);
    let runs = places
        .iter()
        .map(|(_, place)| [(); 3].map(|()| start(place)))
        .collect::<Vec<_>>();
    let show = |what: &str, figure: usize, shown: fn(u64) -> String| {
        let figures = runs
            .iter()
            .map(|runs| shown(median(runs.map(|run| run[figure]).to_vec())));
        cells(what, figures);
    };
    let took = |nanos| time(Duration::from_nanos(nanos));
    show("until it is open", 0, took);
    show("until the record is read as well", 1, took);
    show("resident then", 2, megabytes);
    show("resident at most", 3, megabytes);
}

/// The head of a table that has the states side by side.
fn beside<'a>(names: impl Iterator<Item = &'a str>, what: &str, figures: &[&str]) {
    let columns = names.flat_map(|name| figures.iter().map(move |figure| format!("{name} {figure}")));
    let columns: Vec<String> = columns.collect();
    let columns: Vec<&str> = columns.iter().map(|column| column.trim()).collect();
    header(&[&[what][..], &columns].concat());
}

/// A line of it.
fn cells(what: &str, figures: impl Iterator<Item = String>) {
    let figures: Vec<String> = figures.collect();
    let figures: Vec<&str> = figures.iter().map(String::as_str).collect();
    row(&[&[what][..], &figures].concat());
}

/// Changes of polls, one after another, as the record writes them.
struct Polls {
    record: Record,
    next: u32,
}

impl Polls {
    /// The changes of a first look at so many results.
    fn begin() -> (Self, Vec<Change>) {
        let now = now();
        let mut record = Record::new(settings(86_400));
        record.apply(first_look((0..HELD).map(|n| settled(n, now)).collect()), at(now));
        let changes = record.take_changes();
        (Self { record, next: HELD }, changes)
    }

    /// So many changes of a poll that has found as many new results.
    fn poll(&mut self, changes: u32) -> Vec<Change> {
        let now = now();
        let found = Findings {
            pages: (self.next..self.next + changes)
                .rev()
                .map(|n| settled(n, now))
                .collect(),
            ..Findings::default()
        };
        self.next += changes;
        self.record.apply(found, at(now));
        let mut changed = self.record.take_changes();
        changed.truncate(changes as usize);
        changed
    }
}

/// Many scopes save at once: until all of it is saved.
async fn save_at_once(kept: &Kept, change: &Change) -> Duration {
    let mut saves = JoinSet::new();
    let began = Instant::now();
    for number in 0..SCOPES {
        let (store, change) = (Arc::clone(&kept.store), change.clone());
        saves.spawn(async move {
            let scope = Scope::new(ACCOUNT, &format!("region-{number}"));
            store.save(&scope, vec![change], now()).await.unwrap();
        });
    }
    while let Some(saved) = saves.join_next().await {
        saved.unwrap();
    }
    began.elapsed()
}

fn saves(runtime: &Runtime, kept: &[Kept], polls: &mut Polls) {
    println!("\n## States: saves, {HELD} held\n");
    beside(
        kept.iter().map(|kept| kept.name),
        "what is saved",
        &["p50", "p99"],
    );
    let show = |what: &str, times: Vec<Vec<Duration>>| {
        let figures = times.into_iter().flat_map(|mut times| {
            times.sort_unstable();
            [50, 99].map(|hundredths| time(percentile(&times, hundredths)))
        });
        cells(what, figures);
    };
    for (changes, repeats) in SAVES {
        let mut times = vec![Vec::new(); kept.len()];
        for _ in 0..repeats {
            let changed = polls.poll(changes);
            for (kept, times) in kept.iter().zip(&mut times) {
                times.push(runtime.block_on(kept.save(&scope(), changed.clone())));
            }
        }
        let plural = if changes == 1 { "" } else { "s" };
        show(&format!("{changes} change{plural}"), times);
    }
    let head = polls.poll(1).remove(0);
    let mut times = vec![Vec::new(); kept.len()];
    for round in 0..=ROUNDS {
        for (kept, times) in kept.iter().zip(&mut times) {
            let took = runtime.block_on(save_at_once(kept, &head));
            // The first time the scopes are new.
            if round > 0 {
                times.push(took);
            }
        }
    }
    show(&format!("1 change of each of {SCOPES} scopes, at once"), times);
}

fn is_installed() -> bool {
    ["initdb", "postgres"].into_iter().all(|name| {
        let output = as_server(name).arg("--version").output();
        output.is_ok_and(|output| output.status.success())
    })
}

pub fn run(_: &mut Targets) {
    let runtime = runtime();
    let directory = tempdir().unwrap();
    let mut kept = vec![runtime.block_on(Kept::embedded(&directory.path().join("state")))];
    let database = is_installed().then(|| Database::start_with("on"));
    match &database {
        Some(database) => kept.push(runtime.block_on(Kept::open(&database.url()))),
        None => println!("\nPostgreSQL is not installed (the package postgresql): the embedded store alone"),
    }
    let (mut polls, changes) = Polls::begin();
    println!("\n## States: a first look at {HELD} results\n");
    beside(kept.iter().map(|kept| kept.name), "", &[""]);
    let took = kept
        .iter()
        .map(|kept| time(runtime.block_on(kept.save(&scope(), changes.clone()))));
    cells("save them", took);
    drop(changes);
    let places: Vec<(&str, String)> = kept.iter().map(|kept| (kept.name, kept.place.clone())).collect();
    for kept in kept {
        runtime.block_on(kept.close());
    }
    starts(&places);
    let kept: Vec<Kept> = places
        .iter()
        .map(|(_, place)| runtime.block_on(Kept::open(place)))
        .collect();
    saves(&runtime, &kept, &mut polls);
    for kept in kept {
        runtime.block_on(kept.close());
    }
}
