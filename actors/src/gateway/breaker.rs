//! The circuit breaker: pure, told the time.
//!
//! Closed, it counts the last calls; open, it lets nothing through for a while; half-open, it
//! lets a few calls try. It opens when too many of the last calls failed, or were slow.

use std::{collections::VecDeque, time::Duration};

/// When the breaker opens and closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerLimits {
    /// The last calls that count.
    pub window_calls: usize,
    /// Calls older than this do not count: an idle service must not judge by last night.
    pub window: Duration,
    /// Fewer calls than this prove nothing.
    pub calls_min: usize,
    /// Opens at this share of failed calls, in percent.
    pub failure_rate_percent: usize,
    /// A call that takes longer is slow.
    pub slow_call: Duration,
    /// Opens at this share of slow calls, in percent.
    pub slow_rate_percent: usize,
    /// How long it stays open.
    pub open: Duration,
    /// Calls that may try while it is half-open; all must succeed to close it.
    pub half_open_calls: usize,
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self {
            window_calls: 100,
            window: Duration::from_secs(30),
            calls_min: 20,
            failure_rate_percent: 50,
            slow_call: Duration::from_secs(8),
            slow_rate_percent: 80,
            open: Duration::from_secs(5),
            half_open_calls: 3,
        }
    }
}

/// What the breaker does with the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Lets calls through.
    Closed,
    /// Lets nothing through.
    Open,
    /// Lets a few calls try.
    HalfOpen,
}

/// How a call that was let through went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallReport {
    /// The operator answered, if only with a definite no.
    Answered(Duration),
    /// It failed: no answer, an error, or no connection.
    Failed(Duration),
    /// It was let through and not made.
    NotMade,
}

/// The breaker.
#[derive(Debug)]
pub struct Breaker {
    limits: BreakerLimits,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Closed(VecDeque<Sample>),
    Open { until: Duration },
    HalfOpen { trying: usize, succeeded: usize },
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    failed: bool,
    slow: bool,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(limits: BreakerLimits) -> Self {
        Self { limits, phase: Phase::Closed(VecDeque::with_capacity(limits.window_calls)) }
    }

    /// What it does with the next call.
    pub fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed(_) => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Lets a call through, which must be reported; else says how long to wait.
    pub fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        if let Phase::Open { until } = self.phase {
            if now < until {
                return Err(until.saturating_sub(now));
            }
            self.phase = Phase::HalfOpen { trying: 0, succeeded: 0 };
        }
        if let Phase::HalfOpen { trying, succeeded } = &mut self.phase {
            if *trying + *succeeded >= self.limits.half_open_calls {
                // Those that try will tell soon.
                return Err(self.limits.open / 5);
            }
            *trying += 1;
        }
        Ok(())
    }

    /// Takes note of how a call went that was let through.
    pub fn report(&mut self, report: CallReport, now: Duration) {
        let (failed, took) = match report {
            CallReport::Answered(took) => (false, Some(took)),
            CallReport::Failed(took) => (true, Some(took)),
            CallReport::NotMade => (false, None),
        };
        let slow = took.is_some_and(|took| took > self.limits.slow_call);
        match &mut self.phase {
            Phase::Closed(samples) => {
                if took.is_none() {
                    return;
                }
                if samples.len() >= self.limits.window_calls {
                    samples.pop_front();
                }
                samples.push_back(Sample { at: now, failed, slow });
                if (failed || slow) && self.must_open(now) {
                    self.phase = Phase::Open { until: now + self.limits.open };
                }
            }
            // Let through before it opened.
            Phase::Open { .. } => {}
            Phase::HalfOpen { trying, succeeded } => {
                *trying = trying.saturating_sub(1);
                match took {
                    None => {}
                    Some(_) if failed || slow => {
                        self.phase = Phase::Open { until: now + self.limits.open };
                    }
                    Some(_) => {
                        *succeeded += 1;
                        if *succeeded >= self.limits.half_open_calls {
                            self.phase =
                                Phase::Closed(VecDeque::with_capacity(self.limits.window_calls));
                        }
                    }
                }
            }
        }
    }

    fn must_open(&self, now: Duration) -> bool {
        let Phase::Closed(samples) = &self.phase else { return false };
        let oldest = now.saturating_sub(self.limits.window);
        let recent = || samples.iter().filter(|s| s.at >= oldest);
        let calls = recent().count();
        let failed = recent().filter(|s| s.failed).count();
        let slow = recent().filter(|s| s.slow).count();
        calls >= self.limits.calls_min
            && (failed * 100 >= calls * self.limits.failure_rate_percent
                || slow * 100 >= calls * self.limits.slow_rate_percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(20);

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn opened_at(now: Duration) -> Breaker {
        let mut breaker = Breaker::new(BreakerLimits::default());
        for _ in 0..20 {
            breaker.admit(now).unwrap();
            breaker.report(CallReport::Failed(QUICK), now);
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        breaker
    }

    #[test]
    fn it_stays_closed_while_half_of_the_calls_or_more_are_answered() {
        let mut breaker = Breaker::new(BreakerLimits::default());
        for i in 0..1000 {
            breaker.admit(secs(1)).unwrap();
            let report =
                if i % 5 < 2 { CallReport::Failed(QUICK) } else { CallReport::Answered(QUICK) };
            breaker.report(report, secs(1));
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn it_opens_on_failures_and_says_how_long_to_wait() {
        let mut breaker = opened_at(secs(10));
        assert_eq!(breaker.admit(secs(12)), Err(secs(3)));
    }

    #[test]
    fn it_opens_on_slow_calls() {
        let mut breaker = Breaker::new(BreakerLimits::default());
        for _ in 0..20 {
            breaker.admit(secs(1)).unwrap();
            breaker.report(CallReport::Answered(secs(9)), secs(1));
        }
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn half_open_lets_a_few_try_and_closes_when_all_succeed() {
        let mut breaker = opened_at(secs(10));
        for _ in 0..3 {
            breaker.admit(secs(15)).unwrap();
        }
        assert!(breaker.admit(secs(15)).is_err(), "no fourth call while three try");
        for _ in 0..3 {
            assert_eq!(breaker.state(), BreakerState::HalfOpen);
            breaker.report(CallReport::Answered(QUICK), secs(15));
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn half_open_opens_again_at_the_first_failure() {
        let mut breaker = opened_at(secs(10));
        breaker.admit(secs(15)).unwrap();
        breaker.report(CallReport::Failed(QUICK), secs(16));
        assert_eq!(breaker.admit(secs(17)), Err(secs(4)));
    }

    #[test]
    fn a_call_that_was_not_made_leaves_its_place_to_another() {
        let mut breaker = opened_at(secs(10));
        for _ in 0..10 {
            breaker.admit(secs(15)).unwrap();
            breaker.report(CallReport::NotMade, secs(15));
        }
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }

    #[test]
    fn failures_of_long_ago_do_not_count() {
        let mut breaker = Breaker::new(BreakerLimits::default());
        for _ in 0..19 {
            breaker.report(CallReport::Failed(QUICK), secs(1));
        }
        breaker.report(CallReport::Failed(QUICK), secs(100));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}
