//! Stores that activations are expired once their time is over, so that what is found by their
//! status and the volumes of Links in lists follow the time. Reads of one Link do not wait for it:
//! they look at the time themselves.
//!
//! Started by the composition root on each instance. What an operator ends before its time is found
//! when the Link is read, not here: nobody would see it sooner, and asking for every Link would cost
//! calls in proportion to all that was ever sold.

use crate::metrics::{Job, job_succeeded};
use crate::ports::{Clock, Store, StoreError};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;

/// Looks this often: what the platform itself knows shows within a second.
const POLL: Duration = Duration::from_secs(1);

/// Activations expired in one transaction. A top-up of one of their Links may have to wait for it:
/// some ten milliseconds at most.
const EXPIRED_MAX: i64 = 32;

/// Expires activations.
#[derive(Clone)]
pub struct Expiry {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Expiry {
    /// On this store, by this clock.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Runs until the task is dropped or `stop` is notified.
    pub async fn run(self, stop: Arc<Notify>) {
        let mut stopped = std::pin::pin!(stop.notified());
        loop {
            match self.round().await {
                Ok(expired) => {
                    job_succeeded(Job::Expiry, self.clock.now());
                    if expired > 0 {
                        tracing::debug!(expired, "activations are over");
                    }
                }
                Err(error) => tracing::warn!(%error, "activations that are over are not looked up"),
            }
            tokio::select! {
                biased;
                () = &mut stopped => return,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Expires all that is over now and that nobody else is just changing; says how many.
    pub async fn round(&self) -> Result<u64, StoreError> {
        let mut expired = 0;
        loop {
            let some = self.store.expire_activations(self.clock.now(), EXPIRED_MAX).await?;
            expired += some;
            // Those that someone else is changing stay due: with them there is no end to wait for.
            if some == 0 {
                return Ok(expired);
            }
        }
    }
}
