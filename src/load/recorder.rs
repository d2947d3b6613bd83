//! What was measured: latencies of what succeeded, and counts of what did not.

use super::exchange::Outcome;
use super::scenario::Call;
use super::summary::{CallSummary, Latency, SecondSummary};
use hdrhistogram::Histogram;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// Microseconds, to three digits; grows with what it is given.
type Micros = Histogram<u64>;

/// Everything that was measured so far.
#[derive(Default)]
pub struct Recorder {
    all: Tally,
    calls: BTreeMap<Call, Tally>,
    errors: BTreeMap<Cow<'static, str>, u64>,
    current: Tally,
    seconds: Vec<SecondSummary>,
}

/// Successes with their latencies, and errors.
struct Tally {
    latencies: Micros,
    errors: u64,
}

impl Default for Tally {
    fn default() -> Self {
        let mut latencies = Micros::new_with_bounds(1, 1_000_000, 3).unwrap_or_else(|_| {
            unreachable!("the bounds are in order and the digits are from 0 to 5")
        });
        latencies.auto(true);
        Self { latencies, errors: 0 }
    }
}

impl Tally {
    fn record(&mut self, micros: Option<u64>) {
        match micros {
            // It grows as far as it has to, which `saturating_record` would not.
            Some(micros) => self.errors += u64::from(self.latencies.record(micros).is_err()),
            None => self.errors += 1,
        }
    }

    fn latency(&self) -> Latency {
        let ms = |quantile| millis(self.latencies.value_at_quantile(quantile));
        Latency {
            mean: self.latencies.mean() / 1e3,
            p50: ms(0.5),
            p90: ms(0.9),
            p99: ms(0.99),
            p99_9: ms(0.999),
            max: millis(self.latencies.max()),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

/// The latest second, for whoever watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Live {
    /// Successes.
    pub ok: u64,
    /// Errors.
    pub errors: u64,
    /// The 99th percentile of the latency in milliseconds.
    pub p99_ms: f64,
}

impl Recorder {
    /// Counts a call.
    pub fn record(&mut self, call: Call, latency: Duration, outcome: &Outcome) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1);
        let micros = matches!(outcome, Outcome::Done(_)).then_some(micros);
        for tally in [&mut self.all, &mut self.current, self.calls.entry(call).or_default()] {
            tally.record(micros);
        }
        let code = match outcome {
            Outcome::Done(_) => return,
            Outcome::Refused(code) => code.clone(),
            Outcome::Lost(code) | Outcome::Unsent(code) => Cow::Borrowed(*code),
        };
        *self.errors.entry(code).or_default() += 1;
    }

    /// Closes a second. One that was cut short is no figure, unless there is no other.
    pub fn second(&mut self, whole: bool) -> Live {
        let latency = self.current.latency();
        let live = Live {
            ok: self.current.latencies.len(),
            errors: self.current.errors,
            p99_ms: latency.p99,
        };
        if whole || self.seconds.is_empty() {
            self.seconds.push(SecondSummary {
                ok: live.ok,
                errors: live.errors,
                p50_ms: latency.p50,
                p99_ms: latency.p99,
                max_ms: latency.max,
            });
        }
        self.current.latencies.reset();
        self.current.errors = 0;
        live
    }

    /// Calls that ended, well or not.
    pub fn ended(&self) -> u64 {
        self.all.latencies.len() + self.all.errors
    }

    /// Calls that succeeded.
    pub fn ok(&self) -> u64 {
        self.all.latencies.len()
    }

    /// Latencies of all calls together.
    pub fn latency(&self) -> Latency {
        self.all.latency()
    }

    /// Each kind of call by itself.
    pub fn calls(&self) -> Vec<CallSummary> {
        let of = |(call, tally): (&Call, &Tally)| CallSummary {
            call: call.name(),
            ok: tally.latencies.len(),
            errors: tally.errors,
            latency_ms: tally.latency(),
        };
        self.calls.iter().map(of).collect()
    }

    /// How often each error came.
    pub fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.iter().map(|(code, count)| (code.clone().into_owned(), *count)).collect()
    }

    /// The seconds that were closed.
    pub fn seconds(&self) -> &[SecondSummary] {
        &self.seconds
    }

    /// Latencies in milliseconds by the share of calls that were at most as slow, for a plot that
    /// goes as far out as there are calls.
    pub fn distribution(&self) -> Vec<(f64, f64)> {
        let steps = self.all.latencies.iter_quantiles(4);
        let mut points: Vec<_> = steps
            .map(|step| (step.quantile_iterated_to(), millis(step.value_iterated_to())))
            .collect();
        points.retain(|(share, _)| *share < 1.0);
        points
    }
}
