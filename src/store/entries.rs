//! Ledger entries, read. They are written in `ledger` and never changed.

use super::{DbError, Text, Tx};
use bappy_actors::model::{
    ActivationId, EntryId, EntryKind, LedgerEntry, LinkId, Money, OperationId, OrgId, PlanId,
};
use uuid::Uuid;

/// A row of `ledger_entries`.
#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: Uuid,
    sequence: i64,
    kind: String,
    amount: i64,
    balance_after: i64,
    link_id: Option<Uuid>,
    iccid: Option<String>,
    activation_id: Option<Uuid>,
    plan_id: Option<Uuid>,
    plan_name: Option<String>,
    refund_of: Option<Uuid>,
    operation_id: Option<Uuid>,
    reference: Option<String>,
    description: String,
}

impl TryFrom<Row> for LedgerEntry {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: EntryId(row.id),
            sequence: row.sequence,
            kind: EntryKind::from_word(&row.kind)?,
            amount: Money::from_micros(row.amount),
            balance_after: Money::from_micros(row.balance_after),
            link_id: row.link_id.map(LinkId),
            iccid: row.iccid,
            activation_id: row.activation_id.map(ActivationId),
            plan_id: row.plan_id.map(PlanId),
            plan_name: row.plan_name,
            refund_of: row.refund_of.map(EntryId),
            operation_id: row.operation_id.map(OperationId),
            reference: row.reference,
            description: row.description,
        })
    }
}

/// The debit of an operation.
pub async fn debit_of(
    tx: &mut Tx,
    org: OrgId,
    operation: OperationId,
) -> Result<Option<(EntryId, LedgerEntry)>, DbError> {
    let row = opt!(
        tx,
        Row,
        "SELECT id, sequence, kind, amount, balance_after, link_id, iccid, activation_id, plan_id,
             plan_name, refund_of, operation_id, reference, description
         FROM ledger_entries
         WHERE org_id = $1 AND operation_id = $2 AND kind <> 'refund'
         ORDER BY sequence LIMIT 1",
        org.0,
        operation.0
    )?;
    let Some(row) = row else { return Ok(None) };
    let entry = LedgerEntry::try_from(row)?;
    Ok(Some((entry.id, entry)))
}
