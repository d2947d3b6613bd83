//! Invariant I, checked on the database alone: every debit ended as exactly one thing, and the
//! ledger adds up. Called by `bappy audit`, and by tests after whatever they broke.
//!
//! Where the operator can be reached, the caller goes on and compares [`links_in_force`] with the
//! endpoints there.
//!
//! **Invariants:** one audit sees one snapshot, so what commits meanwhile is no violation; the
//! database does the adding up, and no more than [`ROWS_MAX`] rows of a rule are read.

mod blocks;
mod days;
mod in_force;
mod months;
mod references;
mod rules;

pub use in_force::{ActivationInForce, LinkInForce, LinkKey, link_in_force, links_in_force};
pub use references::{Reference, RefundedLink, is_unsettled, references, refunded_links};

use super::{Conn, Database, DbError, Tx};
use bappy_actors::model::OrgId;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// Rows of one rule that are named; a defect that breaks more is known well enough by these.
pub const ROWS_MAX: i64 = 1_000;

/// A row that breaks the invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Whose row it is.
    pub org_id: OrgId,
    /// Which rule it breaks, in a word.
    pub rule: &'static str,
    /// The row: a ledger entry, operation or activation, or the wallet by its organization.
    pub subject: Uuid,
    /// What is wrong, in a sentence.
    pub detail: String,
}

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Operations that are pending.
    pub in_flight: i64,
    /// Operations that were refunded and may still appear at the operator.
    pub watched: i64,
    /// Operations that a person has to look at; each is a violation too.
    pub manual: i64,
    /// What breaks the invariant: of each rule the first [`ROWS_MAX`].
    pub violations: Vec<Violation>,
}

impl Audit {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    org_id: Uuid,
    subject: Uuid,
    a: Option<i64>,
    b: Option<i64>,
    c: Option<i64>,
    word: Option<String>,
}

/// What each rule asks of all organizations, by name; for tests of how it is carried out.
pub fn statements() -> impl Iterator<Item = (&'static str, String)> {
    rules::RULES.iter().map(|rule| (rule.name, rule.sql(false)))
}

/// Audits one organization, or all.
pub async fn audit(db: &Database, org: Option<OrgId>) -> Result<Audit, DbError> {
    let reading = db.clone();
    // A task of its own: a caller that goes away must not leave the snapshot open on a pooled
    // connection.
    db.spawn(async move {
        let mut tx = reading.read().await?;
        let begin = match tx.conn() {
            Conn::Sqlite(_) => "BEGIN",
            Conn::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        exec!(tx, begin)?;
        tx.at_leisure().await?;
        let found = run(&mut tx, org).await;
        exec!(tx, "ROLLBACK")?;
        found
    })
    .await
}

async fn run(tx: &mut Tx, org: Option<OrgId>) -> Result<Audit, DbError> {
    let mut audit = Audit {
        in_flight: count(tx, org, "state = 'pending'").await?,
        watched: count(tx, org, "cleanup = 'watching'").await?,
        manual: count(tx, org, "cleanup = 'manual'").await?,
        violations: Vec::new(),
    };
    for rule in rules::RULES {
        let rows =
            all!(tx, Row, AssertSqlSafe(rule.sql(org.is_some())), org.map(|org| org.0), ROWS_MAX)?;
        audit.violations.extend(rows.into_iter().map(|row| Violation {
            org_id: OrgId(row.org_id),
            rule: rule.name,
            subject: row.subject,
            detail: (rule.detail)(&row),
        }));
    }
    audit.violations.extend(days::violations(tx, org).await?);
    audit.violations.extend(blocks::violations(tx, org).await?);
    audit.violations.extend(months::violations(tx, org).await?);
    Ok(audit)
}

async fn count(tx: &mut Tx, org: Option<OrgId>, what: &str) -> Result<i64, DbError> {
    let one = if org.is_some() { " AND org_id = $1" } else { "" };
    // The first condition lets the index of open operations serve all three.
    let sql = format!(
        "SELECT COUNT(*) FROM operations
         WHERE (state = 'pending' OR cleanup IN ('watching', 'manual')) AND {what}{one}"
    );
    Ok(one!(tx, (i64,), AssertSqlSafe(sql), org.map(|org| org.0))?.0)
}
