//! How many instructions of its own SQLite takes for an answer. PostgreSQL's plans are looked at in
//! `tests/api/query_plans.rs`.

use crate::world::{World, at, id};
use bappy::store::period::Period;
use bappy::store::transactions::{self, TransactionFilter};
use bappy::store::{Conn, Time};
use bappy_actors::model::OrgId;
use chrono::TimeDelta;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

const DAYS: i64 = 60;
/// Entries of a day, and of a block.
const OF_A_DAY: i64 = 1_000;
const OF_A_BLOCK: i64 = 250;

/// Totals of each of the days, of one plan or of all.
async fn totals(world: &World, org: OrgId, plan: Uuid) {
    world
        .write(move |tx| {
            Box::pin(async move {
                for day in 0..DAYS {
                    exec!(
                        tx,
                        "INSERT INTO ledger_days (org_id, plan_id, kind, day, entries, debited,
                             credited, made, first_sequence, last_sequence)
                         VALUES ($1, $2, 'topup', $3, $4, $4, 0, $4, $5, $6)",
                        org.0,
                        plan,
                        at(day * 86_400).date_naive(),
                        OF_A_DAY,
                        day * OF_A_DAY + 1,
                        (day + 1) * OF_A_DAY
                    )?;
                }
                Ok(())
            })
        })
        .await;
}

/// The blocks of some days.
async fn blocks(world: &World, org: OrgId, days: impl Iterator<Item = i64> + Send + 'static) {
    world
        .write(move |tx| {
            Box::pin(async move {
                let of_a_day = OF_A_DAY / OF_A_BLOCK;
                for number in days.flat_map(|day| day * of_a_day..(day + 1) * of_a_day) {
                    let first = number * OF_A_BLOCK + 1;
                    exec!(
                        tx,
                        "INSERT INTO ledger_blocks (org_id, first_sequence, last_sequence, kind,
                             entries, debited, credited, first_at, last_at)
                         VALUES ($1, $2, $3, 'topup', $4, $4, 0, $5, $5)",
                        org.0,
                        first,
                        first + OF_A_BLOCK - 1,
                        OF_A_BLOCK,
                        Time(at(number / of_a_day * 86_400))
                    )?;
                }
                Ok(())
            })
        })
        .await;
}

/// The instructions that it takes to find out which transactions there are in a period.
async fn steps(world: &World, org: OrgId, period: Period, total: i64) -> u64 {
    let mut tx = world.read().await;
    let filter = TransactionFilter { period, ..TransactionFilter::default() };
    // A connection's first statement reads the schema as well, which is not counted.
    let scope = transactions::scope(&mut tx, org, filter).await.unwrap();
    assert_eq!(scope.total(), total, "{period:?}");
    let steps = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&steps);
    let Conn::Sqlite(conn) = tx.conn() else { panic!("this is SQLite's") };
    conn.lock_handle().await.unwrap().set_progress_handler(1, move || {
        counter.fetch_add(1, Ordering::Relaxed);
        true
    });
    transactions::scope(&mut tx, org, filter).await.unwrap();
    steps.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_of_a_period_are_found_without_the_totals_of_each_plan() {
    let world = World::sqlite().await;
    let org = world.org("acme", "USD").await;
    totals(&world, org, Uuid::nil()).await;
    let (first, last) = (at(0).date_naive(), at((DAYS - 1) * 86_400).date_naive());
    let periods = [
        Period::of_days(first, last),
        Period { until: None, ..Period::of_days(first, last) },
        Period { from: None, ..Period::of_days(first, last) },
    ];
    let mut alone = Vec::new();
    for period in periods {
        alone.push(steps(&world, org, period, DAYS * OF_A_DAY).await);
    }
    for _ in 0..40 {
        totals(&world, org, id()).await;
    }
    for (period, alone) in periods.into_iter().zip(alone) {
        let steps = steps(&world, org, period, DAYS * OF_A_DAY).await;
        assert!(alone > 0 && steps < 2 * alone, "{steps} and not {alone}: {period:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_day_that_is_cut_only_its_own_blocks_are_read() {
    let world = World::sqlite().await;
    let org = world.org("acme", "USD").await;
    totals(&world, org, Uuid::nil()).await;
    let day = DAYS / 2;
    let begin = at(day * 86_400);
    let cut = Period {
        from: Some(begin - TimeDelta::hours(1)),
        until: Some(begin + TimeDelta::hours(1)),
    };
    blocks(&world, org, day..=day).await;
    let alone = steps(&world, org, cut, OF_A_DAY).await;
    blocks(&world, org, (0..DAYS).filter(move |other| *other != day)).await;
    let steps = steps(&world, org, cut, OF_A_DAY).await;
    assert!(alone > 0 && steps < 2 * alone, "{steps} and not {alone}");
}
