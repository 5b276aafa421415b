//! Clocks and counters: how long a piece takes, and what the system says of a process.

use std::fs;
use std::time::Duration;

use crate::exporter::of_status;

/// So long one batch of repetitions takes at least: the system counts a thread's time in steps of some milliseconds.
const BATCH: Duration = Duration::from_millis(60);

const BATCHES: usize = 9;

/// The CPU time that one call takes: of some batches after a warm-up the quickest. What other processes take from
/// this one does not count, and what they slow down counts least in the quickest.
pub fn cpu_time(mut call: impl FnMut()) -> Duration {
    let [time] = cpu_times([&mut call]);
    time
}

/// The same for several calls, which take turns.
pub fn cpu_times<const N: usize>(mut calls: [&mut dyn FnMut(); N]) -> [Duration; N] {
    let repeats = calls.each_mut().map(|call| {
        let mut repeats = 1;
        loop {
            let taken = batch(repeats, call);
            if taken >= BATCH {
                return repeats;
            }
            repeats = match taken.as_nanos() {
                0 => repeats * 8,
                taken => (repeats * BATCH.as_nanos() / taken + 1).clamp(repeats + 1, repeats * 8),
            };
        }
    });
    let mut times = [Duration::MAX; N];
    for _ in 0..BATCHES {
        for ((time, call), repeats) in times.iter_mut().zip(&mut calls).zip(repeats) {
            *time = (*time).min(batch(repeats, call) / repeats as u32);
        }
    }
    times
}

fn batch(repeats: u128, call: &mut dyn FnMut()) -> Duration {
    let before = thread_time();
    for _ in 0..repeats {
        call();
    }
    thread_time() - before
}

/// The CPU time of this thread.
pub fn thread_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

pub fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

/// The value that so many hundredths of all do not exceed.
pub fn percentile<T: Ord + Copy>(sorted: &[T], hundredths: usize) -> T {
    sorted[(sorted.len() - 1) * hundredths / 100]
}

/// The CPU time of a process and of its children that live, all threads together.
pub fn process_time(id: u32) -> Duration {
    // In hundredths of a second, whatever the kernel's own tick is.
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    let own = Duration::from_millis(ticks * 10);
    own + children(id).into_iter().map(process_time).sum::<Duration>()
}

/// Resident bytes of a process and of its children that live; what they share is counted for each.
pub fn resident(id: u32) -> u64 {
    let own = of_status(id, "VmRSS:");
    own + children(id).into_iter().map(resident).sum::<u64>()
}

fn children(id: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{id}/task/{id}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .map(|child| child.parse().unwrap())
        .collect()
}
