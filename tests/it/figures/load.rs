//! Figures under load, printed: `make figures`. They take long, so that `cargo test` leaves them out.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use simulator::Outcome;
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, REGION, cloud, config};
use crate::exporter::{Exporter, eventually};

#[test]
#[ignore = "a minute of load"]
fn five_thousand_idle_and_slow_connections_while_twenty_scrapers_go_on() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let exporter = Exporter::start(
        directory.path(),
        &config(&simulator, directory.path(), &[REGION], ""),
    );
    exporter.looked();
    simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .add_settled(500, Outcome::failed(3));
    exporter.polled();
    println!(
        "| when | p50 | p99 | most | scrapes | resident MB | descriptors |\n|---|---|---|---|---|---|---|"
    );
    report("before", &exporter, Duration::from_secs(10));
    let connections: Vec<TcpStream> = (0..5000)
        .filter_map(|number| {
            let mut stream = TcpStream::connect(exporter.address()).ok()?;
            // Every other one has begun to send a head that it will not end.
            if number % 2 == 0 {
                stream
                    .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ")
                    .ok()?;
            }
            Some(stream)
        })
        .collect();
    println!("{} connections were made", connections.len());
    report("during", &exporter, Duration::from_secs(60));
    drop(connections);
    eventually("the connections are gone", || {
        (exporter.scrape().value("process_open_fds", &[]) < 100.0).then_some(())
    });
    report("after", &exporter, Duration::from_secs(10));
}

/// Scrapes with 20 clients for a while, and prints a row.
fn report(when: &str, exporter: &Exporter, duration: Duration) {
    let took = Mutex::new(Vec::new());
    let end = Instant::now() + duration;
    thread::scope(|threads| {
        for _ in 0..20 {
            threads.spawn(|| {
                while Instant::now() < end {
                    let started = Instant::now();
                    assert_eq!(exporter.get("/metrics").status, 200);
                    took.lock().unwrap().push(started.elapsed());
                    // As a scraper does, far more often.
                    thread::park_timeout(Duration::from_millis(100));
                }
            });
        }
    });
    let mut took = took.into_inner().unwrap();
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    let scrape = exporter.scrape();
    println!(
        "| {when} | {:?} | {:?} | {:?} | {} | {:.1} | {} |",
        at(50),
        at(99),
        at(100),
        took.len(),
        scrape.value("process_resident_memory_bytes", &[]) / 1e6,
        scrape.value("process_open_fds", &[])
    );
}
