//! How late the exporter sees each result: what was really run is compared with what is counted.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloud_assistant_exporter::scope::Scope;
use cloud_assistant_exporter::view::Board;
use simulator::Simulator;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often both are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Results that are shown one by one.
const SHOWN: usize = 30;
/// Upper bounds of the distribution, in seconds.
const BOUNDS: [u64; 6] = [1, 2, 5, 10, 30, 60];

/// What has been seen so far.
#[derive(Debug, Default)]
pub(crate) struct Lateness(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// When results have settled that are not counted yet, and how many there were.
    waiting: BTreeMap<Scope, (VecDeque<Instant>, u64, u64)>,
    newest: VecDeque<(Scope, Duration)>,
    up_to: [u64; BOUNDS.len()],
    all: u64,
}

impl Lateness {
    /// Looks for ever. Of results that settle between two looks the first that settled is taken to be counted first.
    pub(crate) async fn follow(&self, simulator: &Simulator, board: &Board) {
        let mut looks = interval(LOOK);
        // The fleet is counted anew each time, which must not keep it from answering.
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = looks.tick().await;
            let view = board.view();
            let settled: Vec<(Scope, u64)> = {
                let cloud = simulator.cloud();
                let scopes = view.scopes.keys();
                let total = |scope: &Scope| {
                    cloud
                        .truth_since_baseline(&scope.account, &scope.region_id)
                        .total()
                };
                scopes.map(|scope| (scope.clone(), total(scope))).collect()
            };
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (scope, settled) in settled {
                let counts = view.scopes.get(&scope).and_then(|scope| scope.counts.as_ref());
                let counted = counts.map_or(0, |counts| counts.totals().map(|total| total.value).sum());
                seen.look(scope, settled, counted, now);
            }
        }
    }

    /// Serves a page of it for ever.
    pub(crate) async fn serve(self: Arc<Self>, address: &str) -> anyhow::Result<()> {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            let page = self.page();
            let _ = stream.read(&mut [0; 4096]).await;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\nRefresh: 2\r\n";
            let answer = format!("{head}Content-Length: {}\r\n\r\n{page}", page.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }

    fn page(&self) -> String {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut page =
            "<!doctype html><title>How late results are</title><h1>How late results are</h1>\n".to_owned();
        let _ = write!(
            page,
            "<p>{} results so far. From when a result settled until it was counted:</p>\n<ul>",
            seen.all
        );
        for (bound, count) in BOUNDS.iter().zip(seen.up_to) {
            let share = 100.0 * count as f64 / seen.all.max(1) as f64;
            let _ = write!(page, "<li>{share:.1} % within {bound} s</li>");
        }
        page.push_str(
            "</ul>\n<p>Those of the status Error have no event: they wait for the next poll.</p>\n<table>",
        );
        for (scope, late) in seen.newest.iter().rev() {
            let _ = writeln!(
                page,
                "<tr><td>{scope}</td><td>{:.2} s</td></tr>",
                late.as_secs_f64()
            );
        }
        page + "</table>\n"
    }
}

impl Seen {
    fn look(&mut self, scope: Scope, settled: u64, counted: u64, now: Instant) {
        let (waiting, known, before) = self.waiting.entry(scope.clone()).or_default();
        waiting.extend((*known..settled).map(|_| now));
        let done: Vec<Duration> = (*before..counted)
            .filter_map(|_| Some(now - waiting.pop_front()?))
            .collect();
        (*known, *before) = (settled, counted);
        for late in done {
            self.all += 1;
            for (bound, count) in BOUNDS.iter().zip(&mut self.up_to) {
                *count += u64::from(late.as_secs() < *bound);
            }
            self.newest.push_back((scope.clone(), late));
            if self.newest.len() > SHOWN {
                self.newest.pop_front();
            }
        }
    }
}
