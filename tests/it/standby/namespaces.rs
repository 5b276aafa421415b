//! A network that really loses packets: the leader is in a namespace of its own, and nobody is told what was lost.

use std::process::Command;
use std::time::{Duration, Instant};

use simulator::Outcome;

use super::observer::Observer;
use super::pair::{LEASE, Pair};
use super::proxy::Proxy;
use crate::cloud::REGION;
use crate::exporter::{Exporter, command_by};

const SOON: Duration = Duration::from_secs(5);

/// A link-layer address that nobody has: what is sent there, nobody takes.
const NOBODY: &str = "02:00:00:00:00:01";

/// A network of its own, with one cable to the outside, and two addresses at each of its ends: one for the database.
struct Namespace {
    name: String,
    inside: String,
    outside: String,
    /// By the last of their four numbers.
    network: [u8; 3],
    first: u8,
}

impl Namespace {
    /// Or why there is none.
    fn new() -> Result<Self, String> {
        let process = std::process::id();
        // Of the addresses for trying networks out, so that tests side by side have different ones.
        let [_, high, middle, low] = (process % (1 << 14) * 8).to_be_bytes();
        let namespace = Self {
            name: format!("exporter-{process}"),
            inside: format!("ei{process}"),
            outside: format!("eo{process}"),
            network: [198, 18 + high, middle],
            first: low,
        };
        let Self {
            name,
            inside,
            outside,
            ..
        } = &namespace;
        ip(&["netns", "add", name])?;
        ip(&[
            "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name,
        ])?;
        for place in [1, 2] {
            ip(&[
                "addr",
                "add",
                &format!("{}/29", namespace.address(place)),
                "dev",
                outside,
            ])?;
            let address = format!("{}/29", namespace.address(place + 2));
            ip(&["-n", name, "addr", "add", &address, "dev", inside])?;
        }
        ip(&["link", "set", outside, "up"])?;
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        ip(&["-n", name, "link", "set", inside, "up"])?;
        let (to, from) = (namespace.of_database(), namespace.to_database());
        ip(&["-n", name, "route", "add", &to, "dev", inside, "src", &from])?;
        Ok(namespace)
    }

    fn address(&self, place: u8) -> String {
        let [first, second, third] = self.network;
        format!("{first}.{second}.{third}.{}", self.first + place)
    }

    /// Outside, of whatever is no database.
    fn outer(&self) -> String {
        self.address(1)
    }

    /// Outside.
    fn of_database(&self) -> String {
        self.address(2)
    }

    /// Inside, for whoever comes from outside.
    fn inner(&self) -> String {
        self.address(3)
    }

    /// Inside, of whoever asks the database.
    fn to_database(&self) -> String {
        self.address(4)
    }

    /// What is sent to the database arrives nowhere from now on, or what it answers does not, or neither.
    fn lose(&self, requests: bool, replies: bool) {
        let (to, from) = (self.of_database(), self.to_database());
        let lost = |address| {
            [
                "neigh",
                "replace",
                address,
                "lladdr",
                NOBODY,
                "nud",
                "permanent",
                "dev",
            ]
        };
        if requests {
            let lost = [&["-n", &self.name][..], &lost(&to), &[&self.inside]].concat();
            ip(&lost).unwrap();
        }
        if replies {
            ip(&[&lost(&from)[..], &[&self.outside]].concat()).unwrap();
        }
    }

    /// Everything arrives again.
    fn heal(&self) {
        // What was not lost needs no healing.
        let _ = ip(&[
            "-n",
            &self.name,
            "neigh",
            "del",
            &self.of_database(),
            "dev",
            &self.inside,
        ]);
        let _ = ip(&["neigh", "del", &self.to_database(), "dev", &self.outside]);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = ip(&["link", "del", &self.outside]);
        let _ = ip(&["netns", "del", &self.name]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let failed = || format!("ip {}: {}", arguments.join(" "), said.trim());
    output.status.success().then_some(()).ok_or_else(failed)
}

/// The first replica is inside, the rest outside.
fn begin_inside(pair: &mut Pair, namespace: &Namespace, cloud: &Proxy) {
    let database = pair.database.port();
    let config = pair
        .config(0)
        .replace(
            &pair.simulator.url(),
            &format!("http://{}:{}", namespace.outer(), cloud.port()),
        )
        .replace(
            &format!("127.0.0.1:{database}"),
            &format!("{}:{database}", namespace.of_database()),
        );
    let inside = command_by(&["ip", "netns", "exec", &namespace.name]);
    let listen = format!("{}:0", namespace.inner());
    let begun = Exporter::launch(inside, &listen, (pair.directory(0), &config), &[], &[]);
    pair.replicas[0] = Some(begun.unwrap_or_else(|(_, log)| panic!("no start:\n{log}")));
}

#[test]
fn a_leader_whose_packets_are_lost_is_silent_before_the_other_shows() {
    let namespace = match Namespace::new() {
        Ok(namespace) => namespace,
        Err(why) => {
            println!("left out: this user may not make a network namespace: {why}");
            return;
        }
    };
    let mut pair = Pair::begin_unstarted(&[REGION]);
    pair.database
        .listen_too(&namespace.of_database(), &namespace.to_database());
    let cloud = Proxy::at(&namespace.outer(), pair.simulator.address().port());
    begin_inside(&mut pair, &namespace, &cloud);
    pair.replica(0).looked();
    pair.simulator.cloud().mark_baseline();
    pair.begin(1);
    for (requests, replies) in [(true, true), (false, true)] {
        pair.region(|region| region.add_settled(30, Outcome::failed(4)));
        pair.until_exact(0);
        pair.replica(1).logged("standing by");
        let observer = Observer::of(&pair);
        namespace.lose(requests, replies);
        let began = Instant::now();
        // Nothing happens before, so that the last thing that the server has heard is as old as it may be.
        pair.until_leads(1);
        let took = began.elapsed();
        assert!(took < LEASE + SOON, "{took:?}");
        println!("requests lost: {requests}, replies lost: {replies}: the other led {took:.1?} later");
        assert_eq!(pair.replica(0).get("/-/ready").status, 503);
        pair.region(|region| region.add_settled(30, Outcome::failed(4)));
        pair.until_exact(1);
        namespace.heal();
        pair.until("it stands by again", |pair| {
            pair.replica(0).get("/-/ready").status == 200
        });
        pair.until_exact(1);
        assert!(observer.seen().of_leaders > 0);
        // And back.
        pair.kill(1);
        pair.until_leads(0);
        pair.begin(1);
    }
    assert_eq!(pair.askers(), [0, 1, 0, 1, 0], "only the leader asks");
}
