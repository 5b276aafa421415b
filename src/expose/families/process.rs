//! The standard metrics of the process, read from `/proc/self` at each scrape.
//!
//! Not the collector of the `prometheus` crate: it counts whole seconds of CPU, and cannot tell the start time where
//! systemd hides `/proc/stat`. And a scrape is answered in microseconds, of which a registry would take most.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

use rustix::process::{Resource, getrlimit};

use crate::expose::point::{Family, Sink, Value};

/// Linux shows times of processes in hundredths of a second on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

const FDS: &str = "/proc/self/fd";

/// Its 52 fields are numbers, but for the name and a letter.
const STAT_BYTES: usize = 2048;

/// The process that is scraped. Its files are kept open: a scrape is spared the way to them.
#[derive(Debug)]
pub struct Process {
    /// Unix time.
    start_time: f64,
    page_size: f64,
    stat: Option<File>,
    fds: Option<File>,
}

/// What `/proc/self/stat` says.
struct Stat {
    cpu_seconds: f64,
    threads: f64,
    virtual_memory: f64,
    resident_memory: f64,
}

/// The process at one instant.
struct Reading<'a> {
    process: &'a Process,
    stat: Option<Stat>,
}

/// A family of the process: what it is, and its value.
type OfProcess = (Family<'static>, fn(&Reading<'_>) -> Option<f64>);

const FAMILIES: [OfProcess; 8] = [
    (
        Family::counter("process_cpu_seconds", "User and system CPU time spent."),
        |reading| Some(reading.stat.as_ref()?.cpu_seconds),
    ),
    (
        Family::gauge("process_max_fds", "Most open file descriptors that are allowed."),
        |_| Some(soft_limit(Resource::Nofile)),
    ),
    (
        Family::gauge("process_open_fds", "Open file descriptors."),
        |reading| reading.process.open_fds(),
    ),
    (
        Family::gauge("process_resident_memory_bytes", "Resident memory."),
        |reading| Some(reading.stat.as_ref()?.resident_memory),
    ),
    (
        Family::gauge(
            "process_start_time_seconds",
            "Start time of the process, in Unix time.",
        ),
        |reading| Some(reading.process.start_time),
    ),
    (
        Family::gauge("process_threads", "Threads of the operating system."),
        |reading| Some(reading.stat.as_ref()?.threads),
    ),
    (
        Family::gauge("process_virtual_memory_bytes", "Virtual memory."),
        |reading| Some(reading.stat.as_ref()?.virtual_memory),
    ),
    (
        Family::gauge(
            "process_virtual_memory_max_bytes",
            "Most virtual memory that is allowed.",
        ),
        |_| Some(soft_limit(Resource::As)),
    ),
];

impl Process {
    /// This process, which started at `start`.
    pub fn new(start: SystemTime) -> Self {
        Self {
            start_time: unix_time(start),
            page_size: rustix::param::page_size() as f64,
            stat: File::open("/proc/self/stat").ok(),
            fds: File::open(FDS).ok(),
        }
    }

    /// In Unix time.
    pub(in crate::expose) fn start_time(&self) -> f64 {
        self.start_time
    }

    /// Gives its families as they are now; without those that cannot be read.
    pub(in crate::expose) fn all(&self, to: &mut dyn Sink) {
        let reading = Reading {
            process: self,
            stat: self.stat(),
        };
        for (family, value) in &FAMILIES {
            if let Some(value) = value(&reading) {
                to.family(family);
                to.point(&[], Value::OfProcess(value));
            }
        }
    }

    fn stat(&self) -> Option<Stat> {
        let mut bytes = [0; STAT_BYTES];
        let length = self.stat.as_ref()?.read_at(&mut bytes, 0).ok()?;
        let stat = String::from_utf8_lossy(&bytes[..length]);
        // The name of the program, in brackets, may hold anything; fields are counted from behind it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number)?.parse::<f64>().ok();
        Some(Stat {
            cpu_seconds: (field(11)? + field(12)?) / TICKS_PER_SECOND,
            threads: field(17)?,
            virtual_memory: field(20)?,
            resident_memory: field(21)? * self.page_size,
        })
    }

    /// Linux 6.2 and later say the number as the size of the directory, before it is 0.
    fn open_fds(&self) -> Option<f64> {
        match self.fds.as_ref()?.metadata().ok()?.len() {
            0 => Some(fs::read_dir(FDS).ok()?.count() as f64),
            open => Some(open as f64),
        }
    }
}

/// With the fractions of a second.
pub(in crate::expose) fn unix_time(time: SystemTime) -> f64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

/// Go's client shows no limit as the largest number; so do we, for the same dashboards.
fn soft_limit(resource: Resource) -> f64 {
    getrlimit(resource).current.unwrap_or(u64::MAX) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expose::encode::{Encoder, OpenMetrics};

    #[test]
    fn this_process() {
        let mut open_metrics = OpenMetrics::default();
        Process::new(SystemTime::UNIX_EPOCH).all(&mut open_metrics);
        let text = open_metrics.written();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().parse().unwrap()
        };
        assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 8);
        assert!(text.contains("# TYPE process_cpu_seconds counter\n# UNIT process_cpu_seconds seconds\n"));
        assert!(value("process_cpu_seconds_total ") >= 0.0);
        assert!(value("process_resident_memory_bytes ") > 1e6);
        assert!(value("process_virtual_memory_bytes ") > value("process_resident_memory_bytes "));
        assert!(value("process_threads ") >= 1.0);
        assert_eq!(value("process_start_time_seconds "), 0.0);
        assert!(value("process_open_fds ") >= 3.0);
        assert!(value("process_max_fds ") >= value("process_open_fds "));
        let listed = fs::read_dir("/proc/self/fd").unwrap().count() as f64;
        // Other tests open and close some at the same time.
        assert!((value("process_open_fds ") - listed).abs() < 100.0, "{listed}");
    }
}
