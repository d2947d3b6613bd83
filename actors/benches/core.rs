//! What the core costs by itself, on an in-memory database and operator: `cargo bench --bench core`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "shared with the tests")]

#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod support;

use actix::System;
use bappy_actors::model::LinkId;
use bappy_actors::ports::WalletRow;
use bappy_actors::wallet::{Command, state};
use divan::{Bencher, counter::ItemsCount};
use support::commands::{credit, debit};
use support::environment::epoch;
use support::fixtures::{money, org};
use support::world::World;

/// As in the service: by default glibc gives what is freed at its end back to the system, and takes it again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

/// Pure: the decision on so many debits that go down together.
#[divan::bench(args = [1, 64, 256])]
fn wallet_decide(bencher: Bencher, commands: u128) {
    let debits: Vec<Command> = (1..=commands).map(|n| debit(org(1), n, "0.01")).collect();
    let wallet = WalletRow { balance: money("1000"), version: 41, fence: 0 };
    bencher
        .counter(ItemsCount::new(debits.len()))
        .bench(|| state::decide(org(1), wallet, &debits, epoch()));
}

/// A runtime in real time; what is started on it lives as long.
fn on_a_system<T>(work: impl FnOnce(&actix::SystemRunner, World) -> T) -> T {
    let system = System::new();
    let world = system.block_on(async { World::new() });
    work(&system, world)
}

/// A command to a wallet's actor and back, with a commit that costs nothing.
#[divan::bench]
fn actor_round_trip(bencher: Bencher) {
    on_a_system(|system, world| {
        let wallets = &world.services.wallets;
        let mut number = 0;
        bencher.bench_local(|| {
            number += 1;
            system.block_on(wallets.submit(org(1), credit(number, "0.01"))).unwrap()
        });
    });
}

/// A Link's use where it was read from the operator a moment ago.
#[divan::bench]
fn usage_from_the_cache(bencher: Bencher) {
    on_a_system(|system, world| {
        let link: LinkId = system.block_on(world.link());
        let snapshot = world.outside.store.data().snapshot(org(1), link).unwrap();
        let read = || {
            let usage = world.services.links.usage(org(1), &snapshot.link, &snapshot.activations);
            system.block_on(usage).unwrap()
        };
        read();
        bencher.bench_local(read);
        assert_eq!(world.outside.script.count("op_endpoint"), 1, "it was not from the cache");
    });
}
