//! The standard metrics of the process, read from `/proc/self` at each scrape.
//!
//! Not the collector of the `prometheus` crate: it counts whole seconds of CPU, and cannot tell the start time where
//! systemd hides `/proc/stat`. And a scrape is answered in microseconds, of which a registry would take most.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

use rustix::process::{Resource, getrlimit};

use super::text::{Family, Format, Kind, float, sample};

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

impl Process {
    /// This process, which started at `start`.
    pub fn new(start: SystemTime) -> Self {
        let start = start.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            start_time: start.as_secs_f64(),
            page_size: rustix::param::page_size() as f64,
            stat: File::open("/proc/self/stat").ok(),
            fds: File::open(FDS).ok(),
        }
    }

    /// Its families as they are now; without those that cannot be read.
    pub(super) fn render(&self, format: Format) -> String {
        let mut text = String::with_capacity(2048);
        let mut add = |name: &str, kind: Kind, help: &str, value: Option<f64>| {
            if let Some(value) = value {
                Family { name, kind, help }.header(&mut text, format);
                let total = format!("{name}_total");
                let name = if kind == Kind::Counter { &total } else { name };
                sample(&mut text, name, "", [], float(value));
            }
        };
        let stat = self.stat();
        let of = |value: fn(&Stat) -> f64| stat.as_ref().map(value);
        add(
            "process_cpu_seconds",
            Kind::Counter,
            "User and system CPU time spent.",
            of(|stat| stat.cpu_seconds),
        );
        let mut gauge = |name, help, value| add(name, Kind::Gauge, help, value);
        gauge(
            "process_max_fds",
            "Most open file descriptors that are allowed.",
            Some(soft_limit(Resource::Nofile)),
        );
        gauge("process_open_fds", "Open file descriptors.", self.open_fds());
        gauge(
            "process_resident_memory_bytes",
            "Resident memory.",
            of(|stat| stat.resident_memory),
        );
        gauge(
            "process_start_time_seconds",
            "Start time of the process, in Unix time.",
            Some(self.start_time),
        );
        gauge(
            "process_threads",
            "Threads of the operating system.",
            of(|stat| stat.threads),
        );
        gauge(
            "process_virtual_memory_bytes",
            "Virtual memory.",
            of(|stat| stat.virtual_memory),
        );
        gauge(
            "process_virtual_memory_max_bytes",
            "Most virtual memory that is allowed.",
            Some(soft_limit(Resource::As)),
        );
        text
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

/// Go's client shows no limit as the largest number; so do we, for the same dashboards.
fn soft_limit(resource: Resource) -> f64 {
    getrlimit(resource).current.unwrap_or(u64::MAX) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process() {
        let text = Process::new(SystemTime::UNIX_EPOCH).render(Format::OpenMetrics);
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
