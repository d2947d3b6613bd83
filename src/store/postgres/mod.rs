//! What only PostgreSQL needs: how it is opened, its batch statement, its row-level security.

pub mod batch;
mod hosts;
pub mod row_level_security;

pub use hosts::Hosts;

use super::DbError;
use super::db::Engine;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};
use std::time::Duration;
use tokio::runtime::Handle;

/// How long a caller waits for a connection before it is told that there is none: below the time
/// that a partner's client waits for an answer.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A pooled connection idle for longer is tried with a ping before a write or a wait for one: its
/// host may have vanished meanwhile, and TCP would notice only after minutes.
const IDLE_MAX: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the start waits for the server to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// For so long a transaction of ours may do nothing before the server ends it, and the locks it
/// holds with it: that happens to an instance that stands still or has vanished. Below what a
/// statement of another instance waits for them ([`super::tx`]).
const IDLE_IN_TRANSACTION_MAX_MS: &str = "5000";

/// The server gives up a statement of a pooled connection shortly before we stop waiting for it:
/// what nobody waits for any more would go on there.
const STATEMENT_MAX_MS: &str = "9500";

/// Prepared statements kept a connection: more than are in use, though not all that every filter of every
/// list could make.
const STATEMENTS_MAX: usize = 512;

/// Opens `postgres://…` with up to `connections_max` pooled connections, which follow the primary
/// on `runtime`.
pub async fn open(url: &str, connections_max: u32, runtime: &Handle) -> Result<Engine, DbError> {
    let hosts = Hosts::parse(url, |options| {
        options
            .application_name("bappy")
            .statement_cache_capacity(STATEMENTS_MAX)
            .disable_statement_logging()
            .options([
                ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_MAX_MS),
                ("statement_timeout", STATEMENT_MAX_MS),
            ])
    });
    let hosts = hosts.map_err(DbError::Address)?;
    // A first connection by hand: the pool would hide why it cannot be had behind a time-out.
    hosts.find(CONNECT_TIMEOUT).await.map_err(DbError::Address)?;
    let pool = pool(&hosts, connections_max, Clone::clone);
    drop(runtime.spawn(hosts.clone().follow(pool.close_event())));
    Ok(Engine::Postgres { pool, hosts })
}

/// A pool that has no connections yet, and follows the primary.
fn pool(
    hosts: &Hosts,
    connections_max: u32,
    adapt: fn(&PgConnectOptions) -> PgConnectOptions,
) -> PgPool {
    let (entering, staying, leaving) = (hosts.clone(), hosts.clone(), hosts.clone());
    let pool = PgPoolOptions::new()
        .max_connections(connections_max.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A ping before each use would double the round trips.
        .test_before_acquire(false)
        .before_acquire(move |conn, meta| {
            let is_left_behind = staying.is_left_behind(meta.age);
            Box::pin(async move {
                // An error has the connection dropped without a goodbye, which may not be heard.
                if is_left_behind {
                    return Err(sqlx::Error::PoolTimedOut);
                }
                if meta.idle_for < IDLE_MAX {
                    return Ok(true);
                }
                let answered = tokio::time::timeout(PING_TIMEOUT, conn.ping()).await;
                answered.map_err(|_| sqlx::Error::PoolTimedOut)?.map(|()| true)
            })
        })
        .after_connect(move |conn, _| {
            let hosts = entering.clone();
            Box::pin(async move { hosts.admit(conn).await })
        })
        .after_release(move |_, meta| {
            let stays = !leaving.is_left_behind(meta.age);
            Box::pin(async move { Ok(stays) })
        })
        .connect_lazy_with(adapt(hosts.current()));
    hosts.lead(pool.clone(), adapt);
    pool
}

/// A pool beside another one, of as many connections that see one organization each.
pub fn tenants(beside: &PgPool, hosts: &Hosts) -> PgPool {
    pool(hosts, beside.options().get_max_connections(), row_level_security::tenant_options)
}

/// One connection whose statements may take as long as they need: a migration may build an index of
/// all there is.
pub fn pool_at_leisure(hosts: &Hosts) -> PgPool {
    let options = hosts.current().clone().options([("statement_timeout", "0")]);
    PgPoolOptions::new().max_connections(1).connect_lazy_with(options)
}

/// How a ledger writer connects. Its one statement is planned once: without these settings a
/// plan made while the tables are small reads them whole ever after.
pub fn ledger_options(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().application_name("bappy-ledger").options([
        ("statement_timeout", "0"),
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_material", "off"),
        ("jit", "off"),
    ])
}
