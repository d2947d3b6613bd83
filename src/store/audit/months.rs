//! The months of a ledger against its days: what is gone by of `ledger_months` is what the daily totals
//! of its month and plan add up to. A month whose days of all plans have come to more since is not gone
//! by, and no fault.

use super::super::ledger::ALL_PLANS;
use super::super::{DbError, Tx};
use super::rules::{money, number};
use super::{ROWS_MAX, Row, Violation};
use bappy_actors::model::OrgId;
use sqlx::AssertSqlSafe;

/// The months of plans that are wrong, missing or of nothing.
pub(super) async fn violations(tx: &mut Tx, org: Option<OrgId>) -> Result<Vec<Violation>, DbError> {
    let sql = statement(org.is_some());
    let rows = all!(tx, Row, AssertSqlSafe(sql), org.map(|org| org.0), ROWS_MAX, ALL_PLANS)?;
    let violation = |row: Row| Violation {
        org_id: OrgId(row.org_id),
        rule: "ledger_months",
        subject: row.subject,
        detail: format!(
            "{} differs from its days by {} entries and {}, and by {} that came about",
            row.word.as_deref().unwrap_or("a month"),
            number(row.a),
            money(row.b),
            number(row.c),
        ),
    };
    Ok(rows.into_iter().map(violation).collect())
}

/// Adds up days and months, the latter with the other sign: what is not nothing differs, but for months
/// in which that of all plans does, too.
fn statement(one_organization: bool) -> String {
    let one = if one_organization { " WHERE org_id = $1" } else { "" };
    format!(
        "WITH t AS (
             SELECT org_id, plan_id, month, SUM(kept) AS kept, SUM(entries) AS entries,
                 SUM(debited) AS debited, SUM(credited) AS credited, SUM(made) AS made
             FROM (SELECT org_id, plan_id, SUBSTR(CAST(day AS TEXT), 1, 7) AS month, 0 AS kept,
                       entries, debited, credited, made FROM ledger_days{one}
                   UNION ALL
                   SELECT org_id, plan_id, SUBSTR(CAST(month AS TEXT), 1, 7), 1,
                       -entries, -debited, -credited, -made FROM ledger_months{one}) totals
             GROUP BY org_id, plan_id, month)
         SELECT t.org_id, CASE t.plan_id WHEN $3 THEN t.org_id ELSE t.plan_id END AS subject,
             CAST(t.entries AS BIGINT) AS a, CAST(t.credited - t.debited AS BIGINT) AS b,
             CAST(t.made AS BIGINT) AS c, t.month AS word
         FROM t JOIN t a ON a.org_id = t.org_id AND a.month = t.month AND a.plan_id = $3
             AND a.kept = 1 AND a.entries = 0 AND a.made = 0
         WHERE t.entries <> 0 OR t.debited <> 0 OR t.credited <> 0 OR t.made <> 0
         ORDER BY t.org_id, t.month LIMIT $2"
    )
}
