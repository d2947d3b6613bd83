//! How long calls take: log-normal, as the answers of real operators are, through two
//! percentiles.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sandbox::operator::{random::Random, refusal::Refusal};

/// The standard normal distribution's 99th percentile.
const Z99: f64 = 2.326_348;

/// Ten minutes: longer than any deadline, so a slow call is a hang by then.
const LATENCY_MAX_MS: f64 = 600_000.0;

/// Percentiles in milliseconds. With `p50` 0, one call in fifty takes `p99` and the others
/// nothing; with `p99` absent, all take `p50`.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LatencyMs {
    p50: f64,
    p99: f64,
}

impl LatencyMs {
    pub fn check(self) -> Result<(), Refusal> {
        for (field, ms) in [("p50", self.p50), ("p99", self.p99)] {
            if !(0.0..=LATENCY_MAX_MS).contains(&ms) {
                let range = format!("within 0 and {LATENCY_MAX_MS}");
                return Err(Refusal::Invalid(format!("latency_ms.{field}: {ms} is not {range}")));
            }
        }
        if self.p99 > 0.0 && self.p99 < self.p50 {
            let Self { p50, p99 } = self;
            return Err(Refusal::Invalid(format!("latency_ms.p99: {p99} is below p50, {p50}")));
        }
        Ok(())
    }

    pub fn any(self) -> bool {
        self.p50 > 0.0 || self.p99 > 0.0
    }

    pub fn draw(self, random: &mut Random) -> Duration {
        let Self { p50, p99 } = self;
        let normal = random.normal();
        let ms = if p50 <= 0.0 {
            if random.uniform() < 0.02 { p99 } else { 0.0 }
        } else if p99 <= p50 {
            p50
        } else {
            p50 * ((p99 / p50).ln() / Z99 * normal).exp()
        };
        Duration::from_secs_f64(ms.clamp(0.0, LATENCY_MAX_MS) / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_have_the_percentiles_that_were_asked_for() {
        let latency = LatencyMs { p50: 100.0, p99: 1_000.0 };
        let mut drawn: Vec<_> = (0..10_000)
            .map(|call| latency.draw(&mut Random::stream(7, call)).as_millis())
            .collect();
        drawn.sort_unstable();
        assert!((90..=110).contains(&drawn[5_000]), "{}", drawn[5_000]);
        assert!((800..=1_250).contains(&drawn[9_900]), "{}", drawn[9_900]);
    }

    #[test]
    fn the_same_seed_draws_the_same_latencies() {
        let latency = LatencyMs { p50: 10.0, p99: 100.0 };
        let draw = |seed| latency.draw(&mut Random::stream(seed, 3));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
