//! The gateway: every call to the operator passes here first.
//!
//! One actor lets calls through: a token bucket for their rate, a bulkhead for how many run at
//! once, a circuit breaker for an operator that fails, and one session for all. Who is let
//! through holds a [`Permit`]: room for calls one after the other until a deadline, or, for who has
//! something to do first, the promise of the next room.
//!
//! **Invariants.** A permit is taken before anything is charged. Nothing waits longer than it was
//! allowed to. A login runs once for all who wait for it. A definite no of the operator is no
//! failure of the operator.

mod actor;
pub mod breaker;
mod handle;
mod metrics;
mod rate;
mod room;
mod sim_pool;

pub use actor::GatewayLimits;
pub use breaker::{BreakerLimits, BreakerState};
pub use handle::{GatewayHandle, Permit};
pub use sim_pool::{SimPool, SimPoolError};

pub(crate) use metrics::METRICS;

use std::time::Duration;

/// Why a call is not let through. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The operator has failed too often lately.
    #[error("the circuit breaker is open")]
    BreakerOpen(Duration),
    /// Too many calls run or wait.
    #[error("no room for another call")]
    NoRoom,
    /// No session could be opened: the operator does not answer.
    #[error("no session could be opened")]
    NoSession,
    /// No session could be opened: the operator refuses our credentials.
    #[error("our credentials are refused")]
    CredentialsRefused,
}
