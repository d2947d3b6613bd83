//! Parts of wallets and ledgers, read so that they can be held against each other.
//!
//! Called by the [`ledger_check`](crate::ledger_check). **Invariant:** what is compared is read in
//! one statement, and so at one moment, while the ledger's writers go on.

use super::{DbError, Tx};
use bappy_actors::model::{Money, OrgId};
use uuid::Uuid;

/// A ledger entry, as far as it is money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its place, from 1.
    pub sequence: i64,
    /// What it adds.
    pub amount: Money,
    /// The balance after it.
    pub balance_after: Money,
}

/// A wallet with the newest lines of its ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// What is in the wallet.
    pub balance: Money,
    /// How many entries its ledger should have.
    pub version: i64,
    /// The newest, in order.
    pub lines: Vec<Line>,
}

/// A wallet with what its daily totals add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// What is in the wallet.
    pub balance: Money,
    /// How many entries its ledger should have.
    pub version: i64,
    /// Entries counted in the totals.
    pub entries: i64,
    /// Credited less debited in the totals.
    pub sum: Money,
}

/// Organizations with wallets by id, past `after`.
pub async fn wallets(tx: &mut Tx, after: Option<OrgId>, limit: i64) -> Result<Vec<OrgId>, DbError> {
    let after = after.map_or(Uuid::nil(), |org| org.0);
    let sql = "SELECT org_id FROM wallets WHERE org_id > $1 ORDER BY org_id LIMIT $2";
    let rows = all!(tx, (Uuid,), sql, after, limit)?;
    Ok(rows.into_iter().map(|(id,)| OrgId(id)).collect())
}

/// A wallet with the newest `count` lines of its ledger; none where there is no such wallet.
pub async fn newest(tx: &mut Tx, org: OrgId, count: i64) -> Result<Option<Newest>, DbError> {
    // Past the version nothing should be; what is there all the same is read with it.
    let sql = "SELECT w.balance, w.version, e.sequence, e.amount, e.balance_after
        FROM wallets w
        LEFT JOIN ledger_entries e ON e.org_id = w.org_id AND e.sequence > w.version - $2
        WHERE w.org_id = $1 ORDER BY e.sequence LIMIT $2 + 1";
    let rows = all!(tx, (i64, i64, Option<i64>, Option<i64>, Option<i64>), sql, org.0, count)?;
    let Some(&(balance, version, ..)) = rows.first() else { return Ok(None) };
    let lines = rows
        .into_iter()
        .filter_map(|(.., sequence, amount, after)| Some(line((sequence?, amount?, after?))));
    Ok(Some(Newest { balance: Money::from_micros(balance), version, lines: lines.collect() }))
}

/// The lines of a ledger from one place to another.
pub async fn lines(tx: &mut Tx, org: OrgId, from: i64, to: i64) -> Result<Vec<Line>, DbError> {
    let sql = "SELECT sequence, amount, balance_after FROM ledger_entries
        WHERE org_id = $1 AND sequence >= $2 AND sequence <= $3 ORDER BY sequence";
    let rows = all!(tx, (i64, i64, i64), sql, org.0, from, to)?;
    Ok(rows.into_iter().map(line).collect())
}

/// A wallet with its daily totals; none where there is no such wallet.
pub async fn totals(tx: &mut Tx, org: OrgId) -> Result<Option<Totals>, DbError> {
    // The rows of no plan in particular hold all entries.
    let sql = "SELECT w.balance, w.version, CAST(COALESCE(SUM(d.entries), 0) AS BIGINT),
            CAST(COALESCE(SUM(d.credited - d.debited), 0) AS BIGINT)
        FROM wallets w LEFT JOIN ledger_days d ON d.org_id = w.org_id AND d.plan_id = $2
        WHERE w.org_id = $1 GROUP BY w.balance, w.version";
    let row = opt!(tx, (i64, i64, i64, i64), sql, org.0, Uuid::nil())?;
    Ok(row.map(|(balance, version, entries, sum)| Totals {
        balance: Money::from_micros(balance),
        version,
        entries,
        sum: Money::from_micros(sum),
    }))
}

fn line((sequence, amount, balance_after): (i64, i64, i64)) -> Line {
    let (amount, balance_after) = (Money::from_micros(amount), Money::from_micros(balance_after));
    Line { sequence, amount, balance_after }
}
