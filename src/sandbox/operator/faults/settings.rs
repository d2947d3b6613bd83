//! The body of `PUT /_control/faults`.

use serde::{Deserialize, Serialize};

use super::{Fate, latency::LatencyMs};
use crate::sandbox::operator::{operation::Operation, refusal::Refusal};

/// More than the fastest caller here can send, and far from where the arithmetic ends.
const RATE_LIMIT_MAX: f64 = 1_000_000.0;

/// Faults; what is absent is 0, `false` or "all operations".
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct Faults {
    pub(super) latency_ms: LatencyMs,
    pub(super) error_rate: f64,
    pub(super) wrapped_error_rate: f64,
    pub(super) lost_response_rate: f64,
    pub(super) hang_rate: f64,
    pub(super) rate_limit_per_second: f64,
    pub(super) down: bool,
    /// Empty: all.
    pub(super) only: Vec<Operation>,
    pub(super) seed: Option<u64>,
}

impl Faults {
    /// Checks ranges; the refusal names the field.
    pub fn checked(self) -> Result<Self, Refusal> {
        for (field, rate) in self.rates() {
            if !(0.0..=1.0).contains(&rate) {
                return Err(Refusal::Invalid(format!("{field}: {rate} is not within 0 and 1")));
            }
        }
        let rates = self.rates();
        // A little room for sums such as 0.1 + 0.2 + 0.7.
        if rates.iter().map(|(_, rate)| rate).sum::<f64>() > 1.0 + 1e-9 {
            let fields = rates.map(|(field, _)| field).join(" + ");
            return Err(Refusal::Invalid(format!("{fields}: more than 1 together")));
        }
        let limit = self.rate_limit_per_second;
        if !(0.0..=RATE_LIMIT_MAX).contains(&limit) {
            let range = format!("within 0 and {RATE_LIMIT_MAX}");
            return Err(Refusal::Invalid(format!("rate_limit_per_second: {limit} is not {range}")));
        }
        self.latency_ms.check()?;
        Ok(self)
    }

    const fn rates(&self) -> [(&'static str, f64); 4] {
        [
            ("error_rate", self.error_rate),
            ("wrapped_error_rate", self.wrapped_error_rate),
            ("lost_response_rate", self.lost_response_rate),
            ("hang_rate", self.hang_rate),
        ]
    }

    pub(super) fn concern(&self, operation: Operation) -> bool {
        self.only.is_empty() || self.only.contains(&operation)
    }

    /// Something is drawn for each call.
    pub(super) fn random(&self) -> bool {
        self.latency_ms.any() || self.rates().iter().any(|(_, rate)| *rate > 0.0)
    }

    /// One draw decides among the faults, so that each comes at its own rate.
    pub(super) fn draw(&self, uniform: f64) -> Fate {
        let fates = [Fate::Error, Fate::WrappedError, Fate::LostResponse, Fate::Hang];
        let mut bound = 0.0;
        for ((_, rate), fate) in self.rates().into_iter().zip(fates) {
            bound += rate;
            if uniform < bound {
                return fate;
            }
        }
        Fate::Served
    }
}
