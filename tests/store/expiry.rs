//! Activations end with their time: what is stored of it, whoever else writes meanwhile.

use crate::world::{World, activating, at, closing, debiting, money};
use bappy::store::{Conn, DbError, SqlStore};
use bappy_actors::model::{Activation, ActivationStatus, Link, OperationKind, OperationState};
use bappy_actors::model::{LinkId, Volume};
use bappy_actors::ports::{Planned, Store, UsageReading};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A paid top-up of 1 GB that ends `end_s` seconds after the start of the tests' time.
async fn topup(world: &World, link: LinkId, end_s: i64) -> Activation {
    world.has(money(5)).await;
    let operation = world.operation(OperationKind::Topup, link);
    world.written(vec![debiting(operation.clone())]).await;
    let mut activation = activating(&operation, link);
    activation.expires_at = Some(at(end_s));
    let settled = Planned {
        closed: vec![closing(&operation, OperationState::Succeeded)],
        activations: vec![activation.clone()],
        ..Planned::default()
    };
    world.written(vec![settled]).await;
    activation
}

/// A Link's activations as stored, oldest first, and its volumes in kB.
async fn stored(world: &World, link: &Link) -> (Vec<ActivationStatus>, i64, i64) {
    // Long before anything ends: nothing but what is stored is seen.
    let snapshot = world.link_snapshot(world.org, link.id, at(0)).await.unwrap().unwrap();
    let statuses = snapshot.activations.iter().rev().map(|a| a.status).collect();
    let link = world.store.link(world.org, link.id).await.unwrap().unwrap();
    (statuses, link.data_total.kb(), link.data_used.kb())
}

pub async fn what_is_over_is_expired_and_taken_off_its_link(world: World) {
    use ActivationStatus::{Active, Depleted, Expired};
    let (link, first) = world.settled_link("89010").await;
    let depleted = topup(&world, link.id, 50).await;
    topup(&world, link.id, 60).await;
    let used = vec![
        (first.activation_id.unwrap(), Volume::from_kb(300), Active, None),
        (depleted.id, Volume::from_kb(1_000_000), Depleted, None),
    ];
    let reading = UsageReading { terminated: false, activations: used, profile: None, at: at(5) };
    world.record_usage(world.org, link.id, reading).await.unwrap();
    let (other, _) = world.settled_link("89011").await;
    assert_eq!(world.expire_activations(at(49), 10).await.unwrap(), 0);
    assert_eq!(stored(&world, &link).await, (vec![Active, Depleted, Active], 3_000_000, 1_000_300));
    assert_eq!(world.expire_activations(at(50), 10).await.unwrap(), 1);
    assert_eq!(stored(&world, &link).await, (vec![Active, Expired, Active], 2_000_000, 300));
    assert_eq!(world.expire_activations(at(86_399), 10).await.unwrap(), 1);
    assert_eq!(stored(&world, &link).await, (vec![Active, Expired, Expired], 1_000_000, 300));
    assert_eq!(stored(&world, &other).await, (vec![Active], 1_000_000, 0));
    assert_eq!(world.expire_activations(at(86_400), 10).await.unwrap(), 2);
    assert_eq!(stored(&world, &link).await, (vec![Expired, Expired, Expired], 0, 0));
    assert_eq!(world.expire_activations(at(86_400), 10).await.unwrap(), 0);
    // What was in the making when the Link's last plan ended still counts.
    topup(&world, link.id, 90_000).await;
    assert_eq!(stored(&world, &link).await.1, 1_000_000);
}

pub async fn the_longest_over_are_expired_first(world: World) {
    let mut all = Vec::new();
    for (iccid, end_s) in [("89010", 30), ("89011", 10), ("89012", 20)] {
        let (link, _) = world.settled_link(iccid).await;
        topup(&world, link.id, end_s).await;
        all.push(link);
    }
    assert_eq!(world.expire_activations(at(40), 2).await.unwrap(), 2);
    let mut left = Vec::new();
    for link in &all {
        left.push(stored(&world, link).await.1);
    }
    assert_eq!(left, [2_000_000, 1_000_000, 1_000_000]);
}

pub async fn a_snapshot_is_of_its_time_whatever_is_stored(world: World) {
    let (link, _) = world.settled_link("89010").await;
    topup(&world, link.id, 50).await;
    let snapshot = world.link_snapshot(world.org, link.id, at(86_400)).await.unwrap().unwrap();
    assert!(snapshot.activations.iter().all(|a| a.status == ActivationStatus::Expired));
    assert_eq!((snapshot.link.data_total, snapshot.countries.len()), (Volume::ZERO, 0));
    let snapshot = world.link_snapshot(world.org, link.id, at(50)).await.unwrap().unwrap();
    assert_eq!((snapshot.in_force().count(), snapshot.link.data_total.kb()), (1, 1_000_000));
}

pub async fn instances_expire_each_activation_once(world: World) {
    const LINKS: u64 = 40;
    for n in 0..LINKS {
        world.settled_link(&format!("8901{n}")).await;
    }
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let store = SqlStore::start(world.db.clone());
        tasks.push(tokio::spawn(async move {
            let mut expired = 0;
            loop {
                match store.expire_activations(at(90_000), 7).await.unwrap() {
                    0 => return expired,
                    some => expired += some,
                }
            }
        }));
    }
    let mut expired = 0;
    for task in tasks {
        expired += task.await.unwrap();
    }
    // Who found nothing free left the rest to the others.
    while expired < LINKS {
        let some = world.expire_activations(at(90_000), 7).await.unwrap();
        assert!(some > 0, "{expired} of {LINKS}");
        expired += some;
    }
    assert_eq!(expired, LINKS);
    let in_force = "SELECT COUNT(*) FROM activations WHERE status <> 'expired'";
    assert_eq!(world.count(in_force).await, 0);
    assert_eq!(world.count("SELECT COUNT(*) FROM links WHERE data_total_kb <> 0").await, 0);
}

pub async fn topups_and_the_end_of_others_do_not_lose_each_other(world: World) {
    const ROUNDS: i64 = 40;
    let (link, _) = world.settled_link("89010").await;
    let store = Arc::clone(&world.store);
    let (stop, mut stopped) = oneshot::channel::<()>();
    let expiring = tokio::spawn(async move {
        while stopped.try_recv().is_err() {
            store.expire_activations(at(100), 10).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    for n in 0..ROUNDS {
        // Every other one is over as soon as it is there.
        topup(&world, link.id, if n % 2 == 0 { 50 } else { 90_000 }).await;
    }
    stop.send(()).unwrap();
    expiring.await.unwrap();
    world.expire_activations(at(100), 100).await.unwrap();
    assert_eq!(stored(&world, &link).await.1, 1_000_000 * (ROUNDS / 2 + 1));
}

pub async fn a_link_that_is_being_changed_is_left_for_the_next_time(world: World) {
    let mut tx = world.db.read().await.unwrap();
    let waits = matches!(tx.conn(), Conn::Sqlite(_));
    drop(tx);
    // There a transaction waits for its turn.
    if waits {
        return;
    }
    let (busy, _) = world.settled_link("89010").await;
    let (free, _) = world.settled_link("89011").await;
    let (tell, locked) = oneshot::channel();
    let (let_go, held) = oneshot::channel::<()>();
    let (db, id) = (world.db.clone(), busy.id);
    let change = tokio::spawn(async move {
        let write = db.write(move |tx| {
            Box::pin(async move {
                exec!(tx, "UPDATE links SET updated_at = updated_at WHERE id = $1", id.0)?;
                tell.send(()).unwrap();
                let _ = held.await;
                Ok::<_, DbError>(())
            })
        });
        write.await.unwrap();
    });
    locked.await.unwrap();
    assert_eq!(world.expire_activations(at(90_000), 10).await.unwrap(), 1);
    assert_eq!((stored(&world, &free).await.1, stored(&world, &busy).await.1), (0, 1_000_000));
    let_go.send(()).unwrap();
    change.await.unwrap();
    assert_eq!(world.expire_activations(at(90_000), 10).await.unwrap(), 1);
    assert_eq!(stored(&world, &busy).await.1, 0);
}
