//! What happened in a run: a hash over all of it, and where somebody wants to read it, a line each.

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hasher};
use std::time::Duration;

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// An instance, by its place and how often it was started.
    Instance(u8, u8),
    /// A partner.
    Partner(u8),
    /// What is around them all.
    World,
}

impl Who {
    fn code(self) -> u64 {
        match self {
            Self::Instance(place, life) => 0x1_0000 | u64::from(place) << 8 | u64::from(life),
            Self::Partner(number) => 0x2_0000 | u64::from(number),
            Self::World => 0x3_0000,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(place, life) => write!(f, "instance {place}.{life}"),
            Self::Partner(number) => write!(f, "partner {number}"),
            Self::World => f.write_str("world"),
        }
    }
}

/// The history of a run.
pub struct History {
    hash: DefaultHasher,
    events: u64,
    text: Option<String>,
}

impl History {
    /// With `text`, it can be read.
    pub fn new(text: bool) -> Self {
        // Its keys are zero: the same hash each time.
        Self { hash: DefaultHasher::new(), events: 0, text: text.then(String::new) }
    }

    pub fn is_read(&self) -> bool {
        self.text.is_some()
    }

    /// Adds what happened; `more` is told only where it is read.
    pub fn add(&mut self, at: Duration, who: Who, what: &str, more: impl FnOnce() -> String) {
        self.count(at, who, what);
        let Some(text) = &mut self.text else { return };
        let whose = who.to_string();
        let (s, ms) = (at.as_secs(), at.subsec_millis());
        let _ = writeln!(text, "{s:5}.{ms:03} {whose:<13}{what:<20} {}", more());
    }

    /// Adds what happened and is not worth a line.
    pub fn count(&mut self, at: Duration, who: Who, what: &str) {
        self.events += 1;
        self.hash.write_u64(u64::try_from(at.as_micros()).unwrap());
        self.hash.write_u64(who.code());
        self.hash.write(what.as_bytes());
    }

    /// A hash over all that happened, in order, and how much that was.
    pub fn digest(&self) -> (u64, u64) {
        (self.hash.finish(), self.events)
    }

    pub fn text(self) -> String {
        self.text.unwrap_or_default()
    }
}
