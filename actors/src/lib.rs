//! The core of Bappy: decides what happens to money and cards, and in what order.
//!
//! It depends on no HTTP server, no SQL and no HTTP client: what it needs from the outside it
//! states as [`ports`]. Each capability has a pure part that decides (`wallet::state`,
//! `operation::step`, `gateway::breaker`) and a thin part around it that waits and sends.
//!
//! **Invariants** held here, and nowhere else:
//! - nothing is sent to the operator before its debit is committed;
//! - nothing is told to a caller before its end is committed;
//! - every change to a balance is a ledger entry in the same transaction.

mod arbiters;
pub mod billing;
#[cfg(feature = "fault-points")]
pub mod fault_points;
pub mod gateway;
pub mod link;
pub mod metrics;
pub mod model;
pub mod operation;
pub mod ports;
pub mod traces;
pub mod wallet;

pub use arbiters::Arbiters;

/// Names a place at which a test may end the process; nothing at all but in a build for tests.
#[cfg(feature = "fault-points")]
#[macro_export]
macro_rules! fault_point {
    ($name:literal) => {
        $crate::fault_points::pass($name)
    };
}

/// Names a place at which a test may end the process; nothing at all but in a build for tests.
#[cfg(not(feature = "fault-points"))]
#[macro_export]
macro_rules! fault_point {
    ($name:literal) => {
        ()
    };
}
