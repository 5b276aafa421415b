//! Two replicas, one record, and one simulated cloud that tells them apart by their keys.

use std::path::Path;
use std::time::{Duration, Instant};

use simulator::{AccessKey, Region, Simulator, unix_now};
use tempfile::{TempDir, tempdir};

use super::database::Database;
use crate::cloud::{ACCOUNT, REGION, config};
use crate::crash::remembering_cloud;
use crate::crash::watch::{Watch, differences};
use crate::exporter::{Exporter, pause};
use crate::scrape::Scrape;

pub const LEADER: &str = "cloud_assistant_exporter_leader";
pub const CHANGES: &str = "cloud_assistant_exporter_leadership_changes_total";

/// The shortest that is allowed.
pub const LEASE: Duration = Duration::from_secs(10);

/// How long anything that must happen may take.
const DEADLINE: Duration = Duration::from_secs(60);

pub struct Pair {
    // Dropped before what they ask.
    pub replicas: [Option<Exporter>; 2],
    pub database: Database,
    pub simulator: Simulator,
    directories: [TempDir; 2],
    /// Where each replica finds the database.
    ports: [u16; 2],
    regions: &'static [&'static str],
    /// What else is configured.
    pub more: &'static str,
    watch: Watch,
}

impl Pair {
    /// No replica yet, and an empty database.
    pub fn begin_empty(simulator: Simulator) -> Self {
        for replica in 0..2 {
            let key = AccessKey::new(&key(replica), "test-secret");
            simulator.cloud().add_key(ACCOUNT, key, None);
        }
        let database = Database::start();
        Self {
            replicas: [None, None],
            ports: [database.port(); 2],
            database,
            simulator,
            directories: [tempdir().unwrap(), tempdir().unwrap()],
            regions: &[REGION],
            more: "",
            watch: Watch::default(),
        }
    }

    /// No replica yet, an empty database, and a cloud in which something has happened.
    pub fn begin_unstarted(regions: &'static [&'static str]) -> Self {
        let simulator = remembering_cloud(regions, unix_now());
        for region in regions {
            let mut cloud = simulator.cloud();
            let region = cloud.region(ACCOUNT, region);
            region.add_settled(7, simulator::Outcome::success());
        }
        let mut pair = Self::begin_empty(simulator);
        pair.regions = regions;
        pair
    }

    /// Two replicas that stand on nothing; the first one leads, and has looked.
    pub fn start() -> Self {
        Self::start_through(|port| [port; 2])
    }

    /// The same, where each has its own way to the port of the database.
    pub fn start_through(ways: impl FnOnce(u16) -> [u16; 2]) -> Self {
        let mut pair = Self::begin_unstarted(&[REGION]);
        pair.ports = ways(pair.database.port());
        pair.begin_both();
        pair
    }

    /// Starts both, of which the first one leads, and has looked.
    pub fn begin_both(&mut self) {
        self.begin(0);
        self.replica(0).looked();
        self.simulator.cloud().mark_baseline();
        self.begin(1);
    }

    /// The configuration of a replica.
    pub fn config(&self, replica: usize) -> String {
        let more = format!(
            "poll: {{interval: 100ms, sweep_interval: 2s, request_timeout: 2s}}\nevents: {{http: true}}\n\
             state: {{postgres: {{url: '{}', lease: 10s}}}}\n{}",
            self.database.url_through(self.ports[replica]),
            self.more
        );
        let directory = self.directories[replica].path();
        config(&self.simulator, directory, self.regions, &more).replace("test-key", &key(replica))
    }

    /// What a replica has for itself.
    pub fn directory(&self, replica: usize) -> &Path {
        self.directories[replica].path()
    }

    /// Starts a replica.
    pub fn begin(&mut self, replica: usize) {
        let config = self.config(replica);
        self.replicas[replica] = Some(Exporter::start(self.directory(replica), &config));
    }

    /// How often a replica has begun to lead.
    pub fn changes(&self) -> u64 {
        let epoch = "select epoch from cloud_assistant_exporter.leadership";
        self.database.ask(epoch).parse().unwrap()
    }

    pub fn replica(&self, replica: usize) -> &Exporter {
        self.replicas[replica].as_ref().unwrap()
    }

    /// `kill -9`.
    pub fn kill(&mut self, replica: usize) {
        self.replicas[replica].take().unwrap().kill();
    }

    pub fn region<T>(&self, change: impl FnOnce(&mut Region) -> T) -> T {
        change(self.simulator.cloud().region(ACCOUNT, REGION))
    }

    /// What it shows, if it leads.
    pub fn led(&mut self, replica: usize) -> Option<Scrape> {
        let scrape = self.replica(replica).scrape();
        if scrape.value(LEADER, &[]) == 0.0 {
            assert!(scrape.sum("cloud_assistant_results_total", &[]).is_none());
            return None;
        }
        self.watch.see(&scrape);
        Some(scrape)
    }

    /// Waits until this replica leads; says how long that took.
    pub fn until_leads(&mut self, replica: usize) -> Duration {
        self.until("it leads", |pair| pair.led(replica).is_some())
    }

    /// Waits until one of both leads, and says which.
    pub fn until_one_leads(&mut self) -> usize {
        let mut leader = 0;
        self.until("one leads", |pair| {
            let leads = [pair.led(0).is_some(), pair.led(1).is_some()];
            leader = usize::from(leads[1]);
            leads.contains(&true)
        });
        leader
    }

    /// Waits until what this replica shows is what was really run.
    pub fn until_exact(&mut self, replica: usize) -> Scrape {
        self.until_exact_on(&[replica]).1
    }

    /// The same, on whichever replica leads by then.
    pub fn until_one_is_exact(&mut self) -> usize {
        self.until_exact_on(&[0, 1]).0
    }

    fn until_exact_on(&mut self, replicas: &[usize]) -> (usize, Scrape) {
        let truth = self.simulator.cloud().truth_since_baseline(ACCOUNT, REGION);
        let mut exact = None;
        self.until("every counter is exact", |pair| {
            exact = replicas.iter().find_map(|replica| {
                let scrape = pair.led(*replica)?;
                let is_exact = differences(&scrape, ACCOUNT, REGION, &truth).is_empty();
                is_exact.then_some((*replica, scrape))
            });
            exact.is_some()
        });
        exact.unwrap()
    }

    pub fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) -> Duration {
        let began = Instant::now();
        while !is_so(self) {
            assert!(
                began.elapsed() < DEADLINE,
                "not within {DEADLINE:?}: {what}\n{}",
                self.logs()
            );
            pause();
        }
        began.elapsed()
    }

    pub fn logs(&self) -> String {
        let logs = self.replicas.iter().flatten().map(Exporter::log);
        let of_database = std::fs::read_to_string(self.database.directory().join("log"));
        logs.chain(of_database).collect::<Vec<_>>().join("\n---\n")
    }

    /// Somebody with a right to it ends the session of whoever has the lock.
    pub fn end_session_of_leader(&self) {
        let ended = self.database.ask(
            "select count(pg_terminate_backend(pid, 2000)) from pg_locks where locktype = 'advisory' and granted",
        );
        assert_eq!(ended, "1");
    }

    /// The number of the last save.
    pub fn revision(&self) -> u64 {
        self.database.revision()
    }

    /// Waits until the one that leads shows all counts, which it may not have shown at first, and each as it was run.
    pub fn until_all_is_shown(&mut self) -> (usize, Scrape) {
        let truth = self.simulator.cloud().truth_since_baseline(ACCOUNT, REGION);
        let mut shown = None;
        self.until("everything is shown", |pair| {
            shown = (0..2).find_map(|replica| {
                let scrape = pair.replicas[replica].as_ref()?.scrape();
                let is_exact = differences(&scrape, ACCOUNT, REGION, &truth).is_empty();
                is_exact.then_some((replica, scrape))
            });
            shown.is_some()
        });
        shown.unwrap()
    }

    /// Which replicas have asked the API, each time that it was another one.
    pub fn askers(&self) -> Vec<usize> {
        let requests = self.simulator.requests().into_iter();
        let mut askers: Vec<usize> = requests
            .filter_map(|request| (0..2).find(|replica| request.access_key_id == Some(key(*replica))))
            .collect();
        askers.dedup();
        askers
    }
}

fn key(replica: usize) -> String {
    format!("replica-{replica}")
}
