//! What PostgreSQL's planner knows of tables that grow quickly. Started by the service.
//!
//! Its autovacuum counts a database's tables once a minute at most. Until then a new table is planned as an
//! empty one, for which of several indexes that begin alike any will do; and where thousands of rows come a
//! second, each statement soon goes through all of them. So a young table is counted whenever it has doubled;
//! an old one is left to autovacuum. SQLite plans without.

use super::db::Engine;
use super::{Database, DbError};
use sqlx::AssertSqlSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How often tables that have doubled are looked for.
const PERIOD: Duration = Duration::from_secs(1);
/// Fewer rows than this are gone through as fast as looked up.
const ROWS_MIN: i32 = 500;
/// With so many rows counted, or of such a size, a table is old: PostgreSQL reckons with its size, and more rows
/// change no plan any more.
const ROWS_MAX: i32 = 10_000;
const BYTES_MAX: i64 = 64 << 20;

/// Has tables counted until it is told to stop.
pub async fn keep(database: Database, stop: Arc<Notify>) {
    if matches!(database.engine, Engine::Sqlite { .. }) {
        return;
    }
    let mut stopped = std::pin::pin!(stop.notified());
    loop {
        if let Err(error) = refresh(&database).await {
            tracing::debug!(%error, "young tables could not be counted");
        }
        tokio::select! {
            () = &mut stopped => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

/// Has the young tables counted that have doubled since they were; gives their names.
pub async fn refresh(database: &Database) -> Result<Vec<String>, DbError> {
    // The columns that indexes are made of: with these named no expression of an index is worked out, and
    // autovacuum comes all the same.
    let doubled = {
        let mut tx = database.read().await?;
        all!(
            tx,
            (String, String),
            "SELECT quote_ident(c.relname), (
                 SELECT COALESCE('(' || STRING_AGG(quote_ident(a.attname), ', ') || ')', '')
                 FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND EXISTS (
                     SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY(i.indkey)))
             FROM pg_class c
             WHERE c.relkind = 'r' AND c.relnamespace = to_regnamespace(current_schema())
                 AND pg_has_role(c.relowner, 'USAGE') AND c.reltuples < $2
                 AND pg_relation_size(c.oid) < $3
                 AND pg_stat_get_live_tuples(c.oid) >= GREATEST($1, 2 * c.reltuples)",
            ROWS_MIN,
            ROWS_MAX,
            BYTES_MAX
        )?
    };
    let mut outcome = Ok(Vec::with_capacity(doubled.len()));
    for (table, columns) in doubled {
        // Another instance, or autovacuum, may be at it.
        let analyze = format!("ANALYZE (SKIP_LOCKED) {table} {columns}");
        let analyzed = database.write(move |tx| {
            Box::pin(async move {
                exec!(tx, AssertSqlSafe(analyze))?;
                Ok::<_, DbError>(())
            })
        });
        // One that cannot be counted keeps no other from it.
        match (analyzed.await, &mut outcome) {
            (Ok(()), Ok(tables)) => tables.push(table),
            (Err(error), Ok(_)) => outcome = Err(error),
            (_, Err(_)) => {}
        }
    }
    outcome
}
