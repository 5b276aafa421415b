//! Strangers at the endpoint.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Stage, event};
use crate::cloud::REGION;
use crate::exporter::of_status;
use crate::stage::{POLLS, UP};

/// Nothing of what is sent may be found again.
const MARK: &str = "hunter2";

/// Sends `head` and `body` on a connection of its own; the status of the answer, 0 where there is none.
fn send(address: SocketAddr, head: &str, body: &[u8]) -> u16 {
    let exchange = || -> std::io::Result<u16> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            stream,
            "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n"
        )?;
        // It may be refused before all of it is sent.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let status = String::from_utf8_lossy(&answer);
        Ok(status
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0))
    };
    exchange().unwrap_or(0)
}

fn sized(body: &[u8]) -> String {
    format!("Content-Length: {}\r\n", body.len())
}

/// One request of many kinds, by its number.
fn hostile(address: SocketAddr, number: usize) -> u16 {
    let random: Vec<u8> = (0..200)
        .map(|byte| ((number * 7919 + byte * 104_729) % 256) as u8)
        .collect();
    match number % 10 {
        0 => send(address, &sized(&random), &random),
        1 => {
            let deep = format!("{}\"{MARK}\"", "[".repeat(50_000));
            send(address, &sized(deep.as_bytes()), deep.as_bytes())
        }
        2 => {
            let deep = format!("{}\"{MARK}\"", r#"{"alert":"#.repeat(20_000));
            send(address, &sized(deep.as_bytes()), deep.as_bytes())
        }
        // A gigabyte is announced.
        3 => send(address, "Content-Length: 1073741824\r\n", &[b' '; 4096]),
        // And sent without an announcement, as far as anybody reads it.
        4 => {
            let chunk = [b"40000\r\n".as_slice(), &[b'['; 0x40000], b"\r\n"].concat();
            send(address, "Transfer-Encoding: chunked\r\n", &chunk.repeat(4))
        }
        5 => {
            let event = event(MARK, MARK, "TaskCompleted");
            send(address, &sized(event.as_bytes()), event.as_bytes())
        }
        6 => send(
            address,
            &format!("x-eventbridge-signature-token: {MARK}-{number}\r\nContent-Length: 0\r\n"),
            b"",
        ),
        7 => {
            let list = format!("[{}]", vec!["{}"; 80_000].join(","));
            send(address, &sized(list.as_bytes()), list.as_bytes())
        }
        8 => send(
            address,
            &format!("Content-Length: 9\r\nX-{MARK}: \u{1}\r\n"),
            MARK.as_bytes(),
        ),
        // True ones among them.
        _ => {
            let event = event("", REGION, "TaskCompleted");
            send(address, &sized(event.as_bytes()), event.as_bytes())
        }
    }
}

/// So many requests, and slow bodies all the while.
fn besiege(requests: usize, more: &str) {
    let stage = Stage::new(&[REGION], "account_id: '1234567890123456'", more);
    let address = stage.exporter.address();
    let id = stage.exporter.process_id();
    let memory = || of_status(id, "VmRSS:");
    stage.exporter.scrape();
    let before = memory();
    let started = Instant::now();
    let (over, most) = (AtomicBool::new(false), Mutex::new(0));
    let took = Mutex::new(Vec::new());
    let answered = Mutex::new(std::collections::BTreeMap::<u16, usize>::new());
    thread::scope(|threads| {
        // Bodies that come a byte at a time, as many as half of the threads' sockets.
        threads.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let slow: Vec<TcpStream> = (0..200)
                    .filter_map(|_| {
                        let mut stream = TcpStream::connect(address).ok()?;
                        let head =
                            "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n[";
                        stream.write_all(head.as_bytes()).ok()?;
                        Some(stream)
                    })
                    .collect();
                for _ in 0..10 {
                    thread::park_timeout(Duration::from_millis(200));
                    slow.iter().for_each(|mut stream| drop(stream.write_all(b" ")));
                }
            }
        });
        threads.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let asked = Instant::now();
                assert_eq!(stage.exporter.get("/metrics").status, 200);
                took.lock().unwrap().push(asked.elapsed());
                let mut most = most.lock().unwrap();
                *most = memory().max(*most);
                drop(most);
                thread::park_timeout(Duration::from_millis(50));
            }
        });
        let senders: Vec<_> = (0..8)
            .map(|sender| {
                let answered = &answered;
                threads.spawn(move || {
                    for number in (sender..requests).step_by(8) {
                        let status = hostile(address, number / 8);
                        *answered.lock().unwrap().entry(status).or_default() += 1;
                    }
                })
            })
            .collect();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        over.store(true, Ordering::Relaxed);
    });
    let lasted = started.elapsed().as_secs_f64();
    let mut took = took.into_inner().unwrap();
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    let scrape = stage.exporter.scrape();
    let polls = scrape.value(POLLS, &[]);
    let most = most.into_inner().unwrap();
    println!(
        "{requests} requests in {lasted:.0} s ({more}): statuses {:?}; memory {:.1} MB before, {:.1} MB at most; /metrics p50 \
         {:?}, p99 {:?}, most {:?}; {polls} polls",
        answered.into_inner().unwrap(),
        before as f64 / 1e6,
        most as f64 / 1e6,
        at(50),
        at(99),
        at(100),
    );
    assert!(most < before + (64 << 20), "{most} bytes");
    assert!(polls <= 3.0 + lasted / 5.0, "{polls} polls in {lasted} s");
    assert_eq!(scrape.value(UP, &[]), 1.0);
    let seen = stage.exporter.log() + &scrape.text + &stage.exporter.get("/").text();
    assert!(!seen.contains(MARK), "something of them is shown");
    assert!(stage.exporter.log().lines().count() < 10 * requests + 100);
}

#[test]
fn strangers_are_turned_away_and_nothing_of_them_is_kept() {
    besiege(2000, "events: {http: true}");
}

#[test]
#[ignore = "minutes of load"]
fn a_hundred_thousand_hostile_requests() {
    besiege(100_000, "events: {http: true}");
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "a-token").unwrap();
    besiege(
        100_000,
        &format!("events: {{http: true, token_file: {}}}", token.path().display()),
    );
}
