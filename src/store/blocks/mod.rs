//! What stretches of a ledger add up to, kept so that a part of a day is not added up entry by entry.
//!
//! [`keep`] is called beside the service, with the ranks of lists; turnovers and the list of
//! transactions ask `split` how the part of a day that they want lies in the blocks.
//!
//! **Invariants:** a block is of entries that are there, which never change, and so neither does it.
//! Nothing is assumed of the order of times: a block knows its earliest and its latest, and counts as a
//! whole only if both are in the period. Blocks follow each other from the first entry; what comes after
//! the last is read. Without blocks every sum is as right, and slower.

mod split;

pub(super) use split::{Cut, split};

use super::ledger::ALL_PLANS;
use super::{Database, DbError, Time};
use bappy_actors::model::{OrgId, Timestamp};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// Entries of a block; of the last of a day there may be fewer. A block that is cut is read entry by entry, and
/// all others of the day looked at: with some tens of thousands of entries a day the two cost the same.
const SIZE: i64 = 250;
/// Blocks made at a time: some tens of milliseconds.
const BLOCKS_AT_A_TIME: i64 = 100;

/// Keeps the blocks of all ledgers up.
pub async fn keep(database: &Database) -> Result<(), DbError> {
    keep_by(database, SIZE).await
}

/// The same, with blocks of so many entries; for tests.
pub async fn keep_by(database: &Database, size: i64) -> Result<(), DbError> {
    let grown = {
        let mut tx = database.read().await?;
        all!(
            tx,
            (Uuid, i64, i64),
            "SELECT org_id, kept, version
             FROM (SELECT w.org_id, w.version, COALESCE((SELECT MAX(b.last_sequence)
                       FROM ledger_blocks b WHERE b.org_id = w.org_id), 0) AS kept
                   FROM wallets w WHERE w.version >= $1) grown
             WHERE version - kept >= $1",
            size
        )?
    };
    // One ledger that cannot be added up keeps no other from it.
    let mut outcome = Ok(());
    for (org, kept, version) in grown {
        if let Err(error) = extend(database, OrgId(org), (kept, version), size).await {
            outcome = Err(error);
        }
    }
    outcome
}

#[derive(sqlx::FromRow)]
struct Row {
    number: i64,
    kind: String,
    entries: i64,
    debited: i64,
    credited: i64,
    first_at: Time,
    last_at: Time,
}

/// Adds up the entries past those `kept`, of which `version` are there.
async fn extend(
    database: &Database,
    org: OrgId,
    (mut kept, version): (i64, i64),
    size: i64,
) -> Result<(), DbError> {
    let ends = ends_of_days(database, org, kept, size).await?;
    loop {
        let count = ((version - kept) / size).min(BLOCKS_AT_A_TIME);
        if count <= 0 {
            return Ok(());
        }
        let upto = kept + count * size;
        let upto = ends.iter().copied().find(|end| (kept + 1..upto).contains(end)).unwrap_or(upto);
        let rows = {
            let mut tx = database.read().await?;
            all!(
                tx,
                Row,
                "SELECT (sequence - $2 - 1) / $4 AS number, kind, COUNT(*) AS entries,
                     CAST(SUM(CASE WHEN amount < 0 THEN -amount ELSE 0 END) AS BIGINT) AS debited,
                     CAST(SUM(CASE WHEN amount > 0 THEN amount ELSE 0 END) AS BIGINT) AS credited,
                     MIN(created_at) AS first_at, MAX(created_at) AS last_at
                 FROM ledger_entries
                 WHERE org_id = $1 AND sequence > $2 AND sequence <= $3
                 GROUP BY 1, 2 ORDER BY 1, 2",
                org.0,
                kept,
                upto,
                size
            )?
        };
        write(database, org, (kept, upto), size, rows).await?;
        kept = upto;
    }
}

/// The sequences, ascending, that a block does not go past: where the next day's entries begin, if there are
/// enough before them for a block. A part of a day most often begins or ends at a midnight, and there
/// nothing is to be read then. Where a day begins never changes, so all who make blocks make the same.
async fn ends_of_days(
    database: &Database,
    org: OrgId,
    kept: i64,
    size: i64,
) -> Result<Vec<i64>, DbError> {
    let mut tx = database.read().await?;
    let last = one!(
        tx,
        (Option<Time>,),
        "SELECT MIN(first_at) FROM ledger_blocks WHERE org_id = $1 AND last_sequence = $2",
        org.0,
        kept
    )?;
    // What is not kept yet begins on the day of the last block's entries, or on the next.
    let since = last.0.and_then(|at| Timestamp::from(at).date_naive().pred_opt());
    let (totals, days) = (totals_of_all!(), if since.is_some() { " AND day >= $3" } else { "" });
    let begun = all!(
        tx,
        (i64,),
        AssertSqlSafe(format!(
            // Grouped at once, SQLite would take the index of days, and read the totals of every plan.
            "WITH totals AS MATERIALIZED (
                 SELECT day, first_sequence FROM ledger_days WHERE {totals}{days})
             SELECT MIN(first_sequence) FROM totals GROUP BY day ORDER BY 1"
        )),
        org.0,
        ALL_PLANS,
        since
    )?;
    let is_enough = |days: &[(i64,)]| days[1].0 - days[0].0 >= size;
    Ok(begun.windows(2).filter(|days| is_enough(days)).map(|days| days[1].0 - 1).collect())
}

async fn write(
    database: &Database,
    org: OrgId,
    (kept, upto): (i64, i64),
    size: i64,
    rows: Vec<Row>,
) -> Result<(), DbError> {
    database
        .write(move |tx| {
            Box::pin(async move {
                for row in rows {
                    // Another instance may have been first, with the same.
                    exec!(
                        tx,
                        "INSERT INTO ledger_blocks (org_id, first_sequence, last_sequence, kind,
                             entries, debited, credited, first_at, last_at)
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
                        org.0,
                        kept + row.number * size + 1,
                        (kept + (row.number + 1) * size).min(upto),
                        row.kind,
                        row.entries,
                        row.debited,
                        row.credited,
                        row.first_at,
                        row.last_at
                    )?;
                }
                Ok::<_, DbError>(())
            })
        })
        .await
}
