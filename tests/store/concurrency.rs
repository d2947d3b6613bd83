//! Many at once, on one wallet and on one Link.

use crate::world::{World, activating, at, batch, closing, credit, debiting, money};
use bappy::store::{Database, SqlStore};
use bappy_actors::model::{ActivationStatus, OperationKind, OperationState, Volume};
use bappy_actors::ports::{CommitOutcome, Planned, Store, UsageReading};
use std::sync::Arc;
use tokio::runtime::Handle;

pub async fn two_hundred_debits_against_money_for_a_hundred_are_a_hundred(world: World) {
    world.has(money(500)).await;
    let world = Arc::new(world);
    let mut tasks = Vec::new();
    for _ in 0..200 {
        let world = Arc::clone(&world);
        tasks.push(tokio::spawn(async move {
            let operation = world.topup();
            loop {
                let before = world.row(world.org).await;
                if before.balance < operation.amount {
                    return false;
                }
                let debit = batch(world.org, before, vec![debiting(operation.clone())]);
                match world.store.commit(debit).await.unwrap() {
                    CommitOutcome::Committed => return true,
                    CommitOutcome::Stale => {}
                    CommitOutcome::Guarded(guards) => panic!("{guards:?}"),
                }
            }
        }));
    }
    let mut debited = 0;
    for task in tasks {
        debited += i32::from(task.await.unwrap());
    }
    assert_eq!(debited, 100);
    assert_eq!(world.row(world.org).await.balance, money(0));
    assert_eq!(world.count("SELECT COUNT(*) FROM operations").await, 100);
    world.balances(world.org).await;
}

pub async fn settlements_and_usage_of_one_link_do_not_lose_each_other(world: World) {
    const ROUNDS: i64 = 40;
    let (link, first) = world.settled_link("89010").await;
    world.has(money(5 * ROUNDS)).await;
    let (activation, org) = (first.activation_id.unwrap(), world.org);
    let store = Arc::clone(&world.store);
    let reader = tokio::spawn(async move {
        for n in 0..ROUNDS * 2 {
            let used = Volume::from_kb(n);
            let reading = UsageReading {
                terminated: false,
                activations: vec![(activation, used, ActivationStatus::Active, Some(at(3)))],
                profile: None,
                at: at(10 + n),
            };
            store.record_usage(org, link.id, reading).await.unwrap();
        }
    });
    for _ in 0..ROUNDS {
        let topup = world.operation(OperationKind::Topup, link.id);
        world.written(vec![debiting(topup.clone())]).await;
        let settled = Planned {
            closed: vec![closing(&topup, OperationState::Succeeded)],
            activations: vec![activating(&topup, link.id)],
            ..Planned::default()
        };
        world.written(vec![settled]).await;
    }
    reader.await.unwrap();
    let stored = world.store.link(world.org, link.id).await.unwrap().unwrap();
    assert_eq!(stored.data_total.kb(), 1_000_000 * (ROUNDS + 1));
    assert_eq!(stored.data_used.kb(), ROUNDS * 2 - 1);
}

pub async fn fencing_amid_commits_loses_none(world: World) {
    let world = Arc::new(world);
    let fencing = {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            for _ in 0..50 {
                world.fence_wallet(world.org).await.unwrap().unwrap();
            }
        })
    };
    let mut written = 0;
    while written < 50 {
        let before = world.row(world.org).await;
        let credit = batch(world.org, before, vec![credit(money(1), None)]);
        written += i64::from(world.store.commit(credit).await.unwrap() == CommitOutcome::Committed);
    }
    fencing.await.unwrap();
    let row = world.row(world.org).await;
    assert_eq!((row.version, row.fence, row.balance), (50, 50, money(50)));
    world.balances(world.org).await;
}

pub async fn two_instances_share_a_wallet(world: World) {
    let second = Database::open(&world.url, 2, Handle::current()).await.unwrap();
    let stores = [Arc::clone(&world.store), Arc::new(SqlStore::start(second))];
    let org = world.org;
    let tasks = stores.map(|store| {
        tokio::spawn(async move {
            let mut written = 0;
            while written < 50 {
                let before = store.wallet(org).await.unwrap().unwrap();
                let next = batch(org, before, vec![credit(money(1), None)]);
                let outcome = store.commit(next).await.unwrap();
                written += i64::from(outcome == CommitOutcome::Committed);
            }
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(world.row(org).await.balance, money(100));
    world.balances(org).await;
}
