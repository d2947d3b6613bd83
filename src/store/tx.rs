//! A connection of either engine, inside a transaction or, for reads, outside of one.
//!
//! **Invariants:** of PostgreSQL no statement is waited for without end, and a connection that did
//! not answer in time, or whose transaction did not end, is closed and never used again. That is why
//! a transaction is begun and ended here and not by sqlx, whose own can only be handed back to the
//! pool. Closing is all that is done: the server gives a statement up by itself, a little earlier.

use super::{DbError, error};
use bappy_actors::model::LinkId;
use sqlx::pool::PoolConnection;
use sqlx::{Executor, PgConnection, Postgres, Sqlite, SqliteConnection, Transaction};
use std::io;
use std::time::Duration;

/// How long a statement may go without an answer: past any wait for a row, and below the time that
/// a partner waits. A host that vanishes leaves connections open on which TCP waits for an answer
/// for good, and with them all that a pool has.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may take to show that it is fit to go back to its pool.
const RETURN_TIMEOUT: Duration = Duration::from_secs(5);

/// What statements run on: a transaction ([`super::Database::write`]) or a connection of the
/// read pool ([`super::Database::read`]). Dropped without a commit it is rolled back.
pub struct Tx {
    inner: Inner,
    patience: Patience,
    links_changed: Vec<LinkId>,
}

enum Inner {
    SqliteRead(PoolConnection<Sqlite>),
    SqliteWrite(Transaction<'static, Sqlite>),
    Postgres(Pooled),
    PostgresLedger(Box<PgConnection>),
}

/// A pooled connection to PostgreSQL.
struct Pooled {
    /// Always there until it is dropped.
    connection: Option<PoolConnection<Postgres>>,
    /// Whether a transaction may be open.
    is_open: bool,
}

/// A connection to match on where the two engines need different statements.
pub enum Conn<'a> {
    /// To SQLite.
    Sqlite(&'a mut SqliteConnection),
    /// To PostgreSQL.
    Postgres(&'a mut PgConnection),
}

/// How long an answer of PostgreSQL is waited for.
#[derive(Clone, Copy)]
pub struct Patience(Option<Duration>);

impl Patience {
    /// Waits for an answer; none in time is a failure of the connection.
    pub async fn answered<T>(
        self,
        asked: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let Some(patience) = self.0 else { return asked.await };
        tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| {
            let silence = io::Error::new(io::ErrorKind::TimedOut, "no answer to a statement");
            Err(sqlx::Error::Io(silence))
        })
    }
}

impl Tx {
    fn on(inner: Inner) -> Self {
        Self { inner, patience: Patience(Some(ANSWER_TIMEOUT)), links_changed: Vec::new() }
    }

    /// The statements of this transaction, which is begun, may take as long as they need: they go
    /// through all there is.
    pub(super) async fn at_leisure(&mut self) -> Result<(), DbError> {
        self.patience = Patience(None);
        if let Conn::Postgres(conn) = self.conn() {
            conn.execute("SET LOCAL statement_timeout = 0").await?;
        }
        Ok(())
    }

    /// Notes that this transaction changes a Link or its activations.
    pub(super) fn changes_link(&mut self, link: LinkId) {
        self.links_changed.push(link);
    }

    /// The Links that were noted.
    pub(super) fn links_changed(&mut self) -> Vec<LinkId> {
        std::mem::take(&mut self.links_changed)
    }

    /// How long the answer to a statement is waited for.
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// The connection, for one statement.
    pub fn conn(&mut self) -> Conn<'_> {
        match &mut self.inner {
            Inner::SqliteRead(conn) => Conn::Sqlite(conn),
            Inner::SqliteWrite(tx) => Conn::Sqlite(tx),
            Inner::Postgres(pooled) => Conn::Postgres(pooled.connection()),
            Inner::PostgresLedger(conn) => Conn::Postgres(conn),
        }
    }

    /// Begins a transaction on a pooled connection to PostgreSQL.
    pub(super) async fn begin(mut self) -> Result<Self, DbError> {
        if let Inner::Postgres(pooled) = &mut self.inner {
            pooled.is_open = true;
            self.patience.answered(pooled.connection().execute("BEGIN")).await?;
        }
        Ok(self)
    }

    pub(super) async fn commit(self) -> Result<(), DbError> {
        match self.inner {
            Inner::SqliteWrite(tx) => tx.commit().await.map_err(error::commit_failed),
            Inner::Postgres(mut pooled) if pooled.is_open => {
                let ended = pooled.end("COMMIT", self.patience).await;
                ended.map_err(error::commit_failed)
            }
            Inner::SqliteRead(_) | Inner::Postgres(_) | Inner::PostgresLedger(_) => Ok(()),
        }
    }

    /// Says goodbye, where the connection is this one's own.
    pub(super) async fn close(self) {
        if let Inner::PostgresLedger(conn) = self.inner {
            // The server notices by itself if this does not reach it.
            let _ = sqlx::Connection::close(*conn).await;
        }
    }

    pub(super) async fn rollback(self) -> Result<(), DbError> {
        match self.inner {
            Inner::SqliteWrite(tx) => tx.rollback().await?,
            Inner::Postgres(mut pooled) if pooled.is_open => {
                pooled.end("ROLLBACK", self.patience).await?;
            }
            Inner::SqliteRead(_) | Inner::Postgres(_) | Inner::PostgresLedger(_) => {}
        }
        Ok(())
    }
}

impl Pooled {
    #[expect(clippy::expect_used, reason = "only its drop takes it")]
    fn connection(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("a connection that was not dropped")
    }

    async fn end(&mut self, how: &'static str, patience: Patience) -> Result<(), sqlx::Error> {
        patience.answered(self.connection().execute(how)).await?;
        self.is_open = false;
        Ok(())
    }
}

impl Drop for Pooled {
    /// Closes what has a transaction open; all else goes back, if it still answers.
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if !self.is_open => {
                let returned = connection.return_to_pool();
                drop(runtime.spawn(tokio::time::timeout(RETURN_TIMEOUT, returned)));
            }
            // Without a goodbye, which may not be heard.
            _ => drop(connection.detach()),
        }
    }
}

impl From<PoolConnection<Sqlite>> for Tx {
    fn from(conn: PoolConnection<Sqlite>) -> Self {
        Self::on(Inner::SqliteRead(conn))
    }
}

impl From<PoolConnection<Postgres>> for Tx {
    fn from(conn: PoolConnection<Postgres>) -> Self {
        Self::on(Inner::Postgres(Pooled { connection: Some(conn), is_open: false }))
    }
}

/// A ledger writer's own connection; each of its statements is a transaction.
impl From<PgConnection> for Tx {
    fn from(conn: PgConnection) -> Self {
        Self::on(Inner::PostgresLedger(Box::new(conn)))
    }
}

impl From<Transaction<'static, Sqlite>> for Tx {
    fn from(tx: Transaction<'static, Sqlite>) -> Self {
        Self::on(Inner::SqliteWrite(tx))
    }
}
