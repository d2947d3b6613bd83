//! Time that follows tokio's paused clock, and ids in sequence.

use bappy_actors::model::Timestamp;
use bappy_actors::ports::{Clock, Ids};
use chrono::TimeDelta;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// A clock that goes on only with tokio's paused time.
pub struct TestClock {
    started: Instant,
    wall: Timestamp,
}

impl TestClock {
    pub fn starting_at(wall: Timestamp) -> Self {
        Self { started: Instant::now(), wall }
    }
}

/// The wall clock's time when a test begins.
pub fn epoch() -> Timestamp {
    Timestamp::from_timestamp(1_750_000_000, 0).unwrap()
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let micros = i64::try_from(self.elapsed().as_micros()).unwrap();
        self.wall + TimeDelta::microseconds(micros)
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Ids 1, 2, 3, …; shared by all processes of one test.
#[derive(Default)]
pub struct SequentialIds(AtomicU64);

impl Ids for SequentialIds {
    fn next(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)) + 1)
    }
}
