//! What only SQLite needs: how it is opened, and how batches are written.

pub mod batch;

use super::DbError;
use super::db::Engine;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use std::str::FromStr;
use std::time::Duration;

/// How long a statement waits for another process that writes; a command writes for
/// milliseconds, a migration for longer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a caller waits for a connection before it is told that there is none.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Pages in the write-ahead log, of 4 KiB, at which the writer copies them into the file: tens of
/// megabytes, in which those that every top-up changes are copied once. With SQLite's thousand pages
/// that is a sixteenth of what the writer does.
const CHECKPOINT_PAGES: &str = "10000";

/// Prepared statements kept a connection: more than are in use, those of batches for eight numbers of
/// rows included.
const STATEMENTS_MAX: usize = 512;

/// Rows that a connection's thread may be ahead of who reads them: past it the thread waits, and each
/// wait is a switch between threads.
const ROWS_AHEAD: usize = 1_000;

/// Opens `sqlite://path`: one writing connection and `connections_max` reading ones.
pub async fn open(url: &str, connections_max: u32) -> Result<Engine, DbError> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|e| DbError::Address(format!("the database's address is not usable: {e}")))?;
    let path = options.get_filename().to_path_buf();
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(DbError::Address(
            "a database in memory is lost at the end; write sqlite://path/to/file".to_owned(),
        ));
    }
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        tokio::fs::create_dir_all(folder).await.map_err(|e| {
            DbError::Address(format!("the folder {} cannot be made: {e}", folder.display()))
        })?;
    }
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .statement_cache_capacity(STATEMENTS_MAX)
        .row_buffer_size(ROWS_AHEAD)
        .disable_statement_logging();
    let pool = || {
        SqlitePoolOptions::new()
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
    };
    let cannot = |e: sqlx::Error| {
        DbError::Address(format!("the database {} cannot be opened: {e}", path.display()))
    };
    // The writer first: it makes the file and turns the write-ahead log on. Where the disk is full SQLite
    // ends a transaction by itself, and sqlx takes it for open and would refuse the next for good: that
    // connection is not used again.
    let writer = pool()
        .max_connections(1)
        .after_release(|writer, _| Box::pin(async { Ok(!writer.is_in_transaction()) }))
        .connect_with(options.clone())
        .await
        .map_err(cannot)?;
    let readers = pool()
        .max_connections(connections_max.max(1))
        .connect_with(options.pragma("query_only", "ON"))
        .await
        .map_err(cannot)?;
    Ok(Engine::Sqlite { writer, readers })
}
