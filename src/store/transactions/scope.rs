//! The list of an organization's transactions, narrowed by Link, kind and period.
//!
//! **Invariants:** nothing is counted over history: the total is the wallet's version or comes from
//! the daily totals, and only a Link's own entries are counted. A page is walked to from the begin
//! or the end of a day's entries, whatever its number, and directly where all entries of the days
//! are asked for. A scope is of one moment: what is written after it is not in it.

use super::super::page::{Part, Place, Walk, Window};
use super::super::period::Period;
use super::super::{DbError, Text, Time, Tx, wallet};
use super::spans::Spans;
use super::{Row, Transaction};
use bappy_actors::model::{EntryKind, LinkId, OrgId};
use sqlx::AssertSqlSafe;

/// Which transactions are wanted; what is none does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransactionFilter {
    /// About this Link.
    pub link: Option<LinkId>,
    /// Of this kind.
    pub kind: Option<EntryKind>,
    /// Written in this period.
    pub period: Period,
}

/// The transactions that a filter leaves, to be read part by part.
#[derive(Clone, Debug)]
pub struct Scope {
    org: OrgId,
    filter: TransactionFilter,
    /// None where they are a Link's, which are few enough to be counted.
    spans: Option<Spans>,
    total: i64,
    /// The newest sequence in it.
    last: i64,
}

/// Finds out how many there are, and where.
pub async fn scope(tx: &mut Tx, org: OrgId, filter: TransactionFilter) -> Result<Scope, DbError> {
    let mut scope = Scope { org, filter, spans: None, total: 0, last: 0 };
    if filter.link.is_some() {
        (scope.total, scope.last) = scope.count(tx).await?;
        return Ok(scope);
    }
    let spans = if filter.kind.is_none() && filter.period.is_open() {
        let version = wallet::wallet(tx, org).await?.map_or(0, |wallet| wallet.version);
        Spans::all(version)
    } else {
        Spans::read(tx, org, filter.kind, &filter.period).await?
    };
    (scope.total, scope.last) = (spans.total(), spans.last().unwrap_or(0));
    scope.spans = Some(spans);
    Ok(scope)
}

/// The condition for a kind, in the words of the index that has it: top-ups have one of their own.
pub(super) fn of_kind(kind: EntryKind, topup: &'static str, other: &'static str) -> &'static str {
    if kind == EntryKind::Topup { topup } else { other }
}

/// The sequences that a part is looked for in, and from where.
struct Reach {
    walk: Walk,
    low: i64,
    high: i64,
    /// Entries to step over, in the order of the walk.
    offset: i64,
}

impl Scope {
    /// Whose they are.
    pub fn org(&self) -> OrgId {
        self.org
    }

    /// How many transactions there are.
    pub fn total(&self) -> i64 {
        self.total
    }

    /// The place before the newest of them.
    pub fn begin(&self) -> Place<i64> {
        Place::After(self.last.saturating_add(1))
    }

    /// A part of them, newest first.
    pub async fn part(
        &self,
        tx: &mut Tx,
        window: &Window<i64>,
    ) -> Result<Part<Transaction, i64>, DbError> {
        let Some(walk) = window.walk(self.total) else { return Ok(Part::empty(self.total)) };
        let Some(reach) = self.reach(window, walk) else { return Ok(Part::empty(self.total)) };
        let order = if reach.walk.backwards { "sequence" } else { "sequence DESC" };
        let condition = self.condition();
        let rows = all!(
            tx,
            Row,
            AssertSqlSafe(format!(
                "SELECT id, sequence, kind, amount, balance_after, link_id, iccid, activation_id,
                     plan_id, plan_name, refund_of, operation_id, reference, description, created_at
                 FROM ledger_entries
                 WHERE org_id = $1{condition} AND sequence >= $6 AND sequence <= $7
                 ORDER BY {order} LIMIT $8 OFFSET $9"
            )),
            self.org.0,
            self.filter.link.map(|link| link.0),
            self.filter.kind.map(|kind| kind.word()),
            self.filter.period.from.map(Time::from),
            self.filter.period.until.map(Time::from),
            reach.low,
            reach.high,
            reach.walk.limit,
            reach.offset
        )?;
        let rows: Result<Vec<Transaction>, _> = rows.into_iter().map(TryInto::try_into).collect();
        Ok(window.part(rows?, reach.walk, self.total, |transaction| transaction.entry.sequence))
    }

    fn reach(&self, window: &Window<i64>, walk: Walk) -> Option<Reach> {
        if let Some(after) = window.after() {
            let high = after.checked_sub(1)?.min(self.last);
            let low = self.spans.as_ref().map_or(1, |spans| spans.low(high, walk.limit));
            return Some(Reach { walk, low, high, offset: 0 });
        }
        let Some(spans) = &self.spans else {
            return Some(Reach { walk, low: 1, high: self.last, offset: walk.offset });
        };
        let other = self.total - walk.offset - walk.limit;
        let (newer, older) =
            if walk.backwards { (other, walk.offset) } else { (walk.offset, other) };
        let (high, over) = spans.down_past(newer)?;
        let (low, under) = spans.up_past(older)?;
        Some(if under < over {
            let walk = Walk { backwards: true, offset: older, ..walk };
            Reach { walk, low, high: self.last, offset: under }
        } else {
            let walk = Walk { backwards: false, offset: newer, ..walk };
            let low = spans.low(high, over + walk.limit);
            Reach { walk, low, high, offset: over }
        })
    }

    /// How many of a Link's there are, and the newest.
    async fn count(&self, tx: &mut Tx) -> Result<(i64, i64), DbError> {
        let condition = self.condition();
        let sql = format!(
            "SELECT COUNT(*), COALESCE(MAX(sequence), 0) FROM ledger_entries
             WHERE org_id = $1{condition}"
        );
        Ok(one!(
            tx,
            (i64, i64),
            AssertSqlSafe(sql),
            self.org.0,
            self.filter.link.map(|link| link.0),
            self.filter.kind.map(|kind| kind.word()),
            self.filter.period.from.map(Time::from),
            self.filter.period.until.map(Time::from)
        )?)
    }

    /// What is asked for, in SQL.
    fn condition(&self) -> String {
        let period = self.filter.period;
        let parts = [
            self.filter.link.map(|_| " AND link_id = $2"),
            self.filter.kind.map(|kind| {
                of_kind(kind, " AND kind = 'topup'", " AND kind <> 'topup' AND kind = $3")
            }),
            period.from.map(|_| " AND created_at >= $4"),
            period.until.map(|_| " AND created_at < $5"),
        ];
        parts.into_iter().flatten().collect()
    }
}
