//! The check that runs beside the service: silent on what the service writes, and sure to find what
//! a hand has changed.

use crate::world::{World, credit, money};
use bappy::environment::SystemClock;
use bappy::ledger_check::{LedgerCheck, LedgerCheckLimits, Mismatch};
use bappy::store::{Conn, DbError};
use bappy_actors::model::OrgId;
use sqlx::AssertSqlSafe;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Entries of a ledger that is longer than what one turn looks at.
const ENTRIES: i64 = 1_000;
/// Older entries looked at in one turn, beside as many of the newest.
const LINES: i64 = 200;
/// After so many turns each of them was looked at.
const TURNS: usize = 10;

async fn long_ledger(world: &World) {
    for _ in 0..ENTRIES / 250 {
        world.written(vec![credit(money(1), None); 250]).await;
    }
}

fn check(world: &World) -> LedgerCheck {
    let limits = LedgerCheckLimits { older: LINES, ..LedgerCheckLimits::default() };
    LedgerCheck::new(world.db.clone(), Arc::new(SystemClock::default()), limits)
}

async fn turns(check: &mut LedgerCheck, count: usize) {
    for _ in 0..count {
        check.turn().await.unwrap();
    }
}

fn found_in(check: &LedgerCheck, org: OrgId) -> BTreeSet<Mismatch> {
    check.found().get(&org).cloned().unwrap_or_default()
}

/// Changes rows that must not change, as somebody with the database's password may.
async fn by_hand(world: &World, sql: &str) {
    let sql = sql.to_owned();
    let write = world.db.write(move |tx| {
        Box::pin(async move {
            match tx.conn() {
                Conn::Sqlite(conn) => {
                    let unlocked =
                        format!("DROP TRIGGER IF EXISTS ledger_entries_no_update; {sql}");
                    sqlx::raw_sql(AssertSqlSafe(unlocked)).execute(conn).await?;
                }
                Conn::Postgres(conn) => {
                    let unlocked =
                        format!("ALTER TABLE ledger_entries DISABLE TRIGGER USER; {sql}");
                    sqlx::raw_sql(AssertSqlSafe(unlocked)).execute(conn).await?;
                }
            }
            Ok::<_, DbError>(())
        })
    });
    write.await.unwrap();
}

pub async fn a_sound_ledger_is_clean_however_long_it_is(world: World) {
    world.another_org(money(0)).await;
    long_ledger(&world).await;
    let mut check = check(&world);
    turns(&mut check, TURNS).await;
    assert!(check.found().is_empty(), "{:?}", check.found());
}

pub async fn a_ledger_row_changed_by_hand_is_found_and_told_until_it_is_mended(world: World) {
    long_ledger(&world).await;
    // At the end, in the part that every turn sees, in the middle, and the first.
    for place in [ENTRIES, ENTRIES - 100, ENTRIES / 2, 2, 1] {
        let mut check = check(&world);
        by_hand(&world, &format!("UPDATE ledger_entries SET amount = 7 WHERE sequence = {place}"))
            .await;
        turns(&mut check, TURNS).await;
        let broken = BTreeSet::from([Mismatch::Chain(place)]);
        assert_eq!(found_in(&check, world.org), broken);
        // The turns go on to other parts, and it is told all the same.
        turns(&mut check, 2).await;
        assert_eq!(found_in(&check, world.org), broken);
        let mended = format!("UPDATE ledger_entries SET amount = 1000000 WHERE sequence = {place}");
        by_hand(&world, &mended).await;
        turns(&mut check, 1).await;
        assert_eq!(found_in(&check, world.org), BTreeSet::new(), "{place} is mended");
    }
}

pub async fn a_wallet_or_a_total_changed_by_hand_is_found_at_the_next_look(world: World) {
    long_ledger(&world).await;
    let mut check = check(&world);
    let more = |table: &str, column: &str| format!("UPDATE {table} SET {column} = {column} + 1");
    for (table, column, broken) in [
        ("wallets", "balance", vec![Mismatch::Wallet, Mismatch::Totals]),
        ("ledger_days", "credited", vec![Mismatch::Totals]),
        ("ledger_days", "entries", vec![Mismatch::Totals]),
    ] {
        by_hand(&world, &more(table, column)).await;
        turns(&mut check, 1).await;
        assert_eq!(found_in(&check, world.org), broken.into_iter().collect(), "{table}.{column}");
        by_hand(&world, &more(table, column).replace('+', "-")).await;
        turns(&mut check, 1).await;
        assert!(check.found().is_empty());
    }
}

pub async fn a_look_beside_commits_finds_nothing(world: World) {
    long_ledger(&world).await;
    let mut check = check(&world);
    let written = async {
        for _ in 0..60 {
            world.written(vec![credit(money(1), None); 5]).await;
        }
    };
    tokio::pin!(written);
    loop {
        tokio::select! {
            turned = check.turn() => turned.unwrap(),
            () = &mut written => break,
        }
        assert!(check.found().is_empty(), "{:?}", check.found());
    }
}

pub async fn the_runbooks_statement_mends_a_wallet(world: World) {
    let runbook = include_str!("../../docs/runbook.md");
    let section = runbook.split("## LedgerMismatch").nth(1).unwrap();
    let statement = section.split("```sql").nth(1).unwrap().split("```").next().unwrap();
    long_ledger(&world).await;
    let fence = world.row(world.org).await.fence;
    by_hand(&world, "UPDATE wallets SET balance = 1").await;
    let slug = format!("'acme-{}'", world.org);
    assert!(statement.contains("'acme'"), "{statement}");
    by_hand(&world, &statement.replace("'acme'", &slug)).await;
    let row = world.row(world.org).await;
    assert_eq!((row.balance, row.version, row.fence), (money(ENTRIES), ENTRIES, fence + 1));
    let mut check = check(&world);
    turns(&mut check, 1).await;
    assert!(check.found().is_empty());
}
