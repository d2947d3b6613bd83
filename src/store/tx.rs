//! A connection of either engine, inside a transaction or, for reads, outside of one.

use super::{DbError, error};
use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, Postgres, Sqlite, SqliteConnection, Transaction};

/// What statements run on: a transaction ([`super::Database::write`]) or a connection of the
/// read pool ([`super::Database::read`]). Dropped without a commit it is rolled back.
pub struct Tx(Inner);

enum Inner {
    SqliteRead(PoolConnection<Sqlite>),
    PostgresRead(PoolConnection<Postgres>),
    SqliteWrite(Transaction<'static, Sqlite>),
    PostgresWrite(Transaction<'static, Postgres>),
    PostgresLedger(Box<PgConnection>),
}

/// A connection to match on where the two engines need different statements.
pub enum Conn<'a> {
    /// To SQLite.
    Sqlite(&'a mut SqliteConnection),
    /// To PostgreSQL.
    Postgres(&'a mut PgConnection),
}

impl Tx {
    /// The connection, for one statement.
    pub fn conn(&mut self) -> Conn<'_> {
        match &mut self.0 {
            Inner::SqliteRead(conn) => Conn::Sqlite(conn),
            Inner::SqliteWrite(tx) => Conn::Sqlite(tx),
            Inner::PostgresRead(conn) => Conn::Postgres(conn),
            Inner::PostgresWrite(tx) => Conn::Postgres(tx),
            Inner::PostgresLedger(conn) => Conn::Postgres(conn),
        }
    }

    pub(super) async fn commit(self) -> Result<(), DbError> {
        match self.0 {
            Inner::SqliteWrite(tx) => tx.commit().await.map_err(error::commit_failed),
            Inner::PostgresWrite(tx) => tx.commit().await.map_err(error::commit_failed),
            Inner::SqliteRead(_) | Inner::PostgresRead(_) | Inner::PostgresLedger(_) => Ok(()),
        }
    }

    /// Says goodbye, where the connection is this one's own.
    pub(super) async fn close(self) {
        if let Inner::PostgresLedger(conn) = self.0 {
            // The server notices by itself if this does not reach it.
            let _ = conn.close().await;
        }
    }

    pub(super) async fn rollback(self) -> Result<(), DbError> {
        match self.0 {
            Inner::SqliteWrite(tx) => tx.rollback().await?,
            Inner::PostgresWrite(tx) => tx.rollback().await?,
            Inner::SqliteRead(_) | Inner::PostgresRead(_) | Inner::PostgresLedger(_) => {}
        }
        Ok(())
    }
}

impl From<PoolConnection<Sqlite>> for Tx {
    fn from(conn: PoolConnection<Sqlite>) -> Self {
        Self(Inner::SqliteRead(conn))
    }
}

impl From<PoolConnection<Postgres>> for Tx {
    fn from(conn: PoolConnection<Postgres>) -> Self {
        Self(Inner::PostgresRead(conn))
    }
}

/// A ledger writer's own connection; each of its statements is a transaction.
impl From<PgConnection> for Tx {
    fn from(conn: PgConnection) -> Self {
        Self(Inner::PostgresLedger(Box::new(conn)))
    }
}

impl From<Transaction<'static, Sqlite>> for Tx {
    fn from(tx: Transaction<'static, Sqlite>) -> Self {
        Self(Inner::SqliteWrite(tx))
    }
}

impl From<Transaction<'static, Postgres>> for Tx {
    fn from(tx: Transaction<'static, Postgres>) -> Self {
        Self(Inner::PostgresWrite(tx))
    }
}
