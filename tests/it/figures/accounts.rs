//! What many accounts cost: `make figures`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use simulator::Received;
use tempfile::tempdir;

use crate::exporter::{Exporter, of_status, pause};
use crate::fleet::many_accounts;

const ACCOUNTS: usize = 20;
const REGIONS: usize = 30;
const LATENCY: Duration = Duration::from_millis(50);
const INTERVAL: u64 = 30;

/// The most requests of one account that were on their way at once, if each took the latency.
fn most_at_once(requests: &[Received]) -> usize {
    let mut of_account: BTreeMap<&str, Vec<SystemTime>> = BTreeMap::new();
    for request in requests {
        of_account
            .entry(request.account.as_deref().unwrap_or_default())
            .or_default()
            .push(request.at);
    }
    let at_once = |times: &Vec<SystemTime>| {
        let during = |start: &SystemTime| {
            times
                .iter()
                .filter(|at| **at >= *start && **at < *start + LATENCY)
                .count()
        };
        times.iter().map(during).max().unwrap_or(0)
    };
    of_account.values().map(at_once).max().unwrap_or(0)
}

/// Megabytes.
fn resident(exporter: &Exporter) -> f64 {
    of_status(exporter.process_id(), "VmRSS:") as f64 / 1e6
}

#[test]
#[ignore = "takes over a minute and prints figures; make figures"]
fn twenty_accounts_in_thirty_regions() {
    let directory = tempdir().unwrap();
    let (simulator, accounts) = many_accounts(ACCOUNTS, REGIONS);
    simulator.set_latency(LATENCY);
    let config = format!(
        "accounts:\n{accounts}poll: {{interval: {INTERVAL}s}}\nstate: {{path: {}}}\n",
        directory.path().join("state").display()
    );
    let started = Instant::now();
    let exporter = Exporter::start_with(directory.path(), &config, &["--log.level=info"], &[]);
    let listening = started.elapsed();
    // Not by scrapes: reading megabytes of text again and again would be what is measured.
    while exporter.get("/-/ready").status != 200 {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", exporter.log());
        pause();
    }
    let first = started.elapsed();
    let memory = resident(&exporter);
    let (requests, in_flight) = (simulator.requests(), simulator.max_in_flight());
    println!(
        "{ACCOUNTS} accounts, {REGIONS} regions each, {} ms an answer, interval {INTERVAL} s",
        LATENCY.as_millis()
    );
    println!(
        "listening after                          {:.2} s",
        listening.as_secs_f64()
    );
    println!(
        "every scope has its first poll after     {:.2} s",
        first.as_secs_f64()
    );
    println!("requests until then                      {}", requests.len());
    println!("requests in flight at most               {in_flight}");
    println!(
        "of one account at most                   {}",
        most_at_once(&requests)
    );

    let begun = requests.first().unwrap().at;
    let mut of_second = vec![0_usize; first.as_secs() as usize + 1];
    for request in &requests {
        let second = request.at.duration_since(begun).unwrap_or_default().as_secs() as usize;
        if let Some(count) = of_second.get_mut(second) {
            *count += 1;
        }
    }
    println!("requests of each second until then       {of_second:?}");

    // One interval for the timetables to take over, then two that are looked at.
    let wait = |until: Instant| {
        while Instant::now() < until {
            pause();
        }
    };
    wait(Instant::now() + Duration::from_secs(INTERVAL));
    simulator.forget_requests();
    let begun = SystemTime::now();
    let seconds = 2 * INTERVAL;
    wait(Instant::now() + Duration::from_secs(seconds));
    let requests = simulator.requests();
    let mut of_second = vec![0_usize; seconds as usize];
    for request in &requests {
        let second = request.at.duration_since(begun).unwrap_or_default().as_secs() as usize;
        if let Some(count) = of_second.get_mut(second) {
            *count += 1;
        }
    }
    let mean = of_second.iter().sum::<usize>() as f64 / of_second.len() as f64;
    let variance = of_second
        .iter()
        .map(|count| (*count as f64 - mean).powi(2))
        .sum::<f64>()
        / of_second.len() as f64;
    println!(
        "requests a second in steady state        mean {mean:.1}, least {}, most {}, deviation {:.1}",
        of_second.iter().min().unwrap(),
        of_second.iter().max().unwrap(),
        variance.sqrt()
    );
    println!(
        "of one account in flight at most         {}",
        most_at_once(&requests)
    );
    println!("| second of the interval | requests, two intervals |");
    println!("|---|---|");
    for second in 0..INTERVAL as usize {
        let count = of_second[second] + of_second[second + INTERVAL as usize];
        println!("| {second:2} | {count:3} {} |", "#".repeat(count / 2));
    }
    let scrape = exporter.scrape();
    let up = scrape
        .all("cloud_assistant_up")
        .filter(|(_, up)| *up == 1.0)
        .count();
    assert_eq!(up, ACCOUNTS * REGIONS);
    println!(
        "resident memory                          {memory:.1} MB after the first polls, {:.1} MB after a scrape of all",
        resident(&exporter)
    );
    println!(
        "CPU                                      {:.1} s in {:.0} s",
        scrape.value("process_cpu_seconds_total", &[]),
        started.elapsed().as_secs_f64()
    );
    println!(
        "a scrape                                 {} bytes",
        scrape.text.len()
    );
    println!(
        "open files                               {}",
        scrape.value("process_open_fds", &[])
    );

    assert!(first < Duration::from_secs(20), "{first:?}");
    assert!(in_flight <= 256, "{in_flight}");
    assert!(
        requests.len() <= ACCOUNTS * REGIONS * 2 + 60,
        "{} requests in two intervals",
        requests.len()
    );
    assert!(
        (*of_second.iter().max().unwrap() as f64) < mean * 2.0,
        "{of_second:?}"
    );
}
