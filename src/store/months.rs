//! What each plan came to in a month, kept once the month is over, so that the plans of a year are not
//! added up day by day.
//!
//! [`keep`] is called beside the service, with the ranks of lists; the turnover by plan asks
//! `standing` for the months that it may go by.
//!
//! **Invariant:** a month is gone by only if the daily totals of all plans, as the caller has read them,
//! have as many entries, and as much that came about, as when it was kept. Both only ever grow, and grow
//! with the totals of any plan, so then no plan's have changed. Without months every answer is as right, and
//! slower.

use super::ledger::ALL_PLANS;
use super::turnover::DayTurnover;
use super::{Database, DbError, Tx};
use bappy_actors::model::{OrgId, Timestamp};
use chrono::{Datelike, Months, NaiveDate};
use std::collections::HashMap;
use uuid::Uuid;

/// Ledgers with fewer entries are added up day by day: there is little to save.
const VERSION_MIN: i64 = 1_000;

/// The longest run of whole months from day `first` to day `last` that are kept and stand: its first and
/// its last day. `booked` is all that the organization has booked in these days.
pub(super) async fn standing(
    tx: &mut Tx,
    org: OrgId,
    (first, last): (NaiveDate, NaiveDate),
    booked: &[DayTurnover],
) -> Result<Option<(NaiveDate, NaiveDate)>, DbError> {
    let Some((begin, end)) = whole_months(first, last) else { return Ok(None) };
    let kept = all!(
        tx,
        (NaiveDate, i64, i64),
        "SELECT month, entries, made FROM ledger_months
         WHERE org_id = $1 AND plan_id = $2 AND month >= $3 AND month <= $4 ORDER BY month",
        org.0,
        ALL_PLANS,
        begin,
        end
    )?;
    if kept.is_empty() {
        return Ok(None);
    }
    let of_month = |day: NaiveDate| (day.year(), day.month());
    let mut now: HashMap<(i32, u32), (i64, i64)> = HashMap::new();
    for day in booked {
        let (entries, made) = now.entry(of_month(day.day)).or_default();
        *entries += day.count;
        *made += day.made;
    }
    let stands = kept.into_iter().filter(|(month, entries, made)| {
        now.get(&of_month(*month)).copied().unwrap_or_default() == (*entries, *made)
    });
    Ok(longest_run(stands.map(|(month, ..)| month)))
}

/// The first and the last day of the whole months in a stretch of days.
fn whole_months(first: NaiveDate, last: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
    let begin = if first.day() == 1 { first } else { next(first)? };
    let end = begin_of(last.succ_opt()?)?.pred_opt()?;
    (begin < end).then_some((begin, end))
}

/// Of months in their order.
fn longest_run(months: impl Iterator<Item = NaiveDate>) -> Option<(NaiveDate, NaiveDate)> {
    let mut runs: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    for month in months {
        let end = next(month)?.pred_opt()?;
        match runs.last_mut() {
            Some(run) if run.1.succ_opt() == Some(month) => run.1 = end,
            _ => runs.push((month, end)),
        }
    }
    runs.into_iter().max_by_key(|(begin, end)| *end - *begin)
}

fn begin_of(day: NaiveDate) -> Option<NaiveDate> {
    day.with_day(1)
}

/// The begin of the month after a day's.
fn next(day: NaiveDate) -> Option<NaiveDate> {
    begin_of(day)?.checked_add_months(Months::new(1))
}

/// Keeps all months that were over at a time: nothing is booked in them any more, or hardly anything.
pub async fn keep(database: &Database, before: Timestamp) -> Result<(), DbError> {
    keep_of(database, before, VERSION_MIN).await
}

/// The same, of ledgers with so many entries; for tests.
pub async fn keep_of(
    database: &Database,
    before: Timestamp,
    version_min: i64,
) -> Result<(), DbError> {
    let Some(current) = begin_of(before.date_naive()) else { return Ok(()) };
    let Some(newest) = current.checked_sub_months(Months::new(1)) else { return Ok(()) };
    let behind = {
        let mut tx = database.read().await?;
        all!(
            tx,
            (Uuid, Option<NaiveDate>, NaiveDate),
            "SELECT org_id, kept, begun
             FROM (SELECT w.org_id,
                       (SELECT MAX(m.month) FROM ledger_months m WHERE m.org_id = w.org_id) AS kept,
                       (SELECT MIN(d.day) FROM ledger_days d WHERE d.org_id = w.org_id) AS begun
                   FROM wallets w WHERE w.version >= $1) behind
             WHERE begun < $2 AND (kept IS NULL OR kept < $3)",
            version_min,
            current,
            newest
        )?
    };
    // One ledger that cannot be added up keeps no other from it.
    let mut outcome = Ok(());
    for (org, kept, begun) in behind {
        let mut month = kept.map_or_else(|| begin_of(begun), next);
        while let Some(begin) = month.filter(|month| *month < current) {
            if let Err(error) = keep_one(database, OrgId(org), begin).await {
                outcome = Err(error);
                break;
            }
            month = next(begin);
        }
    }
    outcome
}

async fn keep_one(database: &Database, org: OrgId, month: NaiveDate) -> Result<(), DbError> {
    let Some(following) = next(month) else { return Ok(()) };
    database
        .write(move |tx| {
            Box::pin(async move {
                // All plans' and each plan's as of one moment.
                exec!(
                    tx,
                    "INSERT INTO ledger_months
                         (org_id, month, plan_id, entries, debited, credited, made)
                     SELECT org_id, $2, plan_id, CAST(SUM(entries) AS BIGINT),
                         CAST(SUM(debited) AS BIGINT), CAST(SUM(credited) AS BIGINT),
                         CAST(SUM(made) AS BIGINT)
                     FROM ledger_days WHERE org_id = $1 AND day >= $2 AND day < $3
                     GROUP BY org_id, plan_id ORDER BY plan_id ON CONFLICT DO NOTHING",
                    org.0,
                    month,
                    following
                )?;
                // Of a month in which there was nothing that is kept as well.
                exec!(
                    tx,
                    "INSERT INTO ledger_months
                         (org_id, month, plan_id, entries, debited, credited, made)
                     VALUES ($1, $2, $3, 0, 0, 0, 0) ON CONFLICT DO NOTHING",
                    org.0,
                    month,
                    ALL_PLANS
                )?;
                Ok::<_, DbError>(())
            })
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn months_are_whole_where_both_their_ends_are_in() {
        for (first, last, whole) in [
            ("2026-01-01", "2026-12-31", Some(("2026-01-01", "2026-12-31"))),
            ("2025-11-29", "2026-11-28", Some(("2025-12-01", "2026-10-31"))),
            ("2026-02-02", "2026-03-30", None),
            ("2026-02-01", "2026-02-28", Some(("2026-02-01", "2026-02-28"))),
            ("2026-02-01", "2026-02-27", None),
            ("2026-05-05", "2026-05-05", None),
        ] {
            let expected = whole.map(|(begin, end)| (day(begin), day(end)));
            assert_eq!(whole_months(day(first), day(last)), expected, "{first} to {last}");
        }
    }

    #[test]
    fn a_month_that_does_not_stand_parts_a_run() {
        let run = |months: &[&str]| longest_run(months.iter().map(|month| day(month)));
        assert_eq!(run(&[]), None);
        let year = ["2025-11-01", "2025-12-01", "2026-02-01", "2026-03-01", "2026-04-01"];
        assert_eq!(run(&year), Some((day("2026-02-01"), day("2026-04-30"))));
        assert_eq!(run(&year[..3]), Some((day("2025-11-01"), day("2025-12-31"))));
    }
}
