//! Wallets: reading one and fencing it off. Their balance changes only in `ledger`.

use super::{DbError, Tx, text};
use bappy_actors::model::{Currency, Money, OrgId};
use bappy_actors::ports::WalletRow;

#[derive(sqlx::FromRow)]
struct Row {
    balance: i64,
    version: i64,
    fence: i64,
}

impl From<Row> for WalletRow {
    fn from(row: Row) -> Self {
        Self { balance: Money::from_micros(row.balance), version: row.version, fence: row.fence }
    }
}

/// A wallet as it stands.
pub async fn wallet(tx: &mut Tx, org: OrgId) -> Result<Option<WalletRow>, DbError> {
    let row =
        opt!(tx, Row, "SELECT balance, version, fence FROM wallets WHERE org_id = $1", org.0)?;
    Ok(row.map(Into::into))
}

/// Raises the fence, which waits for a commit under way and shuts out every earlier one.
pub async fn fence(tx: &mut Tx, org: OrgId) -> Result<Option<WalletRow>, DbError> {
    let row = opt!(
        tx,
        Row,
        "UPDATE wallets SET fence = fence + 1 WHERE org_id = $1 RETURNING balance, version, fence",
        org.0
    )?;
    Ok(row.map(Into::into))
}

/// The currency of an organization's wallet.
pub async fn currency(tx: &mut Tx, org: OrgId) -> Result<Option<Currency>, DbError> {
    let row = opt!(tx, (String,), "SELECT currency FROM organizations WHERE id = $1", org.0)?;
    row.map(|(code,)| text::currency(&code)).transpose()
}
