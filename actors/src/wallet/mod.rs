//! The wallet: one supervised actor per organization orders what changes its balance.
//!
//! [`state`] decides and is pure; `actor` takes what waits in its `inbox` and commits it together;
//! [`WalletHandle`] is what everybody else holds: it admits, finds or starts the actor, and
//! starts it again after a panic.
//!
//! **Invariants.** A reply leaves after the commit that it speaks of. A refusal for lack of funds
//! leaves only once the version it was decided on is confirmed. Nothing in memory is needed to be
//! right: the database's swap on version and fence is.

mod actor;
mod handle;
mod inbox;
mod metrics;
pub mod state;

pub use handle::{WalletHandle, WalletLimits};
pub use state::{Command, Credit, Debit, FeeCharge, RefundOrder, Refused, Settlement};

pub(crate) use metrics::METRICS;

use crate::model::Money;
use crate::ports::Guard;

/// What a command that was carried out left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The balance after the batch it was committed in.
    pub balance: Money,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The wallet's state refuses it.
    #[error("refused: {0}")]
    Refused(Refused),
    /// The database refuses it.
    #[error("guarded: {0:?}")]
    Guarded(Guard),
    /// The organization has no wallet.
    #[error("no such wallet")]
    NoWallet,
    /// More commands wait than are let in, or the service is stopping; nothing was done.
    #[error("the wallet takes no more commands now")]
    Overloaded,
    /// The database could not be asked; nothing was done.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// It was given up after its actor had died with it: whether it was done is not known.
    #[error("the wallet keeps failing")]
    Lost,
}
