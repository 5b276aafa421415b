//! What the connections, and the tests, have in common.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::Cloud;
use crate::faults::Faults;
use crate::received::Received;
use crate::signature::Nonces;

/// How the simulator behaves, apart from what the cloud holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Before each answer.
    pub(crate) latency: Duration,
    /// How far the date of a request may be off.
    pub(crate) date_tolerance: Duration,
    /// How many seconds the clock of the simulator is ahead.
    pub(crate) clock_skew: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            date_tolerance: Duration::from_secs(15 * 60),
            clock_skew: 0,
        }
    }
}

/// How many requests are remembered: a demo may run for weeks.
const LOGGED: usize = 100_000;

/// Everything behind locks that are never held while something is waited for.
#[derive(Debug)]
pub(crate) struct Shared {
    cloud: Arc<Mutex<Cloud>>,
    received: Mutex<Log>,
    nonces: Mutex<Nonces>,
    settings: Mutex<Settings>,
    in_flight: AtomicUsize,
    max_in_flight: AtomicUsize,
    /// The statuses that HTTP targets of events have answered with; 0 where there was no answer.
    delivered: Mutex<Vec<u16>>,
    /// Told when a message was put into any queue.
    pub(crate) messages: Notify,
    pub(crate) faults: Faults,
}

#[derive(Debug, Default)]
struct Log {
    last: u64,
    requests: VecDeque<Received>,
}

impl Shared {
    pub(crate) fn new(cloud: Arc<Mutex<Cloud>>) -> Self {
        Self {
            cloud,
            received: Mutex::default(),
            nonces: Mutex::default(),
            settings: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            max_in_flight: AtomicUsize::new(0),
            delivered: Mutex::default(),
            messages: Notify::new(),
            faults: Faults::default(),
        }
    }

    pub(crate) fn cloud(&self) -> MutexGuard<'_, Cloud> {
        lock(&self.cloud)
    }

    pub(crate) fn nonces(&self) -> MutexGuard<'_, Nonces> {
        lock(&self.nonces)
    }

    pub(crate) fn settings(&self) -> Settings {
        *lock(&self.settings)
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut lock(&self.settings));
    }

    /// An AccessKeyId, and whose it is, if it is known.
    pub(crate) fn caller(&self, access_key_id: Option<String>) -> (Option<String>, Option<String>) {
        let known = |id: &String| Some(self.cloud().keys.get(id)?.account.clone());
        let account = access_key_id.as_ref().and_then(known);
        (access_key_id, account)
    }

    /// Notes a request, and gives it its number.
    pub(crate) fn receive(&self, mut received: Received) -> u64 {
        let mut log = lock(&self.received);
        log.last += 1;
        received.number = log.last;
        log.requests.push_back(received);
        if log.requests.len() > LOGGED {
            log.requests.pop_front();
        }
        log.last
    }

    /// Adds to what was noted, unless that was forgotten.
    pub(crate) fn amend(&self, number: u64, change: impl FnOnce(&mut Received)) {
        let mut log = lock(&self.received);
        if let Some(received) = log
            .requests
            .iter_mut()
            .rev()
            .find(|received| received.number == number)
        {
            change(received);
        }
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        lock(&self.received).requests.iter().cloned().collect()
    }

    pub(crate) fn forget_requests(&self) {
        lock(&self.received).requests.clear();
    }

    /// A try to deliver an event has ended.
    pub(crate) fn delivered(&self, status: u16) {
        lock(&self.delivered).push(status);
    }

    pub(crate) fn deliveries(&self) -> Vec<u16> {
        lock(&self.delivered).clone()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub(crate) fn max_in_flight(&self) -> usize {
        self.max_in_flight.load(Ordering::SeqCst)
    }

    /// Counts a request as in flight until it is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.max_in_flight.fetch_max(now, Ordering::SeqCst);
        InFlight(Arc::clone(self))
    }
}

/// A request that has no answer yet.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Shared>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A test that panicked while it held a lock has failed already: others may go on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
