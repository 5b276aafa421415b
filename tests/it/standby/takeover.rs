//! What ends a leader, how soon the other leads, and that every count is exact.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use simulator::{Fault, FaultKind, Outcome};

use super::pair::{CHANGES, LEADER, LEASE, Pair};
use crate::scrape::Scrape;

/// A try a second, and what a loaded machine takes for it.
const SOON: Duration = Duration::from_secs(5);

/// Something settles.
fn something_happens(pair: &Pair) {
    pair.region(|region| {
        region.add_settled(3, Outcome::failed(2));
        region.add_settled(60, Outcome::success());
    });
}

#[test]
fn a_killed_leader_is_followed_at_once_and_every_count_is_exact() {
    let mut pair = Pair::start();
    let mut leader = 0;
    for _ in 0..4 {
        something_happens(&pair);
        pair.until_exact(leader);
        // And some that the one that is killed may have saved, or not.
        something_happens(&pair);
        pair.kill(leader);
        let took = pair.until_leads(1 - leader);
        assert!(took < SOON, "{took:?}");
        println!("kill -9: the other led {took:.1?} later");
        something_happens(&pair);
        pair.begin(leader);
        leader = 1 - leader;
    }
    let shown = pair.until_exact(leader);
    assert_eq!(shown.value(CHANGES, &[]), 5.0);
    assert_eq!(pair.askers(), [0, 1, 0, 1, 0], "only the leader asks");
}

#[test]
fn a_leader_that_is_told_to_stop_hands_over() {
    let mut pair = Pair::start();
    something_happens(&pair);
    pair.until_exact(0);
    let (status, log) = pair.replicas[0].take().unwrap().terminate();
    assert!(status.success(), "{log}");
    let took = pair.until_leads(1);
    assert!(took < SOON, "{took:?}");
    println!("SIGTERM: the other led {took:.1?} after its end");
    pair.until_exact(1);
    assert_eq!(pair.askers(), [0, 1]);
}

#[test]
fn a_leader_that_hangs_is_followed_when_its_lease_is_over_and_shows_nothing_old() {
    let mut pair = Pair::start();
    something_happens(&pair);
    pair.until_exact(0);
    // It hangs while it waits for an answer: no request is half on its way then, to arrive when it goes on.
    pair.simulator.set_latency(Duration::from_millis(300));
    let asked = pair.simulator.requests().len();
    pair.until("it asks", |pair| pair.simulator.requests().len() > asked + 1);
    pair.replica(0).signal("STOP");
    pair.simulator.set_latency(Duration::ZERO);
    let status = format!("/proc/{}/status", pair.replica(0).process_id());
    pair.until("it hangs", |_| {
        std::fs::read_to_string(&status).unwrap().contains("State:\tT")
    });
    // The system takes the connection; it is answered when the process goes on.
    let mut queued = TcpStream::connect(pair.replica(0).address()).unwrap();
    write!(
        queued,
        "GET /metrics HTTP/1.1\r\nHost: exporter\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    something_happens(&pair);
    let took = pair.until_leads(1);
    assert!(took < LEASE + SOON, "{took:?}");
    println!("SIGSTOP: the other led {took:.1?} later");
    pair.until_exact(1);
    pair.replica(0).signal("CONT");
    let mut answer = String::new();
    queued.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let late = Scrape::parse(body);
    assert_eq!(late.value(LEADER, &[]), 0.0, "{}", pair.replica(0).log());
    assert!(late.sum("cloud_assistant_results_total", &[]).is_none(), "{body}");
    something_happens(&pair);
    pair.until_exact(1);
    // It goes on as a standby, and can lead again.
    pair.until("it stands by", |pair| {
        pair.replica(0).get("/-/ready").status == 200
    });
    assert_eq!(
        pair.askers(),
        [0, 1],
        "what hung asks for nothing when it goes on"
    );
    pair.kill(1);
    pair.until_leads(0);
    pair.until_exact(0);
}

#[test]
fn whoever_ends_the_session_of_the_leader_costs_no_count() {
    let mut pair = Pair::start();
    for _ in 0..3 {
        something_happens(&pair);
        pair.until_one_is_exact();
        something_happens(&pair);
        let epoch = pair
            .database
            .ask("select epoch from cloud_assistant_exporter.leadership");
        pair.end_session_of_leader();
        pair.until("one leads anew", |pair| {
            (0..2).any(|replica| {
                pair.led(replica)
                    .is_some_and(|shown| shown.value(CHANGES, &[]) > epoch.parse().unwrap())
            })
        });
    }
    pair.until_one_is_exact();
}

/// As behind a pooler, where the lock keeps nobody from leading.
#[test]
fn a_leader_beside_which_another_has_begun_to_lead_ends_though_it_has_nothing_to_save() {
    let mut pair = Pair::start();
    something_happens(&pair);
    pair.until_exact(0);
    let nothing = Fault::forever(FaultKind::documented("InternalError"));
    pair.simulator.faults().add(nothing);
    pair.until("there is nothing to save", |pair| {
        pair.led(0).unwrap().value("cloud_assistant_up", &[]) == 0.0
    });
    pair.database
        .ask("update cloud_assistant_exporter.leadership set epoch = epoch + 1");
    let ended = pair.replica(0).logged("this replica no longer leads");
    assert!(ended.contains("another replica leads, although"), "{ended}");
    pair.simulator.faults().clear();
    pair.until_one_is_exact();
}

#[test]
fn a_replica_that_cannot_begin_to_lead_tells_it_once() {
    const TIMED_OUT: &str = "canceling statement due to lock timeout";
    let mut pair = Pair::start();
    something_happens(&pair);
    pair.until_exact(0);
    pair.replica(1).logged("standing by");
    let hinder =
        "begin; lock table cloud_assistant_exporter.leadership in exclusive mode; select pg_sleep(600)";
    let mut hindrance = pair.database.asking("exporter", hinder);
    let mut hindrance = hindrance.stderr(Stdio::null()).spawn().unwrap();
    pair.until("it is locked", |pair| {
        let locks = "select count(*) from pg_locks where mode = 'ExclusiveLock' and granted \
                     and relation = 'cloud_assistant_exporter.leadership'::regclass";
        pair.database.ask(locks) == "1"
    });
    pair.kill(0);
    let trouble = pair.replica(1).logged("of the record cannot be had");
    assert!(trouble.contains(TIMED_OUT), "{trouble}");
    pair.until("it is not ready", |pair| {
        pair.replica(1).get("/-/ready").status == 503
    });
    let log = pair.database.directory().join("log");
    let tries = || std::fs::read_to_string(&log).unwrap().matches(TIMED_OUT).count();
    let before = tries();
    let took = pair.until("it has tried again", |pair| {
        let ready = pair.replica(1).get("/-/ready");
        assert_eq!(ready.status, 503, "while it cannot lead");
        assert!(ready.text().contains(TIMED_OUT), "{}", ready.text());
        tries() >= before + 2
    });
    assert!(took < LEASE * 2, "it waits for a lease before each try: {took:?}");
    pair.database
        .sql("select pg_terminate_backend(pid) from pg_stat_activity where query like 'begin; lock table%'");
    hindrance.wait().unwrap();
    pair.until_leads(1);
    pair.until_exact(1);
    let log = pair.replica(1).log();
    assert_eq!(log.matches("of the record cannot be had").count(), 1, "{log}");
    assert_eq!(log.matches("database answers again").count(), 1, "{log}");
}

#[test]
fn a_database_that_is_restarted_is_waited_for_and_every_count_is_exact() {
    let mut pair = Pair::start();
    for signal in ["INT", "QUIT", "KILL"] {
        something_happens(&pair);
        pair.until_one_is_exact();
        something_happens(&pair);
        pair.database.end(signal);
        pair.until("nobody leads", |pair| {
            pair.led(0).is_none() && pair.led(1).is_none()
        });
        for replica in 0..2 {
            pair.until("the trouble is told", |pair| {
                let ready = pair.replica(replica).get("/-/ready");
                let up = pair
                    .replica(replica)
                    .scrape()
                    .value("cloud_assistant_exporter_state_up", &[]);
                ready.status == 503 && ready.text().contains("database") && up == 0.0
            });
        }
        something_happens(&pair);
        pair.database.run();
        pair.until_one_is_exact();
    }
}
