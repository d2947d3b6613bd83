//! What is in an organization's wallet, for its own eyes. Called by `GET /organization/balance`.

use super::{DbError, Time, Tx, text};
use bappy_actors::model::{Currency, Money, OrgId, Timestamp};

/// A balance, as the database has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// How much there is.
    pub amount: Money,
    /// In which currency.
    pub currency: Currency,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The balance of an organization's wallet.
pub async fn balance(tx: &mut Tx, org: OrgId) -> Result<Option<Balance>, DbError> {
    let row = opt!(
        tx,
        (i64, String, Time),
        "SELECT w.balance, o.currency, w.updated_at
         FROM wallets w JOIN organizations o ON o.id = w.org_id WHERE w.org_id = $1",
        org.0
    )?;
    let Some((amount, currency, updated_at)) = row else { return Ok(None) };
    Ok(Some(Balance {
        amount: Money::from_micros(amount),
        currency: text::currency(&currency)?,
        updated_at: updated_at.into(),
    }))
}

/// Whether the database answers.
pub async fn ping(tx: &mut Tx) -> Result<(), DbError> {
    one!(tx, (i64,), "SELECT CAST(1 AS BIGINT)")?;
    Ok(())
}
