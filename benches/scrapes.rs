//! `/metrics` under load, beside nginx with the same bytes, a Python exporter with the same series, and node_exporter.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use simulator::{ALL_REGIONS, Outcome, Simulator};
use tempfile::{TempDir, tempdir};

use crate::cloud::{ACCOUNT, cloud, config};
use crate::exporter::{Exporter, config_path, eventually};
use crate::http::Scraper;
use crate::measure::{median, percentile, process_time, resident};
use crate::peers::{self, Peer};
use crate::table::{Beside, Targets, digits, header, megabytes, row, time};

/// Series, and over how many regions they are spread.
const SIZES: [(usize, usize); 3] = [(500, 1), (10_000, 10), (100_000, 30)];

/// So often exporter and nginx take turns, so that what else the machine does meets both.
const ROUNDS: usize = 7;

/// Of one round.
const ROUND: Duration = Duration::from_secs(1);

/// Of a run while polls go on.
const WITH_POLLS: Duration = Duration::from_secs(4);

/// What a scraper rests between two scrapes while polls go on: as scrapers do, only much shorter.
const REST: Duration = Duration::from_millis(100);

/// A server as it is scraped.
struct Server {
    name: &'static str,
    address: SocketAddr,
    process_id: u32,
}

/// Who scrapes, and how.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Load {
    scrapers: u32,
    gzip: bool,
}

const LOADS: [Load; 4] = [
    Load {
        scrapers: 1,
        gzip: false,
    },
    Load {
        scrapers: 1,
        gzip: true,
    },
    Load {
        scrapers: 16,
        gzip: false,
    },
    Load {
        scrapers: 16,
        gzip: true,
    },
];

/// What came of it.
#[derive(Clone, Copy)]
struct Run {
    p50: Duration,
    p99: Duration,
    most: Duration,
    /// Of the server, for one scrape.
    cpu: Duration,
    scrapes: usize,
    bytes: usize,
}

impl Server {
    fn of_peer(name: &'static str, peer: &Peer) -> Self {
        Self {
            name,
            address: peer.address,
            process_id: peer.process_id(),
        }
    }

    /// Lets scrapers scrape for a while, one scrape after the other or with a rest between.
    fn run(&self, load: Load, duration: Duration, rest: Option<Duration>) -> Run {
        let before = process_time(self.process_id);
        let mut bytes = 0;
        let mut took: Vec<Duration> = thread::scope(|threads| {
            let scrapers: Vec<_> = (0..load.scrapers)
                .map(|number| {
                    threads.spawn(move || {
                        let mut scraper = Scraper::connect(self.address, "/metrics", load.gzip);
                        if let Some(rest) = rest {
                            thread::park_timeout(rest * number / load.scrapers);
                        }
                        let end = Instant::now() + duration;
                        let (mut took, mut bytes) = (Vec::new(), 0);
                        loop {
                            let began = Instant::now();
                            bytes = scraper.scrape().max(bytes);
                            took.push(began.elapsed());
                            if Instant::now() >= end {
                                return (took, bytes);
                            }
                            if let Some(rest) = rest {
                                thread::park_timeout(rest);
                            }
                        }
                    })
                })
                .collect();
            let all = scrapers.into_iter().map(|scraper| scraper.join().unwrap());
            all.flat_map(|(took, body)| {
                bytes = body.max(bytes);
                took
            })
            .collect()
        });
        let cpu = (process_time(self.process_id) - before) / took.len() as u32;
        took.sort_unstable();
        Run {
            p50: percentile(&took, 50),
            p99: percentile(&took, 99),
            most: percentile(&took, 100),
            cpu,
            scrapes: took.len(),
            bytes,
        }
    }

    /// Several runs as one: medians, and the longest of all scrapes.
    fn print(&self, series: usize, when: &str, load: Load, runs: &[Run]) -> Run {
        let of = |pick: fn(&Run) -> Duration| median(runs.iter().map(pick).collect());
        let run = Run {
            p50: of(|run| run.p50),
            p99: of(|run| run.p99),
            most: runs.iter().map(|run| run.most).max().unwrap(),
            cpu: of(|run| run.cpu),
            scrapes: runs.iter().map(|run| run.scrapes).sum(),
            bytes: runs[0].bytes,
        };
        row(&[
            self.name,
            &series.to_string(),
            when,
            &load.scrapers.to_string(),
            if load.gzip { "gzip" } else { "plain" },
            &time(run.p50),
            &time(run.p99),
            &time(run.most),
            &time(run.cpu),
            &run.scrapes.to_string(),
            &run.bytes.to_string(),
            &megabytes(resident(self.process_id)),
        ]);
        run
    }
}

/// An exporter with so many series, and the cloud that it polls.
pub struct Served {
    pub exporter: Exporter,
    simulator: Simulator,
    directory: TempDir,
    regions: &'static [&'static str],
    pub series: usize,
}

fn series(text: &str) -> usize {
    text.lines().filter(|line| !line.starts_with('#')).count()
}

impl Served {
    pub fn new(wanted: usize, regions: usize) -> Self {
        let regions = &ALL_REGIONS[..regions];
        let directory = tempdir().unwrap();
        let simulator = cloud(regions);
        let exporter = Exporter::start_with(
            directory.path(),
            &Self::config(&simulator, &directory, regions, "1s"),
            &["--log.level=info"],
            &[],
        );
        exporter.looked();
        // The first result of a scope brings its other series.
        for region in regions {
            let mut cloud = simulator.cloud();
            cloud.region(ACCOUNT, region).add_settled(1, Outcome::failed(1));
        }
        exporter.polled();
        let held = series(&exporter.get("/metrics").text());
        // A combination is a series of the gauge and one of the counter; 1 has its series already.
        let combinations = wanted.saturating_sub(held) / 2 / regions.len();
        for region in regions {
            let mut cloud = simulator.cloud();
            let region = cloud.region(ACCOUNT, region);
            for exit_code in 0..combinations {
                region.add_settled(1, Outcome::failed(2 + exit_code as i64));
            }
        }
        let expected = held + combinations * 2 * regions.len();
        let series = eventually("every series is served", || {
            let now = series(&exporter.get("/metrics").text());
            thread::park_timeout(Duration::from_millis(200));
            (now >= expected).then_some(now)
        });
        Self {
            exporter,
            simulator,
            directory,
            regions,
            series,
        }
    }

    fn config(simulator: &Simulator, directory: &TempDir, regions: &[&str], interval: &str) -> String {
        let more = format!(
            "poll: {{interval: {interval}, sweep_interval: 0}}\n\
             metrics: {{new_series_hold: 0s, max_exit_codes: 10000}}\n"
        );
        config(simulator, directory.path(), regions, &more)
    }

    fn server(&self) -> Server {
        Server {
            name: "cloud-assistant-exporter",
            address: self.exporter.address(),
            process_id: self.exporter.process_id(),
        }
    }

    /// From now on no poll begins.
    fn quiet(&self) {
        let config = Self::config(&self.simulator, &self.directory, self.regions, "1h");
        fs::write(config_path(self.directory.path()), config).unwrap();
        assert_eq!(self.exporter.request("POST", "/-/reload", "").status, 200);
        eventually("nothing is asked any more", || {
            let before = self.simulator.requests().len();
            thread::park_timeout(Duration::from_secs(3));
            (self.simulator.requests().len() == before).then_some(())
        });
    }

    /// While `run` goes on, a result settles in every region ten times a second.
    pub fn busy<T>(&self, run: impl FnOnce() -> T) -> T {
        let over = AtomicBool::new(false);
        thread::scope(|threads| {
            threads.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    for region in self.regions {
                        let mut cloud = self.simulator.cloud();
                        cloud.region(ACCOUNT, region).add_settled(1, Outcome::failed(1));
                    }
                    thread::park_timeout(Duration::from_millis(100));
                }
            });
            let value = run();
            over.store(true, Ordering::Relaxed);
            value
        })
    }

    /// The bytes that are served, as files for nginx and for the Python server.
    fn save(&self) -> TempDir {
        let directory = tempdir().unwrap();
        for (name, gzip) in [("metrics", false), ("metrics.gz", true)] {
            let body = Scraper::connect(self.exporter.address(), "/metrics", gzip).body();
            fs::write(directory.path().join(name), body).unwrap();
        }
        directory
    }
}

/// What is held against the targets, of one size.
#[derive(Default)]
struct Found {
    series: usize,
    exporter: BTreeMap<Load, Run>,
    nginx: BTreeMap<Load, Run>,
    python: BTreeMap<Load, Run>,
    /// The longest scrape while polls go on, and nginx's at the same pace.
    longest: [Option<Duration>; 2],
}

fn of_size(wanted: usize, regions: usize) -> Found {
    let served = Served::new(wanted, regions);
    let server = served.server();
    let mut found = Found {
        series: served.series,
        ..Found::default()
    };
    let files = served.save();
    let nginx = peers::nginx(files.path());
    let nginx = nginx.as_ref().map(|peer| Server::of_peer("nginx", peer));
    for load in LOADS {
        let run = served.busy(|| server.run(load, WITH_POLLS, Some(REST)));
        let longest = server
            .print(found.series, "polls go on, rests", load, &[run])
            .most;
        found.longest[0] = found.longest[0].max(Some(longest));
        if let Some(nginx) = &nginx {
            let run = served.busy(|| nginx.run(load, WITH_POLLS, Some(REST)));
            let longest = nginx.print(found.series, "the same pace", load, &[run]).most;
            found.longest[1] = found.longest[1].max(Some(longest));
        }
    }
    served.quiet();
    for load in LOADS {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(server.run(load, ROUND, None));
            theirs.extend(nginx.as_ref().map(|nginx| nginx.run(load, ROUND, None)));
        }
        found
            .exporter
            .insert(load, server.print(found.series, "quiet", load, &ours));
        if let Some(nginx) = &nginx {
            found
                .nginx
                .insert(load, nginx.print(found.series, "quiet", load, &theirs));
        }
    }
    if let Some(python) = peers::python(&files.path().join("metrics")) {
        let python = Server::of_peer("prometheus_client", &python);
        for load in &LOADS[..3] {
            let run = python.run(*load, ROUND * 2, None);
            found
                .python
                .insert(*load, python.print(found.series, "quiet", *load, &[run]));
        }
    }
    found
}

/// Resident bytes of an exporter of 100,000 series that 16 plain scrapers read while polls go on, and how many series.
pub fn resident_under_load() -> (usize, u64) {
    let [.., (wanted, regions)] = SIZES;
    let served = Served::new(wanted, regions);
    let server = served.server();
    let load = Load {
        scrapers: 16,
        gzip: false,
    };
    served.busy(|| server.run(load, WITH_POLLS * 5, Some(REST)));
    (served.series, resident(server.process_id))
}

pub fn run(targets: &mut Targets) {
    println!("\n## Scrapes\n");
    header(&[
        "server",
        "series",
        "when",
        "scrapers",
        "encoding",
        "p50",
        "p99",
        "most",
        "CPU a scrape",
        "scrapes",
        "bytes",
        "resident",
    ]);
    let node = peers::node_exporter();
    let mut of_node = BTreeMap::new();
    if let Some(node) = &node {
        let server = Server::of_peer("node_exporter", node);
        let body = Scraper::connect(node.address, node.path, false).body();
        let series = series(&String::from_utf8(body).unwrap());
        for load in LOADS {
            let run = server.run(load, ROUND * 2, None);
            of_node.insert(load, (series, server.print(series, "quiet", load, &[run])));
        }
    }
    let [_, middle, most] = SIZES.map(|(series, regions)| of_size(series, regions));

    for load in LOADS {
        let ours = most.exporter[&load];
        let nginx = most.nginx.get(&load);
        let encoding = if load.gzip { "gzip" } else { "plain" };
        let ratio = nginx.map(|nginx| ours.p50.as_secs_f64() / nginx.p50.as_secs_f64());
        targets.add(
            &format!(
                "a scrape of 100,000 series within 1.3 times of nginx ({encoding}, scrapers: {})",
                load.scrapers
            ),
            format!("{} (p50)", time(ours.p50)),
            Beside {
                limit: nginx
                    .map(|nginx| format!("{} (nginx)", time(nginx.p50)))
                    .unwrap_or_default(),
                ratio: ratio.map(digits).unwrap_or_default(),
                ..Beside::default()
            },
            ratio.map(|ratio| ratio <= 1.3),
        );
    }
    let each = |run: &Run, series: usize| run.cpu.as_secs_f64() * 1e9 / series as f64;
    for load in &LOADS[..2] {
        let ours = each(&most.exporter[load], most.series);
        let encoding = if load.gzip { "gzip" } else { "plain" };
        let node = of_node
            .get(load)
            .map(|(series, run)| ("node_exporter", each(run, *series)));
        let python = most
            .python
            .get(load)
            .map(|run| ("prometheus_client", each(run, most.series)));
        for (name, peer) in [node, python].into_iter().flatten() {
            targets.add(
                &format!("100 times less CPU a series than {name} ({encoding})"),
                format!("{} ns", digits(ours)),
                Beside {
                    peer: format!("{} ns", digits(peer)),
                    limit: most
                        .nginx
                        .get(load)
                        .map(|nginx| format!("{} ns (nginx)", digits(each(nginx, most.series))))
                        .unwrap_or_default(),
                    ratio: digits(peer / ours),
                },
                Some(peer / ours >= 100.0),
            );
        }
    }
    let [ours, nginx] = middle.longest;
    targets.add(
        "no scrape above 10 ms at 10,000 series while polls go on",
        ours.map(time).unwrap_or_default(),
        Beside {
            limit: nginx
                .map(|longest| format!("{} (nginx)", time(longest)))
                .unwrap_or_default(),
            ..Beside::default()
        },
        ours.map(|longest| longest <= Duration::from_millis(10)),
    );
}
