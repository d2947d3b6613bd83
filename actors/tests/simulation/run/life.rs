//! The life of one process: it runs, stands still for a while, and ends at once.
//!
//! What is outside is reached only over its wires. Where they are cut, between any two steps, there
//! is nothing left of it that anybody could notice: no destructor runs that reaches outside, as
//! none does when a process is killed.

use super::history::Who;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Frozen,
    Over,
}

/// The life of one process.
pub struct Life {
    pub who: Who,
    phase: Mutex<Phase>,
    changed: Notify,
    over: Notify,
    frozen_for: Mutex<Duration>,
    /// When it began, and its calls to the operator since then that the rate counts.
    began: Duration,
    calls: AtomicU64,
}

impl Life {
    pub fn new(who: Who, began: Duration) -> Self {
        Self {
            who,
            phase: Mutex::new(Phase::Running),
            changed: Notify::new(),
            over: Notify::new(),
            frozen_for: Mutex::default(),
            began,
            calls: AtomicU64::new(0),
        }
    }

    /// Counts a call to the operator; `false` where that is more than a rate lets through.
    pub fn calls(&self, now: Duration, per_second: u32) -> bool {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        // A second's worth at once, and as much in each second.
        let seconds = now.saturating_sub(self.began).as_millis().div_ceil(1_000) + 1;
        u128::from(calls) <= u128::from(per_second) * seconds
    }

    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        let mut now = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        if *now != Phase::Over {
            *now = phase;
        }
        drop(now);
        self.changed.notify_waiters();
    }

    pub fn is_over(&self) -> bool {
        self.phase() == Phase::Over
    }

    pub fn is_running(&self) -> bool {
        self.phase() == Phase::Running
    }

    /// Ends it.
    pub fn end(&self) {
        self.enter(Phase::Over);
        self.over.notify_waiters();
    }

    /// Has it stand still from now on; for how long, of what it was meant to and what is left of all
    /// that it may.
    pub fn freeze(&self, time: Duration, in_all: Duration) -> Duration {
        let mut frozen_for = self.frozen_for.lock().unwrap_or_else(PoisonError::into_inner);
        let time = time.min(in_all.saturating_sub(*frozen_for));
        *frozen_for += time;
        drop(frozen_for);
        self.enter(Phase::Frozen);
        time
    }

    /// Has it go on.
    pub fn thaw(&self) {
        self.enter(Phase::Running);
    }

    /// Goes on while the process runs: waits while it stands still, and for ever once it is over.
    pub async fn goes_on(&self) {
        loop {
            let changed = self.changed.notified();
            match self.phase() {
                Phase::Running => return,
                Phase::Frozen => changed.await,
                Phase::Over => std::future::pending().await,
            }
        }
    }

    /// Waits until it is over.
    pub async fn over(&self) {
        let over = self.over.notified();
        if !self.is_over() {
            over.await;
        }
    }
}
