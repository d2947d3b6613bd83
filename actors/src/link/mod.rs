//! Links: one actor each orders what changes it, and what the operator says of it is cached.
//!
//! **Invariants.** Changes of one Link's status and plans come one after the other; top-ups run
//! side by side. What the platform itself knows is at most [`LinkLimits::row_ttl`] old, and never
//! older than a change made on this instance. Only what comes from the operator is cached longer, and
//! a Link's row while this process alone changes Links.

mod actor;
mod connectivity;
mod expiry;
mod handle;
mod metrics;
mod ttl_cache;
mod usage;

pub use actor::{Entered, Mode};
pub use connectivity::{Freshness, LookError};
pub use expiry::Expiry;
pub use handle::{LinkHandle, LinkLimits};
pub(crate) use metrics::METRICS;
pub use usage::{PlanUsage, Usage};

use crate::model::LinkId;

/// How a caller names a Link.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identifier {
    /// By its id.
    Id(LinkId),
    /// By its card's ICCID.
    Iccid(String),
}
