//! Operations: what changes something at the operator, from its first record to its end.
//!
//! [`step`] decides what comes next and is pure. [`Operations`] runs an operation for a caller,
//! in a task that outlives the caller's connection. [`Resolver`] brings to its end what was left:
//! after a crash, and where something may still land at the operator. [`SmsSender`] works through
//! the queue of SMS.
//!
//! **Invariants.** Nothing is sent before its debit is committed. Nothing is sent past its
//! deadline. Nothing is told before its end is committed. What was refunded is never debited
//! again; what lands of it at the operator is undone.

pub(crate) mod change;
mod charge;
mod finish;
mod metrics;
mod operator_calls;
mod resolver;
mod schedule;
mod service;
mod sms;
pub mod step;

pub(crate) use metrics::METRICS;
pub use resolver::{Resolver, ResolverHandle};
pub use service::{OperationLimits, Operations, Services};
pub use sms::{SmsHandle, SmsSender};

use crate::gateway::NotAdmitted;
use crate::link::{Entered, Mode};
use crate::model::{
    ActivationId, Answer, Currency, Failure, LinkId, LinkStatus, Money, NameChange, OperationId,
    OrgId, PlanId, RequestKey, SmsText,
};
use crate::ports::StoreError;
use crate::wallet::Refused;
use std::time::Duration;

/// Who asks, and under which key.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The organization.
    pub org: OrgId,
    /// The currency of its wallet.
    pub currency: Currency,
    /// The idempotency key, if one was sent.
    pub key: Option<RequestKey>,
}

/// A Link to be created.
#[derive(Clone, Debug)]
pub struct CreateLink {
    /// Its first plan.
    pub plan: PlanId,
    /// The partner's name for it.
    pub name: Option<String>,
    /// A physical card of the organization's stock; none: an eSIM of the pool.
    pub iccid: Option<String>,
}

/// Plans to be added to a Link: all or none.
#[derive(Clone, Debug)]
pub struct AddPlans {
    /// The Link.
    pub link: LinkId,
    /// The plans; one may come more than once.
    pub plans: Vec<PlanId>,
}

/// Plans to be taken off a Link, in order.
#[derive(Clone, Debug)]
pub struct RemovePlans {
    /// The Link.
    pub link: LinkId,
    /// The activations.
    pub activations: Vec<ActivationId>,
}

/// A Link to be changed.
#[derive(Clone, Debug)]
pub struct UpdateLink {
    /// The Link.
    pub link: LinkId,
    /// The status it shall have.
    pub status: Option<LinkStatus>,
    /// What becomes of its name.
    pub name: NameChange,
}

/// An SMS to be queued.
#[derive(Clone, Debug)]
pub struct SendSms {
    /// The Link.
    pub link: LinkId,
    /// What it says.
    pub message: SmsText,
    /// What it costs the organization.
    pub price: Money,
}

/// How a call ended.
#[derive(Debug)]
pub struct Ended {
    /// The recorded attempt, if it came so far.
    pub operation_id: Option<OperationId>,
    /// What it answers.
    pub result: Result<Answer, OperationError>,
}

impl Ended {
    fn before_record(error: OperationError) -> Self {
        Self { operation_id: None, result: Err(error) }
    }
}

/// Why a call did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The organization has no such Link.
    #[error("no such Link")]
    NoLink,
    /// The organization's stock has no such card.
    #[error("no such card")]
    NoSim,
    /// The card is a Link's, or an operation's that is not over at the operator.
    #[error("the card is in use")]
    SimInUse,
    /// The card is claimed by an attempt that was not recorded: it will be within moments, or its
    /// process has ended, and then the claim ends by itself. Nothing was charged.
    #[error("the card is claimed by an attempt that is not recorded")]
    SimHeld,
    /// The Link has no such activation.
    #[error("no such activation")]
    NoActivation,
    /// The Link's state does not allow it.
    #[error("the Link is {0:?}")]
    LinkState(LinkStatus),
    /// The Link cannot get this status.
    #[error("the status cannot change from {from:?} to {to:?}")]
    StatusChange {
        /// What it is.
        from: LinkStatus,
        /// What it was to be.
        to: LinkStatus,
    },
    /// The activation is cancelled or expired.
    #[error("the activation is over")]
    ActivationOver,
    /// The plan is unknown, or not enabled for the organization.
    #[error("no such plan")]
    NoPlan(PlanId),
    /// The plan is for other cards.
    #[error("the plan runs on other cards")]
    OtherSponsor,
    /// The wallet refuses.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The idempotency key stands for an attempt that runs or succeeded.
    #[error("the idempotency key is taken")]
    KeyTaken,
    /// It failed at the operator; what was charged is back in the wallet.
    #[error("failed: {failure:?}")]
    Failed {
        /// How.
        failure: Failure,
        /// For a removal: what was taken off before it failed.
        removed: Vec<ActivationId>,
    },
    /// The way to the operator is closed; nothing was charged.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The service is stopping or has too much to do; nothing was charged.
    #[error("overloaded")]
    Overloaded,
    /// The database could not be asked; nothing was charged.
    #[error("the database is not available: {0}")]
    Database(String),
    /// The database and the program disagree; nothing was charged.
    #[error("defect: {0}")]
    Defect(String),
    /// The database was lost in between: the operation will be brought to its end later.
    #[error("not settled yet")]
    Unsettled,
}

impl From<StoreError> for OperationError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Broken(_) => Self::Defect(error.to_string()),
            StoreError::Unavailable(_) | StoreError::Unknown(_) => {
                Self::Database(error.to_string())
            }
        }
    }
}

/// What is left of a time that ends at `deadline`, on the process's own clock.
fn left(deadline: Duration, now: Duration) -> Duration {
    deadline.saturating_sub(now)
}

/// Waits until a Link may be changed so, no longer than `patience`.
async fn enter(
    services: &Services,
    org: OrgId,
    link: LinkId,
    mode: Mode,
    patience: Duration,
) -> Result<Entered, OperationError> {
    let entered = tokio::time::timeout(patience, services.links.enter(org, link, mode)).await;
    entered.map_err(|_| OperationError::Overloaded)??.ok_or(OperationError::NoLink)
}
