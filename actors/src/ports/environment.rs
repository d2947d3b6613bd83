//! Time and fresh ids, so that tests and simulations own both.

use crate::model::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock, in whole microseconds (the databases keep no more).
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary start; never goes back.
    fn elapsed(&self) -> Duration;
}

/// Makes ids.
pub trait Ids: Send + Sync + 'static {
    /// A fresh UUID v7: later ones sort after earlier ones of the same process.
    fn next(&self) -> Uuid;
}
