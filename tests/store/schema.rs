//! What the database itself refuses, and how it keeps times.

use crate::world::{World, activating, at, batch, credit, debiting, id, money};
use bappy::store::{Database, DbError, Schema, Time, audit};
use bappy_actors::model::{OperationKind, OperationState, Timestamp};
use bappy_actors::ports::{Due, Planned, Store, StoreError};
use chrono::TimeDelta;
use sha2::{Digest, Sha256};
use sqlx::AssertSqlSafe;
use std::{fs, path::Path};
use tokio::runtime::Handle;

/// Runs one statement that the database must refuse.
async fn refuses(world: &World, sql: &str) -> String {
    let sql = AssertSqlSafe(sql.to_owned());
    let done = world.db.write(move |tx| Box::pin(async move { Ok(exec!(tx, sql)?) })).await;
    done.unwrap_err().to_string()
}

/// A database refuses a program whose migrations are not those that it was made by.
#[test]
fn migrations_are_those_that_were_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let listed = fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let mut files = 0;
    for engine in ["postgres", "sqlite"] {
        for file in fs::read_dir(folder.join(engine)).unwrap() {
            let file = file.unwrap();
            let sum = Sha256::digest(fs::read(file.path()).unwrap());
            let line = format!("{sum:x}  {engine}/{}", file.file_name().into_string().unwrap());
            assert!(
                listed.lines().any(|one| one == line),
                "{line}\nis not in migrations/SHA256SUMS: add what is new; what was released stays"
            );
            files += 1;
        }
    }
    assert_eq!(files, listed.lines().count(), "one was listed and is gone");
}

pub async fn migrating_twice_is_harmless(world: World) {
    assert!(world.db.is_current().await.unwrap());
    world.db.migrate().await.unwrap();
    assert_eq!(world.db.schema().await.unwrap(), Schema::Current);
}

pub async fn an_empty_database_is_behind(world: World) {
    let folder = tempfile::tempdir().unwrap();
    let url = if world.url.starts_with("sqlite") {
        format!("sqlite://{}/empty.db", folder.path().display())
    } else {
        world.url.replace(world.url.rsplit('/').next().unwrap(), "postgres")
    };
    let empty = Database::open(&url, 1, Handle::current()).await.unwrap();
    assert_eq!(empty.schema().await.unwrap(), Schema::Behind);
    empty.close().await;
}

pub async fn the_ledger_refuses_update_and_delete(world: World) {
    world.has(money(5)).await;
    for sql in ["UPDATE ledger_entries SET amount = 1", "DELETE FROM ledger_entries"] {
        assert!(refuses(&world, sql).await.contains("append-only"));
    }
    world.balances(world.org).await;
}

pub async fn unknown_words_and_amounts_out_of_range_are_refused(world: World) {
    world.settled_link("89010").await;
    for (table, values) in [
        ("wallets", "balance=-1 version=-1 links_total=-1 operations_total=-1 sms_total=-1"),
        ("operations", "kind='gift' state='gone' cleanup='gone' amount=-1"),
        ("links", "kind='paper' status='gone'"),
        ("activations", "status='gone'"),
        ("ledger_days", "kind='gift' debited=-1 credited=-1"),
    ] {
        for value in values.split(' ') {
            let refused = refuses(&world, &format!("UPDATE {table} SET {value}")).await;
            assert!(refused.to_lowercase().contains("check constraint"), "{value}: {refused}");
        }
    }
    // Its sequence, kind, balance, and of what and for which operation it is a refund.
    let copy = |values: &str| {
        format!(
            "INSERT INTO ledger_entries (org_id, id, amount, description, created_at, sequence,
                 kind, balance_after, refund_of, operation_id)
             SELECT org_id, id, amount, description, created_at, {values}
             FROM ledger_entries ORDER BY sequence LIMIT 1"
        )
    };
    for values in [
        "0, 'credit', 1, NULL, NULL",
        "1000, 'gift', 1, NULL, NULL",
        "1000, 'credit', -1, NULL, NULL",
        "1000, 'credit', 1, id, NULL",
        "1000, 'refund', 1, NULL, org_id",
        "1000, 'refund', 1, id, NULL",
    ] {
        let refused = refuses(&world, &copy(values)).await;
        assert!(refused.to_lowercase().contains("check constraint"), "{values}: {refused}");
    }
    let sound = AssertSqlSafe(copy("1000, 'refund', 1, id, org_id"));
    world.db.write(move |tx| Box::pin(async move { Ok(exec!(tx, sound)?) })).await.unwrap();
}

pub async fn another_organizations_link_is_refused(world: World) {
    let (link, _) = world.settled_link("89010").await;
    let other = world.another_org(money(5)).await;
    let mut operation = world.operation(OperationKind::Topup, link.id);
    operation.org_id = other;
    let before = world.row(other).await;
    let debit = batch(other, before, vec![debiting(operation.clone())]);
    world.store.commit(debit).await.unwrap();
    let before = world.row(other).await;
    let foreign = Planned {
        closed: vec![crate::world::closing(&operation, OperationState::Succeeded)],
        activations: vec![activating(&operation, link.id)],
        ..Planned::default()
    };
    let outcome = world.store.commit(batch(other, before, vec![foreign])).await;
    assert!(matches!(outcome, Err(StoreError::Broken(_))), "{outcome:?}");
    assert_eq!(world.row(other).await, before);
}

pub async fn times_round_trip_to_the_microsecond(world: World) {
    for micros in [0, 1, 10, 100_000, 999_999] {
        let time = at(0) - TimeDelta::microseconds(123_456) + TimeDelta::microseconds(micros);
        let finer = time + TimeDelta::nanoseconds(999);
        assert_eq!(Timestamp::from(Time::from(finer)), time);
        let mut operation = world.topup();
        operation.horizon_at = finer;
        operation.amount = money(0);
        world.open_operation(operation.clone(), at(22)).await.unwrap();
        let stored = world.store.operation(world.org, operation.id).await.unwrap().unwrap();
        assert_eq!(stored.horizon_at, time);
    }
}

pub async fn stored_times_sort_as_times(world: World) {
    let base = at(0) - TimeDelta::microseconds(123_456);
    let offsets = [1_500_000, 0, 1_000_000, 10, 1, 999_999, 1_000_001, 100_000];
    for offset in offsets {
        let mut operation = world.topup();
        operation.amount = money(0);
        let lease = base + TimeDelta::microseconds(offset);
        world.open_operation(operation, lease).await.unwrap();
    }
    let claimed =
        world.claim_due(Due::Operations, base + TimeDelta::seconds(1), at(99), 100).await.unwrap();
    let due: Vec<_> =
        claimed.iter().map(|c| (c.due_at - base).num_microseconds().unwrap()).collect();
    assert_eq!(due, [0, 1, 10, 100_000, 999_999, 1_000_000]);
}

pub async fn a_word_that_is_not_known_is_broken(world: World) {
    let operation = world.topup();
    let mut free = operation.clone();
    free.amount = money(0);
    world.open_operation(free, at(22)).await.unwrap();
    world
        .db
        .write(|tx| {
            Box::pin(async move {
                exec!(tx, "UPDATE operations SET failure = 'WHATEVER'")?;
                Ok(())
            })
        })
        .await
        .unwrap();
    let read = world.store.operation(world.org, operation.id).await;
    assert!(matches!(read, Err(StoreError::Broken(_))), "{read:?}");
    // It does not keep the others from being looked at.
    let mut readable = world.topup();
    readable.amount = money(0);
    world.open_operation(readable.clone(), at(23)).await.unwrap();
    let claimed = world.claim_due(Due::Operations, at(30), at(40), 10).await.unwrap();
    assert_eq!(claimed.iter().map(|c| c.operation.id).collect::<Vec<_>>(), [readable.id]);
    let before = world.row(world.org).await;
    world.store.commit(batch(world.org, before, vec![credit(money(1), None)])).await.unwrap();
    assert_ne!(id(), operation.id.0);
}

#[tokio::test]
async fn an_unreachable_database_is_named_without_its_password() {
    let url = "postgres://bappy:s3cret@127.0.0.1:1/ledger";
    let error = Database::open(url, 1, Handle::current()).await.err().unwrap();
    let text = error.to_string();
    assert!(text.starts_with("the database ledger at 127.0.0.1:1 cannot be reached"), "{text}");
    assert!(!text.contains("s3cret"));
    assert!(matches!(error, DbError::Address(_)));
    for url in ["mysql://x", "postgres://a:s3cret@[", "sqlite::memory:"] {
        let text = Database::open(url, 1, Handle::current()).await.err().unwrap().to_string();
        assert!(!text.contains("s3cret"), "{text}");
    }
}

/// PostgreSQL reads the columns of a batch's rows by their place, and checks only their types.
pub async fn a_batchs_rows_have_the_columns_of_their_types(world: World) {
    if world.url.starts_with("sqlite") {
        return;
    }
    let mut tx = world.db.read().await.unwrap();
    for (section, columns) in bappy::store::batch_sections().unwrap() {
        let sql =
            "SELECT a.attname::text FROM pg_attribute a JOIN pg_type t ON t.typrelid = a.attrelid
            WHERE t.typname = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
        let of_type = all!(tx, (String,), sql, format!("batch_{section}")).unwrap();
        let of_type: Vec<_> = of_type.iter().map(|(column,)| column.as_str()).collect();
        assert_eq!(of_type, columns, "{section}");
    }
}

/// SQLite uses a partial index only for a statement that repeats its words; without it the audit of
/// a large wallet would walk all its entries for each of them.
pub async fn an_audit_looks_each_row_up_by_an_index_of_its_own(world: World) {
    if world.url.starts_with("postgres") {
        return;
    }
    let mut tx = world.db.read().await.unwrap();
    let mut joins = 0;
    for (rule, statement) in audit::statements() {
        let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        for (.., step) in all!(tx, (i64, i64, i64, String), sql).unwrap() {
            // A wallet itself is held against all its entries.
            if step.ends_with("LEFT-JOIN") && !["balance", "version"].contains(&rule) {
                joins += 1;
                assert!(step.matches("=?").count() > 1, "{rule}: {step}");
            }
        }
    }
    assert!(joins > 10, "{joins}");
}
