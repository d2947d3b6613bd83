//! Opens a database of either engine and hands out what statements run on.
//!
//! The composition root and the commands open one [`Database`]; everything in this folder and
//! the reads of `http` run through [`Database::read`] and [`Database::write`].
//!
//! **Invariants:** a write runs in a task of its own on the runtime given at the start, so the drop
//! of a caller's future never cuts a transaction (`begin` in sqlx is not cancel-safe); a connection
//! is opened on that runtime too, so that it does not end with its first user's (the ledger's writers
//! are tasks with connections of their own, on the runtime that they are started on); an
//! error never shows a password; SQLite has one writing connection a process, and waits for
//! other processes (the commands work while the service runs).

use super::metrics::{METRICS, Pool, Use};
use super::peers::Peers;
use super::postgres::row_level_security::{self, Wall};
use super::revisions::{Changed, Revisions};
use super::{DbError, Tx, ledger, postgres, sqlite};
use bappy_actors::metrics::size;
use bappy_actors::model::{LinkId, OrgId};
use bappy_actors::ports::StoreError;
use futures_util::future::BoxFuture;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{PgPool, SqlitePool};
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

/// How the schema stands to what this program needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// All migrations of this program are applied, and no others.
    Current,
    /// Some are missing: run `migrate`.
    Behind,
    /// A newer program has migrated it, or a migration was changed after it was applied.
    Foreign,
}

/// A database, open. Clones share its connections.
#[derive(Clone)]
pub struct Database {
    pub(super) engine: Engine,
    /// Connections that are shown one organization's rows; none where there is no such wall.
    tenants: Option<PgPool>,
    revisions: Arc<Revisions>,
    /// Who else may change what is here; SQLite's file is this process's.
    peers: Option<Arc<Peers>>,
    runtime: Handle,
}

#[derive(Clone)]
pub(super) enum Engine {
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    Postgres { pool: PgPool, hosts: postgres::Hosts },
}

impl Database {
    /// Opens `sqlite://path` (made if absent, with its folder) or `postgres://…`, with up to
    /// `connections_max` connections for everything but the ledger's writers. Writes run on
    /// `runtime`. Changes nothing in the schema. Errors are one sentence, without the password.
    pub async fn open(url: &str, connections_max: u32, runtime: Handle) -> Result<Self, DbError> {
        let engine = match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => sqlite::open(url, connections_max).await?,
            Some("postgres" | "postgresql") => {
                postgres::open(url, connections_max, &runtime).await?
            }
            _ => {
                return Err(DbError::Address(
                    "the database's address must begin with sqlite:// or postgres://".to_owned(),
                ));
            }
        };
        let peers = match &engine {
            Engine::Sqlite { .. } => None,
            Engine::Postgres { pool, hosts } => {
                Some(Peers::meet(hosts.clone(), pool.close_event(), &runtime).await)
            }
        };
        Ok(Self { engine, tenants: None, revisions: Arc::default(), peers, runtime })
    }

    /// Has what is read for one organization go through row-level security, where the database
    /// has it or, with `may_establish`, lets us set it up; says whether it does.
    pub async fn wall_tenants(&mut self, may_establish: bool) -> Result<Wall, DbError> {
        let Engine::Postgres { pool, hosts } = &self.engine else {
            return Ok(Wall::Absent("SQLite has none".to_owned()));
        };
        let wall = row_level_security::wall(pool, may_establish).await?;
        if wall == Wall::Up {
            self.tenants = Some(postgres::tenants(pool, hosts));
        }
        Ok(wall)
    }

    /// Applies the migrations that are missing. Several processes may do so at once.
    pub async fn migrate(&self) -> Result<(), DbError> {
        match &self.engine {
            Engine::Sqlite { writer, .. } => SQLITE_MIGRATIONS.run(writer).await,
            Engine::Postgres { hosts, .. } => {
                let at_leisure = postgres::pool_at_leisure(hosts);
                let migrated = POSTGRES_MIGRATIONS.run(&at_leisure).await;
                at_leisure.close().await;
                migrated
            }
        }
        .map_err(|error| match error {
            MigrateError::Execute(error) => DbError::Sql(error),
            error => DbError::Sql(sqlx::Error::Migrate(Box::new(error))),
        })
    }

    /// Whether the schema is what this program needs.
    pub async fn schema(&self) -> Result<Schema, DbError> {
        let mut tx = self.read().await?;
        let (wanted, probe) = match &self.engine {
            Engine::Sqlite { .. } => (
                &SQLITE_MIGRATIONS,
                "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'",
            ),
            Engine::Postgres { .. } => (
                &POSTGRES_MIGRATIONS,
                "SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('_sqlx_migrations')",
            ),
        };
        if one!(tx, (i64,), probe)?.0 == 0 {
            return Ok(Schema::Behind);
        }
        let applied = all!(
            tx,
            (i64, Vec<u8>, bool),
            "SELECT version, checksum, success FROM _sqlx_migrations ORDER BY version"
        )?;
        let known = |version: i64, checksum: &[u8]| {
            wanted.iter().any(|m| m.version == version && *m.checksum == *checksum)
        };
        if !applied.iter().all(|(version, checksum, _)| known(*version, checksum)) {
            return Ok(Schema::Foreign);
        }
        let done = applied.iter().filter(|(_, _, success)| *success).count();
        Ok(if done == wanted.iter().count() { Schema::Current } else { Schema::Behind })
    }

    /// Whether the schema is exactly what this program needs.
    pub async fn is_current(&self) -> Result<bool, DbError> {
        Ok(self.schema().await? == Schema::Current)
    }

    /// How often this process has changed a Link: what was read of it at the same revision still
    /// stands. None while other processes may change it too.
    pub fn revision(&self, link: LinkId) -> Option<u64> {
        let alone = self.peers.as_ref().is_none_or(|peers| peers.is_alone());
        alone.then(|| self.revisions.of(link))
    }

    /// How often this process has changed a Link's row but for its volume: what was read of it at the
    /// same revision still stands. None while other processes may change it too, which nobody hears
    /// of on SQLite.
    pub fn row_revision(&self, link: LinkId) -> Option<u64> {
        let alone = self.peers.as_ref().is_some_and(|peers| peers.is_alone());
        alone.then(|| self.revisions.of_row(link))
    }

    /// The revisions, to be raised by whoever changes Links.
    pub(super) fn revisions(&self) -> &Arc<Revisions> {
        &self.revisions
    }

    /// A connection for reads across organizations, outside of a transaction.
    pub async fn read(&self) -> Result<Tx, DbError> {
        acquired(Pool::Main, async {
            match &self.engine {
                Engine::Sqlite { readers, .. } => Ok(readers.acquire().await?.into()),
                Engine::Postgres { pool, .. } => self.acquire(pool).await,
            }
        })
        .await
    }

    /// A connection for reads of one organization's rows: behind row-level security, where there
    /// is such a wall, it is shown no others.
    pub async fn read_of(&self, org: OrgId) -> Result<Tx, DbError> {
        let Some(tenants) = &self.tenants else { return self.read().await };
        let mut tx = acquired(Pool::Tenant, self.acquire(tenants)).await?;
        row_level_security::enter(&mut tx, org).await?;
        Ok(tx)
    }

    async fn acquire(&self, pool: &PgPool) -> Result<Tx, DbError> {
        if let Some(idle) = pool.try_acquire() {
            return Ok(idle.into());
        }
        // A new connection lives on the runtime it was opened on, and the caller's may end before
        // the pool does.
        let pool = pool.clone();
        let acquired = self.runtime.spawn(async move { connection(&pool).await }).await;
        acquired.map_err(|ended| StoreError::Unavailable(ended.to_string()))?
    }

    /// Runs `work` in one transaction, in a task of its own: committed if it gives `Ok`, rolled
    /// back if not. It goes on when the caller's future is dropped.
    ///
    /// `db.write(move |tx| Box::pin(async move { exec!(tx, "…", id)?; Ok(()) })).await?`
    pub async fn write<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Send + 'static,
    {
        let (engine, revisions) = (self.engine.clone(), Arc::clone(&self.revisions));
        self.spawn(async move {
            let mut tx: Tx = match &engine {
                // Plain BEGIN would read first and fail to become a writer later.
                Engine::Sqlite { writer, .. } => {
                    acquired(Pool::Writer, writer.begin_with("BEGIN IMMEDIATE")).await?.into()
                }
                Engine::Postgres { pool, .. } => {
                    let tx: Tx = acquired(Pool::Main, connection(pool)).await?;
                    tx.begin().await?
                }
            };
            let worked = work(&mut tx).await;
            let _changed = Changed::new(revisions, tx.links_changed());
            match worked {
                Ok(value) => {
                    tx.commit().await?;
                    Ok(value)
                }
                Err(error) => {
                    // The first error is the one to tell. A connection that gave no answer is not
                    // asked again: its transaction ends with it.
                    if !error.is_of_the_connection() {
                        let _ = tx.rollback().await;
                    }
                    Err(error)
                }
            }
        })
        .await
    }

    /// How many ledger writers it bears: SQLite has one writing connection in all.
    pub(super) fn writers(&self) -> usize {
        match self.engine {
            Engine::Sqlite { .. } => 1,
            Engine::Postgres { .. } => ledger::WRITERS,
        }
    }

    /// The runtime given at the start.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Runs `work` as a task on the runtime given at the start.
    pub(super) async fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, DbError>> + Send + 'static,
    ) -> Result<T, DbError> {
        self.runtime.spawn(work).await.unwrap_or_else(|ended| {
            // A panic, or the runtime is shutting down: the transaction was dropped.
            Err(DbError::Store(StoreError::Unknown(ended.to_string())))
        })
    }

    /// Brings up to date what the metrics show of the connections.
    pub fn observe(&self) {
        match &self.engine {
            Engine::Sqlite { writer, readers } => {
                observe(Pool::Main, readers);
                observe(Pool::Writer, writer);
            }
            Engine::Postgres { pool, .. } => observe(Pool::Main, pool),
        }
        if let Some(tenants) = &self.tenants {
            observe(Pool::Tenant, tenants);
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Engine::Postgres { pool, .. } => pool.close().await,
        }
        if let Some(tenants) = &self.tenants {
            tenants.close().await;
        }
    }
}

/// A connection to PostgreSQL. Whatever keeps it from being had passes, and nothing was asked yet: a server
/// that is down, a database closed for maintenance, a password that is being changed.
async fn connection(pool: &PgPool) -> Result<Tx, DbError> {
    let connection = pool.acquire().await.map_err(|error| {
        if !super::error::is_unavailable(&error) {
            tracing::error!(%error, "the database takes no connection: somebody has to look at it");
        }
        StoreError::Unavailable(error.to_string())
    });
    Ok(connection?.into())
}

/// Counts how long a connection took to be had, begun or not.
async fn acquired<T, E>(pool: Pool, acquire: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let asked = Instant::now();
    let acquired = acquire.await;
    METRICS.acquire_seconds.of(pool).record(asked.elapsed());
    if acquired.is_err() {
        METRICS.acquire_failures.of(pool).increment(1);
    }
    acquired
}

fn observe<D: sqlx::Database>(pool: Pool, connections: &sqlx::Pool<D>) {
    let (open, idle) = (connections.size(), connections.num_idle());
    let open = usize::try_from(open).unwrap_or(usize::MAX);
    METRICS.connections.of((pool, Use::Idle)).set(size(idle));
    METRICS.connections.of((pool, Use::InUse)).set(size(open.saturating_sub(idle)));
    METRICS.connections_max.of(pool).set(connections.options().get_max_connections());
}
