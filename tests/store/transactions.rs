//! Transactions and their totals, against the ledger read row by row.

use crate::world::{
    World, activating, at, batch, closing, credit, debiting, entry, money, new_link, refund,
};
use bappy::store::attempts::{self, AttemptFilter};
use bappy::store::audit::audit;
use bappy::store::page::{Place, Window};
use bappy::store::period::Period;
use bappy::store::transactions::{TransactionFilter, scope};
use bappy::store::{Database, SqlStore, Text, Time, blocks, months, turnover};
use bappy_actors::model::{
    EntryId, EntryKind, Link, LinkId, Money, Operation, OperationKind, OperationState, PlanId,
    Timestamp,
};
use bappy_actors::ports::{CommitOutcome, Planned, Store};
use chrono::{NaiveDate, TimeDelta};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::runtime::Handle;
use uuid::Uuid;

/// A ledger entry as counting sees it.
#[derive(Clone, Debug, sqlx::FromRow)]
struct Row {
    sequence: i64,
    kind: String,
    amount: i64,
    link_id: Option<Uuid>,
    created_at: Time,
}

impl Row {
    fn day(&self) -> NaiveDate {
        self.created_at.0.date_naive()
    }
}

/// All entries, newest first.
async fn rows(world: &World) -> Vec<Row> {
    let mut tx = world.db.read().await.unwrap();
    let sql = "SELECT sequence, kind, amount, link_id, created_at FROM ledger_entries
         WHERE org_id = $1 ORDER BY sequence DESC";
    all!(tx, Row, sql, world.org.0).unwrap()
}

async fn totals_agree(world: &World) {
    let found = audit(&world.db, None).await.unwrap();
    let of_totals = |rule| ["daily_totals", "ledger_blocks", "ledger_months"].contains(&rule);
    let wrong: Vec<_> = found.violations.iter().filter(|v| of_totals(v.rule)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    world.balances(world.org).await;
    operations_are_counted(world).await;
}

/// How many there are in each state and of each kind is told as it is counted.
pub async fn operations_are_counted(world: &World) {
    use OperationKind::{CreateLink, RemovePlan, SendSms, Topup, UpdateLink};
    use OperationState::{Pending, Refunded, Rejected, Succeeded};
    let mut tx = world.db.read().await.unwrap();
    for state in [None, Some(Pending), Some(Succeeded), Some(Refunded), Some(Rejected)] {
        let kinds = [CreateLink, Topup, RemovePlan, UpdateLink, SendSms].map(Some);
        for kind in [None].into_iter().chain(kinds) {
            let filter = AttemptFilter { state, kind, idempotency_key: None };
            let window = Window { place: Place::Page(1), size: 1 };
            let told = attempts::list(&mut tx, world.org, &filter, &window).await.unwrap().total;
            let sql = "SELECT COUNT(*) FROM operations WHERE org_id = $1
                AND ($2 IS NULL OR state = $2) AND ($3 IS NULL OR kind = $3)";
            let (state, kind) = (state.map(|state| state.word()), kind.map(|kind| kind.word()));
            let (counted,) = one!(tx, (i64,), sql, world.org.0, state, kind).unwrap();
            assert_eq!(told, counted, "{filter:?}");
        }
    }
}

/// Something drawn, the same at each run.
fn drawn<S: Strategy>(runner: &mut TestRunner, strategy: S) -> S::Value {
    strategy.new_tree(runner).unwrap().current()
}

/// Makes up what a wallet is asked to do.
struct Business {
    link: Link,
    plans: Vec<PlanId>,
    pending: Vec<(Operation, EntryId)>,
    /// Debited in the batch that is being made up, so that they end in a later one.
    debited: Vec<(Operation, EntryId)>,
    cards: u32,
}

impl Business {
    async fn new(world: &World) -> Self {
        let (link, _) = world.settled_link("89010").await;
        let plans = vec![
            world.plan,
            world.another_plan("[]", "").await,
            world.another_plan("[]", "").await,
        ];
        world.has(money(10_000)).await;
        Self { link, plans, pending: Vec::new(), debited: Vec::new(), cards: 0 }
    }

    fn step(&mut self, world: &World, what: u8, pick: usize) -> Planned {
        match what {
            0 => credit(money(1), None),
            1 => Planned {
                entries: vec![entry(
                    EntryKind::Adjustment,
                    money(if pick.is_multiple_of(2) { 3 } else { -2 }),
                )],
                ..Planned::default()
            },
            2 | 3 if !self.pending.is_empty() => {
                let (operation, debit) = self.pending.remove(pick % self.pending.len());
                if what == 3 { back(&operation, debit) } else { self.settle(&operation) }
            }
            4 => self.debit(world, OperationKind::CreateLink, LinkId(crate::world::id()), pick),
            5 => Planned {
                entries: vec![entry(EntryKind::Sms, Money::from_micros(-35_000))],
                ..Planned::default()
            },
            _ => self.debit(world, OperationKind::Topup, self.link.id, pick),
        }
    }

    fn debit(&mut self, world: &World, kind: OperationKind, link: LinkId, pick: usize) -> Planned {
        let mut operation = world.operation(kind, link);
        operation.plan_id = Some(self.plans[pick % self.plans.len()]);
        let planned = debiting(operation.clone());
        self.debited.push((operation, planned.entries[0].id));
        planned
    }

    fn settle(&mut self, operation: &Operation) -> Planned {
        let mut links = Vec::new();
        if operation.kind == OperationKind::CreateLink {
            self.cards += 1;
            links.push(Link { id: operation.link_id, ..new_link(&format!("8902{}", self.cards)) });
        }
        Planned {
            closed: vec![closing(operation, OperationState::Succeeded)],
            links,
            activations: vec![activating(operation, operation.link_id)],
            ..Planned::default()
        }
    }
}

/// Gives a debit back, as the wallet does.
fn back(operation: &Operation, debit: EntryId) -> Planned {
    let mut planned = refund(operation, debit);
    planned.entries[0].link_id = Some(operation.link_id);
    planned.entries[0].plan_id = operation.plan_id;
    planned
}

/// Writes some hundred entries over five days, by clocks that are off by up to `skew` minutes. Of most of
/// them blocks are kept, where blocks are asked for.
async fn traded(world: &World, runner: &mut TestRunner, skew: i64, block: Option<i64>) -> Business {
    let mut business = Business::new(world).await;
    for hour in 0..120 {
        let steps = drawn(runner, prop::collection::vec((0_u8..8, 0_usize..100), 1..5));
        let skew = drawn(runner, -skew..skew);
        let items =
            steps.into_iter().map(|(what, pick)| business.step(world, what, pick)).collect();
        let mut next = batch(world.org, world.row(world.org).await, items);
        next.at = at(3600 * hour) + TimeDelta::minutes(skew);
        assert_eq!(world.store.commit(next).await.unwrap(), CommitOutcome::Committed);
        business.pending.append(&mut business.debited);
        if let Some(size) = block.filter(|_| hour % 35 == 34) {
            blocks::keep_by(&world.db, size).await.unwrap();
        }
    }
    if let Some(size) = block {
        let mut tx = world.db.read().await.unwrap();
        let sql = "SELECT COUNT(DISTINCT last_sequence) FROM ledger_blocks WHERE org_id = $1";
        let (kept,) = one!(tx, (i64,), sql, world.org.0).unwrap();
        let entries = i64::try_from(rows(world).await.len()).unwrap();
        // A block more for each day.
        assert!(kept > 5 && (kept - 5) * size < entries, "{kept} of {entries}");
        let sql = "SELECT MIN(first_at), MAX(last_at) FROM ledger_blocks WHERE org_id = $1
             GROUP BY last_sequence";
        let times = all!(tx, (Time, Time), sql, world.org.0).unwrap();
        let over_midnight =
            |(first, last): &(Time, Time)| first.0.date_naive() != last.0.date_naive();
        assert!(skew > 1 || !times.iter().any(over_midnight), "{times:?}");
    }
    business
}

/// A period around the days that were traded on, open or not, on a midnight or not.
fn period(runner: &mut TestRunner) -> Period {
    let bound = || {
        let midnight = at(0).date_naive().and_hms_opt(0, 0, 0).unwrap().and_utc();
        prop::option::of((-1_i64..7, prop_oneof![Just(0_i64), 0_i64..86_400])).prop_map(move |at| {
            at.map(|(day, s)| midnight + TimeDelta::days(day) + TimeDelta::seconds(s))
        })
    };
    let (from, until) = drawn(runner, (bound(), bound()));
    Period { from, until }
}

fn within(period: &Period, at: Timestamp) -> bool {
    period.from.is_none_or(|from| from <= at) && period.until.is_none_or(|until| at < until)
}

pub async fn daily_totals_agree_after_a_mixed_load(world: World) {
    let mut runner = TestRunner::deterministic();
    let business = traded(&world, &mut runner, 300, Some(7)).await;
    totals_agree(&world).await;
    assert!(business.cards > 5, "{} Links", business.cards);
    let refunds = rows(&world).await.iter().filter(|row| row.kind == "refund").count();
    assert!(refunds > 5, "{refunds} refunds");
}

pub async fn daily_totals_agree_when_instances_and_commands_write_at_once(world: World) {
    let second = Database::open(&world.url, 2, Handle::current()).await.unwrap();
    let stores = [Arc::clone(&world.store), Arc::new(SqlStore::start(second))];
    world.has(money(5_000)).await;
    let operations: Vec<_> = (0..60).map(|_| world.topup()).collect();
    let (org, world) = (world.org, Arc::new(world));
    let tasks = stores.into_iter().enumerate().map(|(n, store)| {
        let operations = operations[n * 30..][..30].to_vec();
        tokio::spawn(async move {
            let write = async |items: Vec<Planned>, seconds: i64| loop {
                let before = store.wallet(org).await.unwrap().unwrap();
                let mut next = batch(org, before, items.clone());
                next.at = at(seconds);
                match store.commit(next).await.unwrap() {
                    CommitOutcome::Committed => return,
                    CommitOutcome::Stale => {}
                    CommitOutcome::Guarded(guards) => panic!("{guards:?}"),
                }
            };
            for (step, operation) in (0..).zip(operations) {
                // Around midnight, one instance ahead of the other.
                let seconds = 50_400 + 60 * (step - 15 + 10 * i64::from(n == 0));
                let debit = debiting(operation.clone());
                let refund = back(&operation, debit.entries[0].id);
                write(vec![debit, credit(money(1), None)], seconds).await;
                write(vec![refund], seconds).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    totals_agree(&world).await;
    let days: BTreeSet<_> = rows(&world).await.iter().map(Row::day).collect();
    assert_eq!(days.len(), 2);
}

pub async fn a_turnover_past_all_range_keeps_no_money_from_being_booked(world: World) {
    let most = Money::from_micros(i64::MAX);
    for _ in 0..2 {
        world.has(most).await;
        let back = Planned {
            entries: vec![entry(EntryKind::Adjustment, most.negated())],
            ..Planned::default()
        };
        world.written(vec![back]).await;
    }
    assert_eq!(world.row(world.org).await.balance, Money::ZERO);
}

pub async fn any_page_of_any_filter_is_what_counting_gives(world: World) {
    any_page_of_any_filter(world, 1, None).await;
}

pub async fn any_page_is_right_where_days_overlap(world: World) {
    any_page_of_any_filter(world, 300, None).await;
}

pub async fn any_page_is_right_from_blocks(world: World) {
    any_page_of_any_filter(world, 1, Some(7)).await;
}

pub async fn any_page_is_right_from_blocks_where_days_overlap(world: World) {
    any_page_of_any_filter(world, 300, Some(4)).await;
}

async fn any_page_of_any_filter(world: World, skew: i64, block: Option<i64>) {
    let mut runner = TestRunner::deterministic();
    let business = traded(&world, &mut runner, skew, block).await;
    let all = rows(&world).await;
    let mut found = 0;
    for _ in 0..60 {
        let link = drawn(&mut runner, prop::option::weighted(0.2, Just(business.link.id)));
        let kind = drawn(&mut runner, prop::option::of(0_usize..7)).map(|n| EntryKind::ALL[n]);
        let filter = TransactionFilter { link, kind, period: period(&mut runner) };
        let kind = kind.map(|kind| serde_json::to_value(kind).unwrap());
        let expected: Vec<i64> = all
            .iter()
            .filter(|row| link.is_none_or(|link| row.link_id == Some(link.0)))
            .filter(|row| kind.as_ref().is_none_or(|kind| *kind == row.kind))
            .filter(|row| within(&filter.period, row.created_at.0))
            .map(|row| row.sequence)
            .collect();
        found += expected.len();
        pages_and_cursors(&world, &mut runner, filter, &expected).await;
    }
    assert!(found > 1_000, "{found} rows are no test");
}

async fn pages_and_cursors(
    world: &World,
    runner: &mut TestRunner,
    filter: TransactionFilter,
    expected: &[i64],
) {
    let size = drawn(runner, 3_u32..40);
    let mut tx = world.db.read().await.unwrap();
    let scope = scope(&mut tx, world.org, filter).await.unwrap();
    let total = i64::try_from(expected.len()).unwrap();
    assert_eq!(scope.total(), total, "{filter:?}");
    let pages = expected.chunks(size as usize).map(<[i64]>::to_vec).chain([Vec::new()]);
    for (number, rows) in (1..).zip(pages) {
        let part = scope.part(&mut tx, &Window { place: Place::Page(number), size }).await.unwrap();
        let found: Vec<_> = part.rows.iter().map(|row| row.entry.sequence).collect();
        assert_eq!(found, rows, "page {number} of {size}: {filter:?}");
        let more = rows.last() != expected.last();
        assert_eq!(part.next, rows.last().copied().filter(|_| more));
    }
    let (mut place, mut walked) = (Some(scope.begin()), Vec::new());
    while let Some(here) = place {
        let part = scope.part(&mut tx, &Window { place: here, size }).await.unwrap();
        walked.extend(part.rows.iter().map(|row| row.entry.sequence));
        place = part.next.map(Place::After);
    }
    assert_eq!(walked, expected, "walked by {size}: {filter:?}");
}

pub async fn the_sums_of_any_period_are_what_counting_gives(world: World) {
    the_sums_of_any_period(world, 300, None).await;
}

pub async fn the_sums_of_any_period_are_right_from_blocks(world: World) {
    the_sums_of_any_period(world, 1, Some(5)).await;
}

pub async fn the_sums_of_any_period_are_right_from_blocks_where_days_overlap(world: World) {
    the_sums_of_any_period(world, 300, Some(3)).await;
}

async fn the_sums_of_any_period(world: World, skew: i64, block: Option<i64>) {
    let mut runner = TestRunner::deterministic();
    traded(&world, &mut runner, skew, block).await;
    let all = rows(&world).await;
    let mut tx = world.db.read().await.unwrap();
    for _ in 0..150 {
        let period = period(&mut runner);
        let mut expected: BTreeMap<String, (i64, i64, i64)> = BTreeMap::new();
        for row in all.iter().filter(|row| within(&period, row.created_at.0)) {
            let sums = expected.entry(row.kind.clone()).or_default();
            sums.0 += 1;
            sums.1 += row.amount.min(0).abs();
            sums.2 += row.amount.max(0);
        }
        let booked = turnover::by_kind(&mut tx, world.org, &period).await.unwrap();
        let booked: BTreeMap<_, _> = booked
            .iter()
            .map(|sums| {
                let kind = serde_json::to_value(sums.kind).unwrap().as_str().unwrap().to_owned();
                (kind, (sums.count, sums.debited.micros(), sums.credited.micros()))
            })
            .collect();
        assert_eq!(booked, expected, "{period:?}");
    }
}

/// Each block is added up once, however many do it, and blocks of another size put none in the wrong.
pub async fn blocks_are_kept_once_and_a_wrong_one_is_found(world: World) {
    let mut runner = TestRunner::deterministic();
    traded(&world, &mut runner, 300, None).await;
    let at_once = (0..4).map(|_| {
        let db = world.db.clone();
        tokio::spawn(async move { blocks::keep_by(&db, 6).await })
    });
    for task in at_once.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    let all = rows(&world).await;
    let kept = "SELECT CAST(SUM(entries) AS BIGINT) FROM ledger_blocks";
    let left = i64::try_from(all.len()).unwrap() - world.count(kept).await;
    assert!((0..6).contains(&left), "{left}");
    let upto = "SELECT MAX(last_sequence) FROM ledger_blocks";
    assert_eq!(world.count(kept).await, world.count(upto).await);
    totals_agree(&world).await;
    // Of another version of the service, which began at the same time.
    world
        .db
        .write(|tx| {
            Box::pin(async move {
                Ok(exec!(
                    tx,
                    "INSERT INTO ledger_blocks (org_id, first_sequence, last_sequence, kind, entries,
                         debited, credited, first_at, last_at)
                     SELECT org_id, (sequence - 1) / 4 * 4 + 1, (sequence - 1) / 4 * 4 + 4, kind,
                         COUNT(*), SUM(CASE WHEN amount < 0 THEN -amount ELSE 0 END),
                         SUM(CASE WHEN amount > 0 THEN amount ELSE 0 END), MIN(created_at),
                         MAX(created_at)
                     FROM ledger_entries GROUP BY 1, 2, 3, 4 ON CONFLICT DO NOTHING"
                )?)
            })
        })
        .await
        .unwrap();
    totals_agree(&world).await;
    let mut tx = world.db.read().await.unwrap();
    for _ in 0..40 {
        let period = period(&mut runner);
        let booked = turnover::by_kind(&mut tx, world.org, &period).await.unwrap();
        let expected = all.iter().filter(|row| within(&period, row.created_at.0)).count();
        let counted = booked.iter().map(|sums| sums.count).sum::<i64>();
        assert_eq!(counted, i64::try_from(expected).unwrap(), "{period:?}");
    }
    drop(tx);
    for wrong in [
        "UPDATE ledger_blocks SET entries = entries + 1 WHERE first_sequence = 1",
        "UPDATE ledger_blocks SET debited = debited + 1 WHERE first_sequence = 1",
        "UPDATE ledger_blocks SET first_at = last_at",
        "DELETE FROM ledger_blocks WHERE kind = 'refund'",
    ] {
        world.db.write(move |tx| Box::pin(async move { Ok(exec!(tx, wrong)?) })).await.unwrap();
        let found = audit(&world.db, Some(world.org)).await.unwrap();
        assert!(found.violations.iter().any(|v| v.rule == "ledger_blocks"), "{wrong}");
        world
            .db
            .write(|tx| Box::pin(async move { Ok(exec!(tx, "DELETE FROM ledger_blocks")?) }))
            .await
            .unwrap();
        blocks::keep_by(&world.db, 6).await.unwrap();
        totals_agree(&world).await;
    }
}

/// A plan, how much came about with it, and what was spent on it.
type OfPlan = (Uuid, i64, i64);

async fn plans_by_days(world: &World, first: NaiveDate, last: NaiveDate) -> Vec<OfPlan> {
    let mut tx = world.db.read().await.unwrap();
    let sql = "SELECT plan_id, CAST(SUM(made) AS BIGINT),
             CAST(SUM(debited) - SUM(credited) AS BIGINT)
         FROM ledger_days WHERE org_id = $1 AND plan_id <> $2 AND day >= $3 AND day <= $4
         GROUP BY plan_id HAVING SUM(made) > 0 ORDER BY 2 DESC, 3 DESC, 1";
    all!(tx, OfPlan, sql, world.org.0, Uuid::nil(), first, last).unwrap()
}

async fn plans_as_told(world: &World, first: NaiveDate, last: NaiveDate) -> Vec<OfPlan> {
    let mut tx = world.db.read().await.unwrap();
    let (_, plans) = turnover::by_day_and_plan(&mut tx, world.org, first, last, 10).await.unwrap();
    plans.iter().map(|plan| (plan.plan_id.0, plan.made, plan.spent.micros())).collect()
}

/// Periods that begin and end anywhere in half a year, compared with their days.
async fn plans_are_right(world: &World, runner: &mut TestRunner) {
    for _ in 0..40 {
        let (from, days) = drawn(runner, (-40_i64..200, 0_i64..200));
        let first = at(86_400 * from).date_naive();
        let last = first + TimeDelta::days(days);
        let expected = plans_by_days(world, first, last).await;
        assert_eq!(plans_as_told(world, first, last).await, expected, "{first} to {last}");
    }
}

pub async fn plans_of_any_period_are_right_from_months(world: World) {
    const DAY: i64 = 86_400;
    let mut runner = TestRunner::deterministic();
    let mut business = Business::new(&world).await;
    let write = async |items: Vec<Planned>, seconds: i64| {
        let mut next = batch(world.org, world.row(world.org).await, items);
        next.at = at(seconds);
        assert_eq!(world.store.commit(next).await.unwrap(), CommitOutcome::Committed);
    };
    for n in 0..60 {
        // Nothing in January, which is kept all the same.
        if (38..70).contains(&(n * 3)) {
            continue;
        }
        let steps = drawn(&mut runner, prop::collection::vec((2_u8..8, 0_usize..100), 3..6));
        let items =
            steps.into_iter().map(|(what, pick)| business.step(&world, what, pick)).collect();
        write(items, n * 3 * DAY).await;
        business.pending.append(&mut business.debited);
    }
    plans_are_right(&world, &mut runner).await;
    let open = business.debit(&world, OperationKind::Topup, business.link.id, 1);
    write(vec![open], 100 * DAY).await;
    let (open, _) = business.debited.pop().unwrap();
    // Once more by another instance, and later, when another month is over.
    for days in [120, 120, 155] {
        months::keep_of(&world.db, at(days * DAY), 1).await.unwrap();
        plans_are_right(&world, &mut runner).await;
        totals_agree(&world).await;
    }
    let kept = "SELECT COUNT(DISTINCT month) FROM ledger_months";
    assert_eq!(world.count(kept).await, 5, "November to March");

    // What comes late is not missed, and no fault: in March a top-up comes about and there is no entry
    // more, in January an entry and nothing comes about.
    write(vec![business.settle(&open)], 100 * DAY).await;
    plans_are_right(&world, &mut runner).await;
    totals_agree(&world).await;
    let late = business.debit(&world, OperationKind::Topup, business.link.id, 1);
    write(vec![late], 50 * DAY).await;
    plans_are_right(&world, &mut runner).await;
    totals_agree(&world).await;

    // Months that are wrong: gone by is the longest run of those in which nothing came late, December, and
    // all are found.
    let change = async |sql: &'static str| {
        world.db.write(move |tx| Box::pin(async move { Ok(exec!(tx, sql)?) })).await.unwrap()
    };
    let wrong = "UPDATE ledger_months SET made = made + 1000
         WHERE plan_id = (SELECT plan_id FROM ledger_months WHERE month = '2026-12-01'
                          ORDER BY plan_id DESC LIMIT 1)";
    assert!(change(wrong).await > 2);
    let (first, last) = (at(0).date_naive(), at(200 * DAY).date_naive());
    let told = plans_as_told(&world, first, last).await;
    let right = plans_by_days(&world, first, last).await;
    let sum = |plans: &[OfPlan]| plans.iter().map(|(_, made, _)| made).sum::<i64>();
    assert_eq!(sum(&told) - sum(&right), 1_000, "{told:?}");
    let found = audit(&world.db, Some(world.org)).await.unwrap();
    assert!(found.violations.iter().any(|v| v.rule == "ledger_months"), "{found:#?}");
}

pub async fn days_and_plans_count_what_came_about(world: World) {
    let mut business = Business::new(&world).await;
    let (first, second) = (at(0).date_naive(), at(86_400).date_naive());
    let write = async |items: Vec<Planned>, seconds: i64| {
        let mut next = batch(world.org, world.row(world.org).await, items);
        next.at = at(seconds);
        assert_eq!(world.store.commit(next).await.unwrap(), CommitOutcome::Committed);
    };
    // Of plan 1: a top-up that is refunded, one that is settled on the next day, and two Links.
    let create = |business: &mut Business| {
        business.debit(&world, OperationKind::CreateLink, LinkId(crate::world::id()), 1)
    };
    let debits = vec![
        business.debit(&world, OperationKind::Topup, business.link.id, 1),
        business.debit(&world, OperationKind::Topup, business.link.id, 1),
        create(&mut business),
        create(&mut business),
    ];
    write(debits, 0).await;
    let pending = std::mem::take(&mut business.debited);
    write(vec![back(&pending[0].0, pending[0].1)], 86_400).await;
    write(vec![business.settle(&pending[1].0)], 86_400).await;
    write(vec![business.settle(&pending[2].0), business.settle(&pending[3].0)], 1).await;
    totals_agree(&world).await;

    let mut tx = world.db.read().await.unwrap();
    let (days, top) =
        turnover::by_day_and_plan(&mut tx, world.org, first, second, 10).await.unwrap();
    let of = |day, kind| days.iter().find(|d| d.day == day && d.kind == kind).copied();
    let (links, topups) = (EntryKind::Activation, EntryKind::Topup);
    // One more Link is there from the start.
    assert_eq!(of(first, links).map(|d| (d.count, d.made, d.debited)), Some((3, 3, money(15))));
    assert_eq!(of(first, topups).map(|d| (d.made, d.debited)), Some((0, money(10))));
    assert_eq!(of(second, topups).map(|d| (d.made, d.debited)), Some((1, money(0))));
    assert_eq!(of(second, EntryKind::Refund).map(|d| d.credited), Some(money(5)));
    assert_eq!(of(second, links), None);
    let top: Vec<_> = top.iter().map(|plan| (plan.plan_id, plan.made, plan.spent)).collect();
    assert_eq!(top, [(business.plans[1], 3, money(15)), (world.plan, 1, money(5))]);
    let (_, one) = turnover::by_day_and_plan(&mut tx, world.org, first, second, 1).await.unwrap();
    assert_eq!(one[0].name.as_deref(), Some("Europe 1 GB"));
    assert_eq!(one.len(), 1);
}
