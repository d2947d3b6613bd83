//! A connection of either engine, inside a transaction or, for reads, outside of one.

use super::{DbError, error};
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection, Transaction};

/// What statements run on: a transaction ([`super::Database::write`]) or a connection of the
/// read pool ([`super::Database::read`]). Dropped without a commit it is rolled back.
pub struct Tx(Inner);

enum Inner {
    SqliteRead(PoolConnection<Sqlite>),
    PostgresRead(PoolConnection<Postgres>),
    SqliteWrite(Transaction<'static, Sqlite>),
    PostgresWrite(Transaction<'static, Postgres>),
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
        }
    }

    pub(super) async fn commit(self) -> Result<(), DbError> {
        match self.0 {
            Inner::SqliteWrite(tx) => tx.commit().await.map_err(error::commit_failed),
            Inner::PostgresWrite(tx) => tx.commit().await.map_err(error::commit_failed),
            Inner::SqliteRead(_) | Inner::PostgresRead(_) => Ok(()),
        }
    }

    pub(super) async fn rollback(self) -> Result<(), DbError> {
        match self.0 {
            Inner::SqliteWrite(tx) => tx.rollback().await?,
            Inner::PostgresWrite(tx) => tx.rollback().await?,
            Inner::SqliteRead(_) | Inner::PostgresRead(_) => {}
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
