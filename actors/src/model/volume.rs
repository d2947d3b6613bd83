//! Data volumes, in whole kilobytes (10^3 bytes) so that they add up exactly.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A data volume. Shown as a number of megabytes (10^6 bytes) with at most three decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Volume(i64);

/// The largest volume taken from outside: 10^12 kB, a thousand terabytes.
const VOLUME_KB_MAX: i64 = 1_000_000_000_000;

impl Volume {
    /// None.
    pub const ZERO: Volume = Volume(0);

    /// From kilobytes, as stored.
    pub const fn from_kb(kb: i64) -> Self {
        Self(kb)
    }

    /// In kilobytes, as stored.
    pub const fn kb(self) -> i64 {
        self.0
    }

    /// From megabytes as another system writes them, rounded to kilobytes; what is negative,
    /// not finite or absurd is clamped to 0 and a thousand terabytes.
    #[expect(clippy::cast_possible_truncation, reason = "clamped before the cast")]
    pub fn from_mb(mb: f64) -> Self {
        if !mb.is_finite() {
            return Self::ZERO;
        }
        #[expect(clippy::cast_precision_loss, reason = "10^12 is exact in a double")]
        let kb = (mb * 1000.0).round().clamp(0.0, VOLUME_KB_MAX as f64);
        Self(kb as i64)
    }

    /// The sum, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left after `used`, never below zero.
    #[must_use]
    pub const fn minus(self, used: Self) -> Self {
        let left = self.0.saturating_sub(used.0);
        Self(if left < 0 { 0 } else { left })
    }
}

/// Writes `kb` thousandths: as a whole number where it is one, else with up to three decimals.
fn serialize_thousandths<S: Serializer>(kb: i64, serializer: S) -> Result<S::Ok, S::Error> {
    if kb % 1000 == 0 {
        return serializer.serialize_i64(kb / 1000);
    }
    #[expect(clippy::cast_precision_loss, reason = "volumes stay below 2^53")]
    serializer.serialize_f64(kb as f64 / 1000.0)
}

impl Volume {
    /// Serializes as gigabytes (MB / 1000), for fields such as `data_gb`.
    pub fn serialize_gb<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[expect(clippy::cast_precision_loss, reason = "volumes stay below 2^53")]
        if self.0 % 1_000_000 == 0 {
            serializer.serialize_i64(self.0 / 1_000_000)
        } else {
            // Three decimals: megabytes, rounded.
            let mb = (self.0 as f64 / 1000.0).round();
            serializer.serialize_f64(mb / 1000.0)
        }
    }
}

impl Serialize for Volume {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_thousandths(self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Volume {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self::from_mb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn megabytes_have_at_most_three_decimals() {
        for (kb, json) in [(1_024_000, "1024"), (1, "0.001"), (1_500, "1.5"), (0, "0")] {
            assert_eq!(serde_json::to_string(&Volume::from_kb(kb)).unwrap(), json);
            assert_eq!(serde_json::from_str::<Volume>(json).unwrap(), Volume::from_kb(kb));
        }
    }

    #[test]
    fn absurd_figures_from_outside_are_clamped() {
        assert_eq!(Volume::from_mb(-5.0), Volume::ZERO);
        assert_eq!(Volume::from_mb(f64::NAN), Volume::ZERO);
        assert_eq!(Volume::from_mb(1e300), Volume::from_kb(VOLUME_KB_MAX));
    }
}
