//! What is kept from rendering to rendering is what a rendering of everything would write.

use std::io::Read;
use std::time::UNIX_EPOCH;

use flate2::read::GzDecoder;
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;
use super::{ACCEPTS, account, row, scope_view, settings};
use crate::clock::Now;
use crate::record::{Counts, Findings, Record, Settings, Sweep};
use crate::requests::{Action, Reason};
use crate::scope::Scope;
use crate::view::{CredentialsView, ScopeView};

/// Pictures of an empty scope, of a usual one, and of one with so many series that it is a block of its own.
fn pictures() -> [Arc<Counts>; 3] {
    let looked = |rows: u32| {
        let mut record = Record::new(Settings {
            max_exit_codes: 5000,
            commands: None,
            ..settings()
        });
        let findings = Findings {
            sweep: Some(Sweep {
                front: 1,
                ..Sweep::default()
            }),
            pages: (0..rows).map(|number| row(number, "Running")).collect(),
            ..Findings::default()
        };
        record.apply(findings, Now::default());
        let settled = Findings {
            pages: (0..rows)
                .map(|number| {
                    let mut row = row(number, "Failed");
                    row.exit_code = Some(number.into());
                    row
                })
                .collect(),
            ..Findings::default()
        };
        record.apply(settled, Now::default());
        Arc::new(record.counts(Duration::ZERO).unwrap())
    };
    [
        looked(0),
        scope_view(Scope::new("", "")).counts.unwrap(),
        looked(1200),
    ]
}

/// The bodies of every format, plain and as they are compressed, without the process, whose metrics come last.
fn bodies(exposition: &Exposition) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    for accept in ACCEPTS {
        let plain = exposition.body(Answer::to(accept, None)).concat();
        let gzip = exposition.body(Answer::to(accept, Some("gzip"))).concat();
        let mut unpacked = Vec::new();
        GzDecoder::new(&gzip[..]).read_to_end(&mut unpacked).unwrap();
        for mut body in [plain, unpacked] {
            let process = b"process_cpu_seconds";
            let process = body.windows(process.len()).position(|bytes| bytes == process);
            // In protobuf there is a length of one byte and a tag before the name, and the length of that.
            body.truncate(process.unwrap() - 3);
            bodies.push(body);
        }
    }
    bodies
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_rendering_beside_an_older_one_is_as_one_of_everything(
        steps in vec((0..8_u8, 0..60_usize, any::<bool>()), 1..40),
        asks_before in any::<bool>(),
    ) {
        let pictures = pictures();
        let registry = Registry::new();
        let requests = Arc::new(Requests::new(&registry).unwrap());
        let new = || Exposition::new(registry.clone(), Process::new(UNIX_EPOCH), Arc::clone(&requests));
        let (exposition, board) = (new(), Board::new());
        if asks_before {
            exposition.body(Answer::to(ACCEPTS[2], None));
        }
        let scope = |number: usize| Scope::new(&format!("account-{}", number % 7), &format!("region-{number}"));
        for (step, number, renders) in steps {
            let scope = scope(number);
            let mut view = match board.view().scopes.get(&scope) {
                Some(view) => ScopeView::clone(view),
                None => ScopeView::new(scope.clone()),
            };
            match step {
                0 => board.publish(view),
                1 => {
                    let whole = number % 7 == 0;
                    view.counts = Some(Arc::clone(&pictures[if whole { 2 } else { 1 }]));
                    board.publish(view);
                }
                2 => {
                    view.counts = Some(Arc::clone(&pictures[0]));
                    board.publish(view);
                }
                3 => {
                    view.work.polls += 1;
                    view.last_success = Some(number as u32);
                    board.publish(view);
                }
                4 => {
                    board.remove(&scope);
                }
                5 => {
                    let tally = requests.tally(&scope.account, &scope.region_id);
                    let failure = (number % 2 == 0).then_some(Reason::Timeout);
                    tally.record(Action::DescribeInvocationResults, Duration::ZERO, failure, 0);
                }
                6 => {
                    let tally = requests.tally(&scope.account, "");
                    tally.record(Action::DescribeRegions, Duration::ZERO, None, 0);
                }
                _ => {
                    let names = (0..number % 7).map(|number| format!("account-{number}").into());
                    let view = Arc::new(account(CredentialsView::default()));
                    board.publish_accounts(names.map(|name| (name, Arc::clone(&view))).collect());
                }
            }
            if renders {
                exposition.render(&board);
            }
        }
        exposition.render(&board);
        let is_kept_along = exposition.is_written(Format::Protobuf);
        prop_assert_eq!(is_kept_along, asks_before);
        let everything = new();
        everything.render(&board);
        prop_assert!(bodies(&exposition) == bodies(&everything));
    }
}

/// What is not written again is neither copied nor compressed: it is the same memory.
#[test]
fn what_has_not_changed_is_the_same_memory() {
    let registry = Registry::new();
    let requests = Arc::new(Requests::new(&registry).unwrap());
    let exposition = Exposition::new(registry, Process::new(UNIX_EPOCH), requests);
    let board = Board::new();
    for number in 0..300 {
        board.publish(scope_view(Scope::new("a", &format!("region-{number}"))));
    }
    exposition.render(&board);
    let chunks = || exposition.body(Answer::to(None, None));
    let before = chunks();
    let scope = Scope::new("a", "region-150");
    let mut view = ScopeView::clone(&board.view().scopes[&scope]);
    view.work.polls += 1;
    board.publish(view);
    exposition.render(&board);
    let after = chunks();
    let addresses: std::collections::HashSet<*const u8> = before.iter().map(|chunk| chunk.as_ptr()).collect();
    let new = after.iter().filter(|chunk| !addresses.contains(&chunk.as_ptr()));
    // That of the polls; and the process, whose metrics are those of the moment.
    assert_eq!((before.len(), new.count()), (after.len(), 2));
}

/// A format that nobody asks for costs nothing.
#[test]
fn protobuf_is_written_while_somebody_asks_for_it() {
    let registry = Registry::new();
    let requests = Arc::new(Requests::new(&registry).unwrap());
    let exposition = Exposition::new(registry, Process::new(UNIX_EPOCH), requests);
    let board = Board::new();
    board.publish(scope_view(Scope::new("a", "region")));
    let protobuf = |encoding| exposition.body(Answer::to(ACCEPTS[2], encoding));
    for accept in &ACCEPTS[..2] {
        exposition.render(&board);
        exposition.body(Answer::to(*accept, None));
        assert!(
            !exposition.is_written(Format::Protobuf),
            "nobody has asked for it"
        );
    }
    let first = protobuf(None);
    assert!(exposition.is_written(Format::Protobuf));
    let mut view = ScopeView::clone(&board.view().scopes[&Scope::new("a", "region")]);
    view.work.polls += 1;
    board.publish(view);
    exposition.render(&board);
    assert!(exposition.is_written(Format::Protobuf), "it is written along");
    let second = protobuf(None);
    let is_new = |chunk: &&Bytes| first.iter().all(|before| before.as_ptr() != chunk.as_ptr());
    // The polls, and the process.
    assert_eq!(
        (second.len(), second.iter().filter(is_new).count()),
        (first.len(), 2)
    );
    let later = Instant::now() + PROTOBUF_IS_KEPT;
    assert!(exposition.is_protobuf_asked(later - LONGEST_REST));
    assert!(!exposition.is_protobuf_asked(later + LONGEST_REST));
    *exposition.protobuf_asked.lock().unwrap() = Instant::now().checked_sub(PROTOBUF_IS_KEPT);
    exposition.render(&board);
    assert!(!exposition.is_written(Format::Protobuf), "nobody asks any more");
}
