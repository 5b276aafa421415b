//! How long it takes until another leads: `TAKEOVERS` says how many of each kind are measured.

use std::thread;
use std::time::{Duration, Instant};

use simulator::Outcome;

use super::pair::Pair;
use super::proxy::{Network, Proxy};

/// Pairs that are measured at the same time, since most of it is waiting.
const SIDE_BY_SIDE: usize = 4;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Stopped,
    CutOff,
}

/// Both have their way to the database through a proxy.
fn pair() -> (Pair, [Proxy; 2]) {
    let mut proxies = None;
    let pair = Pair::start_through(|port| {
        let [one, other] = proxies.insert([(); 2].map(|()| Proxy::to(port)));
        [one.port(), other.port()]
    });
    (pair, proxies.unwrap())
}

/// How long one takes, whichever leads.
fn takeover(pair: &mut Pair, proxies: &[Proxy; 2], kind: Kind) -> Duration {
    let leader = pair.until_one_is_exact();
    pair.until("the other stands by", |pair| {
        pair.replica(1 - leader).get("/-/ready").status == 200
    });
    pair.region(|region| region.add_settled(30, Outcome::failed(4)));
    let began = Instant::now();
    match kind {
        Kind::Stopped => pair.replica(leader).signal("STOP"),
        Kind::CutOff => proxies[leader].set(Network::Cut),
    }
    pair.until_leads(1 - leader);
    let took = began.elapsed();
    match kind {
        Kind::Stopped => pair.replica(leader).signal("CONT"),
        Kind::CutOff => proxies[leader].set(Network::Sound),
    }
    pair.until("it stands by", |pair| {
        let old = pair.replica(leader);
        old.get("/-/leader").status == 503 && old.get("/-/ready").status == 200
    });
    took
}

#[test]
#[ignore = "minutes of waiting for leases"]
fn how_long_a_leader_that_hangs_or_is_cut_off_keeps_the_other_waiting() {
    let each: usize = std::env::var("TAKEOVERS").map_or(20, |number| number.parse().unwrap());
    let measuring = (0..SIDE_BY_SIDE).map(|place| {
        thread::spawn(move || {
            let (mut pair, proxies) = pair();
            let mine = (place..each).step_by(SIDE_BY_SIDE);
            let took =
                mine.map(|_| [Kind::Stopped, Kind::CutOff].map(|kind| takeover(&mut pair, &proxies, kind)));
            let took: Vec<_> = took.collect();
            pair.until_one_is_exact();
            took
        })
    });
    let measuring: Vec<_> = measuring.collect();
    let took: Vec<[Duration; 2]> = measuring
        .into_iter()
        .flat_map(|one| one.join().unwrap())
        .collect();
    for (place, what) in ["SIGSTOP", "cut off from the database"].into_iter().enumerate() {
        let mut took: Vec<Duration> = took.iter().map(|took| took[place]).collect();
        took.sort();
        let (least, half, most) = (took[0], took[took.len() / 2], took[took.len() - 1]);
        println!(
            "{what}: {} takeovers, p50 {half:.1?}, most {most:.1?}, least {least:.1?}",
            took.len()
        );
    }
}
