//! Ledger entries as an organization reads them: its Transactions. Called by
//! `GET /links/{identifier}/history`.
//!
//! **Invariant:** newest first by sequence, which has no gaps and never changes: a part read later
//! continues one read before.

use super::page::{Part, Window};
use super::{DbError, Text, Time, Tx, entries};
use bappy_actors::model::{EntryKind, LedgerEntry, LinkId, OrgId, Timestamp};
use sqlx::AssertSqlSafe;

/// A ledger entry and when it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// The entry.
    pub entry: LedgerEntry,
    /// When it was written.
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    entry: entries::Row,
    created_at: Time,
}

impl TryFrom<Row> for Transaction {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self { entry: row.entry.try_into()?, created_at: row.created_at.into() })
    }
}

/// What a Link has cost and given back, of one kind or of all; the key is the sequence.
pub async fn of_link(
    tx: &mut Tx,
    org: OrgId,
    link: LinkId,
    kind: Option<EntryKind>,
    window: &Window<i64>,
) -> Result<Part<Transaction, i64>, DbError> {
    let filter = if kind.is_some() { " AND kind = $3" } else { "" };
    let kind = kind.map(|kind| kind.word());
    let total = one!(
        tx,
        (i64,),
        AssertSqlSafe(format!(
            "SELECT COUNT(*) FROM ledger_entries WHERE org_id = $1 AND link_id = $2{filter}"
        )),
        org.0,
        link.0,
        kind
    )?
    .0;
    let Some(walk) = window.walk(total) else { return Ok(Part::empty(total)) };
    let past = if window.after().is_some() { " AND sequence < $4" } else { "" };
    let order = if walk.backwards { "sequence" } else { "sequence DESC" };
    let rows = all!(
        tx,
        Row,
        AssertSqlSafe(format!(
            "SELECT id, sequence, kind, amount, balance_after, link_id, iccid, activation_id,
                 plan_id, plan_name, refund_of, operation_id, reference, description, created_at
             FROM ledger_entries WHERE org_id = $1 AND link_id = $2{filter}{past}
             ORDER BY {order} LIMIT $5 OFFSET $6"
        )),
        org.0,
        link.0,
        kind,
        window.after().copied(),
        walk.limit,
        walk.offset
    )?;
    let rows = rows.into_iter().map(TryInto::try_into).collect::<Result<Vec<Transaction>, _>>()?;
    Ok(window.part(rows, walk, total, |transaction| transaction.entry.sequence))
}
