//! The simulator's time: wall-clock time in microseconds, shown as RFC 3339.
//!
//! It has no `Clock` port: it is a process of its own in front of the service, as the operator
//! it stands for. **Invariant:** this is the only place of the simulator that reads the clock.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const US_PER_DAY: i64 = 86_400_000_000;

/// A point in time, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Timestamp(i64);

impl Timestamp {
    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "the simulated operator has its own clock")]
    pub fn now() -> Self {
        Self(Utc::now().timestamp_micros())
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Seconds from `earlier` to here; 0 where `earlier` is later.
    #[expect(clippy::cast_precision_loss, reason = "exact for 285 years of microseconds")]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        self.0.saturating_sub(earlier.0).max(0) as f64 / 1e6
    }

    /// This many days later.
    pub const fn plus_days(self, days: u32) -> Self {
        Self(self.0.saturating_add(US_PER_DAY * days as i64))
    }

    /// This many seconds later, to the microsecond.
    #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates")]
    pub fn plus_seconds(self, seconds: f64) -> Self {
        Self(self.0.saturating_add((seconds * 1e6) as i64))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = DateTime::from_timestamp_micros(self.0).unwrap_or_default();
        serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = DateTime::parse_from_rfc3339(&text).map_err(de::Error::custom)?;
        Ok(Self(time.timestamp_micros()))
    }
}
