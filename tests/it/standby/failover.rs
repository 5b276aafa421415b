//! A database of two servers, of which the second takes the place of the first: what was shown stays, whatever is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use simulator::Outcome;

use super::database::Database;
use super::observer::Observer;
use super::pair::{LEADER, LEASE, Pair};
use super::proxy::Proxy;
use super::replication::WAITING;

const RESULTS: &str = "cloud_assistant_results_total";
const LOST: &str = "cloud_assistant_exporter_lost_saves_total";
const REVISION: &str = "cloud_assistant_exporter_state_revision";

/// Two replicas on a primary, by a way that can be led elsewhere, and a standby of that primary, which streams.
struct Cluster {
    pair: Pair,
    way: Proxy,
    /// What the primary was, after a failover.
    standby: Database,
}

impl Cluster {
    fn start() -> Self {
        let mut way = None;
        let pair = Pair::start_through(|port| [way.insert(Proxy::to(port)).port(); 2]);
        let standby = pair.database.follower();
        standby.follow(Some(&pair.database));
        Self {
            pair,
            way: way.unwrap(),
            standby,
        }
    }

    /// So many results settle, each time of another kind, and are saved one after another.
    fn saves(&mut self, leader: usize, times: usize, results: usize) {
        for time in 0..times {
            self.settle(results, time);
            self.pair.until_exact(leader);
        }
    }

    fn settle(&self, results: usize, kind: usize) {
        let kinds = [Outcome::failed(2), Outcome::success(), Outcome::failed(3)];
        let outcome = kinds[kind % kinds.len()].clone();
        self.pair.region(|region| region.add_settled(results, outcome));
    }

    /// The standby has everything that the primary has.
    fn until_streamed(&mut self) {
        let standby = &self.standby;
        self.pair
            .until("it is streamed", |pair| standby.revision() == pair.revision());
    }

    /// The standby goes away, and a commit waits for it.
    fn standby_leaves(&mut self) {
        self.standby.follow(None);
        self.settle(30, 1);
        self.pair
            .until("a commit waits", |pair| !pair.database.ask(WAITING).is_empty());
    }

    /// The primary dies, and the standby takes its place.
    fn fails_over(&mut self) {
        self.pair.database.end("KILL");
        self.standby.promote();
        self.way.lead_to(self.standby.port());
        std::mem::swap(&mut self.pair.database, &mut self.standby);
    }
}

/// Each counter of results, by its labels.
fn counts(pair: &Pair, replica: usize) -> Option<BTreeMap<String, u64>> {
    let scrape = pair.replica(replica).scrape();
    let counts = scrape
        .all(RESULTS)
        .map(|(labels, value)| (format!("{labels:?}"), value as u64));
    let counts: BTreeMap<_, _> = counts.collect();
    (!counts.is_empty()).then_some(counts)
}

/// Whether any replica shows counts, which are then these.
fn shows_only(pair: &Pair, before: &BTreeMap<String, u64>) -> bool {
    let shown: Vec<_> = [0, 1]
        .into_iter()
        .filter_map(|replica| counts(pair, replica))
        .collect();
    for counts in &shown {
        assert_eq!(counts, before, "what no standby has is shown");
    }
    !shown.is_empty()
}

#[test]
fn a_failover_that_loses_saves_takes_back_no_count() {
    let mut cluster = Cluster::start();
    let observer = Observer::of(&cluster.pair);
    cluster.saves(0, 2, 40);
    cluster.until_streamed();
    // What is written now stays on the primary.
    cluster.standby.follow(None);
    cluster.saves(0, 6, 30);
    let shown = cluster.pair.until_exact(0).value(REVISION, &[]) as u64;
    let received = cluster.standby.revision();
    assert!(shown >= received + 6, "{received} of {shown} are streamed");
    // So that there is a while in which not everything has been read again.
    cluster.pair.simulator.set_latency(Duration::from_millis(100));
    cluster.fails_over();
    cluster.settle(20, 2);
    let (leader, scrape) = cluster.pair.until_all_is_shown();
    let lost = scrape.value(LOST, &[]) as u64;
    println!("{received} of {shown} saves were streamed, {lost} are told as lost");
    assert!(
        lost >= shown - received,
        "{lost}: {received} of {shown} are streamed"
    );
    cluster.pair.replica(leader).logged("the database has lost saves");
    cluster.saves(leader, 1, 30);
    // Whoever comes next misses nothing, or hides what it has until it knows.
    cluster.pair.end_session_of_leader();
    cluster.settle(10, 1);
    cluster.pair.until_all_is_shown();
    let seen = observer.seen();
    assert!(
        seen.without_counts > 0,
        "it showed counts before it had read everything: {seen:?}"
    );
}

#[test]
fn a_synchronous_failover_loses_nothing_and_a_standby_that_is_away_shows_nothing_new() {
    let mut cluster = Cluster::start();
    cluster.pair.database.wait_for_standby(true);
    let observer = Observer::of(&cluster.pair);
    cluster.saves(0, 3, 30);
    let before = counts(&cluster.pair, 0).unwrap();

    cluster.standby_leaves();
    let waited = cluster
        .pair
        .until("its lease is over", |pair| !shows_only(pair, &before));
    // Well before the server would end its session.
    assert!(waited + Duration::from_secs(1) < LEASE, "{waited:?}");
    println!("a commit that waits for a standby: silent after {waited:.1?}");
    // And back: the session that waited ends, and somebody leads.
    cluster.standby.follow(Some(&cluster.pair.database));
    let (leader, _) = cluster.pair.until_all_is_shown();

    // It takes over in the midst of saves.
    cluster.saves(leader, 2, 30);
    cluster.settle(30, 1);
    cluster.fails_over();
    cluster.settle(20, 2);
    let (_, scrape) = cluster.pair.until_all_is_shown();
    assert_eq!(scrape.value(LEADER, &[]), 1.0);
    assert_eq!(scrape.value(LOST, &[]), 0.0, "{}", cluster.pair.logs());
    assert!(
        !cluster.pair.logs().contains("has lost saves"),
        "{}",
        cluster.pair.logs()
    );
    let seen = observer.seen();
    assert_eq!(seen.without_counts, 0, "{seen:?}");
}

/// PostgreSQL confirms a commit whose wait was cut short. The standby lacks it, and takes over.
#[test]
fn a_cancelled_wait_for_the_standby_is_no_success_to_a_failover() {
    let mut cluster = Cluster::start();
    cluster.pair.database.wait_for_standby(true);
    let observer = Observer::of(&cluster.pair);
    cluster.saves(0, 2, 30);
    let before = counts(&cluster.pair, 0).unwrap();
    cluster.standby_leaves();
    let cancelled = format!("select count(pg_cancel_backend(pid)) from ({WAITING}) waiting");
    assert_eq!(cluster.pair.database.ask(&cancelled), "1");
    cluster
        .pair
        .replica(0)
        .logged("the database warned while it committed");
    // Whoever leads next waits for the standby too before it shows anything.
    cluster.pair.until("another commit waits", |pair| {
        shows_only(pair, &before);
        !pair.database.ask(WAITING).is_empty()
    });
    cluster.fails_over();
    cluster.pair.until_all_is_shown();
    observer.seen();
}
