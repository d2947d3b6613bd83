//! Batches on SQLite: one transaction, a statement or a few for each table that they touch.
//!
//! Rows go in by the power of two, so that there are a few texts of each statement: each is a round
//! trip to the thread that the connection has, which costs more than the row does.
//!
//! They are `OR FAIL`: before a statement that might stop half way SQLite else keeps each page as it
//! was, to undo that statement alone, which was an eighth of its work. Here all of the transaction is
//! undone. (Where a table has foreign keys or is merged into, it keeps them all the same.)
//!
//! **Invariant:** a wallet whose swap fails is left alone before anything of it is written; any
//! error rolls all wallets back, and the writer tries each on its own.

use crate::store::ledger::rows::{self, Row};
use crate::store::{Conn, DbError, Tx};
use bappy_actors::ports::Batch;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, SqliteConnection, SqlitePool};
use std::collections::HashSet;
use uuid::Uuid;

/// Rows in one statement: its parameters stay far below what SQLite takes (32,766).
const ROWS_MAX: usize = 128;

/// What becomes of the rows of a section.
enum Form<'a> {
    /// They are inserted into the table of the section's name.
    Inserted,
    /// They are inserted into another table, unless they are there: then this becomes of them.
    Merged(&'a str, &'a str),
    /// A statement uses them by the section's name.
    Used(&'a str),
}

impl Form<'_> {
    fn statement<R: Row>(&self, count: usize) -> String {
        let (name, columns) = (R::NAME, R::COLUMNS.join(", "));
        let row = format!("({})", vec!["?"; R::COLUMNS.len()].join(", "));
        let values = vec![row.as_str(); count].join(", ");
        match self {
            Self::Inserted => format!("INSERT OR FAIL INTO {name} ({columns}) VALUES {values}"),
            Self::Merged(table, otherwise) => {
                format!("INSERT OR FAIL INTO {table} ({columns}) VALUES {values} {otherwise}")
            }
            Self::Used(statement) => {
                let statement = match statement.strip_prefix("UPDATE ") {
                    Some(update) => &format!("UPDATE OR FAIL {update}"),
                    None => *statement,
                };
                format!("WITH {name} ({columns}) AS (VALUES {values}) {statement}")
            }
        }
    }
}

const TOTALS: Form = Form::Merged(
    "ledger_days AS d",
    // An amount past the range of its column stays at the range's end: no statistic keeps money
    // from being booked.
    "ON CONFLICT (org_id, plan_id, kind, day) DO UPDATE SET
         entries = d.entries + excluded.entries,
         debited = MIN(d.debited, 9223372036854775807 - excluded.debited) + excluded.debited,
         credited = MIN(d.credited, 9223372036854775807 - excluded.credited) + excluded.credited,
         made = d.made + excluded.made,
         first_sequence = COALESCE(MIN(d.first_sequence, excluded.first_sequence),
             d.first_sequence, excluded.first_sequence),
         last_sequence = COALESCE(MAX(d.last_sequence, excluded.last_sequence),
             d.last_sequence, excluded.last_sequence)",
);

/// The payments of fees are taken back.
const RETURNED: Form = Form::Used(
    "DELETE FROM link_fees WHERE (org_id, link_id, entry_id) IN
         (SELECT org_id, link_id, entry_id FROM returning_fee)",
);

/// Writes the batches; gives the wallets that have moved.
pub async fn write(pool: &SqlitePool, batches: &[&Batch]) -> Result<HashSet<Uuid>, DbError> {
    let mut tx: Tx = pool.begin_with("BEGIN IMMEDIATE").await?.into();
    let Conn::Sqlite(conn) = tx.conn() else {
        return Err(DbError::Unreadable("this is not a connection to SQLite".to_owned()));
    };
    match write_moved(conn, batches).await {
        Ok(moved) => tx.commit().await.map(|()| moved),
        Err(error) => {
            // The first error is the one to tell.
            let _ = tx.rollback().await;
            Err(error)
        }
    }
}

async fn write_moved(
    conn: &mut SqliteConnection,
    batches: &[&Batch],
) -> Result<HashSet<Uuid>, DbError> {
    let moved = move_wallets(conn, rows::wallets(batches)).await?;
    let batches: Vec<&Batch> =
        batches.iter().copied().filter(|batch| moved.contains(&batch.org_id.0)).collect();
    let batches = batches.as_slice();
    let ends = rows::closings(batches)?;
    find_all(conn, ends, &Form::Used(rows::END), "an operation is not held any more").await?;
    write_rows(conn, rows::operations(batches)?, &Form::Inserted).await?;
    write_rows(conn, rows::sms(batches), &Form::Inserted).await?;
    write_rows(conn, rows::sms_failed(batches), &Form::Used(rows::FAIL)).await?;
    write_rows(conn, rows::links(batches), &Form::Inserted).await?;
    write_rows(conn, rows::cards_used(batches), &Form::Used(rows::USE)).await?;
    write_rows(conn, rows::activations(batches), &Form::Inserted).await?;
    let volumes = rows::volumes(batches);
    find_all(conn, volumes, &Form::Used(rows::ADD), "a Link is not there").await?;
    write_rows(conn, rows::entries(batches), &Form::Inserted).await?;
    write_rows(conn, rows::fees_returned(batches), &RETURNED).await?;
    write_rows(conn, rows::fees(batches), &Form::Inserted).await?;
    write_rows(conn, rows::days(batches), &TOTALS).await?;
    Ok(moved)
}

async fn move_wallets<R: Row>(
    conn: &mut SqliteConnection,
    wallets: Vec<R>,
) -> Result<HashSet<Uuid>, DbError> {
    let returning = format!("{} RETURNING org_id", rows::MOVE);
    let mut moved = HashSet::new();
    for (sql, arguments) in parts(wallets, &Form::Used(&returning))? {
        let query = sqlx::query_as_with::<_, (Uuid,), _>(AssertSqlSafe(sql), arguments);
        let rows = traced_statement!(query.fetch_all(&mut *conn)).await?;
        moved.extend(rows.into_iter().map(|(org,)| org));
    }
    Ok(moved)
}

/// As [`write_rows`]; an error where fewer were found than there are.
async fn find_all<R: Row>(
    conn: &mut SqliteConnection,
    rows: Vec<R>,
    form: &Form<'_>,
    otherwise: &str,
) -> Result<(), DbError> {
    let wanted = rows.len() as u64;
    if write_rows(conn, rows, form).await? == wanted {
        return Ok(());
    }
    Err(DbError::Unreadable(otherwise.to_owned()))
}

/// How many rows were written.
async fn write_rows<R: Row>(
    conn: &mut SqliteConnection,
    rows: Vec<R>,
    form: &Form<'_>,
) -> Result<u64, DbError> {
    let mut written = 0;
    for (sql, arguments) in parts(rows, form)? {
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
        written += traced_statement!(query.execute(&mut *conn)).await?.rows_affected();
    }
    Ok(written)
}

/// The statements that write the rows, each of as many as a power of two.
fn parts<R: Row>(rows: Vec<R>, form: &Form<'_>) -> Result<Vec<(String, SqliteArguments)>, DbError> {
    let mut parts = Vec::new();
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let count = ROWS_MAX.min(1 << rows.len().ilog2());
        let mut arguments = SqliteArguments::default();
        for row in rows.by_ref().take(count) {
            row.bind(&mut arguments).map_err(|e| DbError::Sql(sqlx::Error::Encode(e)))?;
        }
        parts.push((form.statement::<R>(count), arguments));
    }
    Ok(parts)
}
