//! Values: what the platform talks about. No behaviour that waits, no I/O.

mod fee;
mod ids;
mod ledger;
mod link;
mod money;
mod operation;
mod organization;
mod plan;
#[cfg(feature = "openapi")]
mod schema;
mod sms;
mod volume;

pub use fee::{ChargedFee, LinkFee, Month, NotAMonth};
pub use ids::{ActivationId, EntryId, LinkId, OperationId, OrgId, PlanId};
pub use ledger::{EntryKind, LedgerEntry};
pub use link::{
    Activation, ActivationStatus, EsimProfile, Link, LinkSnapshot, LinkStatus, ProfileState,
    SimKind,
};
pub use money::{Currency, Money, MoneyError};
pub use operation::{
    Answer, Cleanup, Failure, NameChange, Operation, OperationKind, OperationState, Request,
    RequestKey,
};
pub use organization::{OrgStatus, Organization};
pub use plan::{Coverage, CoverageCountry, CoverageType, NetworkOperator, Plan, Sponsor};
pub use sms::{Sms, SmsStatus, SmsText};
pub use volume::Volume;

/// A point in time, in UTC; stored with microseconds, shown with milliseconds.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
