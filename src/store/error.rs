//! How statements fail, and what that means to the core.
//!
//! **Invariant:** [`StoreError::Unknown`] comes only from the end of a write, when it may have
//! taken effect; whatever failed before that changed nothing.

use bappy_actors::ports::StoreError;
use std::borrow::Cow;

/// Why something that was asked of the database did not happen.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The driver's or the database's own error.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// A row holds what the program does not know.
    #[error("a row cannot be read: {0}")]
    Unreadable(String),
    /// The address in the configuration is not one.
    #[error("{0}")]
    Address(String),
    /// What was begun is to be rolled back: a fee is due of the Link that it reactivates.
    #[error("a fee is due of the Link")]
    FeeDue,
    /// Already in the core's terms.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DbError {
    /// Whether the connection failed, and not what was asked on it.
    pub(super) fn is_of_the_connection(&self) -> bool {
        matches!(self, Self::Sql(error) if is_transport(error))
    }

    /// A column holds a word that `what` does not have.
    pub fn unreadable(what: &str, word: &str) -> Self {
        Self::Unreadable(format!("`{word}` is not a {what}"))
    }
}

impl From<DbError> for StoreError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Store(error) => error,
            DbError::Sql(error) if is_unavailable(&error) => Self::Unavailable(error.to_string()),
            error => Self::Broken(error.to_string()),
        }
    }
}

/// Whether a statement was refused because of a unique index, on either database.
pub fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// What the failure of a statement that commits means: definite where the database said so
/// itself, unknown where its answer was lost.
pub fn commit_failed(error: sqlx::Error) -> DbError {
    let lost = match &error {
        sqlx::Error::Database(answer) => answer.code().is_some_and(|code| is_parting(&code)),
        error => is_transport(error),
    };
    if lost { StoreError::Unknown(error.to_string()).into() } else { error.into() }
}

/// The connection's own failures: nothing is known of what was sent.
fn is_transport(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed
    )
}

/// Codes with which PostgreSQL parts from a session; at a commit they may come after it.
fn is_parting(code: &str) -> bool {
    code.starts_with("57P") || code.starts_with("08")
}

/// Whether trying again later can help.
pub(super) fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        sqlx::Error::Database(answer) => {
            let code = answer.code().unwrap_or(Cow::Borrowed(""));
            match answer.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
                Some(_) => is_passing_postgres(&code),
                None => is_passing_sqlite(&code),
            }
        }
        error => is_transport(error),
    }
}

/// SQLSTATEs that pass: serialization failure and deadlock, lock not available, cancelled,
/// resources, shutdown, connection, a server that is only a standby (after a failover), and a
/// transaction that the server has ended because we stood still in it.
fn is_passing_postgres(code: &str) -> bool {
    matches!(code, "40001" | "40P01" | "55P03" | "57014" | "25006" | "25P03")
        || code.starts_with("53")
        || is_parting(code)
}

/// SQLITE_BUSY (5), LOCKED (6), IOERR (10), FULL (13), CANTOPEN (14), with their extensions.
fn is_passing_sqlite(code: &str) -> bool {
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13 | 14))
}
