//! When calls are made: as soon as a connection is free, or at a fixed rate whatever happens.
//!
//! **Invariant:** with a fixed rate, call n is due at n / rate, and its latency counts from then:
//! what a stall of the service keeps from being sent is not left out of the figures.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// When calls are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Each connection makes the next call when it has the answer to the last (closed loop).
    Closed,
    /// So many calls a second, evenly spaced (open loop).
    Fixed(u32),
}

/// The pacing thread wakes no more often than this: finer than any latency that is told, and a few
/// percent of a core.
const GRAIN: Duration = Duration::from_micros(100);
/// It looks this often whether it is still needed.
const NAP_MAX: Duration = Duration::from_millis(20);
/// More than can be waited for.
const END: usize = u32::MAX as usize;
const NANOS: u128 = 1_000_000_000;

/// Hands out calls as they fall due.
pub struct Pace {
    fixed: Option<Fixed>,
    /// Calls that are due from then on are not made.
    end: Cell<Option<Instant>>,
    /// Calls that are not under way by then are given up.
    give_up: Cell<Option<Instant>>,
}

struct Fixed {
    begin: Instant,
    rate: u32,
    due: Arc<Semaphore>,
    taken: Cell<u64>,
    stop: Arc<AtomicBool>,
}

impl Pace {
    /// Begins now.
    pub fn start(arrival: Arrival) -> Self {
        let fixed = match arrival {
            Arrival::Closed => None,
            Arrival::Fixed(rate) => Some(Fixed::start(rate.max(1))),
        };
        Self { fixed, end: Cell::new(None), give_up: Cell::new(None) }
    }

    /// No more calls that are due from `end` on; those due before are made until `give_up`.
    pub fn end(&self, end: Instant, give_up: Instant) {
        self.end.set(Some(end));
        self.give_up.set(Some(give_up));
        if let Some(fixed) = &self.fixed {
            fixed.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Waits for the next call; gives when it was due. None: there are no more.
    pub async fn next(&self) -> Option<Instant> {
        let due = match &self.fixed {
            None => Instant::now(),
            Some(fixed) => fixed.next().await,
        };
        let late = self.give_up.get().is_some_and(|at| Instant::now() >= at);
        let over = self.end.get().is_some_and(|end| due >= end);
        if over || late { None } else { Some(due) }
    }

    /// How many calls fell due before the end and were never made.
    pub fn unsent(&self) -> u64 {
        let Some((fixed, end)) = self.fixed.as_ref().zip(self.end.get()) else { return 0 };
        fixed.due_before(end).saturating_sub(fixed.taken.get())
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        if let Some(fixed) = &self.fixed {
            fixed.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Fixed {
    fn start(rate: u32) -> Self {
        let (due, stop) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicBool::new(false)));
        let begin = Instant::now();
        let fixed = Self { begin, rate, due: due.clone(), taken: Cell::new(0), stop: stop.clone() };
        // A thread of its own: the timer of the runtime is a millisecond coarse, which would be
        // told as latency.
        thread::spawn(move || feed(begin, rate, &due, &stop));
        fixed
    }

    async fn next(&self) -> Instant {
        // The semaphore is never closed.
        if let Ok(permit) = self.due.acquire().await {
            permit.forget();
        }
        let number = self.taken.get();
        self.taken.set(number + 1);
        self.begin + offset(number, self.rate)
    }

    fn due_before(&self, end: Instant) -> u64 {
        let nanos = end.saturating_duration_since(self.begin).as_nanos();
        u64::try_from((nanos * u128::from(self.rate)).div_ceil(NANOS)).unwrap_or(u64::MAX)
    }
}

/// When call `number` is due, from the begin on.
fn offset(number: u64, rate: u32) -> Duration {
    let nanos = u128::from(number) * NANOS / u128::from(rate);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn feed(begin: Instant, rate: u32, due: &Semaphore, stop: &AtomicBool) {
    let mut fed = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let nanos = begin.elapsed().as_nanos();
        let now_due = u64::try_from(nanos * u128::from(rate) / NANOS).unwrap_or(u64::MAX) + 1;
        due.add_permits(usize::try_from(now_due - fed).unwrap_or(0));
        fed = now_due;
        let wait = (begin + offset(fed, rate)).saturating_duration_since(Instant::now());
        thread::sleep(wait.clamp(GRAIN, NAP_MAX));
    }
    // Everything that falls due before the end is due now, and whoever waits shall see that there
    // is no more.
    due.add_permits(END);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_fall_due_at_the_rate_however_late_they_are_taken() {
        let pace = Pace::start(Arrival::Fixed(1_000));
        let first = pace.next().await.unwrap();
        // The only connection is held up.
        thread::sleep(Duration::from_millis(30));
        let second = pace.next().await.unwrap();
        assert_eq!(second - first, Duration::from_millis(1));
        assert!(second.elapsed() >= Duration::from_millis(28), "the stall counts");
        pace.end(first + Duration::from_millis(10), Instant::now() + Duration::from_secs(9));
        let mut more = 0;
        while pace.next().await.is_some() {
            more += 1;
        }
        assert_eq!((more, pace.unsent()), (8, 0));
    }

    #[tokio::test]
    async fn nobody_waits_past_the_end() {
        let pace = Pace::start(Arrival::Fixed(5));
        let first = pace.next().await.unwrap();
        // Calls fall due before the end that were not handed out yet, and four connections wait.
        let end = first + Duration::from_millis(401);
        tokio::time::sleep_until(end.into()).await;
        pace.end(end, end + Duration::from_secs(9));
        let waiting = (0..4).map(async |_| while pace.next().await.is_some() {});
        let all = futures_util::future::join_all(waiting);
        tokio::time::timeout(Duration::from_secs(5), all).await.unwrap();
        assert_eq!(pace.unsent(), 0);
    }

    #[tokio::test]
    async fn what_is_given_up_is_counted() {
        let pace = Pace::start(Arrival::Fixed(100));
        let first = pace.next().await.unwrap();
        pace.end(first + Duration::from_millis(50), first);
        assert_eq!(pace.next().await, None);
        assert_eq!(pace.unsent(), 3);
    }
}
