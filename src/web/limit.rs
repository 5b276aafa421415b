//! How many connections there may be, and who goes when there are more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::Instant;

use super::progress::Progress;

/// Connections at most, whatever the limit of open files.
const MOST: u64 = 4096;
/// Open files that are left for everything else: requests to the cloud, the record, logs, listeners.
const RESERVED: u64 = 128;
/// Making room closes one in so many, so that a flood does not pay for a search per connection.
const SHARE: usize = 64;

/// The connections of all listeners.
#[derive(Debug)]
pub(super) struct Connections {
    cap: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    by_number: HashMap<u64, Arc<Progress>>,
}

/// A place among the connections, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    connections: Arc<Connections>,
}

impl Connections {
    pub(super) fn new(cap: usize) -> Arc<Self> {
        Arc::new(Self {
            cap: cap.max(1),
            open: Mutex::default(),
        })
    }

    /// A place for a new connection. When all are taken, connections that are not being served are told to close,
    /// those first that never sent a request, then those that pause, then slow readers; none when there are none.
    pub(super) fn enter(self: &Arc<Self>, progress: &Arc<Progress>) -> Option<Place> {
        let mut open = self.open();
        if open.by_number.len() >= self.cap && !open.make_room(self.cap / SHARE + 1) {
            return None;
        }
        let number = open.next;
        open.next += 1;
        open.by_number.insert(number, Arc::clone(progress));
        Some(Place {
            number,
            connections: Arc::clone(self),
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Closes up to `count` connections; whether there was one.
    fn make_room(&mut self, count: usize) -> bool {
        let now = Instant::now();
        let mut willing: Vec<_> = self
            .by_number
            .iter()
            .filter_map(|(number, progress)| Some((progress.standing(now)?, *number)))
            .collect();
        willing.sort_unstable();
        willing.truncate(count);
        for (_, number) in &willing {
            // Its place is free at once; its task ends as soon as it is scheduled.
            if let Some(progress) = self.by_number.remove(number) {
                progress.evicted.cancel();
            }
        }
        !willing.is_empty()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().by_number.remove(&self.number);
    }
}

/// How many connections the limit of open files leaves room for. A soft limit below what is needed is first raised
/// towards the hard one, as Go's runtime does for the official exporters.
pub(super) fn connection_cap() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = MOST + RESERVED;
    let mut soft = limit.current.unwrap_or(u64::MAX);
    if soft < wanted {
        let raised = limit.maximum.map_or(wanted, |hard| hard.min(wanted));
        if setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(raised),
                maximum: limit.maximum,
            },
        )
        .is_ok()
        {
            soft = raised;
        }
    }
    // Below 2 * RESERVED there is little to share out: half for each.
    let room = if soft < 2 * RESERVED {
        soft / 2
    } else {
        soft - RESERVED
    };
    usize::try_from(room.min(MOST)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn idle_connections_make_room_and_busy_ones_do_not() {
        let connections = Connections::new(2);
        let busy = Progress::new(Instant::now());
        let answering = busy.begin(false);
        let idle = Progress::new(Instant::now());
        let _first = connections.enter(&busy).unwrap();
        let _second = connections.enter(&idle).unwrap();
        let third = Progress::new(Instant::now());
        let _third = connections.enter(&third).unwrap();
        assert!(idle.evicted.is_cancelled() && !busy.evicted.is_cancelled());
        let answering_too = third.begin(false);
        assert!(connections.enter(&Progress::new(Instant::now())).is_none());
        drop((answering, answering_too));
        busy.flushed();
        assert!(connections.enter(&Progress::new(Instant::now())).is_some());
        assert!(busy.evicted.is_cancelled());
    }

    #[test]
    fn the_cap_leaves_room_for_many() {
        assert!((64..=4096).contains(&connection_cap()));
    }
}
