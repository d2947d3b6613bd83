//! Settlements beside the wallet's row: written whatever the wallet does, each for itself.

use crate::world::{World, activating, at, closing, credit, debiting, money};
use bappy_actors::model::{LinkId, Operation, OperationKind, OperationState, OrgId};
use bappy_actors::ports::{Batch, CommitOutcome, Guard, Planned, Store};
use futures_util::future::join_all;
use std::sync::Arc;

/// The end of some topups of a Link.
fn settling(org: OrgId, link: LinkId, topups: &[&Operation]) -> Batch {
    let item = Planned {
        closed: topups.iter().map(|o| closing(o, OperationState::Succeeded)).collect(),
        activations: topups.iter().map(|o| activating(o, link)).collect(),
        ..Planned::default()
    };
    Batch { org_id: org, at: at(2), wallet: None, items: vec![item] }
}

fn is_epoch_lost(outcome: &CommitOutcome) -> bool {
    *outcome == CommitOutcome::Guarded(vec![(0, Guard::EpochLost)])
}

/// Commits them at once, so that most go down together.
async fn all_at_once(world: &World, batches: Vec<Batch>) -> Vec<CommitOutcome> {
    let commits = batches.into_iter().map(|batch| {
        let store = Arc::clone(&world.store);
        async move { store.commit(batch).await.unwrap() }
    });
    join_all(commits).await
}

pub async fn settlements_add_up_on_their_links_and_days(world: World) {
    let (one, _) = world.settled_link("89010").await;
    let (other, _) = world.settled_link("89011").await;
    world.has(money(500)).await;
    let topups: Vec<_> = (0..60)
        .map(|n| world.operation(OperationKind::Topup, if n % 3 == 0 { other.id } else { one.id }))
        .collect();
    world.written(topups.iter().map(|o| debiting(o.clone())).collect()).await;
    let before = world.row(world.org).await;
    let batches = topups.iter().map(|o| settling(world.org, o.link_id, &[o])).collect();
    let outcomes = all_at_once(&world, batches).await;
    assert_eq!(outcomes, vec![CommitOutcome::Committed; 60]);
    assert_eq!(world.row(world.org).await, before);
    for (link, topups) in [(one.id, 40), (other.id, 20)] {
        let stored = world.store.link(world.org, link).await.unwrap().unwrap();
        assert_eq!(stored.data_total.kb(), 1_000_000 * (1 + topups));
    }
    let made = "SELECT CAST(SUM(made) AS BIGINT) FROM ledger_days WHERE kind = 'topup'";
    // Of their plan, and of all plans.
    assert_eq!(world.count(made).await, 2 * 60);
    world.balances(world.org).await;
}

pub async fn a_settlement_that_is_kept_out_leaves_the_others(world: World) {
    let (link, _) = world.settled_link("89010").await;
    world.has(money(500)).await;
    let topups: Vec<_> = (0..40).map(|_| world.operation(OperationKind::Topup, link.id)).collect();
    world.written(topups.iter().map(|o| debiting(o.clone())).collect()).await;
    let held = world.claim_operation(world.org, topups[7].id, at(30)).await.unwrap().unwrap();
    // Each of the others in a batch of its own; the last two of them once more, together.
    let mut batches: Vec<_> = topups.iter().map(|o| settling(world.org, link.id, &[o])).collect();
    batches.push(settling(world.org, link.id, &[&topups[38], &topups[39]]));
    let outcomes = all_at_once(&world, batches).await;
    for (n, outcome) in outcomes.iter().enumerate() {
        match n {
            7 => assert!(is_epoch_lost(outcome), "{n}: {outcome:?}"),
            38..=40 => {}
            _ => assert_eq!(*outcome, CommitOutcome::Committed, "{n}"),
        }
    }
    // Both or one and one: whoever came first.
    let committed: Vec<_> =
        outcomes[38..].iter().map(|outcome| *outcome == CommitOutcome::Committed).collect();
    assert!(committed == [true, true, false] || committed == [false, false, true], "{committed:?}");
    assert!(outcomes[38..].iter().all(|o| *o == CommitOutcome::Committed || is_epoch_lost(o)));
    assert_eq!(world.count("SELECT COUNT(*) FROM activations").await, 1 + 39);
    let held = settling(world.org, link.id, &[&held.operation]);
    assert_eq!(world.store.commit(held).await.unwrap(), CommitOutcome::Committed);
    let stored = world.store.link(world.org, link.id).await.unwrap().unwrap();
    assert_eq!(stored.data_total.kb(), 41_000_000);
    world.balances(world.org).await;
}

pub async fn settlements_and_debits_do_not_stand_in_each_others_way(world: World) {
    const ROUNDS: usize = 60;
    let (link, _) = world.settled_link("89010").await;
    world.has(money(5 * i64::try_from(ROUNDS).unwrap())).await;
    let mut running: Option<Operation> = None;
    for _ in 0..ROUNDS {
        let topup = world.operation(OperationKind::Topup, link.id);
        let settled = running.replace(topup.clone());
        let settle = async {
            let Some(ended) = settled else { return };
            let batch = settling(world.org, link.id, &[&ended]);
            assert_eq!(world.store.commit(batch).await.unwrap(), CommitOutcome::Committed);
        };
        tokio::join!(world.written(vec![debiting(topup)]), settle);
    }
    assert_eq!(world.row(world.org).await.balance, money(0));
    world.balances(world.org).await;
}

pub async fn a_settlement_on_another_organizations_link_writes_nothing(world: World) {
    let (link, _) = world.settled_link("89010").await;
    let other = world.another_org(money(0)).await;
    let foreign = Operation { org_id: other, ..world.operation(OperationKind::Topup, link.id) };
    let before = world.row(other).await;
    let opened = vec![credit(money(5), None), debiting(foreign.clone())];
    let opened = crate::world::batch(other, before, opened);
    assert_eq!(world.store.commit(opened).await.unwrap(), CommitOutcome::Committed);
    world.store.commit(settling(other, link.id, &[&foreign])).await.unwrap_err();
    let stored = world.store.operation(other, foreign.id).await.unwrap().unwrap();
    assert_eq!(stored.state, OperationState::Pending);
    assert_eq!(world.count("SELECT COUNT(*) FROM activations").await, 1);
}
