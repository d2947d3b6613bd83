//! The rate of calls to the operator: a token bucket of one second's worth, on the core's own clock.
//! Used by the gateway's actor, by its handle for work in the background, and by permits for what
//! comes behind their first calls.

use super::METRICS;
use crate::ports::Clock;
use governor::clock::Clock as RateClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::{num::NonZeroU32, sync::Arc, time::Duration};

/// The token bucket of calls, on the core's own clock.
pub(super) struct Rate {
    bucket: RateLimiter<NotKeyed, InMemoryState, PortClock, NoOpMiddleware<Duration>>,
    /// More calls at once than the bucket ever holds wait for as many as it can give.
    burst: NonZeroU32,
    clock: PortClock,
}

#[derive(Clone)]
struct PortClock(Arc<dyn Clock>);

impl RateClock for PortClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Rate {
    pub(super) fn new(per_second: u32, clock: Arc<dyn Clock>) -> Self {
        let burst = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        let clock = PortClock(clock);
        let bucket = RateLimiter::direct_with_clock(Quota::per_second(burst), clock.clone());
        Self { bucket, burst, clock }
    }

    /// Of so many calls, those that room can be taken for at once: a second's worth at most.
    pub(super) fn at_once(&self, calls: NonZeroU32) -> NonZeroU32 {
        calls.min(self.burst)
    }

    /// Takes room for calls, as many as it can be taken for [`Self::at_once`]; or says how long to
    /// wait before asking again.
    pub(super) fn take(&self, calls: NonZeroU32) -> Result<(), Duration> {
        match self.bucket.check_n(self.at_once(calls)) {
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.clock.now())),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }

    /// Waits until there is room for calls, and takes it.
    pub(super) async fn wait(&self, calls: NonZeroU32) {
        let Err(mut wait) = self.take(calls) else { return };
        let asked = self.clock.now();
        loop {
            tokio::time::sleep(wait).await;
            match self.take(calls) {
                Ok(()) => break,
                Err(again) => wait = again,
            }
        }
        let waited = self.clock.now().saturating_sub(asked);
        METRICS.rate_wait_seconds.record(waited);
    }
}
