//! Where generated rows go: `COPY` on PostgreSQL, prepared inserts on SQLite.

use crate::Failed;
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe, Connection, Executor, PgConnection};
use std::fmt::Write;
use uuid::Uuid;

/// One value of a row.
pub enum Cell<'a> {
    Id(Uuid),
    Int(i64),
    Text(&'a str),
    Owned(String),
    Time(DateTime<Utc>),
    Day(NaiveDate),
    Null,
}

/// Sent at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// Rows of a SQLite statement; each statement is a round trip to the connection's thread.
const ROWS_A_STATEMENT: usize = 100;
/// Rows of a SQLite transaction.
const ROWS_A_COMMIT: u64 = 1_000_000;

/// A database that is filled.
pub struct Sink {
    conn: Conn,
    /// What makes the indexes again, and the triggers.
    dropped: Vec<String>,
}

enum Conn {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// The indexes that are no constraint's: name, and what makes it.
const INDEXES_POSTGRES: &str = "SELECT i.indexname::text, i.indexdef FROM pg_indexes i
    WHERE i.schemaname = current_schema() AND NOT EXISTS (
        SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexname::regclass)";
const INDEXES_SQLITE: &str =
    "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL";
/// The triggers, which on PostgreSQL a replica's session does not fire.
const TRIGGERS_SQLITE: &str = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'";
/// What triggers would have put into the indexes of what is searched of Links.
const SEARCHED_SQLITE: [&str; 5] = [
    "INSERT INTO link_numbers (org_id, link_id) SELECT org_id, id FROM links ORDER BY org_id, id",
    "INSERT INTO links_text (rowid, name, iccid, msisdn, id)
     SELECT n.number, l.name, l.iccid, l.msisdn, HEX(l.id)
     FROM link_numbers n CROSS JOIN links l ON l.org_id = n.org_id AND l.id = n.link_id
     ORDER BY n.number",
    "INSERT INTO links_text (links_text) VALUES ('optimize')",
    "INSERT INTO links_digits_input (number, name, iccid, msisdn, id)
     SELECT n.number, l.name, l.iccid, l.msisdn, l.id
     FROM link_numbers n CROSS JOIN links l ON l.org_id = n.org_id AND l.id = n.link_id
     ORDER BY n.number",
    "INSERT INTO links_digits (links_digits) VALUES ('optimize')",
];

impl Sink {
    /// Opens it for filling: nothing waits for the disk, foreign keys and what triggers keep are left to
    /// the history, and indexes to [`Self::done`], as they are made much faster of all rows at once.
    pub async fn open(url: &str) -> Result<Self, Failed> {
        if url.starts_with("postgres") {
            let mut conn = PgConnection::connect(url).await?;
            conn.execute("SET session_replication_role = replica").await?;
            conn.execute("SET maintenance_work_mem = '512MB'").await?;
            let found = sqlx::query_as(INDEXES_POSTGRES).fetch_all(&mut conn).await?;
            let (drops, dropped) = drops("INDEX", found);
            for drop in drops {
                conn.execute(AssertSqlSafe(drop)).await?;
            }
            return Ok(Self { conn: Conn::Postgres(conn), dropped });
        }
        let mut conn = SqliteConnection::connect(url).await?;
        for pragma in ["synchronous = OFF", "cache_size = -1000000", "foreign_keys = OFF"] {
            conn.execute(AssertSqlSafe(format!("PRAGMA {pragma}"))).await?;
        }
        let mut dropped = Vec::new();
        for (what, found) in [("INDEX", INDEXES_SQLITE), ("TRIGGER", TRIGGERS_SQLITE)] {
            let found = sqlx::query_as(found).fetch_all(&mut conn).await?;
            let (drops, made_by) = drops(what, found);
            for drop in drops {
                conn.execute(AssertSqlSafe(drop)).await?;
            }
            dropped.extend(made_by);
        }
        Ok(Self { conn: Conn::Sqlite(conn), dropped })
    }

    /// Fills a table. `rows` is called again and again, with a place to put one row, until it says
    /// that there was none.
    pub async fn fill(
        &mut self,
        table: &str,
        columns: &str,
        mut rows: impl FnMut(&mut Vec<Cell>) -> bool,
    ) -> Result<u64, Failed> {
        let (mut row, mut count) = (Vec::with_capacity(24), 0_u64);
        match &mut self.conn {
            Conn::Postgres(conn) => {
                let sql = format!("COPY {table} ({columns}) FROM STDIN");
                let mut copy = conn.copy_in_raw(&sql).await?;
                let mut text = String::with_capacity(CHUNK_BYTES + 4_096);
                while rows(&mut row) {
                    line(&mut text, &row);
                    row.clear();
                    count += 1;
                    if text.len() >= CHUNK_BYTES {
                        copy.send(text.as_bytes()).await?;
                        text.clear();
                    }
                }
                copy.send(text.as_bytes()).await?;
                copy.finish().await?;
            }
            Conn::Sqlite(conn) => {
                let width = columns.split(',').count();
                let mut waiting = Vec::new();
                conn.execute("BEGIN").await?;
                while rows(&mut row) {
                    if row.len() != width {
                        return Err(Failed(format!("{} values of {table} ({columns})", row.len())));
                    }
                    waiting.append(&mut row);
                    count += 1;
                    if waiting.len() == width * ROWS_A_STATEMENT {
                        insert(conn, table, columns, &mut waiting).await?;
                    }
                    if count.is_multiple_of(ROWS_A_COMMIT) {
                        conn.execute("COMMIT").await?;
                        conn.execute("BEGIN").await?;
                    }
                }
                if !waiting.is_empty() {
                    insert(conn, table, columns, &mut waiting).await?;
                }
                conn.execute("COMMIT").await?;
            }
        }
        Ok(count)
    }

    /// Makes the indexes and triggers, tells the planner, and lets go of the database.
    pub async fn done(self) -> Result<(), Failed> {
        let dropped = self.dropped.into_iter().map(AssertSqlSafe);
        match self.conn {
            Conn::Postgres(mut conn) => {
                for made_by in dropped {
                    conn.execute(made_by).await?;
                }
                // What the service's own vacuum would have come to: pages known to be visible.
                conn.execute("VACUUM (ANALYZE)").await?;
                conn.execute("CHECKPOINT").await?;
                conn.close().await?;
            }
            Conn::Sqlite(mut conn) => {
                for made_by in dropped {
                    conn.execute(made_by).await?;
                }
                for searched in SEARCHED_SQLITE {
                    conn.execute(searched).await?;
                }
                conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
                conn.close().await?;
            }
        }
        Ok(())
    }
}

/// What drops the indexes or triggers, and what makes them again.
fn drops(what: &str, found: Vec<(String, String)>) -> (Vec<String>, Vec<String>) {
    found.into_iter().map(|(name, made_by)| (format!("DROP {what} \"{name}\""), made_by)).unzip()
}

/// A row as `COPY` reads it. Nothing that is generated has a tab, a line's end or a backslash.
fn line(text: &mut String, row: &[Cell]) {
    for (place, cell) in row.iter().enumerate() {
        text.push(if place == 0 { ' ' } else { '\t' });
        if place == 0 {
            text.pop();
        }
        // Writing to a String does not fail.
        let _ = match cell {
            Cell::Id(id) => write!(text, "{id}"),
            Cell::Int(number) => write!(text, "{number}"),
            Cell::Text(words) => write!(text, "{words}"),
            Cell::Owned(words) => write!(text, "{words}"),
            Cell::Time(at) => {
                write!(text, "{}", at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
            }
            Cell::Day(day) => write!(text, "{day}"),
            Cell::Null => write!(text, "\\N"),
        };
    }
    text.push('\n');
}

/// Inserts the rows whose values wait.
async fn insert(
    conn: &mut SqliteConnection,
    table: &str,
    columns: &str,
    waiting: &mut Vec<Cell<'_>>,
) -> Result<(), Failed> {
    let width = columns.split(',').count();
    let row = format!("({})", vec!["?"; width].join(", "));
    let rows = vec![row; waiting.len() / width].join(", ");
    let mut arguments = SqliteArguments::default();
    for cell in waiting.drain(..) {
        bind(&mut arguments, cell)?;
    }
    let sql = format!("INSERT INTO {table} ({columns}) VALUES {rows}");
    sqlx::query_with(AssertSqlSafe(sql), arguments).execute(conn).await?;
    Ok(())
}

fn bind(arguments: &mut SqliteArguments, cell: Cell) -> Result<(), Failed> {
    let added = match cell {
        Cell::Id(id) => arguments.add(id),
        Cell::Int(number) => arguments.add(number),
        Cell::Text(words) => arguments.add(words.to_owned()),
        Cell::Owned(words) => arguments.add(words),
        Cell::Time(at) => arguments.add(at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)),
        Cell::Day(day) => arguments.add(day.to_string()),
        Cell::Null => arguments.add(None::<i64>),
    };
    added.map_err(|error| Failed(error.to_string()))
}
