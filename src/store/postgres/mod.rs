//! What only PostgreSQL needs: how it is opened, its batch statement, its row-level security.

pub mod batch;
mod columns;
pub mod row_level_security;

use super::DbError;
use super::db::Engine;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};
use std::str::FromStr;
use std::time::Duration;

/// How long a caller waits for a connection before it is told that there is none: below the time
/// that a partner's client waits for an answer.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A pooled connection idle for longer is tried with a ping before a write or a wait for one: its
/// host may have vanished meanwhile, and TCP would notice only after minutes.
const IDLE_MAX: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the start waits for the server to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Prepared statements kept a connection: more than this program has.
const STATEMENTS_MAX: usize = 256;

/// Opens `postgres://…` with up to `connections_max` pooled connections.
pub async fn open(url: &str, connections_max: u32) -> Result<Engine, DbError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| {
            // The parser's own words may repeat the address, and with it the password.
            DbError::Address(
                "the database's address is not usable; write postgres://user:password@host/name"
                    .to_owned(),
            )
        })?
        .application_name("bappy")
        .statement_cache_capacity(STATEMENTS_MAX)
        .disable_statement_logging();
    // A first connection by hand: the pool would hide why it cannot be had behind a time-out.
    let name = describe(&options);
    match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(Ok(conn)) => drop(conn.close().await),
        Ok(Err(e)) => {
            return Err(DbError::Address(format!("the database {name} cannot be reached: {e}")));
        }
        Err(_) => {
            return Err(DbError::Address(format!("the database {name} does not answer")));
        }
    }
    Ok(Engine::Postgres(pool(options, connections_max)))
}

/// A pool that has no connections yet.
fn pool(options: PgConnectOptions, connections_max: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections_max.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A ping before each use would double the round trips.
        .test_before_acquire(false)
        .before_acquire(|conn, meta| {
            Box::pin(async move {
                if meta.idle_for < IDLE_MAX {
                    return Ok(true);
                }
                // An error has the connection dropped without a goodbye, which would hang as well.
                let answered = tokio::time::timeout(PING_TIMEOUT, conn.ping()).await;
                answered.map_err(|_| sqlx::Error::PoolTimedOut)?.map(|()| true)
            })
        })
        .connect_lazy_with(options)
}

/// A pool beside another one, of as many connections that see one organization each.
pub fn tenants(beside: &PgPool) -> PgPool {
    let options = row_level_security::tenant_options(&beside.connect_options());
    pool(options, beside.options().get_max_connections())
}

/// How a ledger writer connects. Its one statement is planned once: without these settings a
/// plan made while the tables are small reads them whole ever after.
pub fn ledger_options(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().application_name("bappy-ledger").options([
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_material", "off"),
        ("jit", "off"),
    ])
}

/// Where a database is, without user and password.
fn describe(options: &PgConnectOptions) -> String {
    let name = options.get_database().unwrap_or_else(|| options.get_username());
    match options.get_socket() {
        Some(folder) => format!("{name} at {}", folder.display()),
        None => format!("{name} at {}:{}", options.get_host(), options.get_port()),
    }
}
