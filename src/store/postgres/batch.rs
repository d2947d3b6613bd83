//! Batches on PostgreSQL: one statement, one round trip, no explicit transaction.
//!
//! The statement has a section for each table that the batches touch, so there are a few dozen
//! texts at most; each is prepared once a connection. Rows go in as one array a section.
//!
//! How it keeps a batch whole: `moved` is the wallets whose version and fence are as they were;
//! every other section writes only for them; and where an operation to be ended is no longer
//! pending under its epoch, or a Link that a plan is added to is not the organization's, the
//! statement fails as a whole, and the writer tries each wallet on its own. A wallet's row is
//! locked before its operations'.
//!
//! Two shapes are on purpose. The test for having moved is no join: of one wallet it is done once,
//! of several `(… IN (SELECT … FROM moved)) IS TRUE` keeps the planner from turning it into a
//! nested loop over all of them. And what an `UPDATE` joins with is a materialized list, not a
//! test on `moved` in its own `WHERE`: when a row has just been changed by someone else PostgreSQL
//! evaluates the `WHERE` anew, and may not run `moved` a second time.

use crate::store::ledger::rows::{self, Row};
use crate::store::{Conn, DbError, Tx, error};
use bappy_actors::ports::Batch;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments, AssertSqlSafe};
use std::collections::HashSet;
use std::fmt::Write as _;
use uuid::Uuid;

/// Writes the batches, which are sorted by wallet; gives the wallets that have moved.
pub async fn write(tx: &mut Tx, batches: &[&Batch]) -> Result<HashSet<Uuid>, DbError> {
    let statement = statement(batches)?;
    let Conn::Postgres(conn) = tx.conn() else {
        return Err(DbError::Unreadable("this is not a connection to PostgreSQL".to_owned()));
    };
    let rows: Vec<(Uuid, i32)> =
        sqlx::query_as_with(AssertSqlSafe(statement.sql), statement.arguments)
            .fetch_all(conn)
            .await
            .map_err(error::commit_failed)?;
    Ok(rows.into_iter().map(|(org, _)| org).collect())
}

/// Puts the statement together and gives the length of its text; for `benches/shell.rs`.
pub fn encoded(batches: &[&Batch]) -> Result<usize, DbError> {
    Ok(statement(batches)?.sql.len())
}

/// The sections and their columns, each of which is a type of the database's; for tests.
pub fn sections() -> Result<Vec<(&'static str, &'static [&'static str])>, DbError> {
    fn of<R: Row>(_: &[R]) -> (&'static str, &'static [&'static str]) {
        (R::NAME, R::COLUMNS)
    }
    Ok(vec![
        of(&rows::wallets(&[])),
        of(&rows::closings(&[])?),
        of(&rows::operations(&[])?),
        of(&rows::sms(&[])),
        of(&rows::sms_failed(&[])),
        of(&rows::links(&[])),
        of(&rows::cards_used(&[])),
        of(&rows::activations(&[])),
        of(&rows::volumes(&[])),
        of(&rows::entries(&[])),
        of(&rows::fees(&[])),
        of(&rows::fees_returned(&[])),
        of(&rows::days(&[])),
    ])
}

/// A statement that is being put together.
struct Statement {
    sql: String,
    arguments: PgArguments,
    parameters: usize,
    /// What a list of rows to be written is filtered by.
    of_moved: &'static str,
}

/// Only if the wallet has moved, where there is one.
const OF_THE_ONE: &str = " WHERE EXISTS (SELECT 1 FROM moved)";
/// Only for wallets that have moved.
const OF_SEVERAL: &str = " WHERE (u.org_id IN (SELECT org_id FROM moved)) IS TRUE";

impl Statement {
    /// Adds `name AS MATERIALIZED (SELECT * FROM UNNEST(rows) filter)`; `false` where there are no
    /// rows, and then nothing is added.
    fn list<R: Row>(&mut self, rows: Vec<R>, filter: &str) -> Result<bool, DbError> {
        if rows.is_empty() {
            return Ok(false);
        }
        let separator = if self.parameters == 0 { "WITH " } else { ",\n" };
        let from = self.unnest(rows)?;
        let name = R::NAME;
        // Writing to a String does not fail.
        let _ =
            write!(self.sql, "{separator}{name} AS MATERIALIZED (\nSELECT * FROM {from}{filter})");
        Ok(true)
    }

    /// Adds `INSERT INTO name (columns)` of the rows of wallets that have moved, if there are any.
    fn insert<R: Row>(&mut self, rows: Vec<R>) -> Result<(), DbError> {
        if rows.is_empty() {
            return Ok(());
        }
        let from = self.unnest(rows)?;
        let (table, columns, filter) = (R::NAME, R::COLUMNS.join(", "), self.of_moved);
        let _ = write!(
            self.sql,
            ",\ninto_{table} AS (\nINSERT INTO {table} ({columns}) SELECT {columns} FROM \
             {from}{filter})"
        );
        Ok(())
    }

    /// Binds the rows and names them `u`. One array of composites is one function for PostgreSQL to
    /// call; an array a column would be as many as there are columns, each with what it costs to
    /// start, in every statement.
    fn unnest<R: Row>(&mut self, rows: Vec<R>) -> Result<String, DbError> {
        self.arguments.add(rows).map_err(|e| DbError::Sql(sqlx::Error::Encode(e)))?;
        self.parameters += 1;
        Ok(format!("UNNEST(${}) AS u", self.parameters))
    }

    /// Adds another part of the statement.
    fn push(&mut self, sql: &str) {
        self.sql.push_str(",\n");
        self.sql.push_str(sql);
    }
}

/// What was found of the rows that must be there, section by section.
const ENDED_COUNT: &str = " + (SELECT COUNT(*) FROM ended e WHERE e.org_id = m.org_id)";
const ADDED_COUNT: &str = " + (SELECT COUNT(*) FROM added a WHERE a.org_id = m.org_id)";

/// The payments of fees that are taken back.
const RETURNED: &str = "returned AS (
    DELETE FROM link_fees f USING returning_fee r
    WHERE f.org_id = r.org_id AND f.link_id = r.link_id AND f.entry_id = r.entry_id)";

/// An amount past the range of its column stays at the range's end: no statistic keeps money from
/// being booked.
const TOTALLED: &str = "totalled AS (
    INSERT INTO ledger_days AS d (org_id, plan_id, kind, day, entries, debited, credited, made,
        first_sequence, last_sequence)
    SELECT org_id, plan_id, kind, day, entries, debited, credited, made, first_sequence,
        last_sequence FROM totalling
    ON CONFLICT (org_id, plan_id, kind, day) DO UPDATE SET
        entries = d.entries + excluded.entries,
        debited = LEAST(d.debited, 9223372036854775807 - excluded.debited) + excluded.debited,
        credited = LEAST(d.credited, 9223372036854775807 - excluded.credited)
            + excluded.credited,
        made = d.made + excluded.made,
        first_sequence = LEAST(d.first_sequence, excluded.first_sequence),
        last_sequence = GREATEST(d.last_sequence, excluded.last_sequence))";

fn statement(batches: &[&Batch]) -> Result<Statement, DbError> {
    let of_moved = if batches.len() == 1 { OF_THE_ONE } else { OF_SEVERAL };
    let mut statement = Statement {
        sql: String::new(),
        arguments: PgArguments::default(),
        parameters: 0,
        of_moved,
    };
    let s = &mut statement;
    s.list(rows::wallets(batches), "")?;
    s.push(&format!("moved AS (\n{} RETURNING w.org_id, r.guards)", rows::MOVE));
    let mut found = String::new();
    if s.list(rows::closings(batches)?, of_moved)? {
        s.push(&format!("ended AS (\n{} RETURNING o.org_id)", rows::END));
        found.push_str(ENDED_COUNT);
    }
    s.insert(rows::operations(batches)?)?;
    s.insert(rows::sms(batches))?;
    if s.list(rows::sms_failed(batches), of_moved)? {
        s.push(&format!("failed AS (\n{})", rows::FAIL));
    }
    s.insert(rows::links(batches))?;
    if s.list(rows::cards_used(batches), of_moved)? {
        s.push(&format!("used AS (\n{})", rows::USE));
    }
    s.insert(rows::activations(batches))?;
    if s.list(rows::volumes(batches), of_moved)? {
        s.push(&format!("added AS (\n{} RETURNING l.org_id)", rows::ADD));
        found.push_str(ADDED_COUNT);
    }
    s.insert(rows::entries(batches))?;
    s.insert(rows::fees(batches))?;
    if s.list(rows::fees_returned(batches), of_moved)? {
        s.push(RETURNED);
    }
    if s.list(rows::days(batches), of_moved)? {
        s.push(TOTALLED);
    }
    // Where less was found than there must be it fails, by a cast that does not work, with these
    // words in the server's log.
    let _ = write!(
        s.sql,
        "\nSELECT m.org_id, CAST(CASE WHEN m.guards = 0{found} THEN '1'
         ELSE 'an operation is not held any more, or a Link is not there' END AS INTEGER)
         FROM moved m"
    );
    Ok(statement)
}
