//! A Transaction: one ledger entry as partners see it.

use crate::http::show;
use crate::store::transactions::Transaction;
use bappy_actors::model::{
    ActivationId, Currency, EntryId, EntryKind, LinkId, Money, OperationId, PlanId, Timestamp,
};
use serde::Serialize;

/// A Transaction.
#[derive(Debug, Serialize)]
pub struct TransactionView {
    id: EntryId,
    #[serde(rename = "type")]
    kind: EntryKind,
    amount: Money,
    balance_after: Money,
    currency: Currency,
    link_id: Option<LinkId>,
    iccid: Option<String>,
    activation_id: Option<ActivationId>,
    plan_id: Option<PlanId>,
    plan_name: Option<String>,
    refund_of: Option<EntryId>,
    description: String,
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
