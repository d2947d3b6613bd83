//! Batches on SQLite: one transaction.
//!
//! What is sent to the thread that the connection has, and waited for, costs more than many rows do.
//! So the statements that nearly every batch needs go there together, as one text, even those that have
//! no row this time; and each has room for a power of two of rows, of which those that are left over
//! are of `NULL` and go nowhere: there are eight such texts, and they stay prepared.
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
use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, Executor, SqliteConnection, SqlitePool};
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
    /// The statement with room for so many rows. No section has `NULL` in its first column, nor in one by which a
    /// statement finds something: rows of `NULL` alone change nothing.
    fn statement<R: Row>(&self, room: usize) -> String {
        let (name, columns) = (R::NAME, R::COLUMNS.join(", "));
        let row = format!("({})", vec!["?"; R::COLUMNS.len()].join(", "));
        let values = vec![row.as_str(); room].join(", ");
        let (table, otherwise) = match self {
            Self::Inserted => (name, ""),
            Self::Merged(table, otherwise) => (*table, *otherwise),
            Self::Used(statement) => {
                let statement = match statement.strip_prefix("UPDATE ") {
                    Some(update) => &format!("UPDATE OR FAIL {update}"),
                    None => *statement,
                };
                return format!("WITH {name} ({columns}) AS (VALUES {values}) {statement};");
            }
        };
        format!(
            "INSERT OR FAIL INTO {table} ({columns}) SELECT * FROM (VALUES {values})
                 WHERE column1 IS NOT NULL {otherwise};"
        )
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
    if batches.is_empty() {
        return Ok(moved);
    }
    for script in scripts(&batches)? {
        script.run(conn).await?;
    }
    Ok(moved)
}

async fn move_wallets<R: Row>(
    conn: &mut SqliteConnection,
    wallets: Vec<R>,
) -> Result<HashSet<Uuid>, DbError> {
    let returning = format!("{} RETURNING org_id", rows::MOVE);
    let mut moved = HashSet::new();
    for Script { sql, arguments, .. } in apart(wallets, &Form::Used(&returning), None)? {
        let query = sqlx::query_as_with::<_, (Uuid,), _>(AssertSqlSafe(sql), arguments);
        let rows = traced_statement!(query.fetch_all(&mut *conn)).await?;
        moved.extend(rows.into_iter().map(|(org,)| org));
    }
    Ok(moved)
}

/// What is written of batches whose wallets have moved, in this order: an SMS refers to its operation.
fn scripts(batches: &[&Batch]) -> Result<Vec<Script>, DbError> {
    const ENDS: Form = Form::Used(rows::END);
    const ADDS: Form = Form::Used(rows::ADD);
    const HELD: Option<&str> = Some("an operation is not held any more");
    const THERE: Option<&str> = Some("a Link is not there");

    let ends = rows::closings(batches)?;
    let begun = rows::operations(batches)?;
    let activations = rows::activations(batches);
    let volumes = rows::volumes(batches);
    let entries = rows::entries(batches);
    let days = rows::days(batches);
    let lengths =
        [ends.len(), begun.len(), activations.len(), volumes.len(), entries.len(), days.len()];
    let room = lengths.into_iter().max().unwrap_or_default().next_power_of_two();
    let together = (room <= ROWS_MAX).then(|| (Script::default(), room));
    let mut scripts = Scripts { done: Vec::new(), together };
    scripts.add(ends, &ENDS, HELD)?;
    scripts.add(begun, &Form::Inserted, None)?;
    scripts.add(activations, &Form::Inserted, None)?;
    scripts.add(volumes, &ADDS, THERE)?;
    scripts.add(entries, &Form::Inserted, None)?;
    scripts.add(days, &TOTALS, None)?;
    scripts.end_together();
    scripts.add(rows::sms(batches), &Form::Inserted, None)?;
    scripts.add(rows::sms_failed(batches), &Form::Used(rows::FAIL), None)?;
    scripts.add(rows::links(batches), &Form::Inserted, None)?;
    scripts.add(rows::cards_used(batches), &Form::Used(rows::USE), None)?;
    scripts.add(rows::fees_returned(batches), &RETURNED, None)?;
    scripts.add(rows::fees(batches), &Form::Inserted, None)?;
    Ok(scripts.done)
}

/// Scripts in the order in which they are run.
struct Scripts {
    done: Vec<Script>,
    /// The one that sections go into together, and the room that each has.
    together: Option<(Script, usize)>,
}

impl Scripts {
    fn add<R: Row>(
        &mut self,
        rows: Vec<R>,
        form: &Form<'_>,
        otherwise: Option<&'static str>,
    ) -> Result<(), DbError> {
        match &mut self.together {
            Some((script, room)) => script.add(rows, *room, form, otherwise)?,
            None => self.done.extend(apart(rows, form, otherwise)?),
        }
        Ok(())
    }

    fn end_together(&mut self) {
        self.done.extend(self.together.take().map(|(script, _)| script));
    }
}

/// Rows of one section, in scripts of its own; none for none.
fn apart<R: Row>(
    rows: Vec<R>,
    form: &Form<'_>,
    otherwise: Option<&'static str>,
) -> Result<Vec<Script>, DbError> {
    let mut scripts = Vec::new();
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let part: Vec<R> = rows.by_ref().take(ROWS_MAX).collect();
        let room = part.len().next_power_of_two();
        let mut script = Script::default();
        script.add(part, room, form, otherwise)?;
        scripts.push(script);
    }
    Ok(scripts)
}

/// Statements that go down together.
#[derive(Default)]
struct Script {
    sql: String,
    arguments: SqliteArguments,
    /// Of each statement how many rows it has to change, and what it means if it does not.
    wanted: Vec<Option<(u64, &'static str)>>,
}

impl Script {
    /// Adds a statement; with an `otherwise` it has to find as many rows as there are.
    fn add<R: Row>(
        &mut self,
        rows: Vec<R>,
        room: usize,
        form: &Form<'_>,
        otherwise: Option<&'static str>,
    ) -> Result<(), DbError> {
        self.sql.push_str(&form.statement::<R>(room));
        self.wanted.push(otherwise.map(|otherwise| (rows.len() as u64, otherwise)));
        let unreadable = |e| DbError::Sql(sqlx::Error::Encode(e));
        let left_over = room
            .checked_sub(rows.len())
            .ok_or_else(|| DbError::Unreadable("more rows than there is room for".to_owned()))?
            * R::COLUMNS.len();
        for row in rows {
            row.bind(&mut self.arguments).map_err(unreadable)?;
        }
        for _ in 0..left_over {
            self.arguments.add(None::<i64>).map_err(unreadable)?;
        }
        Ok(())
    }

    async fn run(self, conn: &mut SqliteConnection) -> Result<(), DbError> {
        let query = sqlx::query_with(AssertSqlSafe(self.sql), self.arguments);
        let running = async {
            let mut changed = Vec::with_capacity(self.wanted.len());
            let mut answers = conn.execute_many(query);
            while let Some(answer) = answers.try_next().await? {
                changed.push(answer.rows_affected());
            }
            Ok::<_, sqlx::Error>(changed)
        };
        let changed = traced_statement!(running).await?;
        // sqlx means to give up texts of several statements.
        if changed.len() != self.wanted.len() {
            return Err(DbError::Unreadable("a part of a batch was not run".to_owned()));
        }
        for (wanted, changed) in self.wanted.into_iter().zip(changed) {
            if let Some((wanted, otherwise)) = wanted
                && wanted != changed
            {
                return Err(DbError::Unreadable(otherwise.to_owned()));
            }
        }
        Ok(())
    }
}
