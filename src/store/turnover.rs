//! What an organization has been charged and has paid in over a period, from the daily totals.
//! Called by `GET /transactions/stats` and `GET /transactions/analytics`.
//!
//! **Invariants:** stats are read by one statement, so they are of one moment; which blocks of entries there
//! are, which stay as they are, is asked before it. What is read is a row a day and kind (and plan), and of a
//! day that the period cuts the blocks, and the entries around the cut. Analytics read days and plans by one
//! statement each: what is booked between them may be in the plans and not yet in the days. Plans are from
//! months too, which are gone by only where no plan's totals had changed when the days were read.

use super::blocks;
use super::ledger::ALL_PLANS;
use super::period::Period;
use super::{DbError, Text, Time, Tx, months};
use bappy_actors::model::{EntryKind, Money, OrgId, PlanId};
use chrono::NaiveDate;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// What was booked of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turnover {
    /// Of which kind.
    pub kind: EntryKind,
    /// How many transactions.
    pub count: i64,
    /// The sum of the debits, without sign.
    pub debited: Money,
    /// The sum of the credits.
    pub credited: Money,
}

/// What was booked of one kind on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayTurnover {
    /// The UTC day.
    pub day: NaiveDate,
    /// Of which kind.
    pub kind: EntryKind,
    /// How many transactions.
    pub count: i64,
    /// How many Links or top-ups came about.
    pub made: i64,
    /// The sum of the debits, without sign.
    pub debited: Money,
    /// The sum of the credits.
    pub credited: Money,
}

/// What was sold of one plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanTurnover {
    /// The plan.
    pub plan_id: PlanId,
    /// Its name as it is now.
    pub name: Option<String>,
    /// How many Links or top-ups came about with it.
    pub made: i64,
    /// What was charged for it and not refunded.
    pub spent: Money,
}

/// The totals of whole days.
const WHOLE_DAYS: &str = concat!(
    "SELECT kind, entries, debited, credited FROM ledger_days WHERE ",
    totals_of_all!(),
    " AND entries > 0"
);

/// Entries of a part of a day between two sequences.
const BETWEEN: &str = "SELECT e.kind, 1, CASE WHEN e.amount < 0 THEN -e.amount ELSE 0 END,
         CASE WHEN e.amount > 0 THEN e.amount ELSE 0 END
     FROM ledger_entries e
     WHERE e.org_id = $1 AND e.created_at >= {from} AND e.created_at < {until}
         AND e.sequence >= {low} AND e.sequence <= {high}";

/// Those after a sequence; the day's sequences are those that its totals know. They are asked for by
/// sub-queries of their own: as a join's they would be tested on the whole ledger.
const AFTER: &str = concat!(
    "SELECT e.kind, 1, CASE WHEN e.amount < 0 THEN -e.amount ELSE 0 END,
         CASE WHEN e.amount > 0 THEN e.amount ELSE 0 END
     FROM ledger_entries e
     WHERE e.org_id = $1 AND e.created_at >= {from} AND e.created_at < {until}
         AND e.sequence > {after}
         AND e.sequence >= (SELECT MIN(first_sequence) FROM ledger_days WHERE ",
    totals_of_all!(),
    " AND day = {day})
         AND e.sequence <= (SELECT MAX(last_sequence) FROM ledger_days WHERE ",
    totals_of_all!(),
    " AND day = {day})"
);

/// Blocks as a whole, by the sequences between which they end: each block there is in the part, or outside
/// of it.
const BLOCKS: &str = "SELECT kind, entries, debited, credited FROM ledger_blocks
     WHERE org_id = $1 AND last_sequence >= {low} AND last_sequence <= {high}
         AND first_at >= {from} AND last_at < {until}";

/// What is to be added up of the nth part of a day, by its ten arguments.
fn part_of_day(n: usize) -> String {
    let argument = |place: usize| format!("${}", 5 + 10 * n + place);
    let between = |low: usize, high: usize| {
        BETWEEN.replace("{low}", &argument(low)).replace("{high}", &argument(high))
    };
    let after = AFTER.replace("{day}", &argument(0)).replace("{after}", &argument(7));
    let blocks = BLOCKS.replace("{low}", &argument(8)).replace("{high}", &argument(9));
    [between(3, 4), between(5, 6), after, blocks]
        .map(|part| part.replace("{from}", &argument(1)).replace("{until}", &argument(2)))
        .join(" UNION ALL ")
}

/// What was booked in a period, by kind; what was not is left out.
pub async fn by_kind(tx: &mut Tx, org: OrgId, period: &Period) -> Result<Vec<Turnover>, DbError> {
    if period.is_empty() {
        return Ok(Vec::new());
    }
    let cuts = period.cuts();
    let splits = blocks::split(tx, org, None, &cuts).await?;
    let is_cut = |day: NaiveDate| cuts.iter().any(|(cut, ..)| *cut == day);
    let mut booked = WHOLE_DAYS.to_owned();
    let first = period.first_day().map(|day| if is_cut(day) { day.succ_opt() } else { Some(day) });
    let last = period.last_day().map(|day| if is_cut(day) { day.pred_opt() } else { Some(day) });
    booked.push_str(if first.is_some() { " AND day >= $3" } else { "" });
    booked.push_str(if last.is_some() { " AND day <= $4" } else { "" });
    for n in 0..cuts.len() {
        booked.push_str(" UNION ALL ");
        booked.push_str(&part_of_day(n));
    }
    let cut = |n: usize| cuts.get(n);
    let end = |n: usize, of: usize| splits.get(n).map(|split| split.ends[of]);
    let after = |n: usize| splits.get(n).map(|split| split.after);
    let first_whole = |n: usize| Some(splits.get(n)?.whole.first()?.first);
    let last_whole = |n: usize| Some(splits.get(n)?.whole.last()?.last);
    let rows = all!(
        tx,
        (String, i64, i64, i64),
        AssertSqlSafe(format!(
            "SELECT kind, CAST(SUM(entries) AS BIGINT), CAST(SUM(debited) AS BIGINT),
                 CAST(SUM(credited) AS BIGINT)
             FROM ({booked}) booked GROUP BY kind"
        )),
        org.0,
        ALL_PLANS,
        first.flatten(),
        last.flatten(),
        cut(0).map(|(day, ..)| *day),
        cut(0).map(|(_, from, _)| Time::from(*from)),
        cut(0).map(|(.., until)| Time::from(*until)),
        end(0, 0).map(|(low, _)| low),
        end(0, 0).map(|(_, high)| high),
        end(0, 1).map(|(low, _)| low),
        end(0, 1).map(|(_, high)| high),
        after(0),
        first_whole(0),
        last_whole(0),
        cut(1).map(|(day, ..)| *day),
        cut(1).map(|(_, from, _)| Time::from(*from)),
        cut(1).map(|(.., until)| Time::from(*until)),
        end(1, 0).map(|(low, _)| low),
        end(1, 0).map(|(_, high)| high),
        end(1, 1).map(|(low, _)| low),
        end(1, 1).map(|(_, high)| high),
        after(1),
        first_whole(1),
        last_whole(1)
    )?;
    let turnover = |(kind, count, debited, credited): (String, i64, i64, i64)| {
        Ok(Turnover {
            kind: EntryKind::from_word(&kind)?,
            count,
            debited: Money::from_micros(debited),
            credited: Money::from_micros(credited),
        })
    };
    rows.into_iter().map(turnover).collect()
}

/// What was booked on each day from `first` to `last`, by kind (what was not is left out), and the
/// `limit` plans that sold most in these days, most first.
pub async fn by_day_and_plan(
    tx: &mut Tx,
    org: OrgId,
    first: NaiveDate,
    last: NaiveDate,
    limit: i64,
) -> Result<(Vec<DayTurnover>, Vec<PlanTurnover>), DbError> {
    let days = by_day(tx, org, first, last).await?;
    let months = months::standing(tx, org, (first, last), &days).await?;
    let plans = top_plans(tx, org, (first, last), months, limit).await?;
    Ok((days, plans))
}

async fn by_day(
    tx: &mut Tx,
    org: OrgId,
    first: NaiveDate,
    last: NaiveDate,
) -> Result<Vec<DayTurnover>, DbError> {
    let rows = all!(
        tx,
        (NaiveDate, String, i64, i64, i64, i64),
        concat!(
            "SELECT day, kind, entries, made, debited, credited FROM ledger_days WHERE ",
            totals_of_all!(),
            " AND day >= $3 AND day <= $4"
        ),
        org.0,
        ALL_PLANS,
        first,
        last
    )?;
    let turnover = |(day, kind, count, made, debited, credited): (_, String, _, _, _, _)| {
        Ok(DayTurnover {
            day,
            kind: EntryKind::from_word(&kind)?,
            count,
            made,
            debited: Money::from_micros(debited),
            credited: Money::from_micros(credited),
        })
    };
    rows.into_iter().map(turnover).collect()
}

/// From the totals of `months`, given by their first and last day, and of the days before and after them.
async fn top_plans(
    tx: &mut Tx,
    org: OrgId,
    (first, last): (NaiveDate, NaiveDate),
    months: Option<(NaiveDate, NaiveDate)>,
    limit: i64,
) -> Result<Vec<PlanTurnover>, DbError> {
    let (begin, end) = months.unzip();
    let rows = all!(
        tx,
        (Uuid, Option<String>, i64, i64),
        "SELECT t.plan_id, p.name, t.made, t.spent
         FROM (SELECT plan_id, CAST(SUM(made) AS BIGINT) AS made,
                   CAST(SUM(debited) - SUM(credited) AS BIGINT) AS spent
               FROM (SELECT plan_id, made, debited, credited FROM ledger_days
                     WHERE org_id = $1 AND plan_id <> $2 AND day >= $3 AND day <= $4
                     UNION ALL
                     SELECT plan_id, made, debited, credited FROM ledger_months
                     WHERE org_id = $1 AND plan_id <> $2 AND month >= $5 AND month <= $6
                     UNION ALL
                     SELECT plan_id, made, debited, credited FROM ledger_days
                     WHERE org_id = $1 AND plan_id <> $2 AND day >= $7 AND day <= $8) parts
               GROUP BY plan_id HAVING SUM(made) > 0
               ORDER BY made DESC, spent DESC, plan_id LIMIT $9) t
         LEFT JOIN plans p ON p.id = t.plan_id
         ORDER BY t.made DESC, t.spent DESC, t.plan_id",
        org.0,
        ALL_PLANS,
        first,
        begin.map_or(Some(last), |begin| begin.pred_opt()),
        begin,
        end,
        end.and_then(|end| end.succ_opt()),
        last,
        limit
    )?;
    let turnover = |(plan_id, name, made, spent)| PlanTurnover {
        plan_id: PlanId(plan_id),
        name,
        made,
        spent: Money::from_micros(spent),
    };
    Ok(rows.into_iter().map(turnover).collect())
}
