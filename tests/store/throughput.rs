//! How many ledger entries a second the store takes; run by hand:
//! `cargo test --release --test store -- --ignored --nocapture throughput`.

use crate::world::{World, activating, batch, closing, credit, debiting, money};
use bappy_actors::model::{Operation, OperationKind, OperationState};
use bappy_actors::ports::{Batch, CommitOutcome, Planned, Store};
use std::sync::Arc;
use std::time::Instant;

fn report(engine: &str, what: &str, count: i64, start: Instant) {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = count as f64 / start.elapsed().as_secs_f64();
    println!("{engine:>8}: {what:<34} {rate:>8.0}/s");
}

/// Commits batches one after the other, as one wallet's actor does.
async fn commit_all(world: &World, batches: Vec<Batch>) {
    for next in batches {
        assert_eq!(world.store.commit(next).await.unwrap(), CommitOutcome::Committed);
    }
}

/// Decides all batches beforehand, so that only the store is measured.
async fn decided(world: &World, batches: Vec<Vec<Planned>>) -> Vec<Batch> {
    let mut before = world.row(world.org).await;
    let mut decided = Vec::new();
    for items in batches {
        let next = batch(world.org, before, items);
        (before.balance, before.version) = (next.balance, next.version);
        decided.push(next);
    }
    decided
}

async fn debits(world: &World, engine: &str) {
    for (size, rounds) in [(1, 400), (8, 200), (64, 100), (256, 40)] {
        world.has(money(5 * size * rounds)).await;
        let items = (0..rounds).map(|_| (0..size).map(|_| debiting(world.topup())).collect());
        let batches = decided(world, items.collect()).await;
        let start = Instant::now();
        commit_all(world, batches).await;
        report(engine, &format!("debits, {size} in a batch"), size * rounds, start);
    }
}

/// Topups of one Link: each batch settles the topups that the one before it has debited.
async fn topups(world: &World, engine: &str) {
    const SIZE: usize = 64;
    const ROUNDS: usize = 300;
    let (link, _) = world.settled_link("89010").await;
    world.has(money(5 * i64::try_from(SIZE * ROUNDS).unwrap())).await;
    let mut batches = Vec::new();
    let mut running: Vec<Operation> = Vec::new();
    for round in 0..=ROUNDS {
        let settle = running.drain(..).map(|o| Planned {
            closed: vec![closing(&o, OperationState::Succeeded)],
            activations: vec![activating(&o, link.id)],
            ..Planned::default()
        });
        let mut items: Vec<Planned> = settle.collect();
        if round < ROUNDS {
            running = (0..SIZE).map(|_| world.operation(OperationKind::Topup, link.id)).collect();
            items.extend(running.iter().map(|o| debiting(o.clone())));
        }
        batches.push(items);
    }
    let mut batches = decided(world, batches).await;
    let second = batches.split_off(ROUNDS / 2);
    for (half, batches) in [("first half", batches), ("second half", second)] {
        let (count, start) = (batches.len() * SIZE, Instant::now());
        commit_all(world, batches).await;
        report(engine, &format!("topups, {half}"), i64::try_from(count).unwrap(), start);
    }
}

/// Many wallets, one command at a time each.
async fn wallets(world: &World, engine: &str) {
    const ROUNDS: usize = 40;
    let mut orgs = Vec::new();
    for _ in 0..200 {
        orgs.push(world.another_org(money(0)).await);
    }
    let start = Instant::now();
    let tasks: Vec<_> = orgs
        .iter()
        .map(|org| {
            let (store, org) = (Arc::clone(&world.store), *org);
            tokio::spawn(async move {
                let mut before = store.wallet(org).await.unwrap().unwrap();
                for _ in 0..ROUNDS {
                    let next = batch(org, before, vec![credit(money(1), None)]);
                    (before.balance, before.version) = (next.balance, next.version);
                    assert_eq!(store.commit(next).await.unwrap(), CommitOutcome::Committed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let count = i64::try_from(orgs.len() * ROUNDS).unwrap();
    report(engine, "credits, 200 wallets at a time", count, start);
}

async fn measure(world: World, engine: &str) {
    // The writers plan their statements on tables that are known to be tiny: the worst case.
    world
        .db
        .write(|tx| {
            Box::pin(async move {
                exec!(tx, "ANALYZE")?;
                Ok(())
            })
        })
        .await
        .unwrap();
    debits(&world, engine).await;
    topups(&world, engine).await;
    wallets(&world, engine).await;
    world.balances(world.org).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn throughput_of_the_store() {
    measure(World::sqlite().await, "sqlite").await;
    if let Some(world) = World::postgres().await {
        measure(world, "postgres").await;
    }
}
