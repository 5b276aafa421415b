//! The three formats of `/metrics` side by side: bytes, time, CPU and memory of the same series, with and without gzip.

use std::time::{Duration, Instant};

use crate::http::{Accept, Scraper};
use crate::measure::{median, process_time, resident};
use crate::scrapes::Served;
use crate::table::{Targets, header, megabytes, row, time};

/// Series, and over how many regions they are spread.
const SIZE: (usize, usize) = (100_000, 30);

const SCRAPES: usize = 200;

/// Between two looks at what renderings cost while polls go on.
const WITH_POLLS: Duration = Duration::from_secs(10);

/// In the order in which they are asked for: protobuf is written only once it is.
const FORMATS: [(&str, Accept); 3] = [
    ("text", Accept::TEXT),
    ("OpenMetrics", Accept::OPEN_METRICS),
    ("protobuf", Accept::PROTOBUF),
];

pub fn run(_: &mut Targets) {
    println!("\n## Formats\n");
    header(&[
        "format",
        "encoding",
        "series",
        "first scrape",
        "p50",
        "CPU a scrape",
        "bytes",
        "resident",
        "CPU a second while polls go on",
    ]);
    let (wanted, regions) = SIZE;
    let served = Served::new(wanted, regions);
    for (name, accept) in FORMATS {
        for gzip in [false, true] {
            of_format(&served, name, accept, gzip);
        }
    }
}

fn of_format(served: &Served, name: &str, accept: Accept, gzip: bool) {
    let (address, process_id) = (served.exporter.address(), served.exporter.process_id());
    let mut scraper = Scraper::asking(address, "/metrics", accept, gzip);
    let began = Instant::now();
    let bytes = scraper.scrape();
    let first = began.elapsed();
    let before = process_time(process_id);
    served.busy(|| {
        let end = Instant::now() + WITH_POLLS;
        while Instant::now() < end {
            scraper.scrape();
            std::thread::park_timeout(Duration::from_secs(1));
        }
    });
    let with_polls = (process_time(process_id) - before) / WITH_POLLS.as_secs() as u32;
    let before = process_time(process_id);
    let took = (0..SCRAPES).map(|_| {
        let began = Instant::now();
        scraper.scrape();
        began.elapsed()
    });
    let p50 = median(took.collect());
    let cpu = (process_time(process_id) - before) / SCRAPES as u32;
    row(&[
        name,
        if gzip { "gzip" } else { "plain" },
        &served.series.to_string(),
        &time(first),
        &time(p50),
        &time(cpu),
        &bytes.to_string(),
        &megabytes(resident(process_id)),
        &time(with_polls),
    ]);
}
