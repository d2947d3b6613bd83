//! The figures of a run, as they are printed, written as JSON and drawn.

use super::Scenario;
use super::pace::Arrival;
use serde::Serialize;
use std::collections::BTreeMap;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Its time was over.
    Duration,
    /// It had made as many requests as were wanted.
    Requests,
    /// No wallet could pay for another charge.
    Money,
}

/// Latencies of successes in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// Nine of ten were at most as slow.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p99_9: f64,
    /// The slowest.
    pub max: f64,
}

/// One kind of call.
#[derive(Clone, Debug, Serialize)]
pub struct CallSummary {
    /// Method and path.
    pub call: &'static str,
    /// How many succeeded.
    pub ok: u64,
    /// How many did not.
    pub errors: u64,
    /// Latencies of those that succeeded.
    pub latency_ms: Latency,
}

/// One second of a run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SecondSummary {
    /// Successes that were answered in it.
    pub ok: u64,
    /// Errors.
    pub errors: u64,
    /// Median of the latencies.
    pub p50_ms: f64,
    /// Their 99th percentile.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// A run.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// What was called.
    pub scenario: Scenario,
    /// The service.
    pub target: String,
    /// Connections.
    pub connections: usize,
    /// Calls a second, where they were fixed.
    pub rate_wanted: Option<u32>,
    /// Measured seconds.
    pub seconds: f64,
    /// Calls that ended in them, well or not.
    pub requests: u64,
    /// Of those, successes.
    pub ok: u64,
    /// Successes answered a second, while it was measured.
    pub rate: f64,
    /// Their latencies.
    pub latency_ms: Latency,
    /// How often each error came, by status and code.
    pub errors: BTreeMap<String, u64>,
    /// Calls that were due and never made, with a fixed rate.
    pub unsent: u64,
    /// Each kind of call by itself.
    pub calls: Vec<CallSummary>,
    /// Each second by itself.
    pub by_second: Vec<SecondSummary>,
    /// Latency in milliseconds by the share of calls that were at most as slow.
    pub distribution_ms: Vec<(f64, f64)>,
    /// Why it ended.
    pub ended: Ended,
    /// What this tool itself used of the processor, in microseconds a request.
    pub client_cpu_us: Option<f64>,
}

impl Summary {
    /// How calls were made, in words.
    pub fn manner(&self) -> String {
        let connections = self.connections;
        match self.rate_wanted {
            None => format!("{connections} connections, each call after the last"),
            Some(rate) => format!("{rate} calls/s whatever happens, {connections} connections"),
        }
    }
}

impl Arrival {
    pub(super) fn rate(self) -> Option<u32> {
        match self {
            Self::Closed => None,
            Self::Fixed(rate) => Some(rate),
        }
    }
}
