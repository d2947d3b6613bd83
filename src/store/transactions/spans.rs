//! Which sequences the entries of a kind or a period have, from the daily totals.
//!
//! Entries are in the order of their sequences, and times nearly so: clocks of instances differ,
//! and what was decided before midnight may be written after what another decided past it. The
//! totals of a day know its least and greatest sequence; days that overlap are taken together.
//!
//! **Invariants:** spans are ascending and disjoint; a span holds exactly as many of the entries
//! asked for as it says, maybe among others; all of them are in some span. Reading them costs a row
//! a day and kind, and of a day that the period cuts the blocks, and the entries around the cut.

use super::super::blocks::{self, Cut};
use super::super::ledger::ALL_PLANS;
use super::super::period::Period;
use super::super::{DbError, Text, Time, Tx};
use super::scope::of_kind;
use bappy_actors::model::{EntryKind, OrgId, Timestamp};
use chrono::NaiveDate;
use sqlx::AssertSqlSafe;

/// A stretch of sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Its least sequence.
    pub first: i64,
    /// Its greatest sequence.
    pub last: i64,
    /// How many entries that are asked for it holds.
    pub count: i64,
}

/// Where the entries that are asked for lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spans(Vec<Span>);

impl Spans {
    /// Those of a wallet's first `version` entries.
    pub(super) fn all(version: i64) -> Self {
        Self::of(vec![Span { first: 1, last: version, count: version }])
    }

    fn of(mut spans: Vec<Span>) -> Self {
        spans.retain(|span| span.count > 0);
        spans.sort_unstable_by_key(|span| span.first);
        let mut disjoint: Vec<Span> = Vec::with_capacity(spans.len());
        for span in spans {
            match disjoint.last_mut() {
                Some(before) if span.first <= before.last => {
                    before.last = before.last.max(span.last);
                    before.count += span.count;
                }
                _ => disjoint.push(span),
            }
        }
        Self(disjoint)
    }

    /// Those of a kind, or of all, in a period.
    pub(super) async fn read(
        tx: &mut Tx,
        org: OrgId,
        kind: Option<EntryKind>,
        period: &Period,
    ) -> Result<Self, DbError> {
        if period.is_empty() {
            return Ok(Self::default());
        }
        let kinds = kind.map_or(concat!("IN ", all_kinds!()), |_| "= $3");
        let from = if period.from.is_some() { " AND day >= $4" } else { "" };
        let to = if period.until.is_some() { " AND day <= $5" } else { "" };
        let days = all!(
            tx,
            (NaiveDate, i64, i64, i64),
            AssertSqlSafe(format!(
                // Grouped at once, SQLite would take the index of days, and read the totals of every plan.
                "WITH totals AS MATERIALIZED (
                     SELECT day, first_sequence, last_sequence, entries FROM ledger_days
                     WHERE org_id = $1 AND plan_id = $2 AND kind {kinds}{from}{to} AND entries > 0)
                 SELECT day, MIN(first_sequence), MAX(last_sequence), CAST(SUM(entries) AS BIGINT)
                 FROM totals GROUP BY day"
            )),
            org.0,
            ALL_PLANS,
            kind.map(|kind| kind.word()),
            period.first_day(),
            period.last_day()
        )?;
        let mut spans = Vec::with_capacity(days.len());
        let mut cuts = Vec::new();
        for (day, first, last, count) in days {
            let span = Span { first, last, count };
            match period.cut(day) {
                Some((from, until)) => cuts.push(((day, from, until), span)),
                None => spans.push(span),
            }
        }
        spans.extend(cut(tx, org, kind, &cuts).await?);
        Ok(Self::of(spans))
    }

    /// How many entries there are.
    pub(super) fn total(&self) -> i64 {
        self.0.iter().map(|span| span.count).sum()
    }

    /// The sequence to start at, going up, to step over `rows` entries, and how many of them are
    /// still to be stepped over from there.
    pub(super) fn up_past(&self, mut rows: i64) -> Option<(i64, i64)> {
        let span = self.0.iter().find(|span| past(&mut rows, span))?;
        Some(if span.is_dense() { (span.first + rows, 0) } else { (span.first, rows) })
    }

    /// The same, going down.
    pub(super) fn down_past(&self, mut rows: i64) -> Option<(i64, i64)> {
        let span = self.0.iter().rev().find(|span| past(&mut rows, span))?;
        Some(if span.is_dense() { (span.last - rows, 0) } else { (span.last, rows) })
    }

    /// A sequence at or above which `rows` entries are, counted down from `from`; the least of all
    /// where there are fewer.
    pub(super) fn low(&self, from: i64, mut rows: i64) -> i64 {
        let mut low = from;
        for span in self.0.iter().rev().skip_while(|span| span.first > from) {
            low = span.first;
            rows -= match span {
                span if span.last <= from => span.count,
                span if span.is_dense() => from - span.first + 1,
                // How many of them are below `from` is not known.
                _ => 0,
            };
            if rows <= 0 {
                break;
            }
        }
        low
    }

    /// The greatest sequence.
    pub(super) fn last(&self) -> Option<i64> {
        self.0.last().map(|span| span.last)
    }
}

/// Whether a span is not stepped over whole; if it is, its entries are taken off.
fn past(rows: &mut i64, span: &Span) -> bool {
    if *rows < span.count {
        return true;
    }
    *rows -= span.count;
    false
}

impl Span {
    /// Whether nothing else is in it.
    fn is_dense(&self) -> bool {
        self.count == self.last - self.first + 1
    }
}

/// What of the spans of days, two at most, is in parts of the days.
async fn cut(
    tx: &mut Tx,
    org: OrgId,
    kind: Option<EntryKind>,
    cuts: &[(Cut, Span)],
) -> Result<Vec<Span>, DbError> {
    if cuts.is_empty() {
        return Ok(Vec::new());
    }
    let days: Vec<Cut> = cuts.iter().map(|(cut, _)| *cut).collect();
    let splits = blocks::split(tx, org, kind, &days).await?;
    let whole = splits.iter().flat_map(|split| &split.whole);
    let mut spans: Vec<Span> = whole
        .map(|block| Span { first: block.first, last: block.last, count: block.count })
        .collect();
    let of_kind = kind.map_or("", |kind| {
        of_kind(kind, " AND kind = 'topup'", " AND kind <> 'topup' AND kind = $2")
    });
    let of_day = |n: usize| {
        let argument = |place: usize| format!("${}", 3 + 8 * n + place);
        let counted = |low: usize| {
            format!(
                "SELECT COUNT(*), MIN(sequence), MAX(sequence) FROM ledger_entries
                 WHERE org_id = $1 AND sequence >= {} AND sequence <= {}
                     AND created_at >= {} AND created_at < {}{of_kind}",
                argument(low),
                argument(low + 1),
                argument(0),
                argument(1)
            )
        };
        [2, 4, 6].map(counted).join(" UNION ALL ")
    };
    let of_days: Vec<_> = (0..cuts.len()).map(of_day).collect();
    let time = |n: usize, of: fn(&Cut) -> Timestamp| days.get(n).map(|cut| Time::from(of(cut)));
    let end = |n: usize, of: usize| splits.get(n).map(|split| split.ends[of]);
    let after = |n: usize| {
        let (split, (_, of_day)) = splits.get(n).zip(cuts.get(n))?;
        Some((of_day.first.max(split.after + 1), of_day.last))
    };
    let read = all!(
        tx,
        (i64, Option<i64>, Option<i64>),
        AssertSqlSafe(of_days.join(" UNION ALL ")),
        org.0,
        kind.map(|kind| kind.word()),
        time(0, |cut| cut.1),
        time(0, |cut| cut.2),
        end(0, 0).map(|end| end.0),
        end(0, 0).map(|end| end.1),
        end(0, 1).map(|end| end.0),
        end(0, 1).map(|end| end.1),
        after(0).map(|end| end.0),
        after(0).map(|end| end.1),
        time(1, |cut| cut.1),
        time(1, |cut| cut.2),
        end(1, 0).map(|end| end.0),
        end(1, 0).map(|end| end.1),
        end(1, 1).map(|end| end.0),
        end(1, 1).map(|end| end.1),
        after(1).map(|end| end.0),
        after(1).map(|end| end.1)
    )?;
    spans.extend(
        read.into_iter()
            .filter_map(|(count, first, last)| Some(Span { first: first?, last: last?, count })),
    );
    Ok(spans)
}
