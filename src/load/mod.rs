//! The load tool: drives a deployed service through its public API and measures it.
//!
//! [`prepare`] logs in, finds or makes Links and reads the balances; [`run()`] drives a
//! [`Scenario`] over keep-alive connections of one thread; [`settle`] compares the money. Called by
//! `bappy load` and by the benchmarks.
//!
//! **Invariants.** Every request that was sent is counted, as answered or as lost. A latency is
//! counted from when the request was due, not from when there was a connection to send it on.
//! What was charged is what the answers say, and is held against the balances.

mod api;
mod client;
mod connection;
mod cpu;
mod exchange;
mod money;
mod pace;
mod prepare;
mod recorder;
pub mod report;
mod run;
mod scenario;
mod summary;
mod target;
mod wallet;

pub use api::ApiClient;
pub use client::{Client, Clients};
pub use money::{MoneyCheck, WalletCheck, settle};
pub use pace::Arrival;
pub use prepare::{Preparation, Ready, prepare};
pub use run::{Tick, run};
pub use scenario::Scenario;
pub use summary::{CallSummary, Ended, Latency, SecondSummary, Summary};
pub use target::Target;
pub use wallet::Wallet;

use std::time::Duration;

/// Why a load run cannot begin or go on: one sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(pub String);

/// How a service is driven.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is called.
    pub scenario: Scenario,
    /// When.
    pub arrival: Arrival,
    /// Keep-alive connections; with a fixed rate, the most calls under way at a time.
    pub connections: usize,
    /// Driven for so long before anything is measured.
    pub warm_up: Duration,
    /// Measured for so long.
    pub duration: Duration,
    /// Ends after so many measured requests.
    pub requests_max: Option<u64>,
    /// An answer that takes longer is given up.
    pub timeout: Duration,
}
