//! A clock that stands still until the test moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use bappy::identity::Clock;
use chrono::{DateTime, Utc};

/// Starts at the real time, so that the sandbox's tokens fit.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub fn new() -> Self {
        let now = DateTime::<Utc>::from(SystemTime::now());
        Self(Arc::new(AtomicI64::new(now.timestamp())))
    }

    /// Seconds since 1970.
    pub fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn port(&self) -> Clock {
        let clock = self.clone();
        Arc::new(move || DateTime::from_timestamp(clock.now(), 0).unwrap())
    }
}
