//! The time and fresh ids of a real process.

use bappy_actors::model::Timestamp;
use bappy_actors::ports::{Clock, Ids};
use chrono::{SubsecRound, Utc};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::{ContextV7, Uuid};

/// The system's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
        Utc::now().trunc_subsecs(6)
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// UUIDs v7, ascending within the process.
#[derive(Default)]
pub struct SystemIds {
    context: Mutex<ContextV7>,
}

impl Ids for SystemIds {
    fn next(&self) -> Uuid {
        // The counter in the context stays right whatever a panic left behind.
        let context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        Uuid::new_v7(uuid::Timestamp::now(&*context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_process_ascend() {
        let ids = SystemIds::default();
        let made: Vec<_> = (0..10_000).map(|_| ids.next()).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
