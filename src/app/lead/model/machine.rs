//! A machine: its clock, which need not go as others do, and whether it works and reaches the database.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// One way to the database, or back.
const WAY: Duration = Duration::from_millis(20);

/// A machine; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    began: Instant,
    /// By what part of itself its clock is fast.
    fast: f64,
    works: Arc<watch::Sender<bool>>,
    reaches: Arc<watch::Sender<bool>>,
}

impl Machine {
    pub(super) fn new(fast: f64) -> Self {
        Self {
            began: Instant::now(),
            fast,
            works: Arc::new(watch::Sender::new(true)),
            reaches: Arc::new(watch::Sender::new(true)),
        }
    }

    /// As [`crate::lease::now`].
    pub(super) fn now(&self) -> Duration {
        Duration::from_secs(1000) + self.began.elapsed().mul_f64(1.0 + self.fast)
    }

    pub(super) fn set_working(&self, works: bool) {
        self.works.send_replace(works);
    }

    pub(super) fn set_reaching(&self, reaches: bool) {
        self.reaches.send_replace(reaches);
    }

    pub(super) fn is_working(&self) -> bool {
        *self.works.borrow()
    }

    /// Whether it works, and reaches the database.
    pub(super) fn is_well(&self) -> bool {
        self.is_working() && *self.reaches.borrow()
    }

    /// Waits while it hangs.
    pub(super) async fn works(&self) {
        until_so(&self.works).await;
    }

    /// A message is on its way, and arrives once it can.
    pub(super) async fn way(&self) {
        sleep(WAY).await;
        while !self.is_well() {
            until_so(&self.reaches).await;
            until_so(&self.works).await;
        }
    }
}

async fn until_so(is_so: &watch::Sender<bool>) {
    // The sender is there for as long as its machine.
    let _ = is_so.subscribe().wait_for(|is_so| *is_so).await;
}
