//! The ledger: an append-only list of what changed a balance.

use super::{ActivationId, EntryId, LinkId, Money, OperationId, PlanId};
use serde::{Deserialize, Serialize};

/// What a ledger entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Money paid in.
    Credit,
    /// A new Link's first plan.
    Activation,
    /// A plan added to a Link.
    Topup,
    /// A debit given back.
    Refund,
    /// An SMS.
    Sms,
    /// A Link's monthly fee.
    LinkFee,
    /// A correction by hand.
    Adjustment,
}

impl EntryKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Credit,
        Self::Activation,
        Self::Topup,
        Self::Refund,
        Self::Sms,
        Self::LinkFee,
        Self::Adjustment,
    ];
}

/// One line of a wallet's ledger, as a wallet decides it. Its sequence and the balance after it
/// are given by the batch that it is written in.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerEntry {
    /// Its id.
    pub id: EntryId,
    /// Its place in the wallet's ledger, from 1, without gaps.
    pub sequence: i64,
    /// What it is for.
    pub kind: EntryKind,
    /// Negative for debits.
    pub amount: Money,
    /// The balance after it.
    pub balance_after: Money,
    /// The Link it is about. For a new Link the id that it will have.
    pub link_id: Option<LinkId>,
    /// The card's ICCID, where it was known when the entry was written.
    pub iccid: Option<String>,
    /// The activation it pays for.
    pub activation_id: Option<ActivationId>,
    /// The plan it pays for.
    pub plan_id: Option<PlanId>,
    /// The plan's name when it was charged.
    pub plan_name: Option<String>,
    /// The debit that a refund gives back.
    pub refund_of: Option<EntryId>,
    /// The operation it belongs to.
    pub operation_id: Option<OperationId>,
    /// The payer's reference of a credit; unique in an organization.
    pub reference: Option<String>,
    /// A sentence for people.
    pub description: String,
}
