//! Cards: the pool and the stock.

use crate::world::{World, at, closing, debiting, id, money, refund, sim};
use bappy::store::{Database, SqlStore, Time};
use bappy_actors::model::{Cleanup, EntryId, OperationId, OperationState, SimKind};
use bappy_actors::ports::{Planned, StockClaim, Store};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::runtime::Handle;

pub async fn concurrent_claims_give_distinct_cards(world: World) {
    let cards = (0..208).map(|n| sim(&format!("890{n:03}"))).collect();
    assert_eq!(world.add_sims(cards, at(0)).await.unwrap(), 208);
    let claims = (0..200).map(|_| {
        let store = Arc::clone(&world.store);
        tokio::spawn(async move {
            let operation = OperationId(id());
            store.claim_sim("alpha", SimKind::Esim, operation, at(1)).await.unwrap().unwrap()
        })
    });
    let claimed = futures_util::future::join_all(claims).await;
    let iccids: HashSet<_> = claimed.into_iter().map(|c| c.unwrap().iccid).collect();
    assert_eq!(iccids.len(), 200);
    assert_eq!(world.free_sims("alpha", SimKind::Esim, 100).await.unwrap(), 8);
    assert_eq!(world.free_sims("alpha", SimKind::Esim, 5).await.unwrap(), 5);
    assert_eq!(world.free_sims("beta", SimKind::Esim, 5).await.unwrap(), 0);
    let none = world.claim_sim("beta", SimKind::Esim, OperationId(id()), at(1)).await.unwrap();
    assert_eq!(none, None);
}

/// Each instance writes its claims together; between instances the database decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_claim_distinct_cards() {
    const CLAIMS: usize = 2_000;
    /// More than the other instance has locked at any time.
    const SPARE: usize = 200;
    let Some(world) = World::postgres().await else { return };
    let cards = (0..CLAIMS + SPARE).map(|n| sim(&format!("890{n:04}"))).collect();
    world.add_sims(cards, at(0)).await.unwrap();
    let other = Database::open(&world.url, 2, Handle::current()).await.unwrap();
    let stores = [Arc::clone(&world.store), Arc::new(SqlStore::start(other))];
    let claims = (0..CLAIMS).map(|n| {
        let store = Arc::clone(&stores[n % 2]);
        tokio::spawn(async move {
            let operation = OperationId(id());
            store.claim_sim("alpha", SimKind::Esim, operation, at(1)).await.unwrap().unwrap()
        })
    });
    let claimed = futures_util::future::join_all(claims).await;
    let iccids: HashSet<_> = claimed.into_iter().map(|c| c.unwrap().iccid).collect();
    assert_eq!(iccids.len(), CLAIMS);
}

pub async fn known_cards_are_not_added_again(world: World) {
    assert_eq!(world.add_sims(vec![sim("1"), sim("2")], at(0)).await.unwrap(), 2);
    assert_eq!(world.add_sims(vec![sim("2"), sim("3")], at(0)).await.unwrap(), 1);
    assert_eq!(world.last_sim("alpha", SimKind::Esim).await.unwrap().as_deref(), Some("3"));
    assert_eq!(world.last_sim("alpha", SimKind::Physical).await.unwrap(), None);
    assert_eq!(world.sim("2").await.unwrap(), Some(sim("2")));
    assert_eq!(world.sim("4").await.unwrap(), None);
}

pub async fn a_card_is_given_back_only_by_its_operation(world: World) {
    world.add_sims(vec![sim("1")], at(0)).await.unwrap();
    let operation = OperationId(id());
    world.claim_sim("alpha", SimKind::Esim, operation, at(1)).await.unwrap().unwrap();
    world.release_sim("1", OperationId(id())).await.unwrap();
    assert_eq!(world.free_sims("alpha", SimKind::Esim, 9).await.unwrap(), 0);
    world.release_sim("1", operation).await.unwrap();
    assert_eq!(world.free_sims("alpha", SimKind::Esim, 9).await.unwrap(), 1);
}

pub async fn a_claim_that_is_over_is_freed(world: World) {
    world.add_sims(["1", "2", "3", "4", "5"].map(sim).to_vec(), at(0)).await.unwrap();
    world.has(money(15)).await;
    let (pending, released, watched) = (world.topup(), world.topup(), world.topup());
    for recorded in [&pending, &released, &watched] {
        world.written(vec![debiting(recorded.clone())]).await;
    }
    let ids = [pending.id, OperationId(id()), OperationId(id()), released.id, watched.id];
    for (operation, seconds) in ids.into_iter().zip([1, 1, 9, 1, 1]) {
        world.claim_sim("alpha", SimKind::Esim, operation, at(seconds)).await.unwrap().unwrap();
    }
    assert_eq!(world.free_stale_claims(at(9)).await.unwrap(), 1);
    let freed = world.claim_sim("alpha", SimKind::Esim, OperationId(id()), at(9)).await.unwrap();
    assert_eq!(freed, Some(sim("2")));
    // Two of them are refunded, one with nothing of it left at the operator.
    world.written(vec![refund(&released, EntryId(released.id.0))]).await;
    let mut refunded = refund(&watched, EntryId(watched.id.0));
    refunded.closed[0].cleanup = Cleanup::Watching;
    world.written(vec![refunded]).await;
    assert_eq!(world.free_stale_claims(at(9)).await.unwrap(), 1);
    let freed = world.claim_sim("alpha", SimKind::Esim, OperationId(id()), at(9)).await.unwrap();
    assert_eq!(freed, Some(sim("4")));
    // That of an operation which may have used it is not asked about again.
    let unasked = async || {
        world
            .count("SELECT COUNT(*) FROM sims WHERE state = 'claimed' AND claimed_at IS NULL")
            .await
    };
    assert_eq!(unasked().await, 1);
    world
        .written(vec![Planned {
            closed: vec![closing(&pending, OperationState::Succeeded)],
            ..Planned::default()
        }])
        .await;
    assert_eq!(world.free_stale_claims(at(9)).await.unwrap(), 0);
    assert_eq!(unasked().await, 2);
}

pub async fn the_cards_of_an_operation_are_retired_when_it_is_cleaned_up(world: World) {
    world.add_sims(vec![sim("1"), sim("2"), sim("3")], at(0)).await.unwrap();
    world.has(money(5)).await;
    let operation = world.topup();
    for claimer in [operation.id, operation.id, OperationId(id())] {
        world.claim_sim("alpha", SimKind::Esim, claimer, at(1)).await.unwrap().unwrap();
    }
    world.written(vec![debiting(operation.clone())]).await;
    let mut refunded = refund(&operation, EntryId(operation.id.0));
    refunded.closed[0].cleanup = Cleanup::Watching;
    world.written(vec![refunded]).await;
    let retired = async || world.count("SELECT COUNT(*) FROM sims WHERE state = 'retired'").await;
    for (epoch, cleanup, count) in
        [(1, Cleanup::Watching, 0), (9, Cleanup::Done, 0), (1, Cleanup::Done, 2)]
    {
        let held = world.reschedule(world.org, operation.id, epoch, cleanup, None).await.unwrap();
        assert_eq!((held, retired().await), (epoch == 1, count), "{cleanup:?}");
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM sims WHERE state = 'claimed'").await, 1);
}

pub async fn a_used_card_is_not_retired_into_the_pool(world: World) {
    world.add_sims(vec![sim("1"), sim("2")], at(0)).await.unwrap();
    world.settled_link("1").await;
    world.retire_sim("2").await.unwrap();
    world.retire_sim("1").await.unwrap();
    assert_eq!(world.free_sims("alpha", SimKind::Esim, 9).await.unwrap(), 0);
    assert_eq!(world.count("SELECT COUNT(*) FROM sims WHERE state = 'used'").await, 1);
    assert_eq!(world.count("SELECT COUNT(*) FROM sims WHERE state = 'retired'").await, 1);
}

pub async fn stock_says_why_not(world: World) {
    let org = world.org;
    world
        .db
        .write(move |tx| {
            Box::pin(async move {
                exec!(
                    tx,
                    "INSERT INTO sims (iccid, kind, sponsor_id, org_id, state, created_at)
                     VALUES ('99', 'physical', 'alpha', $1, 'free', $2)",
                    org.0,
                    Time(at(0))
                )?;
                Ok(())
            })
        })
        .await
        .unwrap();
    let stranger = world.another_org(money(0)).await;
    let (one, other) = (OperationId(id()), OperationId(id()));
    let claim = |org, iccid, sponsor, operation, time| {
        world.claim_stock_sim(org, iccid, sponsor, operation, at(time), at(time - 120))
    };
    let is_claimed = |claim| matches!(claim, StockClaim::Claimed(_));
    let first = claim(stranger, "99", "alpha", one, 1).await.unwrap();
    assert_eq!(first, StockClaim::NotInStock);
    assert_eq!(claim(org, "98", "alpha", one, 1).await.unwrap(), StockClaim::NotInStock);
    assert_eq!(claim(org, "99", "beta", one, 1).await.unwrap(), StockClaim::OtherSponsor);
    assert!(is_claimed(claim(org, "99", "alpha", one, 1).await.unwrap()));
    for sponsor in ["alpha", "beta"] {
        let again = claim(org, "99", sponsor, other, 2).await.unwrap();
        assert_eq!(again, StockClaim::InUse(Some(one)));
    }
    // Its operation was never recorded.
    assert!(is_claimed(claim(org, "99", "alpha", other, 122).await.unwrap()));
    world.release_sim("99", one).await.unwrap();
    assert_eq!(claim(org, "99", "alpha", one, 123).await.unwrap(), StockClaim::InUse(Some(other)));
    world.release_sim("99", other).await.unwrap();
    assert!(is_claimed(claim(org, "99", "alpha", one, 124).await.unwrap()));
}
