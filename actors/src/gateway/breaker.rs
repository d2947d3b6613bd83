//! The circuit breaker: pure, told the time.
//!
//! Closed, it counts the last calls; open, it lets nothing through for a while; half-open, it
//! lets a few calls try. It opens when too many of the last calls failed, or were slow.

use std::{collections::VecDeque, time::Duration};

/// A trial that has not told its end in this time is given up: longer than any deadline.
const TRIAL_MAX: Duration = Duration::from_mins(1);

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

/// A trial's place in the breaker's life: what was let through before it last changed its mind
/// says nothing about what it does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation(u64);

/// What became of a caller that was let through: each of its calls, and then its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallReport {
    /// The operator answered, if only with a definite no.
    Answered(Duration),
    /// A call failed: no answer, an error, or no connection.
    Failed(Duration),
    /// The caller makes no more calls; whether it made one.
    Ended {
        /// At least one call was made.
        called: bool,
    },
}

/// The breaker.
#[derive(Debug)]
pub struct Breaker {
    limits: BreakerLimits,
    generation: u64,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Closed(VecDeque<Sample>),
    Open { until: Duration },
    HalfOpen { since: Duration, trying: usize, succeeded: usize },
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
        Self { limits, generation: 0, phase: closed(&limits) }
    }

    /// What it does with the next call.
    pub fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed(_) => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.generation += 1;
        self.phase = phase;
    }

    /// Lets a caller through, whose end must be reported; else says how long to wait.
    pub fn admit(&mut self, now: Duration) -> Result<Generation, Duration> {
        if let Phase::Open { until } = self.phase {
            if now < until {
                return Err(until.saturating_sub(now));
            }
            self.enter(Phase::HalfOpen { since: now, trying: 0, succeeded: 0 });
        }
        if let Phase::HalfOpen { since, trying, succeeded } = &mut self.phase {
            if *trying + *succeeded >= self.limits.half_open_calls {
                // Those that try will tell soon. Should one never tell, others try.
                if now.saturating_sub(*since) < TRIAL_MAX {
                    return Err(self.limits.open / 5);
                }
                (*since, *trying) = (now, 0);
            }
            *trying += 1;
        }
        Ok(Generation(self.generation))
    }

    /// Takes note of a call, or of the end, of a caller that was let through.
    pub fn report(&mut self, generation: Generation, report: CallReport, now: Duration) {
        if generation != Generation(self.generation) {
            return;
        }
        let (failed, took) = match report {
            CallReport::Answered(took) => (false, took),
            CallReport::Failed(took) => (true, took),
            CallReport::Ended { called } => return self.ended(called),
        };
        let slow = took > self.limits.slow_call;
        match &mut self.phase {
            Phase::Closed(samples) => {
                if samples.len() >= self.limits.window_calls {
                    samples.pop_front();
                }
                samples.push_back(Sample { at: now, failed, slow });
                if (failed || slow) && self.must_open(now) {
                    self.enter(Phase::Open { until: now + self.limits.open });
                }
            }
            Phase::Open { .. } => {}
            Phase::HalfOpen { .. } => {
                if failed || slow {
                    self.enter(Phase::Open { until: now + self.limits.open });
                }
            }
        }
    }

    /// The end of a trial that did not fail: it counts once, however many calls it made.
    fn ended(&mut self, called: bool) {
        let Phase::HalfOpen { trying, succeeded, .. } = &mut self.phase else { return };
        *trying = trying.saturating_sub(1);
        *succeeded += usize::from(called);
        if *succeeded >= self.limits.half_open_calls {
            let phase = closed(&self.limits);
            self.enter(phase);
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

fn closed(limits: &BreakerLimits) -> Phase {
    Phase::Closed(VecDeque::with_capacity(limits.window_calls))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(20);

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    /// One caller with one call.
    fn call(breaker: &mut Breaker, report: CallReport, now: Duration) {
        let generation = breaker.admit(now).unwrap();
        breaker.report(generation, report, now);
        breaker.report(generation, CallReport::Ended { called: true }, now);
    }

    fn opened_at(now: Duration) -> Breaker {
        let mut breaker = Breaker::new(BreakerLimits::default());
        for _ in 0..20 {
            call(&mut breaker, CallReport::Failed(QUICK), now);
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        breaker
    }

    #[test]
    fn it_stays_closed_while_half_of_the_calls_or_more_are_answered() {
        let mut breaker = Breaker::new(BreakerLimits::default());
        for i in 0..1000 {
            let report =
                if i % 5 < 2 { CallReport::Failed(QUICK) } else { CallReport::Answered(QUICK) };
            call(&mut breaker, report, secs(1));
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
            call(&mut breaker, CallReport::Answered(secs(9)), secs(1));
        }
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn half_open_lets_a_few_try_and_closes_when_all_succeed() {
        let mut breaker = opened_at(secs(10));
        let trials: Vec<_> = (0..3).map(|_| breaker.admit(secs(15)).unwrap()).collect();
        assert!(breaker.admit(secs(15)).is_err(), "no fourth call while three try");
        for trial in trials {
            assert_eq!(breaker.state(), BreakerState::HalfOpen);
            // Several calls of one trial prove no more than one.
            for _ in 0..3 {
                breaker.report(trial, CallReport::Answered(QUICK), secs(15));
            }
            breaker.report(trial, CallReport::Ended { called: true }, secs(15));
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn half_open_opens_again_at_the_first_failure() {
        let mut breaker = opened_at(secs(10));
        let trial = breaker.admit(secs(15)).unwrap();
        breaker.report(trial, CallReport::Failed(QUICK), secs(16));
        assert_eq!(breaker.admit(secs(17)), Err(secs(4)));
    }

    #[test]
    fn a_caller_that_did_not_call_leaves_its_place_to_another() {
        let mut breaker = opened_at(secs(10));
        for _ in 0..10 {
            let trial = breaker.admit(secs(15)).unwrap();
            breaker.report(trial, CallReport::Ended { called: false }, secs(15));
        }
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }

    #[test]
    fn trials_that_never_tell_do_not_keep_it_half_open_for_ever() {
        let mut breaker = opened_at(secs(10));
        for _ in 0..3 {
            breaker.admit(secs(15)).unwrap();
        }
        assert!(breaker.admit(secs(60)).is_err());
        assert!(breaker.admit(secs(80)).is_ok());
    }

    #[test]
    fn what_was_let_through_before_it_opened_says_nothing_about_a_trial() {
        let mut breaker = Breaker::new(BreakerLimits::default());
        let old = breaker.admit(secs(9)).unwrap();
        for _ in 0..20 {
            call(&mut breaker, CallReport::Failed(QUICK), secs(10));
            if breaker.state() == BreakerState::Open {
                break;
            }
        }
        breaker.admit(secs(15)).unwrap();
        breaker.report(old, CallReport::Failed(secs(6)), secs(15));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }

    #[test]
    fn failures_of_long_ago_do_not_count() {
        let mut breaker = Breaker::new(BreakerLimits::default());
        for _ in 0..19 {
            call(&mut breaker, CallReport::Failed(QUICK), secs(1));
        }
        call(&mut breaker, CallReport::Failed(QUICK), secs(100));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}
