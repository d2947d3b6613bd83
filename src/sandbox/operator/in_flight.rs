//! Counts calls that are being served, so that stopping can wait for them.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

#[derive(Default)]
pub(super) struct InFlight {
    count: AtomicUsize,
    idle: Notify,
}

/// One call; dropped when it is answered or given up.
pub(super) struct Serving<'a>(&'a InFlight);

impl InFlight {
    pub fn begin(&self) -> Serving<'_> {
        self.count.fetch_add(1, Ordering::AcqRel);
        Serving(self)
    }

    /// Waits until nothing is being served.
    pub async fn drained(&self) {
        loop {
            let idle = self.idle.notified();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
