//! Guards: which commands of a batch stand in its way, by name.

use crate::world::{
    World, activating, at, closing, credit, debiting, key, money, new_link, refund,
};
use bappy_actors::model::{EntryId, Operation, OperationKind, OperationState};
use bappy_actors::ports::CommitOutcome::{Committed, Guarded};
use bappy_actors::ports::{Guard, Planned, Store};

fn keyed(world: &World, name: &str) -> Operation {
    Operation { key: Some(key(name)), ..world.topup() }
}

pub async fn a_key_in_use_is_key_taken(world: World) {
    world.has(money(20)).await;
    world.written(vec![debiting(keyed(&world, "k"))]).await;
    let outcome = world.commit(vec![debiting(world.topup()), debiting(keyed(&world, "k"))]).await;
    assert_eq!(outcome, Guarded(vec![(1, Guard::KeyTaken)]));
    world.written(vec![debiting(world.topup()), debiting(keyed(&world, "l"))]).await;
}

pub async fn the_same_key_twice_in_a_batch_takes_the_later_out(world: World) {
    world.has(money(20)).await;
    let outcome = world
        .commit(vec![
            debiting(keyed(&world, "k")),
            debiting(keyed(&world, "other")),
            debiting(keyed(&world, "k")),
        ])
        .await;
    assert_eq!(outcome, Guarded(vec![(2, Guard::KeyTaken)]));
}

pub async fn a_recorded_operation_is_already_open(world: World) {
    world.has(money(20)).await;
    let operation = keyed(&world, "k");
    world.written(vec![debiting(operation.clone())]).await;
    let outcome = world.commit(vec![debiting(operation)]).await;
    assert_eq!(outcome, Guarded(vec![(0, Guard::AlreadyOpen)]));
}

pub async fn an_epoch_that_moved_on_is_epoch_lost(world: World) {
    world.has(money(20)).await;
    let operation = world.topup();
    world.written(vec![debiting(operation.clone())]).await;
    world.claim_operation(world.org, operation.id, at(30)).await.unwrap().unwrap();
    let outcome = world.commit(vec![refund(&operation, EntryId(operation.id.0))]).await;
    assert_eq!(outcome, Guarded(vec![(0, Guard::EpochLost)]));
    let held = Operation { epoch: 2, ..operation };
    world.written(vec![refund(&held, EntryId(held.id.0))]).await;
}

pub async fn an_operation_that_ended_is_epoch_lost(world: World) {
    world.has(money(20)).await;
    let operation = world.topup();
    world.written(vec![debiting(operation.clone())]).await;
    world.written(vec![refund(&operation, EntryId(operation.id.0))]).await;
    let outcome = world.commit(vec![refund(&operation, EntryId(operation.id.0))]).await;
    assert_eq!(outcome, Guarded(vec![(0, Guard::EpochLost)]));
    assert_eq!(world.row(world.org).await.balance, money(20));
}

pub async fn ending_twice_in_a_batch_takes_the_later_out(world: World) {
    world.has(money(20)).await;
    let operation = world.topup();
    world.written(vec![debiting(operation.clone())]).await;
    let succeed = Planned {
        closed: vec![closing(&operation, OperationState::Succeeded)],
        ..Planned::default()
    };
    let outcome = world.commit(vec![refund(&operation, EntryId(operation.id.0)), succeed]).await;
    assert_eq!(outcome, Guarded(vec![(1, Guard::EpochLost)]));
    assert_eq!(world.row(world.org).await.balance, money(15));
}

pub async fn a_used_reference_is_reference_taken(world: World) {
    world.written(vec![credit(money(1), Some("bank-1"))]).await;
    let outcome =
        world.commit(vec![credit(money(1), None), credit(money(1), Some("bank-1"))]).await;
    assert_eq!(outcome, Guarded(vec![(1, Guard::ReferenceTaken)]));
    assert_eq!(world.row(world.org).await.balance, money(1));
}

pub async fn the_same_reference_twice_in_a_batch_takes_the_later_out(world: World) {
    let twice = vec![credit(money(1), Some("bank-1")), credit(money(1), Some("bank-1"))];
    assert_eq!(world.commit(twice).await, Guarded(vec![(1, Guard::ReferenceTaken)]));
    assert_eq!(world.commit(vec![credit(money(1), Some("bank-1"))]).await, Committed);
}

pub async fn another_links_card_is_sim_taken(world: World) {
    world.settled_link("89010").await;
    world.has(money(5)).await;
    let link = new_link("89010");
    let operation = world.operation(OperationKind::CreateLink, link.id);
    world.written(vec![debiting(operation.clone())]).await;
    let outcome = world
        .commit(vec![Planned {
            closed: vec![closing(&operation, OperationState::Succeeded)],
            activations: vec![activating(&operation, link.id)],
            links: vec![link],
            ..Planned::default()
        }])
        .await;
    assert_eq!(outcome, Guarded(vec![(0, Guard::SimTaken)]));
    assert_eq!(world.count("SELECT COUNT(*) FROM links").await, 1);
}

pub async fn every_culprit_of_a_batch_is_named(world: World) {
    world.has(money(50)).await;
    let open = keyed(&world, "k");
    world.written(vec![credit(money(1), Some("r")), debiting(open.clone())]).await;
    let lost = Operation { epoch: 3, ..open.clone() };
    let outcome = world
        .commit(vec![
            debiting(keyed(&world, "k")),
            credit(money(1), None),
            credit(money(1), Some("r")),
            debiting(open),
            refund(&lost, EntryId(lost.id.0)),
        ])
        .await;
    let expected = vec![
        (0, Guard::KeyTaken),
        (2, Guard::ReferenceTaken),
        (3, Guard::AlreadyOpen),
        (4, Guard::EpochLost),
    ];
    assert_eq!(outcome, Guarded(expected));
}

pub async fn a_refund_frees_its_key_and_a_success_keeps_it(world: World) {
    world.has(money(20)).await;
    let first = keyed(&world, "k");
    world.written(vec![debiting(first.clone())]).await;
    world.written(vec![refund(&first, EntryId(first.id.0))]).await;
    let second = keyed(&world, "k");
    world.written(vec![debiting(second.clone())]).await;
    world
        .written(vec![Planned {
            closed: vec![closing(&second, OperationState::Succeeded)],
            ..Planned::default()
        }])
        .await;
    let outcome = world.commit(vec![debiting(keyed(&world, "k"))]).await;
    assert_eq!(outcome, Guarded(vec![(0, Guard::KeyTaken)]));
}
