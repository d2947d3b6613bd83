//! Ledger entries as an organization reads them: its Transactions. Called by `GET /transactions`
//! and `GET /links/{identifier}/history`.
//!
//! **Invariant:** newest first by sequence, which has no gaps and never changes: a part read later
//! continues one read before.

mod scope;
mod spans;

pub use scope::{Scope, TransactionFilter, scope};

use super::page::{Part, Window};
use super::{DbError, Time, Tx, entries};
use bappy_actors::model::{EntryKind, LedgerEntry, LinkId, OrgId, Timestamp};

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
    let filter = TransactionFilter { link: Some(link), kind, ..TransactionFilter::default() };
    scope(tx, org, filter).await?.part(tx, window).await
}
