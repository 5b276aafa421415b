//! Figures: what decoding, the record, scrapes and the whole process cost, beside what others take for the same, and
//! the targets that they are held against. `make bench`, or `cargo bench --bench figures -- SUBJECT...` for some.
//!
//! `--profile PIECE` runs one piece alone, many times, for valgrind to count its instructions; see docs/benchmarks.md.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations
)]

mod decode;
mod forgetting;
mod formats;
mod http;
mod measure;
mod peers;
mod process;
mod record;
mod scopes;
mod scrapes;
mod states;
mod table;

// The exporter as it is started by the tests, and the cloud that it is pointed at.
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/cloud.rs"]
mod cloud;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/standby/database.rs"]
mod database;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/exporter.rs"]
mod exporter;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/fleet.rs"]
mod fleet;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/scrape.rs"]
mod scrape;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/stage.rs"]
mod stage;

use std::time::Instant;

use table::Targets;

/// What is measured together; its figures meet their targets.
type Subject = fn(&mut Targets);

/// In the order they are run.
const SUBJECTS: [(&str, Subject); 9] = [
    ("decode", decode::run),
    ("record", record::run),
    ("forgetting", forgetting::run),
    ("states", states::run),
    ("process", process::run),
    ("scrape", scrapes::run),
    ("formats", formats::run),
    ("scopes", scopes::run),
    ("empty", scopes::run_empty),
];

/// Pieces for a profile.
const PIECES: [(&str, fn()); 6] = [
    ("decode", decode::profile),
    ("output", decode::profile_output),
    ("record", record::profile),
    ("render", record::profile_render),
    ("answer", record::profile_answer),
    // No piece of its own: where the memory of 600 scopes goes. Allocators and their settings come in by the environment.
    ("fleet", process::look_at_memory),
];

fn main() {
    // Cargo adds it to whatever is asked for.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    match arguments.first().map(String::as_str) {
        Some(record::HOLD) => return record::hold(&arguments[1..]),
        Some(states::OPEN) => return states::open(&arguments[1..]),
        Some(forgetting::DAYS) => return forgetting::live(),
        Some("--profile") => {
            let piece = arguments.get(1).map_or("", String::as_str);
            let found = PIECES.into_iter().find(|(name, _)| *name == piece);
            let (_, run) =
                found.unwrap_or_else(|| panic!("--profile {}", PIECES.map(|(name, _)| name).join("|")));
            return run();
        }
        _ => {}
    }
    let known = SUBJECTS.map(|(name, _)| name);
    for argument in &arguments {
        assert!(
            known.contains(&argument.as_str()),
            "{argument}: not one of {}",
            known.join(", ")
        );
    }
    let mut targets = Targets::default();
    for (name, run) in SUBJECTS {
        if arguments.is_empty() || arguments.iter().any(|argument| argument == name) {
            let began = Instant::now();
            run(&mut targets);
            println!("\n{name} took {:.0} s", began.elapsed().as_secs_f64());
        }
    }
    targets.print();
}
