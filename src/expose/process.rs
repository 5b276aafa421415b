//! The standard metrics of the process, read from `/proc/self`.
//!
//! Not the collector of the `prometheus` crate: it counts whole seconds of CPU, and cannot tell the start time where
//! systemd hides `/proc/stat`.

use std::fs;
use std::time::SystemTime;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, Opts};
use rustix::process::{Resource, getrlimit};

/// Linux shows times of processes in hundredths of a second on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads `/proc/self` when it is gathered.
#[derive(Debug)]
pub struct Process {
    cpu_seconds: Counter,
    open_fds: Gauge,
    max_fds: Gauge,
    virtual_memory: Gauge,
    virtual_memory_max: Gauge,
    resident_memory: Gauge,
    threads: Gauge,
    start_time: Gauge,
    page_size: f64,
}

impl Process {
    /// The metrics of this process, which started at `start`.
    ///
    /// # Errors
    /// None in practice: the names are sound.
    pub fn new(start: SystemTime) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| Gauge::with_opts(Opts::new(name, help));
        let start_time = gauge(
            "process_start_time_seconds",
            "Start time of the process, in Unix time.",
        )?;
        start_time.set(
            start
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs_f64(),
        );
        Ok(Self {
            cpu_seconds: Counter::new("process_cpu_seconds_total", "User and system CPU time spent.")?,
            open_fds: gauge("process_open_fds", "Open file descriptors.")?,
            max_fds: gauge("process_max_fds", "Most open file descriptors that are allowed.")?,
            virtual_memory: gauge("process_virtual_memory_bytes", "Virtual memory.")?,
            virtual_memory_max: gauge(
                "process_virtual_memory_max_bytes",
                "Most virtual memory that is allowed.",
            )?,
            resident_memory: gauge("process_resident_memory_bytes", "Resident memory.")?,
            threads: gauge("process_threads", "Threads of the operating system.")?,
            start_time,
            page_size: rustix::param::page_size() as f64,
        })
    }

    fn read(&self) -> Option<()> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the program, in brackets, may hold anything; fields are counted from behind it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number)?.parse::<f64>().ok();
        let cpu = (field(11)? + field(12)?) / TICKS_PER_SECOND;
        self.cpu_seconds.inc_by((cpu - self.cpu_seconds.get()).max(0.0));
        self.threads.set(field(17)?);
        self.virtual_memory.set(field(20)?);
        self.resident_memory.set(field(21)? * self.page_size);
        self.open_fds.set(open_fds()? as f64);
        self.max_fds.set(soft_limit(Resource::Nofile));
        self.virtual_memory_max.set(soft_limit(Resource::As));
        Some(())
    }

    fn gauges(&self) -> [&Gauge; 7] {
        [
            &self.open_fds,
            &self.max_fds,
            &self.virtual_memory,
            &self.virtual_memory_max,
            &self.resident_memory,
            &self.threads,
            &self.start_time,
        ]
    }
}

/// Linux 6.2 and later say the number as the size of the directory, before it is 0.
fn open_fds() -> Option<u64> {
    const PATH: &str = "/proc/self/fd";
    match fs::metadata(PATH).ok()?.len() {
        0 => Some(fs::read_dir(PATH).ok()?.count() as u64),
        open => Some(open),
    }
}

/// Go's client shows no limit as the largest number; so do we, for the same dashboards.
fn soft_limit(resource: Resource) -> f64 {
    getrlimit(resource).current.unwrap_or(u64::MAX) as f64
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges()
            .into_iter()
            .flat_map(Collector::desc)
            .chain(self.cpu_seconds.desc())
            .collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // What cannot be read keeps its last value.
        let _ = self.read();
        self.gauges()
            .into_iter()
            .flat_map(Collector::collect)
            .chain(self.cpu_seconds.collect())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process() {
        let process = Process::new(SystemTime::now()).unwrap();
        assert_eq!(process.collect().len(), 8);
        assert!(
            process.resident_memory.get() > 1e6,
            "{}",
            process.resident_memory.get()
        );
        let listed = fs::read_dir("/proc/self/fd").unwrap().count() as f64;
        // Other tests open and close some at the same time.
        assert!((process.open_fds.get() - listed).abs() < 30.0, "{listed}");
        assert!(process.open_fds.get() >= 3.0 && process.max_fds.get() >= process.open_fds.get());
        assert!(process.threads.get() >= 1.0);
    }
}
