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
//! Three shapes are on purpose. The test for having moved is no join: of one wallet it is done once,
//! of several `(… IN (SELECT … FROM moved)) IS TRUE` keeps the planner from turning it into a
//! nested loop over all of them. And what an `UPDATE` joins with is a materialized list, not a
//! test on `moved` in its own `WHERE`: when a row has just been changed by someone else PostgreSQL
//! evaluates the `WHERE` anew, and may not run `moved` a second time. And `CASE` hides from the
//! planner that an operation which ends is in the index of those that are open: it would read that
//! index whole, with all that has lately left it, for each batch.

use super::columns;
use crate::store::{Conn, DbError, Tx, error};
use bappy_actors::ports::Batch;
use sqlx::encode::Encode;
use sqlx::postgres::{PgArguments, PgHasArrayType};
use sqlx::{Arguments, AssertSqlSafe, Postgres, Type};
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

/// A statement that is being put together.
pub(super) struct Statement {
    sql: String,
    arguments: PgArguments,
    parameters: usize,
    /// What a list of rows to be written is filtered by.
    pub(super) of_moved: &'static str,
}

/// Only if the wallet has moved, where there is one.
const OF_THE_ONE: &str = " WHERE EXISTS (SELECT 1 FROM moved)";
/// Only for wallets that have moved.
const OF_SEVERAL: &str = " WHERE (u.org_id IN (SELECT org_id FROM moved)) IS TRUE";

impl Statement {
    /// Adds `name AS MATERIALIZED (SELECT * FROM UNNEST(rows) filter)`.
    pub(super) fn list<R: Row>(&mut self, rows: Vec<R>, filter: &str) -> Result<(), DbError> {
        let separator = if self.parameters == 0 { "WITH " } else { ",\n" };
        let from = self.unnest(rows)?;
        let name = R::NAME;
        // Writing to a String does not fail.
        let _ =
            write!(self.sql, "{separator}{name} AS MATERIALIZED (\nSELECT * FROM {from}{filter})");
        Ok(())
    }

    /// Adds `INSERT INTO name (columns)` of rows of the wallets that have moved.
    pub(super) fn insert<R: Row>(&mut self, rows: Vec<R>) -> Result<(), DbError> {
        let from = self.unnest(rows)?;
        let (table, columns, filter) = (R::NAME, R::COLUMNS, self.of_moved);
        let _ = write!(
            self.sql,
            ",\ninto_{table} AS (\nINSERT INTO {table} ({columns}) SELECT {columns} FROM \
             {from}{filter})"
        );
        Ok(())
    }

    /// Binds the rows and names them `u`.
    fn unnest<R: Row>(&mut self, rows: Vec<R>) -> Result<String, DbError> {
        self.arguments.add(rows).map_err(|e| DbError::Sql(sqlx::Error::Encode(e)))?;
        self.parameters += 1;
        Ok(format!("UNNEST(${}) AS u", self.parameters))
    }

    /// Adds another part of the statement.
    pub(super) fn push(&mut self, sql: &str) {
        self.sql.push_str(",\n");
        self.sql.push_str(sql);
    }
}

/// A row of one section, of the database's composite type `batch_NAME`. One array of composites is
/// one function for PostgreSQL to call; an array a column would be as many as there are columns,
/// each with what it costs to start, in every statement.
pub(super) trait Row:
    for<'q> Encode<'q, Postgres> + Type<Postgres> + PgHasArrayType
{
    /// The section, which for rows to be inserted is the table.
    const NAME: &'static str;
    /// The columns, in the order of the type.
    const COLUMNS: &'static str;
}

const MOVED: &str = "moved AS (
    UPDATE wallets w SET balance = r.balance_to, version = r.version_to,
        links_total = w.links_total + r.links_new,
        operations_total = w.operations_total + r.operations_new,
        sms_total = w.sms_total + r.sms_new, updated_at = r.at
    FROM wanted r
    WHERE w.org_id = r.org_id AND w.version = r.version AND w.fence = r.fence
    RETURNING w.org_id, r.guards)";

const ADDED: &str = "added AS (
    UPDATE links l SET data_total_kb = l.data_total_kb + a.kb, updated_at = a.at
    FROM adding a WHERE l.org_id = a.org_id AND l.id = a.link_id
    RETURNING l.org_id)";

const ENDED: &str = "ended AS (
    UPDATE operations o SET state = e.state, failure = e.failure, cleanup = e.cleanup,
        lease_until = e.lease_until, answer = e.answer, settled_at = e.settled_at
    FROM ending e
    WHERE o.org_id = e.org_id AND o.id = e.id AND o.epoch = e.epoch
        AND CASE o.state WHEN 'pending' THEN TRUE ELSE FALSE END
    RETURNING o.org_id)";

/// What was found of the rows that must be there, section by section.
const ENDED_COUNT: &str = " + (SELECT COUNT(*) FROM ended e WHERE e.org_id = m.org_id)";
const ADDED_COUNT: &str = " + (SELECT COUNT(*) FROM added a WHERE a.org_id = m.org_id)";

fn statement(batches: &[&Batch]) -> Result<Statement, DbError> {
    let of_moved = if batches.len() == 1 { OF_THE_ONE } else { OF_SEVERAL };
    let mut statement = Statement {
        sql: String::new(),
        arguments: PgArguments::default(),
        parameters: 0,
        of_moved,
    };
    let s = &mut statement;
    columns::wallets(s, batches)?;
    s.push(MOVED);
    let mut found = String::new();
    if columns::closings(s, batches)? {
        s.push(ENDED);
        found.push_str(ENDED_COUNT);
    }
    columns::operations(s, batches)?;
    columns::sms(s, batches)?;
    columns::sms_failed(s, batches)?;
    columns::links(s, batches)?;
    columns::activations(s, batches)?;
    if columns::volumes(s, batches)? {
        s.push(ADDED);
        found.push_str(ADDED_COUNT);
    }
    columns::entries(s, batches)?;
    columns::fees(s, batches)?;
    columns::fees_returned(s, batches)?;
    columns::days(s, batches)?;
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
