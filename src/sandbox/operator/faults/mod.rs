//! Faults that are set from outside: what goes wrong, how often, for which calls.
//!
//! **Invariants:** each setting replaces the whole one before it, and starts its random sequence
//! and its rate limit anew; with the same seed the same calls in the same order meet the same
//! faults; what is not set costs a call nothing but a look.

mod latency;
mod rate;
mod settings;

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use self::rate::RateLimit;
pub(super) use self::settings::Faults;
use super::{operation::Operation, random::Random};

/// What becomes of a call that was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Done and answered.
    Served,
    /// Nothing done, 500.
    Error,
    /// Done, and answered 200 with an error of an unknown code.
    WrappedError,
    /// Done, and the connection cut before the first byte of an answer.
    LostResponse,
    /// Done and never answered.
    Hang,
}

/// What becomes of a call at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Admitted,
    /// The operator is down: cut without an answer.
    Down,
    Limited {
        retry_after_s: u64,
    },
}

/// The faults in force.
pub(super) struct FaultControl {
    /// Used where a setting has no seed of its own.
    seed: u64,
    active: RwLock<Arc<Active>>,
}

struct Active {
    faults: Faults,
    seed: u64,
    calls: AtomicU64,
    limit: Option<RateLimit>,
}

impl FaultControl {
    /// None.
    pub fn new(seed: u64) -> Self {
        Self { seed, active: RwLock::new(Arc::new(Active::new(Faults::default(), seed))) }
    }

    /// Replaces all of them.
    pub fn set(&self, faults: Faults) {
        let active = Arc::new(Active::new(faults, self.seed));
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = active;
    }

    fn active(&self) -> Arc<Active> {
        Arc::clone(&self.active.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a call comes in at all.
    pub fn admit(&self, operation: Operation) -> Admission {
        let active = self.active();
        if !active.faults.concern(operation) {
            return Admission::Admitted;
        }
        if active.faults.down {
            return Admission::Down;
        }
        match active.limit.as_ref().map_or(Ok(()), RateLimit::take) {
            Ok(()) => Admission::Admitted,
            Err(retry_after_s) => Admission::Limited { retry_after_s },
        }
    }

    /// How long a call takes, and how it ends.
    pub fn fate(&self, operation: Operation) -> (Duration, Fate) {
        let active = self.active();
        if !active.faults.concern(operation) || !active.faults.random() {
            return (Duration::ZERO, Fate::Served);
        }
        let call = active.calls.fetch_add(1, Ordering::Relaxed);
        let mut random = Random::stream(active.seed, call);
        let latency = active.faults.latency_ms.draw(&mut random);
        (latency, active.faults.draw(random.uniform()))
    }
}

impl Active {
    fn new(faults: Faults, seed: u64) -> Self {
        let limit = RateLimit::new(faults.rate_limit_per_second);
        Self { seed: faults.seed.unwrap_or(seed), faults, calls: AtomicU64::new(0), limit }
    }
}
