//! The blocks of a ledger against its entries: every row of `ledger_blocks` is what the entries of its
//! stretch and kind add up to.

use super::super::{DbError, Tx};
use super::rules::{money, number};
use super::{ROWS_MAX, Row, Violation};
use bappy_actors::model::OrgId;
use sqlx::AssertSqlSafe;

/// The blocks that are wrong, and kinds that are missing from one.
pub(super) async fn violations(tx: &mut Tx, org: Option<OrgId>) -> Result<Vec<Violation>, DbError> {
    let sql = statement(org.is_some());
    let rows = all!(tx, Row, AssertSqlSafe(sql), org.map(|org| org.0), ROWS_MAX)?;
    let violation = |row: Row| Violation {
        org_id: OrgId(row.org_id),
        rule: "ledger_blocks",
        subject: row.subject,
        detail: format!(
            "up to entry {}: {} entries in the ledger and {} in the block; the amounts differ by {}",
            row.word.as_deref().unwrap_or("?"),
            number(row.a),
            number(row.b),
            money(row.c),
        ),
    };
    Ok(rows.into_iter().map(violation).collect())
}

/// Adds up two lists, the blocks with the other sign: what is not nothing differs.
fn statement(one_organization: bool) -> String {
    let one = if one_organization { " WHERE org_id = $1" } else { "" };
    format!(
        "SELECT t.org_id, t.org_id AS subject, CAST(SUM(t.entries) AS BIGINT) AS a,
             CAST(SUM(t.entries_kept) AS BIGINT) AS b,
             CAST(SUM(t.credited) - SUM(t.debited) AS BIGINT) AS c,
             CAST(t.last_sequence AS TEXT) || ' ' || t.kind AS word
         FROM (SELECT k.org_id, k.first_sequence, k.last_sequence, e.kind, COUNT(*) AS entries, 0 AS entries_kept,
                   SUM(CASE WHEN e.amount < 0 THEN -e.amount ELSE 0 END) AS debited,
                   SUM(CASE WHEN e.amount > 0 THEN e.amount ELSE 0 END) AS credited,
                   MIN(e.created_at) AS first_at, MAX(e.created_at) AS last_at,
                   CAST(NULL AS TIMESTAMPTZ) AS first_kept, CAST(NULL AS TIMESTAMPTZ) AS last_kept
               FROM (SELECT DISTINCT org_id, first_sequence, last_sequence FROM ledger_blocks{one}) k
               JOIN ledger_entries e ON e.org_id = k.org_id AND e.sequence >= k.first_sequence
                   AND e.sequence <= k.last_sequence
               GROUP BY k.org_id, k.first_sequence, k.last_sequence, e.kind
               UNION ALL
               SELECT org_id, first_sequence, last_sequence, kind, 0, entries, -debited, -credited,
                   CAST(NULL AS TIMESTAMPTZ), CAST(NULL AS TIMESTAMPTZ), first_at, last_at
               FROM ledger_blocks{one}) t
         GROUP BY t.org_id, t.first_sequence, t.last_sequence, t.kind
         HAVING SUM(t.entries) <> SUM(t.entries_kept) OR SUM(t.debited) <> 0
             OR SUM(t.credited) <> 0 OR MIN(t.first_at) <> MIN(t.first_kept)
             OR MAX(t.last_at) <> MAX(t.last_kept)
         ORDER BY t.org_id, t.last_sequence LIMIT $2"
    )
}
