//! The daily totals against what they total: every row of `ledger_days` is what the ledger's
//! entries, and the operations that succeeded, of its day, kind and plan add up to.

use super::super::{Conn, DbError, Tx};
use super::rules::{money, number};
use super::{ROWS_MAX, Row, Violation};
use bappy_actors::model::OrgId;
use sqlx::AssertSqlSafe;

/// What differs in writing: the UTC day of a time, an id as text, and the id of no plan.
struct Dialect {
    day: fn(&str) -> String,
    id_text: &'static str,
    nil: &'static str,
}

const SQLITE: Dialect = Dialect {
    day: |time| format!("SUBSTR({time}, 1, 10)"),
    id_text: "LOWER(HEX(t.plan_id))",
    nil: "X'00000000000000000000000000000000'",
};

const POSTGRES: Dialect = Dialect {
    day: |time| format!("CAST({time} AT TIME ZONE 'UTC' AS DATE)"),
    id_text: "REPLACE(CAST(t.plan_id AS TEXT), '-', '')",
    nil: "CAST('00000000-0000-0000-0000-000000000000' AS UUID)",
};

/// The totals that are wrong, missing or of nothing.
pub(super) async fn violations(tx: &mut Tx, org: Option<OrgId>) -> Result<Vec<Violation>, DbError> {
    let dialect = match tx.conn() {
        Conn::Sqlite(_) => SQLITE,
        Conn::Postgres(_) => POSTGRES,
    };
    let sql = statement(&dialect, org.is_some());
    let rows = all!(tx, Row, AssertSqlSafe(sql), org.map(|org| org.0), ROWS_MAX)?;
    let violation = |row: Row| Violation {
        org_id: OrgId(row.org_id),
        rule: "daily_totals",
        subject: row.subject,
        detail: format!(
            "{}: {} entries in the ledger and {} in the totals; the amounts differ by {}",
            row.word.as_deref().unwrap_or("a day"),
            number(row.a),
            number(row.b),
            money(row.c),
        ),
    };
    Ok(rows.into_iter().map(violation).collect())
}

/// Adds up three lists, the totals with the other sign: what is not nothing differs.
fn statement(dialect: &Dialect, one_organization: bool) -> String {
    let Dialect { day, id_text, nil } = dialect;
    let one = if one_organization { " AND org_id = $1" } else { "" };
    let none = "CAST(NULL AS BIGINT)";
    let (written, settled) = (day("created_at"), day("settled_at"));
    let entries = |plan: &str, condition: &str| {
        format!(
            "SELECT org_id, {plan} AS plan_id, kind, {written} AS day, COUNT(*) AS entries,
                 0 AS entries_kept, 0 AS made,
                 SUM(CASE WHEN amount < 0 THEN -amount ELSE 0 END) AS debited,
                 SUM(CASE WHEN amount > 0 THEN amount ELSE 0 END) AS credited,
                 MIN(sequence) AS first, MAX(sequence) AS last,
                 {none} AS first_kept, {none} AS last_kept
             FROM ledger_entries WHERE {condition}{one} GROUP BY 1, 2, 3, 4"
        )
    };
    let made = |plan: &str, condition: &str| {
        format!(
            "SELECT org_id, {plan}, CASE kind WHEN 'create_link' THEN 'activation' ELSE kind END,
                 {settled}, 0, 0, COUNT(*), 0, 0, {none}, {none}, {none}, {none}
             FROM operations
             WHERE kind IN ('create_link', 'topup') AND state = 'succeeded'
                 AND {condition}{one} GROUP BY 1, 2, 3, 4"
        )
    };
    let kept = format!(
        "SELECT org_id, plan_id, kind, day, 0, entries, -made, -debited, -credited, {none}, {none},
             first_sequence, last_sequence
         FROM ledger_days WHERE 1 = 1{one}"
    );
    let lists = [
        entries(nil, "1 = 1"),
        entries("plan_id", "plan_id IS NOT NULL"),
        made(nil, "1 = 1"),
        made("plan_id", "plan_id IS NOT NULL"),
        kept,
    ]
    .join(" UNION ALL ");
    format!(
        "SELECT t.org_id, CASE t.plan_id WHEN {nil} THEN t.org_id ELSE t.plan_id END AS subject,
             CAST(SUM(t.entries) AS BIGINT) AS a, CAST(SUM(t.entries_kept) AS BIGINT) AS b,
             CAST(SUM(t.credited) - SUM(t.debited) AS BIGINT) AS c,
             CAST(t.day AS TEXT) || ' ' || t.kind || CASE t.plan_id WHEN {nil} THEN ''
                 ELSE ' of plan ' || {id_text} END
                 || CASE SUM(t.made) WHEN 0 THEN '' ELSE ', settled and not counted '
                     || CAST(SUM(t.made) AS TEXT) END AS word
         FROM ({lists}) t
         GROUP BY t.org_id, t.plan_id, t.kind, t.day
         HAVING SUM(t.entries) <> SUM(t.entries_kept) OR SUM(t.made) <> 0
             OR SUM(t.debited) <> 0 OR SUM(t.credited) <> 0
             OR COALESCE(MAX(t.first), 0) <> COALESCE(MAX(t.first_kept), 0)
             OR COALESCE(MAX(t.last), 0) <> COALESCE(MAX(t.last_kept), 0)
         ORDER BY t.org_id, t.day LIMIT $2"
    )
}
