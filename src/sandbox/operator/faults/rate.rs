//! The rate limit: a bucket of one second's calls that fills steadily (GCRA), without a lock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

const NS_PER_SECOND: f64 = 1e9;

pub(super) struct RateLimit {
    started: Instant,
    interval_ns: u64,
    /// How far ahead of its time a call may be: a full bucket.
    tolerance_ns: u64,
    /// When the bucket is full again, since `started`.
    full_at_ns: AtomicU64,
}

impl RateLimit {
    /// `None` where there is no limit. A limit below one a second lets one call at a time in.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive number of nanoseconds; a float cast saturates"
    )]
    pub fn new(per_second: f64) -> Option<Self> {
        let interval_ns = (NS_PER_SECOND / per_second) as u64;
        (per_second > 0.0).then(|| Self {
            started: Instant::now(),
            interval_ns,
            tolerance_ns: (NS_PER_SECOND as u64).saturating_sub(interval_ns),
            full_at_ns: AtomicU64::new(0),
        })
    }

    /// Takes a call's share, or says after how many whole seconds to try again.
    pub fn take(&self) -> Result<(), u64> {
        let now_ns = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let taken = self.full_at_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let ahead_ns = full_at.saturating_sub(now_ns);
            (ahead_ns <= self.tolerance_ns)
                .then(|| full_at.max(now_ns).saturating_add(self.interval_ns))
        });
        taken.map(|_| ()).map_err(|full_at| {
            let wait_ns = full_at.saturating_sub(now_ns).saturating_sub(self.tolerance_ns);
            wait_ns.div_ceil(1_000_000_000).max(1)
        })
    }
}
