//! What callers are told when the database fails at the beginning or the end of an operation, or
//! when another instance has ended it.

use crate::support::environment::epoch;
use crate::support::fixtures::{caller, keyed, offer, org, plan};
use crate::support::script::{Fault, Gate};
use crate::support::world::{World, run};
use bappy_actors::model::{LinkId, LinkStatus, NameChange, OperationState};
use bappy_actors::operation::{Caller, CreateLink, Ended, OperationError, RemovePlans, UpdateLink};
use bappy_actors::ports::Clock;
use chrono::TimeDelta;

async fn suspend(world: &World, link: LinkId) -> Ended {
    let update = UpdateLink { link, status: Some(LinkStatus::Suspended), name: NameChange::Keep };
    world.operations.update_link(caller(org(1)), update).await
}

async fn remove_all(world: &World, link: LinkId) -> Ended {
    let activations = world.outside.store.data().activations.keys().copied().collect();
    world.operations.remove_plans(caller(org(1)), RemovePlans { link, activations }).await
}

async fn with_two_plans() -> (World, LinkId) {
    let world = World::new();
    let link = world.link().await;
    world.operations.add_plans(caller(org(1)), World::add(link, 1)).await.result.unwrap();
    (world, link)
}

#[test]
fn an_end_that_the_database_could_not_take_is_stored_again() {
    run(async {
        let (world, link) = with_two_plans().await;
        for _ in 0..3 {
            world.outside.script.fail_next("close_operation", Fault::Unavailable);
        }
        remove_all(&world, link).await.result.unwrap();
        for _ in 0..3 {
            world.outside.script.fail_next("close_operation", Fault::Unavailable);
        }
        suspend(&world, link).await.result.unwrap();
        assert_eq!(world.outside.script.count("op_status"), 1);
        world.outside.assert_drained();
    });
}

#[test]
fn an_end_whose_answer_was_lost_is_found_out() {
    for fault in [Fault::UnknownAfter, Fault::UnknownBefore] {
        run(async {
            let (world, link) = with_two_plans().await;
            for place in 0..2 {
                world.outside.script.fail_nth("close_operation", 2 * place, fault.clone());
            }
            remove_all(&world, link).await.result.unwrap();
            world.outside.script.fail_next("close_operation", fault.clone());
            suspend(&world, link).await.result.unwrap();
            assert_eq!(world.outside.script.count("op_status"), 1);
            assert_eq!(world.outside.script.count("op_remove"), 2);
            world.outside.assert_drained();
        });
    }
}

/// The runner's end was lost on its way, and another instance has ended the operation before it
/// tries again.
#[test]
fn who_was_taken_over_while_its_end_was_lost_is_told_what_its_key_repeats() {
    for with_key in [true, false] {
        run(async {
            let (world, link) = with_two_plans().await;
            let caller = if with_key { keyed(org(1), "k") } else { caller(org(1)) };
            world.outside.script.fail_next("close_operation", Fault::UnknownBefore);
            let (operations, status) = (world.operations.clone(), Some(LinkStatus::Suspended));
            let update = UpdateLink { link, status, name: NameChange::Keep };
            let runs = tokio::spawn(async move { operations.update_link(caller, update).await });
            while world.outside.script.count("close_operation") == 0 {
                tokio::task::yield_now().await;
            }
            let id = *world.outside.store.data().operations.last_key_value().unwrap().0;
            world.resolver.resolve_now(org(1), id).await.unwrap();
            let told = runs.await.unwrap().result;
            match told {
                Err(OperationError::KeyTaken) => assert!(with_key),
                told => assert!(!with_key && told.is_ok(), "{told:?}"),
            }
            world.outside.assert_drained();
        });
    }
}

#[test]
fn an_end_that_cannot_be_stored_for_long_is_left_to_the_resolver() {
    run(async {
        let (world, link) = with_two_plans().await;
        world.outside.script.fail_all("close_operation", Fault::Unavailable);
        let ended = suspend(&world, link).await;
        assert!(matches!(ended.result, Err(OperationError::Unsettled)), "{ended:?}");
        world.outside.script.mend();
        world.resolve(60).await;
        let data = world.outside.store.data();
        let state = data.operations[&ended.operation_id.unwrap()].operation.state;
        assert_eq!(state, OperationState::Succeeded);
        assert_eq!(data.links[&link].1.status, LinkStatus::Suspended);
    });
}

#[test]
fn a_record_in_doubt_is_told_with_its_id_and_carried_out_if_it_is_there() {
    for fault in [Fault::UnknownAfter, Fault::UnknownBefore] {
        run(async {
            let (world, link) = with_two_plans().await;
            world.outside.script.fail_next("open_operation", fault.clone());
            let ended = suspend(&world, link).await;
            assert!(matches!(ended.result, Err(OperationError::Unsettled)), "{ended:?}");
            let id = ended.operation_id.unwrap();
            assert_eq!(world.outside.script.count("op_status"), 0);
            world.resolve(60).await;
            let there = matches!(fault, Fault::UnknownAfter);
            let data = world.outside.store.data();
            let state = data.operations.get(&id).map(|stored| stored.operation.state);
            assert_eq!(state, there.then_some(OperationState::Succeeded));
            assert_eq!(data.links[&link].1.status == LinkStatus::Suspended, there);
        });
    }
}

/// A creation that another instance, whose clock is ahead, takes over and ends well.
async fn taken_over(world: &World, caller: Caller) -> Ended {
    let ahead = World::over(&world.outside, epoch() + TimeDelta::seconds(30));
    let gate = Gate::new();
    world.outside.script.fail_next("op_create", Fault::HoldAfter(gate.clone()));
    let create = CreateLink { plan: offer(plan(1, "10")), name: None, iccid: None };
    let meanwhile = async {
        gate.arrived().await;
        assert_eq!(ahead.resolver.round().await.unwrap(), 1);
        gate.open(1);
    };
    let (ended, ()) = tokio::join!(world.operations.create_link(caller, create), meanwhile);
    assert!(world.clock.elapsed().is_zero());
    world.outside.assert_drained();
    ended
}

#[test]
fn who_was_taken_over_and_has_a_key_is_told_what_the_key_stands_for() {
    run(async {
        let world = World::new();
        let ended = taken_over(&world, keyed(org(1), "k")).await;
        assert!(matches!(ended.result, Err(OperationError::KeyTaken)), "{ended:?}");
        let id = ended.operation_id.unwrap();
        let data = world.outside.store.data();
        assert_eq!(data.operations[&id].operation.state, OperationState::Succeeded);
        assert!(data.operations[&id].answer.is_some());
    });
}

#[test]
fn who_was_taken_over_without_a_key_gets_its_own_answer() {
    run(async {
        let world = World::new();
        let ended = taken_over(&world, caller(org(1))).await;
        ended.result.unwrap();
        assert_eq!(world.outside.store.data().links.len(), 1);
    });
}

/// A change that another instance has made and stored, while this one stood still at its deadline
/// with nothing done.
async fn made_meanwhile(caller: Caller) -> (World, Ended) {
    let (world, link) = with_two_plans().await;
    let ahead = World::over(&world.outside, epoch() + TimeDelta::minutes(1));
    let gate = Gate::new();
    world.outside.script.fail_all("op_status", Fault::HangNothing);
    world.outside.script.fail_next("reschedule", Fault::Hold(gate.clone()));
    let update = UpdateLink { link, status: Some(LinkStatus::Suspended), name: NameChange::Keep };
    let meanwhile = async {
        gate.arrived().await;
        world.outside.script.mend();
        assert_eq!(ahead.resolver.round().await.unwrap(), 1);
        gate.open(1);
    };
    let (ended, ()) = tokio::join!(world.operations.update_link(caller, update), meanwhile);
    assert_eq!(world.outside.store.data().links[&link].1.status, LinkStatus::Suspended);
    world.outside.assert_drained();
    (world, ended)
}

#[test]
fn who_stood_still_while_its_change_was_made_does_not_say_that_it_was_not() {
    run(async {
        let (world, ended) = made_meanwhile(keyed(org(1), "k")).await;
        assert!(matches!(ended.result, Err(OperationError::KeyTaken)), "{ended:?}");
        let data = world.outside.store.data();
        assert!(data.operations[&ended.operation_id.unwrap()].answer.is_some());
    });
    run(async {
        let (_, ended) = made_meanwhile(caller(org(1))).await;
        assert!(matches!(ended.result, Err(OperationError::Unsettled)), "{ended:?}");
    });
}
