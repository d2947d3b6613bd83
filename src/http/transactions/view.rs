//! A Transaction: one ledger entry as partners see it.

use crate::http::show;
use crate::store::transactions::Transaction;
use bappy_actors::model::{
    ActivationId, Currency, EntryId, EntryKind, LinkId, Money, OperationId, PlanId, Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

/// A movement of your wallet. Transactions are only ever added, never changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Transaction)]
pub struct TransactionView {
    id: EntryId,
    #[serde(rename = "type")]
    kind: EntryKind,
    /// Negative for debits.
    amount: Money,
    /// The balance of the wallet after it.
    balance_after: Money,
    currency: Currency,
    link_id: Option<LinkId>,
    #[schema(example = "8988247000000000019")]
    iccid: Option<String>,
    activation_id: Option<ActivationId>,
    plan_id: Option<PlanId>,
    #[schema(example = "France 1 GB, 7 days")]
    plan_name: Option<String>,
    /// The transaction that a refund gives back.
    refund_of: Option<EntryId>,
    /// A sentence for people.
    description: String,
    /// The operation that it belongs to.
    operation_id: Option<OperationId>,
    #[serde(serialize_with = "show::at")]
    created_at: Timestamp,
}

impl TransactionView {
    /// An entry with its time, in its wallet's currency.
    pub fn new(transaction: Transaction, currency: Currency) -> Self {
        let Transaction { entry, created_at } = transaction;
        Self {
            id: entry.id,
            kind: entry.kind,
            amount: entry.amount,
            balance_after: entry.balance_after,
            currency,
            link_id: entry.link_id,
            iccid: entry.iccid,
            activation_id: entry.activation_id,
            plan_id: entry.plan_id,
            plan_name: entry.plan_name,
            refund_of: entry.refund_of,
            description: entry.description,
            operation_id: entry.operation_id,
            created_at,
        }
    }
}
