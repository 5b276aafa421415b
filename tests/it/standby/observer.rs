//! Somebody who scrapes both replicas all the time, and believes whatever is shown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::pair::{LEADER, Pair};
use crate::crash::watch::Watch;
use crate::exporter::{pause, request};
use crate::scrape::Scrape;

/// It scrapes until it is asked what it has seen.
pub struct Observer {
    is_asked: Arc<AtomicBool>,
    observing: JoinHandle<Seen>,
}

/// What was scraped: no counter was ever lower than in a scrape before, of whichever replica, and never did both lead.
#[derive(Debug, Default)]
pub struct Seen {
    pub scrapes: u64,
    /// Of one that led.
    pub of_leaders: u64,
    /// Of one that led, and showed no counts.
    pub without_counts: u64,
}

impl Observer {
    /// Of the replicas that run now.
    pub fn of(pair: &Pair) -> Self {
        let running = pair.replicas.iter().flatten();
        let addresses: Vec<SocketAddr> = running.map(|replica| replica.address()).collect();
        let is_asked = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_asked);
        let observing = thread::spawn(move || {
            let (mut seen, mut watch) = (Seen::default(), Watch::default());
            // Who led in the last scrapes, the newest last.
            let mut led = Vec::new();
            for address in addresses.iter().cycle() {
                if asked.load(Ordering::Acquire) {
                    break;
                }
                // Who does not run does not answer.
                let answer = request(*address, "GET", "/metrics", "");
                let scrape = answer.map(|answer| Scrape::parse(&answer.text())).ok();
                let leads = scrape
                    .as_ref()
                    .is_some_and(|scrape| scrape.value(LEADER, &[]) == 1.0);
                led.push(leads);
                // One that led before and after another has led at the same time.
                assert!(!led.ends_with(&[true, true, true]), "both lead");
                let Some(scrape) = scrape else { continue };
                seen.scrapes += 1;
                watch.see_what_is_shown(&scrape);
                seen.of_leaders += u64::from(leads);
                let shows = scrape.sum("cloud_assistant_results_total", &[]).is_some();
                assert!(leads || !shows, "a standby shows counts");
                seen.without_counts += u64::from(leads && !shows);
                pause();
            }
            seen
        });
        Self { is_asked, observing }
    }

    pub fn seen(self) -> Seen {
        self.is_asked.store(true, Ordering::Release);
        let seen = self
            .observing
            .join()
            .unwrap_or_else(|lower| std::panic::resume_unwind(lower));
        println!("{seen:?}");
        seen
    }
}
