//! Ids of endpoints, plan instances and messages: a prefix and sixteen hexadecimal digits.
//!
//! **Invariants:** ids of one source ascend, so the instances of an endpoint are ordered by
//! theirs; a source begins where the clock is, so that an operator which kept no state does not
//! give an old id to something new (it would have to hand out a million ids a second).

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::clock::Timestamp;

/// Hands out ids.
pub(super) struct IdSource(AtomicU64);

impl IdSource {
    /// Begins at the time now, in microseconds.
    pub fn new() -> Self {
        Self(AtomicU64::new(Timestamp::now().micros().unsigned_abs()))
    }

    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes sure that `used`, found in kept state, is not given again.
    pub fn skip(&self, used: u64) {
        self.0.fetch_max(used.saturating_add(1), Ordering::Relaxed);
    }
}

fn parse(prefix: &str, text: &str) -> Option<u64> {
    let digits = text.strip_prefix(prefix)?;
    let canonical =
        digits.len() == 16 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if canonical { u64::from_str_radix(digits, 16).ok() } else { None }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) struct $name(u64);

        impl $name {
            /// A new one.
            pub fn new(source: &IdSource) -> Self {
                Self(source.next())
            }

            /// Reads one; `None` for anything that was not written by `Display`.
            pub fn parse(text: &str) -> Option<Self> {
                parse($prefix, text).map(Self)
            }

            /// Its number, for `IdSource::skip`.
            pub const fn number(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{:016x}"), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| de::Error::custom("not an id"))
            }
        }
    };
}

id!(
    /// An endpoint's id.
    EndpointId,
    "ep-"
);
id!(
    /// A plan instance's id.
    InstanceId,
    "pi-"
);
id!(
    /// A message's id.
    SmsId,
    "sms-"
);
