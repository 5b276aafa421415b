//! A database whose disk is full: nothing that is not saved is shown, and everything is once there is room.

use simulator::Outcome;

use super::observer::Observer;
use super::pair::Pair;

const RESULTS: &str = "cloud_assistant_results_total";
const FAILURES: &str = "cloud_assistant_exporter_poll_failures_total";

/// As large as one file of the server's log.
const ROOM: u64 = 1 << 20;

/// A table that may not grow stands for a disk without room: the server fails in the same place, when it extends a file
/// of the table, and goes on otherwise. For that it ignores the signal which comes with such a limit. A small file system
/// would take rights that not everybody has who runs tests.
fn fill(pair: &Pair) {
    pair.database.limit_files(Some(ROOM));
    // Of a scope that nobody has.
    let filling = |from: u32, to: u32| {
        pair.database.try_ask(&format!(
            "insert into cloud_assistant_exporter.record \
             select 1000000, 0, number, decode(repeat('00', 1000), 'hex') from generate_series({from}, {to}) number"
        ))
    };
    filling(1, 500).unwrap();
    let mut next = 501;
    let said = loop {
        match filling(next, next + 9) {
            Ok(_) => next += 10,
            Err(said) => break said,
        }
    };
    assert!(said.contains("could not extend file"), "{said}");
}

#[test]
fn a_full_disk_of_the_database_stops_polls_and_takes_back_no_count() {
    let mut pair = Pair::start();
    pair.region(|region| region.add_settled(30, Outcome::failed(4)));
    let before = pair.until_exact(0).value(RESULTS, &[]);
    pair.replica(1).logged("standing by");
    let observer = Observer::of(&pair);
    fill(&pair);
    // More than what was saved has free room for.
    pair.region(|region| region.add_settled(600, Outcome::failed(4)));
    let fails = |pair: &mut Pair, replica: usize| {
        pair.until("polls fail", |pair| {
            let shown = pair.replica(replica).scrape();
            let counted = shown.sum(RESULTS, &[]);
            assert!(counted.is_none_or(|counted| counted == before), "{counted:?}");
            shown.sum(FAILURES, &[("reason", "state")]) >= Some(3.0)
        });
        let shown = pair.replica(replica).scrape();
        assert_eq!(
            shown.value(RESULTS, &[]),
            before,
            "it leads, and shows what is saved"
        );
        assert_eq!(shown.value("cloud_assistant_up", &[]), 0.0);
        let said = pair.replica(replica).logged("could not extend file");
        assert!(said.contains("reason=state"), "{said}");
    };
    fails(&mut pair, 0);
    assert_eq!(pair.changes(), 1, "who cannot save goes on leading");
    // Another one can lead on it, and fares no better.
    pair.kill(0);
    pair.until_leads(1);
    fails(&mut pair, 1);
    pair.database.limit_files(None);
    pair.until_exact(1);
    assert_eq!(pair.replica(1).scrape().value("cloud_assistant_up", &[]), 1.0);
    assert_eq!(pair.changes(), 2);
    observer.seen();
}
