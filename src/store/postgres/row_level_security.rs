//! A second wall between tenants, of PostgreSQL's own: what partners' requests read goes through
//! connections of the role `bappy_tenant`, which is shown the rows of one organization at a time,
//! whatever a statement asks for.
//!
//! Called by [`Database`](crate::store::Database) at the start, where
//! `database.row_level_security` asks for it.
//!
//! **Invariants:** `bappy_tenant` writes nothing, reads no table that does not say whose its rows
//! are but the catalogue, and without an organization sees no row of anybody's. The owner of the
//! tables and the members of `bappy_worker` see all rows: what works across organizations (the
//! ledger's writers, the resolver, the monthly fees, the commands) goes on as it is.

use super::super::{DbError, Tx};
use bappy_actors::model::OrgId;
use sqlx::postgres::PgConnectOptions;
use sqlx::{PgPool, Postgres};
use std::fmt;

/// The roles, the grants and the policies of every table that has them.
const ESTABLISH: &str = include_str!("row_level_security.sql");

/// Tables that say whose their rows are and are not walled yet, those that came since and that
/// those inside may not use, and whether we may go behind the wall.
const STATE: &str = "SELECT
        (SELECT COUNT(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
              AND NOT a.attisdropped
              AND (a.attname = 'org_id' OR (c.relname = 'organizations' AND a.attname = 'id'))
              AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
                SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenants')))
        + (SELECT COUNT(*) FROM pg_class c JOIN pg_roles r ON r.rolname = 'bappy_worker'
            WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
              AND NOT has_table_privilege(r.oid, c.oid, 'UPDATE')),
        COALESCE((SELECT pg_has_role(session_user, oid, 'MEMBER') FROM pg_roles
            WHERE rolname = 'bappy_tenant'), FALSE)";

/// Whether tenants' reads are walled, as said in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wall {
    /// They are.
    Up,
    /// There is none to be had on this database; why, in one sentence.
    Absent(String),
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => f.write_str("tenants' reads are behind row-level security"),
            Self::Absent(why) => {
                write!(f, "tenants' reads are not behind row-level security: {why}")
            }
        }
    }
}

/// Looks whether the wall is there, and where it is not and `may_establish`, builds it.
pub async fn wall(pool: &PgPool, may_establish: bool) -> Result<Wall, DbError> {
    let absent = match state(pool).await? {
        (0, true) => return Ok(Wall::Up),
        (0, false) => "the database's user is not a member of the role bappy_tenant",
        (_, _) if !may_establish => "it is not set up; run `bappy migrate`",
        (_, _) => match sqlx::raw_sql(ESTABLISH).execute(pool).await {
            Ok(_) => return Ok(Wall::Up),
            Err(error) if is_refusal(&error) => {
                "the database's user may neither create the roles bappy_worker and bappy_tenant \
                 nor grant them to itself"
            }
            Err(error) => return Err(error.into()),
        },
    };
    Ok(Wall::Absent(absent.to_owned()))
}

async fn state(pool: &PgPool) -> Result<(i64, bool), sqlx::Error> {
    sqlx::query_as::<Postgres, (i64, bool)>(STATE).fetch_one(pool).await
}

/// Whether the server said that we may not (SQLSTATE 42501, insufficient privilege).
fn is_refusal(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| code == "42501")
}

/// How a connection for tenants' reads is made.
pub fn tenant_options(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().application_name("bappy-tenant").options([("role", "bappy_tenant")])
}

/// Shows a tenants' connection the rows of one organization, and of no other before it.
pub async fn enter(tx: &mut Tx, org: OrgId) -> Result<(), DbError> {
    exec!(tx, "SELECT set_config('bappy.organization', $1, FALSE)", org.0.to_string())?;
    Ok(())
}
