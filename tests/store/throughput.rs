//! How many ledger entries a second one wallet takes; run by hand:
//! `cargo test --release --test store -- --ignored --nocapture throughput`.

use crate::world::{World, batch, money};
use bappy_actors::ports::{CommitOutcome, Store};
use std::time::Instant;

/// Debits, as a group commit would send them: `size` commands in each of `rounds` batches.
async fn measure(world: World, engine: &str) {
    for (size, rounds) in [(1, 400), (8, 200), (64, 100), (256, 40)] {
        world.has(money(5 * size * rounds)).await;
        let mut before = world.row(world.org).await;
        let mut batches = Vec::new();
        for _ in 0..rounds {
            let items = (0..size).map(|_| world.debit(world.topup())).collect();
            let next = batch(world.org, before, items);
            (before.balance, before.version) = (next.balance, next.version);
            batches.push(next);
        }
        let start = Instant::now();
        for next in batches {
            assert_eq!(world.store.commit(next).await.unwrap(), CommitOutcome::Committed);
        }
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let rate = (size * rounds) as f64 / start.elapsed().as_secs_f64();
        println!("{engine}: batches of {size:>3}: {rate:>8.0} debits/s");
    }
    world.balances(world.org).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn throughput_of_one_wallet() {
    measure(World::sqlite().await, "sqlite").await;
    if let Some(world) = World::postgres().await {
        measure(world, "postgres").await;
    }
}
