//! The rules of Invariant I, each one statement that finds the rows that break it.
//!
//! Every statement gives `org_id, subject, a, b, c, word`, has `{org:…}` where it is narrowed to
//! one organization, and runs on both databases. The joins run along the unique indexes of ledger
//! entries by operation, whose words (`kind <> 'refund'`, `kind = 'refund'`) they repeat: SQLite
//! uses an index for nothing else.

use super::Row;
use bappy_actors::model::Money;

/// A rule.
pub(super) struct Rule {
    /// Its name in a word.
    pub name: &'static str,
    /// Finds what breaks it; `{org:t}` stands for the narrowing of table `t`.
    text: &'static str,
    /// What a row found means, in a sentence.
    pub detail: fn(&Row) -> String,
}

impl Rule {
    /// The statement for one organization (`$1`) or for all; at most `$2` rows.
    pub(super) fn sql(&self, one_organization: bool) -> String {
        let mut sql = String::with_capacity(self.text.len() + 64);
        let mut rest = self.text;
        while let Some((before, tail)) = rest.split_once("{org:") {
            sql.push_str(before);
            let (table, after) = tail.split_once('}').unwrap_or((tail, ""));
            if one_organization {
                sql.push_str(" AND ");
                sql.push_str(table);
                sql.push_str(".org_id = $1");
            }
            rest = after;
        }
        sql.push_str(rest);
        sql.push_str(" LIMIT $2");
        sql
    }
}

pub(super) fn money(micros: Option<i64>) -> String {
    micros.map_or_else(|| "nothing".to_owned(), |micros| Money::from_micros(micros).to_string())
}

pub(super) fn number(value: Option<i64>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn word(row: &Row) -> &str {
    row.word.as_deref().unwrap_or("missing")
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "balance",
        text: "SELECT w.org_id, w.org_id AS subject, w.balance AS a,
                CAST(COALESCE(SUM(e.amount), 0) AS BIGINT) AS b, CAST(NULL AS BIGINT) AS c,
                CAST(NULL AS TEXT) AS word
            FROM wallets w LEFT JOIN ledger_entries e ON e.org_id = w.org_id
            WHERE 1 = 1{org:w}
            GROUP BY w.org_id, w.balance
            HAVING w.balance < 0 OR w.balance <> CAST(COALESCE(SUM(e.amount), 0) AS BIGINT)",
        detail: |row| format!("the balance is {}, the ledger's sum {}", money(row.a), money(row.b)),
    },
    Rule {
        name: "version",
        text: "SELECT w.org_id, w.org_id AS subject, w.version AS a, COUNT(e.sequence) AS b,
                CAST(COALESCE(MAX(e.sequence), 0) AS BIGINT) AS c, CAST(NULL AS TEXT) AS word
            FROM wallets w LEFT JOIN ledger_entries e ON e.org_id = w.org_id
            WHERE 1 = 1{org:w}
            GROUP BY w.org_id, w.version
            HAVING w.version <> COUNT(e.sequence) OR w.version <> COALESCE(MAX(e.sequence), 0)",
        detail: |row| {
            let (version, count, last) = (number(row.a), number(row.b), number(row.c));
            format!("the version is {version}, the ledger has {count} entries, the last is {last}")
        },
    },
    Rule {
        name: "chain",
        text: "SELECT s.org_id, s.id AS subject, s.sequence AS a, s.balance_after AS b,
                s.amount + COALESCE(s.balance_before, 0) AS c, CAST(NULL AS TEXT) AS word
            FROM (SELECT e.org_id, e.id, e.sequence, e.amount, e.balance_after,
                    LAG(e.sequence) OVER w AS sequence_before,
                    LAG(e.balance_after) OVER w AS balance_before
                FROM ledger_entries e WHERE 1 = 1{org:e}
                WINDOW w AS (PARTITION BY e.org_id ORDER BY e.sequence)) s
            WHERE s.sequence <> COALESCE(s.sequence_before, 0) + 1
               OR s.balance_after <> COALESCE(s.balance_before, 0) + s.amount",
        detail: |row| {
            let (after, sum) = (money(row.b), money(row.c));
            let sequence = number(row.a);
            format!(
                "entry {sequence} follows a gap, or leaves {after} where the sum up to it is {sum}"
            )
        },
    },
    Rule {
        name: "debit",
        text: "SELECT e.org_id, e.id AS subject, e.amount AS a,
                CAST(CASE WHEN a.id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS b,
                CAST(CASE WHEN r.id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS c, o.state AS word
            FROM ledger_entries e
            LEFT JOIN operations o ON o.org_id = e.org_id AND o.id = e.operation_id
            LEFT JOIN activations a ON a.org_id = e.org_id AND a.operation_id = e.operation_id
            LEFT JOIN ledger_entries r ON r.org_id = e.org_id
                AND r.operation_id = e.operation_id AND r.kind = 'refund'
            WHERE e.kind IN ('activation', 'topup'){org:e}
              AND NOT (o.id IS NOT NULL AND e.amount = -o.amount
                AND COALESCE(o.debit_id, e.id) = e.id
                AND ((o.state = 'pending' AND a.id IS NULL AND r.id IS NULL)
                  OR (o.state = 'succeeded' AND a.id IS NOT NULL AND r.id IS NULL)
                  OR (o.state = 'refunded' AND a.id IS NULL AND r.id IS NOT NULL)))",
        detail: |row| {
            format!(
                "the debit of {} has {} activations and {} refunds, and its operation is {}",
                money(row.a.map(i64::saturating_neg)),
                number(row.b),
                number(row.c),
                word(row)
            )
        },
    },
    Rule {
        name: "sms_debit",
        text: "SELECT e.org_id, e.id AS subject, e.amount AS a,
                CAST(CASE WHEN r.id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS b,
                CAST(NULL AS BIGINT) AS c, o.state AS word
            FROM ledger_entries e
            LEFT JOIN operations o ON o.org_id = e.org_id AND o.id = e.operation_id
            LEFT JOIN ledger_entries r ON r.org_id = e.org_id
                AND r.operation_id = e.operation_id AND r.kind = 'refund'
            WHERE e.kind = 'sms'{org:e}
              AND NOT (o.id IS NOT NULL AND o.kind = 'send_sms' AND e.amount = -o.amount
                AND COALESCE(o.debit_id, e.id) = e.id
                AND ((o.state IN ('pending', 'succeeded') AND r.id IS NULL)
                  OR (o.state = 'refunded' AND r.id IS NOT NULL)))",
        detail: |row| {
            format!(
                "the debit of {} for an SMS has {} refunds, and its operation is {}",
                money(row.a.map(i64::saturating_neg)),
                number(row.b),
                word(row)
            )
        },
    },
    Rule {
        name: "sms",
        text: "SELECT o.org_id, o.id AS subject, o.amount AS a,
                CAST(CASE WHEN d.id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS b,
                CAST(CASE WHEN s.operator_sms_id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS c,
                o.state || ', and it is ' || COALESCE(s.status, 'missing') AS word
            FROM operations o
            LEFT JOIN sms s ON s.org_id = o.org_id AND s.id = o.id
            LEFT JOIN ledger_entries d ON d.org_id = o.org_id AND d.operation_id = o.id
                AND d.kind = 'sms' AND d.kind <> 'refund'
            WHERE o.kind = 'send_sms'{org:o}
              AND NOT (s.id IS NOT NULL AND s.amount = o.amount AND s.link_id = o.link_id
                AND (d.id IS NOT NULL OR (o.amount = 0 AND o.debit_id IS NULL))
                AND ((o.state = 'pending' AND s.status = 'queued' AND s.operator_sms_id IS NULL)
                  OR (o.state = 'succeeded' AND s.status <> 'queued'
                    AND s.operator_sms_id IS NOT NULL)
                  OR (o.state = CASE WHEN d.id IS NULL THEN 'rejected' ELSE 'refunded' END
                    AND s.status = 'failed' AND s.operator_sms_id IS NULL)))",
        detail: |row| {
            format!(
                "an SMS of {} has {} debits, was handed over {} times, its operation is {}",
                money(row.a),
                number(row.b),
                number(row.c),
                word(row)
            )
        },
    },
    Rule {
        name: "link_fee",
        text: "SELECT e.org_id, e.id AS subject, e.amount AS a, f.amount AS b, r.amount AS c,
                o.state AS word
            FROM ledger_entries e
            LEFT JOIN operations o ON o.org_id = e.org_id AND o.id = e.operation_id
            LEFT JOIN ledger_entries r ON r.org_id = e.org_id
                AND r.operation_id = e.operation_id AND r.kind = 'refund'
            LEFT JOIN link_fees f ON f.org_id = e.org_id AND f.link_id = e.link_id
                AND f.entry_id = e.id
            WHERE e.kind = 'link_fee'{org:e}
              AND ((e.operation_id IS NULL AND f.state = 'charged' AND f.amount = -e.amount)
                OR (o.kind = 'update_link' AND e.amount = -o.amount
                  AND COALESCE(o.debit_id, e.id) = e.id
                  AND ((o.state IN ('pending', 'succeeded') AND r.id IS NULL AND f.state = 'paid'
                      AND f.amount = -e.amount)
                    OR (o.state = 'refunded' AND r.id IS NOT NULL AND f.entry_id IS NULL))))
                IS NOT TRUE",
        detail: |row| {
            format!(
                "the link fee of {} stands for {}, was given back {}, and its operation is {}",
                money(row.a.map(i64::saturating_neg)),
                money(row.b),
                money(row.c),
                word(row)
            )
        },
    },
    Rule {
        name: "fee_of_a_month",
        text: "SELECT f.org_id, f.link_id AS subject, COUNT(f.entry_id) AS a,
                COUNT(e.sequence) AS b, CAST(NULL AS BIGINT) AS c, f.month AS word
            FROM link_fees f
            LEFT JOIN ledger_entries e ON e.org_id = f.org_id AND e.link_id = f.link_id
                AND e.id = f.entry_id AND e.kind = 'link_fee'
            WHERE 1 = 1{org:f}
            GROUP BY f.org_id, f.link_id, f.month
            HAVING COUNT(f.entry_id) > 1 OR COUNT(f.entry_id) <> COUNT(e.sequence)
               OR (COUNT(CASE WHEN f.state = 'paid' THEN 1 END)
                   > COUNT(CASE WHEN f.state = 'due' THEN 1 END))",
        detail: |row| {
            let (charged, entries) = (number(row.a), number(row.b));
            format!("the fee of {} is charged {charged} times, by {entries} entries", word(row))
        },
    },
    Rule {
        name: "reactivation",
        text: "SELECT o.org_id, o.id AS subject, o.amount AS a, d.amount AS b,
                CAST(NULL AS BIGINT) AS c, o.state AS word
            FROM operations o
            LEFT JOIN ledger_entries d ON d.org_id = o.org_id AND d.operation_id = o.id
                AND d.kind = 'link_fee' AND d.kind <> 'refund'
            WHERE o.kind = 'update_link' AND (o.amount > 0 OR o.debit_id IS NOT NULL)
              AND d.id IS NULL{org:o}",
        detail: |row| {
            format!("the reactivation for {} is {} and has no debit", money(row.a), word(row))
        },
    },
    Rule {
        name: "refund",
        text: "SELECT r.org_id, r.id AS subject, r.amount AS a, d.amount AS b, d.sequence AS c,
                o.state AS word
            FROM ledger_entries r
            LEFT JOIN operations o ON o.org_id = r.org_id AND o.id = r.operation_id
            LEFT JOIN ledger_entries d ON d.org_id = r.org_id
                AND d.operation_id = r.operation_id AND d.id = r.refund_of AND d.kind <> 'refund'
            WHERE r.kind = 'refund'{org:r}
              AND (d.id IS NULL OR d.amount > 0 OR r.amount <> -d.amount
                OR r.sequence <= d.sequence OR o.id IS NULL OR o.state <> 'refunded')",
        detail: |row| {
            let (refund, debit) = (money(row.a), money(row.b.map(i64::saturating_neg)));
            format!(
                "the refund of {refund} names a debit of {debit}; its operation is {}",
                word(row)
            )
        },
    },
    Rule {
        name: "standing_alone",
        text: "SELECT e.org_id, e.id AS subject, e.amount AS a, e.sequence AS b,
                CAST(NULL AS BIGINT) AS c, e.kind AS word
            FROM ledger_entries e
            WHERE ((e.kind IN ('credit', 'adjustment') AND e.operation_id IS NOT NULL)
                OR (e.kind = 'credit' AND e.amount <= 0)
                OR (e.kind IN ('activation', 'topup', 'sms', 'link_fee') AND e.amount > 0)
                OR (e.kind = 'refund' AND e.amount < 0)){org:e}",
        detail: |row| {
            format!("a {} of {} has the wrong sign or names an operation", word(row), money(row.a))
        },
    },
    Rule {
        name: "operation",
        text: "SELECT o.org_id, o.id AS subject, o.amount AS a,
                CAST(CASE WHEN a.id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS b,
                CAST(CASE WHEN d.id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS c, o.state AS word
            FROM operations o
            LEFT JOIN activations a ON a.org_id = o.org_id AND a.operation_id = o.id
            LEFT JOIN ledger_entries d ON d.org_id = o.org_id AND d.operation_id = o.id
                AND d.kind = CASE o.kind WHEN 'create_link' THEN 'activation' ELSE 'topup' END
                AND d.kind <> 'refund'
            WHERE o.kind IN ('create_link', 'topup'){org:o}
              AND ((o.state = 'succeeded' AND a.id IS NULL)
                OR (d.id IS NULL AND (o.amount > 0 OR o.debit_id IS NOT NULL)))",
        detail: |row| {
            format!(
                "the operation of {} is {} with {} activations and {} debits",
                money(row.a),
                word(row),
                number(row.b),
                number(row.c)
            )
        },
    },
    Rule {
        name: "activation",
        text: "SELECT a.org_id, a.id AS subject, a.amount AS a, d.amount AS b,
                CAST(NULL AS BIGINT) AS c, o.state AS word
            FROM activations a
            LEFT JOIN operations o ON o.org_id = a.org_id AND o.id = a.operation_id
            LEFT JOIN ledger_entries d ON d.org_id = a.org_id AND d.operation_id = a.operation_id
                AND d.kind IN ('activation', 'topup') AND d.kind <> 'refund'
            LEFT JOIN links l ON l.org_id = a.org_id AND l.id = a.link_id
            WHERE (l.id IS NULL OR o.id IS NULL OR o.state <> 'succeeded' OR o.kind NOT IN ('create_link', 'topup')
                OR COALESCE(o.activation_id, a.id) <> a.id OR o.link_id <> a.link_id
                OR (d.id IS NULL AND a.amount <> 0) OR d.amount <> -a.amount){org:a}",
        detail: |row| {
            format!(
                "the activation charged {}, its debit is {} and its operation is {}",
                money(row.a),
                money(row.b.map(i64::saturating_neg)),
                word(row)
            )
        },
    },
    Rule {
        name: "manual",
        text: "SELECT o.org_id, o.id AS subject, o.amount AS a, CAST(o.attempts AS BIGINT) AS b,
                CAST(NULL AS BIGINT) AS c, o.kind AS word
            FROM operations o
            WHERE (o.state = 'pending' OR o.cleanup IN ('watching', 'manual'))
              AND o.cleanup = 'manual'{org:o}",
        detail: |row| {
            let (kind, attempts) = (word(row), number(row.b));
            format!("the {kind} of {} was not settled in {attempts} attempts", money(row.a))
        },
    },
    Rule {
        name: "operation_counts",
        text: "SELECT t.org_id, t.org_id AS subject, CAST(SUM(t.there) AS BIGINT) AS a,
                CAST(SUM(t.kept) AS BIGINT) AS b, CAST(NULL AS BIGINT) AS c, t.what AS word
            FROM (SELECT o.org_id, 'operations' AS what, COUNT(*) AS there, 0 AS kept
                FROM operations o WHERE 1 = 1{org:o} GROUP BY o.org_id
                UNION ALL SELECT w.org_id, 'operations', 0, w.operations_total
                FROM wallets w WHERE 1 = 1{org:w}
                UNION ALL SELECT s.org_id, 'SMS', COUNT(*), 0
                FROM sms s WHERE 1 = 1{org:s} GROUP BY s.org_id
                UNION ALL SELECT w.org_id, 'SMS', 0, w.sms_total
                FROM wallets w WHERE 1 = 1{org:w}) t
            GROUP BY t.org_id, t.what HAVING SUM(t.there) <> SUM(t.kept)",
        detail: |row| {
            let (there, kept) = (number(row.a), number(row.b));
            format!("there are {there} {}, and {kept} are counted", word(row))
        },
    },
    Rule {
        name: "link_counts",
        text: "SELECT t.org_id, t.org_id AS subject, CAST(SUM(t.there) AS BIGINT) AS a,
                CAST(SUM(t.kept) AS BIGINT) AS b, CAST(NULL AS BIGINT) AS c,
                t.status || ' ' || t.kind AS word
            FROM (SELECT l.org_id, l.kind, l.status, COUNT(*) AS there, 0 AS kept
                FROM links l WHERE 1 = 1{org:l} GROUP BY l.org_id, l.kind, l.status
                UNION ALL SELECT c.org_id, c.kind, 'active', 0, c.active
                FROM link_counts c WHERE 1 = 1{org:c}
                UNION ALL SELECT c.org_id, c.kind, 'suspended', 0, c.suspended
                FROM link_counts c WHERE 1 = 1{org:c}
                UNION ALL SELECT c.org_id, c.kind, 'inactive', 0, c.inactive
                FROM link_counts c WHERE 1 = 1{org:c}) t
            GROUP BY t.org_id, t.kind, t.status HAVING SUM(t.there) <> SUM(t.kept)",
        detail: |row| {
            let (there, kept) = (number(row.a), number(row.b));
            format!("there are {there} Links ({}), and {kept} are counted", word(row))
        },
    },
    Rule {
        name: "sms_counts",
        text: "SELECT t.org_id, t.org_id AS subject, CAST(SUM(t.there) AS BIGINT) AS a,
                CAST(SUM(t.kept) AS BIGINT) AS b, CAST(NULL AS BIGINT) AS c, t.status AS word
            FROM (SELECT s.org_id, s.status, COUNT(*) AS there, 0 AS kept
                FROM sms s WHERE 1 = 1{org:s} GROUP BY s.org_id, s.status
                UNION ALL SELECT c.org_id, 'queued', 0, c.queued
                FROM sms_counts c WHERE 1 = 1{org:c}
                UNION ALL SELECT c.org_id, 'sent', 0, c.sent
                FROM sms_counts c WHERE 1 = 1{org:c}
                UNION ALL SELECT c.org_id, 'delivered', 0, c.delivered
                FROM sms_counts c WHERE 1 = 1{org:c}
                UNION ALL SELECT c.org_id, 'failed', 0, c.failed
                FROM sms_counts c WHERE 1 = 1{org:c}) t
            GROUP BY t.org_id, t.status HAVING SUM(t.there) <> SUM(t.kept)",
        detail: |row| {
            let (there, kept) = (number(row.a), number(row.b));
            format!("there are {there} SMS ({}), and {kept} are counted", word(row))
        },
    },
];
