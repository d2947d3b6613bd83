//! One statement, two drivers: each macro expands the same `query_as` for SQLite and PostgreSQL.
//!
//! `one!(tx, Row, "SELECT … WHERE org_id = $1", org.0)`: `tx` is a [`super::Tx`], `Row` anything
//! that derives `sqlx::FromRow` (or a tuple), the text a literal with `$1`, `$2` …, the arguments
//! values that both drivers can encode. All are `async` and give a `sqlx::Error`.
//!
//! **Invariant:** the text is one that both databases run; what differs is a constant of its own
//! beside the `match` on [`super::Tx::conn`]. The last macros are words that several statements share.

/// A statement under way, as traces show it: by the module that has it, never by its arguments.
macro_rules! traced_statement {
    ($running:expr) => {
        ::tracing::Instrument::instrument(
            $running,
            ::bappy_actors::traced!("db", otel.kind = "client", module = module_path!()),
        )
    };
}

/// Runs `$method` of a typed query on whichever database it is.
macro_rules! fetch {
    ($method:ident, $tx:expr, $row:ty, $sql:expr $(, $arg:expr)*) => {{
        let patience = $tx.patience();
        match $tx.conn() {
            $crate::store::Conn::Sqlite(conn) => {
                let query = ::sqlx::query_as::<::sqlx::Sqlite, $row>($sql)$(.bind($arg))*;
                traced_statement!(query.$method(conn)).await
            }
            $crate::store::Conn::Postgres(conn) => {
                let query = ::sqlx::query_as::<::sqlx::Postgres, $row>($sql)$(.bind($arg))*;
                traced_statement!(patience.answered(query.$method(conn))).await
            }
        }
    }};
}

/// The one row of a statement; none is an error.
macro_rules! one {
    ($tx:expr, $row:ty, $sql:expr $(, $arg:expr)* $(,)?) => {
        fetch!(fetch_one, $tx, $row, $sql $(, $arg)*)
    };
}

/// The first row of a statement, if there is one.
macro_rules! opt {
    ($tx:expr, $row:ty, $sql:expr $(, $arg:expr)* $(,)?) => {
        fetch!(fetch_optional, $tx, $row, $sql $(, $arg)*)
    };
}

/// All rows of a statement.
macro_rules! all {
    ($tx:expr, $row:ty, $sql:expr $(, $arg:expr)* $(,)?) => {
        fetch!(fetch_all, $tx, $row, $sql $(, $arg)*)
    };
}

/// Runs a statement; gives the number of rows that it changed.
macro_rules! exec {
    ($tx:expr, $sql:expr $(, $arg:expr)* $(,)?) => {{
        let patience = $tx.patience();
        match $tx.conn() {
            $crate::store::Conn::Sqlite(conn) => {
                let query = ::sqlx::query::<::sqlx::Sqlite>($sql)$(.bind($arg))*;
                traced_statement!(query.execute(conn)).await.map(|done| done.rows_affected())
            }
            $crate::store::Conn::Postgres(conn) => {
                let query = ::sqlx::query::<::sqlx::Postgres>($sql)$(.bind($arg))*;
                let asked = patience.answered(query.execute(conn));
                traced_statement!(asked).await.map(|done| done.rows_affected())
            }
        }
    }};
}

/// Every kind of entry, as a list in SQL: by it the index of the daily totals is used for all of them.
macro_rules! all_kinds {
    () => {
        "('credit', 'activation', 'topup', 'refund', 'sms', 'link_fee', 'adjustment')"
    };
}

/// That daily totals are an organization's, of all kinds and plans: `$1` is the organization, `$2` stands for all
/// plans.
macro_rules! totals_of_all {
    () => {
        concat!("org_id = $1 AND plan_id = $2 AND kind IN ", all_kinds!())
    };
}
