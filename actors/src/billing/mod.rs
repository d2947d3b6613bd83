//! Monthly fees of Links.
//!
//! [`FeeRun`] charges what has fallen due for a month and suspends the Links whose fee is not
//! covered; it may run any number of times, on any number of instances, and be cut at any point.
//! [`MonthlyFees`] runs it by itself.
//!
//! **Invariants.** Each Link and month is decided once, by the database: charged, due or waived. A
//! fee that is due is paid only when its Link is reactivated. While one is due of a Link, no other
//! falls due.

mod metrics;
mod monthly;
mod run;
mod tally;

pub(crate) use metrics::METRICS;
pub use monthly::{MonthlyFees, unfinished_organizations};
pub use run::{FeeRun, FeeRunError};
pub use tally::Tally;
