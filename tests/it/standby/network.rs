//! A network between leader and database that fails in every way: the old one is silent before the new one shows.

use std::time::{Duration, Instant};

use simulator::Outcome;

use super::pair::{LEASE, Pair};
use super::proxy::{Network, Proxy};

const SOON: Duration = Duration::from_secs(5);

/// The first replica, which leads, has its way to the database through a proxy.
fn pair() -> (Pair, Proxy) {
    let mut proxy = None;
    let pair = Pair::start_through(|port| [proxy.insert(Proxy::to(port)).port(), port]);
    (pair, proxy.unwrap())
}

/// The other leads within `longest`, and never do both.
fn is_followed(pair: &mut Pair, longest: Duration) -> Duration {
    let began = Instant::now();
    pair.until("the other leads", |pair| {
        let [before, other, after] = [0, 1, 0].map(|replica| pair.led(replica).is_some());
        assert!(!(before && other && after), "both lead\n{}", pair.logs());
        other
    });
    let took = began.elapsed();
    assert!(took < longest, "{took:?}");
    took
}

#[test]
fn a_leader_that_is_cut_off_is_silent_before_the_other_shows() {
    for network in [Network::Cut, Network::Deaf] {
        let (mut pair, proxy) = pair();
        pair.region(|region| region.add_settled(30, Outcome::failed(4)));
        pair.until_exact(0);
        proxy.set(network);
        pair.region(|region| region.add_settled(30, Outcome::failed(4)));
        let took = is_followed(&mut pair, LEASE + SOON);
        println!("{network:?}: the other led {took:.1?} later");
        assert_eq!(pair.replica(0).get("/-/ready").status, 503);
        pair.until_exact(1);
        proxy.set(Network::Sound);
        pair.until("it stands by again", |pair| {
            pair.replica(0).get("/-/ready").status == 200
        });
        pair.until_exact(1);
        assert_eq!(pair.askers(), [0, 1], "only the leader asks");
    }
}

/// In a database that has failed over nobody has the lock, although the leader goes on until its lease ends.
#[test]
fn a_failover_that_the_leader_does_not_see_makes_no_second_one() {
    let (mut pair, proxy) = pair();
    pair.region(|region| region.add_settled(30, Outcome::failed(4)));
    pair.until_exact(0);
    pair.replica(1).logged("standing by");
    proxy.set(Network::Cut);
    pair.database.end("QUIT");
    pair.database.run();
    pair.region(|region| region.add_settled(30, Outcome::failed(4)));
    let took = is_followed(&mut pair, LEASE + 2 * SOON);
    println!("failover: the other led {took:.1?} later");
    pair.until_exact(1);
    proxy.set(Network::Sound);
    pair.until("it stands by", |pair| {
        pair.replica(0).get("/-/ready").status == 200
    });
    pair.until_exact(1);
    assert_eq!(pair.askers(), [0, 1], "only the leader asks");
}

/// The server does not end a session that waits for the rest of a message: the standby does.
#[test]
fn a_leader_that_hangs_within_a_message_is_ended_by_the_standby() {
    let (mut pair, proxy) = pair();
    pair.region(|region| region.add_settled(30, Outcome::failed(4)));
    pair.until_exact(0);
    proxy.set(Network::HalfAMessage);
    let took = is_followed(&mut pair, LEASE * 2 + SOON);
    println!("half a message: the other led {took:.1?} later");
    pair.replica(1).logged("has not moved for twice the lease");
    pair.region(|region| region.add_settled(30, Outcome::failed(4)));
    pair.until_exact(1);
}

#[test]
fn a_commit_whose_answer_is_lost_is_counted_once() {
    let (mut pair, proxy) = pair();
    for _ in 0..3 {
        if pair.until_one_is_exact() == 1 {
            pair.kill(1);
            pair.until_exact(0);
            pair.begin(1);
        }
        proxy.set(Network::CommitUnanswered);
        pair.region(|region| region.add_settled(30, Outcome::failed(4)));
        pair.until("a commit is not answered", |_| proxy.is() == Network::Sound);
        pair.until_one_is_exact();
    }
}
