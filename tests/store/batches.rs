//! Batches: all or nothing, each wallet for itself.

use crate::world::{
    World, activating, at, batch, closing, credit, debiting, id, key, money, refund, sim,
};
use bappy_actors::model::{LinkId, OperationKind, OperationState, OrgId};
use bappy_actors::ports::{CommitOutcome, Due, Guard, Planned, Store, StoreError};
use chrono::TimeDelta;
use std::sync::Arc;

pub async fn a_batch_writes_all_that_it_holds(world: World) {
    world.add_sims(vec![sim("89010")], at(0)).await.unwrap();
    let (link, operation) = world.settled_link("89010").await;
    assert_eq!(world.store.link(world.org, link.id).await.unwrap(), Some(link.clone()));
    let snapshot = world.link_snapshot(world.org, link.id, at(0)).await.unwrap().unwrap();
    assert_eq!(snapshot.activations, [activating(&operation, link.id)]);
    let ended = world.store.operation(world.org, operation.id).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.settled_at), (OperationState::Succeeded, Some(at(2))));
    assert_eq!(world.count("SELECT links_total FROM wallets").await, 1);
    assert_eq!(world.count("SELECT COUNT(*) FROM sims WHERE state = 'used'").await, 1);
    assert_eq!(world.row(world.org).await.version, 2);
    world.balances(world.org).await;
}

pub async fn a_batch_that_fails_writes_nothing(world: World) {
    world.has(money(20)).await;
    let first = world.topup();
    world.written(vec![debiting(first.clone())]).await;
    let before = world.row(world.org).await;
    let lost = bappy_actors::model::Operation { epoch: 9, ..first };
    let outcome = world
        .commit(vec![
            credit(money(1), Some("paid")),
            debiting(world.topup()),
            Planned {
                closed: vec![closing(&lost, OperationState::Succeeded)],
                ..Planned::default()
            },
        ])
        .await;
    assert_eq!(outcome, CommitOutcome::Guarded(vec![(2, Guard::EpochLost)]));
    assert_eq!(world.row(world.org).await, before);
    assert_eq!(world.count("SELECT COUNT(*) FROM operations").await, 1);
    world.balances(world.org).await;
}

pub async fn a_stale_version_writes_nothing(world: World) {
    let before = world.row(world.org).await;
    world.has(money(1)).await;
    let outcome = world.store.commit(batch(world.org, before, vec![credit(money(1), None)])).await;
    assert_eq!(outcome.unwrap(), CommitOutcome::Stale);
    assert_eq!(world.row(world.org).await.balance, money(1));
}

pub async fn a_raised_fence_shuts_an_earlier_batch_out(world: World) {
    let before = world.row(world.org).await;
    let fenced = world.fence_wallet(world.org).await.unwrap().unwrap();
    assert_eq!((fenced.version, fenced.fence), (before.version, before.fence + 1));
    let outcome = world.store.commit(batch(world.org, before, vec![credit(money(1), None)])).await;
    assert_eq!(outcome.unwrap(), CommitOutcome::Stale);
    let outcome = world.store.commit(batch(world.org, fenced, vec![credit(money(1), None)])).await;
    assert_eq!(outcome.unwrap(), CommitOutcome::Committed);
}

pub async fn closing_ends_what_was_taken_and_takes_no_more(world: World) {
    let mut batches = Vec::new();
    for _ in 0..20 {
        let org = world.another_org(money(0)).await;
        batches.push((org, batch(org, world.row(org).await, vec![credit(money(1), None)])));
    }
    // All of them are taken before it closes.
    let mut commits = Vec::new();
    for (org, paid) in batches {
        let mut commit = Box::pin(world.store.commit(paid));
        assert!(futures_util::poll!(&mut commit).is_pending());
        commits.push((org, commit));
    }
    world.store.close_ledger().await;
    for (org, _) in &commits {
        assert_eq!(world.row(*org).await.balance, money(1));
    }
    for (_, commit) in commits {
        assert_eq!(commit.await.unwrap(), CommitOutcome::Committed);
    }
    let late = batch(world.org, world.row(world.org).await, vec![credit(money(1), None)]);
    let late = world.store.commit(late).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
}

pub async fn a_wallet_that_is_not_there_is_stale(world: World) {
    let nobody = OrgId(id());
    assert_eq!(world.wallet(nobody).await.unwrap(), None);
    assert_eq!(world.fence_wallet(nobody).await.unwrap(), None);
    let before = world.row(world.org).await;
    let outcome = world.store.commit(batch(nobody, before, vec![credit(money(1), None)])).await;
    assert_eq!(outcome.unwrap(), CommitOutcome::Stale);
}

pub async fn wallets_of_one_statement_stand_and_fall_alone(world: World) {
    let lost = world.topup();
    let taken = bappy_actors::model::Operation { key: Some(key("k")), ..world.topup() };
    world.has(money(10)).await;
    world.written(vec![debiting(taken)]).await;
    let mut orgs = Vec::new();
    for _ in 0..150 {
        orgs.push(world.another_org(money(0)).await);
    }
    // All in the queue at once: what waits while the first is written goes down together.
    let mut waiting = Vec::new();
    for (n, org) in orgs.iter().enumerate() {
        let mut before = world.row(*org).await;
        let mut items = vec![credit(money(1), None), credit(money(2), None)];
        if n % 10 == 3 {
            before.version = 7;
        }
        if n % 10 == 5 {
            items.push(Planned {
                closed: vec![closing(&lost, OperationState::Succeeded)],
                ..Planned::default()
            });
        }
        if n % 10 == 7 {
            items = vec![credit(money(1), Some("twice")), credit(money(1), Some("twice"))];
        }
        let (store, batch) = (Arc::clone(&world.store), batch(*org, before, items));
        waiting.push(async move { store.commit(batch).await });
    }
    let outcomes = futures_util::future::join_all(waiting).await;
    for (n, (org, outcome)) in orgs.iter().zip(outcomes).enumerate() {
        let expected = match n % 10 {
            3 => CommitOutcome::Stale,
            5 => CommitOutcome::Guarded(vec![(2, Guard::EpochLost)]),
            7 => CommitOutcome::Guarded(vec![(1, Guard::ReferenceTaken)]),
            _ => CommitOutcome::Committed,
        };
        let balance = if expected == CommitOutcome::Committed { money(3) } else { money(0) };
        assert_eq!(outcome.unwrap(), expected, "wallet {n}");
        assert_eq!(world.row(*org).await.balance, balance, "wallet {n}");
        world.balances(*org).await;
    }
}

/// Sizes on both sides of what one statement holds.
pub async fn batches_of_any_size_are_written_whole(world: World) {
    let (link, _) = world.settled_link("89010").await;
    let mut all = 0;
    for size in [1, 2, 3, 64, 127, 128, 129, 256] {
        world.has(money(5 * size)).await;
        let operations: Vec<_> =
            (0..size).map(|_| world.operation(OperationKind::Topup, link.id)).collect();
        world.written(operations.iter().map(|o| debiting(o.clone())).collect()).await;
        let settle = |epoch_of_last: i64| {
            let mut items: Vec<Planned> = operations
                .iter()
                .map(|o| Planned {
                    closed: vec![closing(o, OperationState::Succeeded)],
                    activations: vec![activating(o, link.id)],
                    ..Planned::default()
                })
                .collect();
            items.last_mut().unwrap().closed[0].epoch = epoch_of_last;
            items
        };
        let before = world.row(world.org).await;
        let last = operations.len() - 1;
        let outcome = world.commit(settle(9)).await;
        assert_eq!(outcome, CommitOutcome::Guarded(vec![(last, Guard::EpochLost)]), "{size}");
        assert_eq!(world.row(world.org).await, before, "{size}");
        world.written(settle(operations[last].epoch)).await;
        all += size;
        let ended = "SELECT COUNT(*) FROM operations WHERE state = 'succeeded'";
        assert_eq!(world.count(ended).await, all + 1, "{size}");
        assert_eq!(world.count("SELECT COUNT(*) FROM activations").await, all + 1, "{size}");
    }
    assert_eq!(world.count("SELECT operations_total FROM wallets").await, all + 1);
    assert_eq!(world.row(world.org).await.balance, money(0));
    world.balances(world.org).await;
}

pub async fn a_negative_balance_is_a_defect_and_not_written(world: World) {
    let before = world.row(world.org).await;
    let overdrawn = batch(world.org, before, vec![debiting(world.topup())]);
    assert!(matches!(world.store.commit(overdrawn).await, Err(StoreError::Broken(_))));
    assert_eq!(world.row(world.org).await, before);
    world.has(money(1)).await;
}

pub async fn a_dropped_caller_leaves_no_batch_half_written(world: World) {
    let before = world.row(world.org).await;
    let mut commit =
        Box::pin(world.store.commit(batch(world.org, before, vec![credit(money(1), None)])));
    // Polled once, so it is queued; then nobody waits for it any more.
    assert!(futures_util::poll!(commit.as_mut()).is_pending());
    drop(commit);
    while world.row(world.org).await.version == before.version {
        tokio::task::yield_now().await;
    }
    world.balances(world.org).await;
    world.has(money(1)).await;
}

pub async fn a_topup_adds_its_volume_to_its_link(world: World) {
    let (link, _) = world.settled_link("89010").await;
    world.has(money(10)).await;
    let topups = [0, 1].map(|_| world.operation(OperationKind::Topup, link.id));
    world.written(topups.iter().map(|o| debiting(o.clone())).collect()).await;
    world
        .written(
            topups
                .iter()
                .map(|o| Planned {
                    closed: vec![closing(o, OperationState::Succeeded)],
                    activations: vec![activating(o, link.id)],
                    ..Planned::default()
                })
                .collect(),
        )
        .await;
    let stored = world.store.link(world.org, link.id).await.unwrap().unwrap();
    assert_eq!(stored.data_total.kb(), 3_000_000);
    assert_eq!(stored.updated_at, at(2));
}

pub async fn a_group_is_leased_by_its_first(world: World) {
    world.has(money(10)).await;
    let head = world.topup();
    let tail = bappy_actors::model::Operation {
        group_id: head.id,
        position: 1,
        ..world.operation(OperationKind::Topup, LinkId(id()))
    };
    world.written(vec![debiting(head.clone()), debiting(tail)]).await;
    let due = head.deadline_at + TimeDelta::seconds(2);
    let early = due - TimeDelta::microseconds(1);
    assert_eq!(world.claim_due(Due::Operations, early, at(30), 10).await.unwrap(), []);
    let claimed = world.claim_due(Due::Operations, due, at(30), 10).await.unwrap();
    assert_eq!(claimed.iter().map(|c| c.operation.id).collect::<Vec<_>>(), [head.id]);
    assert_eq!(claimed[0].due_at, due);
    let members = world.operation_group(world.org, head.id).await.unwrap();
    assert_eq!(members.iter().map(|o| o.epoch).collect::<Vec<_>>(), [2, 1]);
    let debit = world.debit_of(world.org, head.id).await.unwrap().unwrap();
    let taken_over = bappy_actors::model::Operation { epoch: 2, ..head };
    world.written(vec![refund(&taken_over, debit.0)]).await;
}
