//! Operations: attempts to change something at the operator, charged or not.

use super::{
    Activation, ActivationId, Currency, EntryId, LinkId, LinkSnapshot, LinkStatus, Money, Month,
    OperationId, OrgId, PlanId, Sms, Timestamp,
};
use serde::{Deserialize, Serialize};

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Creates a Link with its first plan.
    CreateLink,
    /// Adds a plan to a Link.
    Topup,
    /// Takes plans off a Link.
    RemovePlan,
    /// Suspends or reactivates a Link, or renames it.
    UpdateLink,
    /// Sends an SMS to a Link.
    SendSms,
}

/// Where an operation is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// Debited, or recorded; the operator may have been called.
    Pending,
    /// Done at the operator and charged.
    Succeeded,
    /// Given back; final.
    Refunded,
    /// Refused, where nothing was charged; final.
    Rejected,
}

/// Whether the operator may hold something of an operation that was refunded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cleanup {
    /// Nothing can be there.
    None,
    /// Something may still appear; it is undone when it does.
    Watching,
    /// What appeared was undone, or the time in which it could appear is over.
    Done,
    /// Could not be settled by the program; a person has to look.
    Manual,
}

/// Why an operation failed, as a partner is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Failure {
    /// The provider answered a charged call with an error.
    ProvisioningError,
    /// The provider's answer lacked the result, or none came in time.
    ProvisioningFailed,
    /// The provider answered another call with an error, or not at all.
    ProviderError,
    /// The provider could not be reached, or there was no room to call it.
    ProviderUnavailable,
    /// The provider refuses our own credentials.
    ConfigError,
}

/// The caller's idempotency key with the hash of what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// The key, unique in an organization among the attempts that may succeed or did.
    pub key: String,
    /// SHA-256 over method, path and body.
    pub request_hash: [u8; 32],
}

/// What becomes of a Link's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameChange {
    /// It stays.
    #[default]
    Keep,
    /// The Link has none any more.
    Clear,
    /// It is this one.
    Set(String),
}

impl NameChange {
    /// The name after the change of one that was `before`.
    pub fn apply(&self, before: Option<String>) -> Option<String> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(name) => Some(name.clone()),
        }
    }
}

/// What an operation was asked to do, kept so that any instance can bring it to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    /// Create a Link.
    CreateLink {
        /// The partner's name for it.
        name: Option<String>,
        /// The card to use, once one is claimed.
        iccid: String,
        /// The plan at the operator.
        operator_plan_id: String,
    },
    /// Add a plan.
    Topup {
        /// The Link's endpoint at the operator.
        endpoint_id: String,
        /// The Link's card.
        iccid: String,
        /// The plan at the operator.
        operator_plan_id: String,
    },
    /// Take plans off, in this order.
    RemovePlans {
        /// The Link's endpoint at the operator.
        endpoint_id: String,
        /// Each activation with its plan instance at the operator.
        items: Vec<(ActivationId, String)>,
    },
    /// Change a Link.
    UpdateLink {
        /// The Link's endpoint at the operator.
        endpoint_id: String,
        /// The status it shall have, if that changes.
        status: Option<LinkStatus>,
        /// What becomes of its name.
        name: NameChange,
        /// The month whose fee it pays, where one was due of the suspended Link.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fee: Option<Month>,
    },
    /// Send an SMS. Its text is with the SMS, and nowhere else.
    SendSms {
        /// The Link's endpoint at the operator.
        endpoint_id: String,
        /// Stored before it is sent: from then on it may be with the operator. It is not sent
        /// again while this stands.
        attempted_at: Option<Timestamp>,
    },
}

/// An operation as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Its id, and our reference at the operator.
    pub id: OperationId,
    /// Whose it is.
    pub org_id: OrgId,
    /// The first operation of the call that it belongs to: all of a group end alike.
    pub group_id: OperationId,
    /// Its place in the group, from 0.
    pub position: i32,
    /// What it does.
    pub kind: OperationKind,
    /// Where it is in its life.
    pub state: OperationState,
    /// The Link it is about; for a new one the id that it will have.
    pub link_id: LinkId,
    /// The activation that it makes or removes.
    pub activation_id: Option<ActivationId>,
    /// The plan it pays for.
    pub plan_id: Option<PlanId>,
    /// What it charges.
    pub amount: Money,
    /// The ledger entry of its debit.
    pub debit_id: Option<EntryId>,
    /// The caller's key, on the first of a group.
    pub key: Option<RequestKey>,
    /// What it was asked to do.
    pub request: Request,
    /// Why it failed, once it did.
    pub failure: Option<Failure>,
    /// Whether the operator may hold something of it all the same.
    pub cleanup: Cleanup,
    /// Raised whenever another instance takes it over; every write carries it.
    pub epoch: i64,
    /// How often the resolver has looked at it.
    pub attempts: i32,
    /// Nothing is sent for it after this time.
    pub deadline_at: Timestamp,
    /// Until then something may appear at the operator.
    pub horizon_at: Timestamp,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it ended.
    pub settled_at: Option<Timestamp>,
}

/// What a call answered, kept with its idempotency key so that a repetition answers the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// A Link was created.
    LinkCreated {
        /// The Link.
        snapshot: Box<LinkSnapshot>,
        /// What was charged.
        amount: Money,
        /// In which currency.
        currency: Currency,
    },
    /// A Link was changed.
    LinkUpdated {
        /// The Link.
        snapshot: Box<LinkSnapshot>,
    },
    /// Plans were added to a Link, or taken off it.
    PlansChanged {
        /// The Link.
        link_id: LinkId,
        /// Its card.
        iccid: String,
        /// What was added.
        added: Vec<Activation>,
        /// What was taken off.
        removed: Vec<Activation>,
        /// What was charged.
        amount: Money,
        /// In which currency.
        currency: Currency,
    },
    /// An SMS was queued. It is told again from the SMS itself and never stored as an answer.
    SmsQueued {
        /// The SMS.
        sms: Box<Sms>,
        /// The currency of its amount.
        currency: Currency,
    },
}
