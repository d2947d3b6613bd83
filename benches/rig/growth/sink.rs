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
/// Rows of a SQLite transaction.
const ROWS_A_COMMIT: u64 = 1_000_000;

/// A database that is filled.
pub enum Sink {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Sink {
    /// Opens it for filling: nothing waits for the disk.
    pub async fn open(url: &str) -> Result<Self, Failed> {
        if url.starts_with("postgres") {
            return Ok(Self::Postgres(PgConnection::connect(url).await?));
        }
        let mut conn = SqliteConnection::connect(url).await?;
        for pragma in ["synchronous = OFF", "cache_size = -1000000", "foreign_keys = OFF"] {
            conn.execute(AssertSqlSafe(format!("PRAGMA {pragma}"))).await?;
        }
        Ok(Self::Sqlite(conn))
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
        match self {
            Self::Postgres(conn) => {
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
            Self::Sqlite(conn) => {
                let places = columns.split(',').enumerate().map(|(n, _)| format!("${}", n + 1));
                let places = places.collect::<Vec<_>>().join(", ");
                let sql = format!("INSERT INTO {table} ({columns}) VALUES ({places})");
                conn.execute("BEGIN").await?;
                while rows(&mut row) {
                    let mut arguments = SqliteArguments::default();
                    for cell in row.drain(..) {
                        bind(&mut arguments, cell)?;
                    }
                    sqlx::query_with(AssertSqlSafe(sql.clone()), arguments)
                        .execute(&mut *conn)
                        .await?;
                    count += 1;
                    if count.is_multiple_of(ROWS_A_COMMIT) {
                        conn.execute("COMMIT").await?;
                        conn.execute("BEGIN").await?;
                    }
                }
                conn.execute("COMMIT").await?;
            }
        }
        Ok(count)
    }

    /// Tells the planner, and lets go of the database.
    pub async fn done(self) -> Result<(), Failed> {
        match self {
            Self::Postgres(mut conn) => {
                // What the service's own vacuum would have come to: pages known to be visible.
                conn.execute("VACUUM (ANALYZE)").await?;
                conn.execute("CHECKPOINT").await?;
                conn.close().await?;
            }
            Self::Sqlite(mut conn) => {
                conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
                conn.close().await?;
            }
        }
        Ok(())
    }
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
