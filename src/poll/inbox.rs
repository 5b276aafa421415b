//! Where a poller is told that it is time to look.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// The inbox of one poller; clones are the same. It holds one bit, however many hints come.
#[derive(Debug, Clone, Default)]
pub struct Inbox(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    is_up: AtomicBool,
    raised: Notify,
}

impl Inbox {
    /// Says that something may have happened in the scope. Waits for nothing.
    pub fn hint(&self) {
        if !self.0.is_up.swap(true, Ordering::AcqRel) {
            self.0.raised.notify_one();
        }
    }

    /// Whether there was a hint since it was last taken.
    pub fn take(&self) -> bool {
        self.0.is_up.swap(false, Ordering::AcqRel)
    }

    /// Waits for a hint, and takes it.
    ///
    /// Cancel-safe: what it has taken it returns.
    pub(super) async fn hinted(&self) {
        while !self.take() {
            self.0.raised.notified().await;
        }
    }
}
