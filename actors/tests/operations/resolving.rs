//! How the resolver holds what it works on, and what it does with what never ends.

use super::saga::Saga;
use crate::support::environment::epoch;
use crate::support::fixtures::{caller, offer, org, plan};
use crate::support::script::{Fault, Gate};
use crate::support::world::{Outside, World, run};
use bappy_actors::model::{Cleanup, OperationId, OperationState};
use bappy_actors::operation::{AddPlans, CreateLink, OperationError};
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

fn state(outside: &Outside, id: OperationId) -> OperationState {
    outside.store.data().operations[&id].operation.state
}

fn cleanup(outside: &Outside, id: OperationId) -> Cleanup {
    outside.store.data().operations[&id].operation.cleanup
}

/// A new Link of which the operator knows, and whose runner is gone.
async fn left_behind(world: &World) -> OperationId {
    let known: Vec<_> = world.outside.store.data().operations.keys().copied().collect();
    world.outside.script.fail_next("op_create", Fault::PanicAfter);
    let create = CreateLink { plan: offer(plan(1, "10")), name: None, iccid: None };
    let ended = world.operations.create_link(caller(org(1)), create).await;
    assert!(matches!(ended.result, Err(OperationError::Unsettled)), "{ended:?}");
    let data = world.outside.store.data();
    *data.operations.keys().find(|id| !known.contains(id)).unwrap()
}

/// A group of five top-ups that the operator has carried out, and whose runner is gone.
async fn group_left_behind(world: &World) -> OperationId {
    let link = world.link().await;
    world.outside.script.fail_nth("op_add", 4, Fault::PanicAfter);
    let add = AddPlans { link, plans: vec![offer(plan(1, "10")); 5] };
    world.operations.add_plans(caller(org(1)), add).await.result.unwrap_err();
    let data = world.outside.store.data();
    let group = data.operations.values().find(|stored| stored.operation.position == 1);
    group.unwrap().operation.group_id
}

fn round(world: &World) -> JoinHandle<usize> {
    let resolver = world.resolver.clone();
    tokio::spawn(async move { resolver.round().await.unwrap() })
}

#[test]
fn a_look_at_a_group_keeps_its_lease_for_as_long_as_it_takes() {
    run(async {
        let one = World::new();
        let id = group_left_behind(&one).await;
        let other = World::over(&one.outside, one.now());
        tokio::time::sleep(Duration::from_secs(21)).await;
        one.outside.operator.state().latency = Duration::from_millis(2_900);
        let looking = round(&one);
        for _ in 0..14 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(!looking.is_finished());
            assert_eq!(round(&other).await.unwrap(), 0, "nobody takes it over meanwhile");
        }
        assert_eq!(looking.await.unwrap(), 1);
        assert_eq!(state(&one.outside, id), OperationState::Succeeded);
        assert_eq!(one.outside.store.data().operations[&id].operation.epoch, 1);
        one.outside.assert_drained();
    });
}

#[test]
fn a_group_that_was_taken_over_meanwhile_is_left_alone() {
    run(async {
        let one = World::new();
        let id = group_left_behind(&one).await;
        let other = World::over(&one.outside, one.now());
        tokio::time::sleep(Duration::from_secs(21)).await;
        let gate = Gate::new();
        one.outside.script.fail_next("op_endpoint", Fault::Hold(gate.clone()));
        let looking = round(&one);
        gate.arrived().await;
        tokio::time::sleep(Duration::from_secs(11)).await;
        // The other one does not come to an end either: its lease is what counts.
        one.outside.script.fail_next("op_endpoint", Fault::Hold(gate.clone()));
        let taken_over = round(&other);
        gate.arrived().await;
        one.outside.script.forget_calls();
        gate.open(1);
        looking.await.unwrap();
        assert_eq!(one.outside.script.count("commit"), 0);
        assert_eq!(one.outside.script.count("op_endpoint"), 0, "nor does it look on");
        let lease = one.outside.store.data().operations[&id].lease_until;
        assert_eq!(lease, Some(one.now() + TimeDelta::seconds(10)), "the other one's");
        gate.open(1);
        taken_over.await.unwrap();
        assert_eq!(state(&one.outside, id), OperationState::Succeeded);
        one.outside.assert_drained();
    });
}

#[test]
fn a_slow_operation_holds_up_no_other_that_is_due() {
    run(async {
        let world = World::new();
        let slow = left_behind(&world).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let quick = left_behind(&world).await;
        let gate = Gate::new();
        world.outside.script.fail_next("op_endpoints_of_sim", Fault::Hold(gate.clone()));
        let running = tokio::spawn(world.resolver.clone().run(Arc::default()));
        gate.arrived().await;
        tokio::time::sleep(Duration::from_secs(7)).await;
        assert_eq!(state(&world.outside, quick), OperationState::Succeeded);
        assert_eq!(state(&world.outside, slow), OperationState::Pending);
        gate.open(1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(state(&world.outside, slow), OperationState::Succeeded);
        world.outside.assert_drained();
        running.abort();
    });
}

#[test]
fn a_settlement_that_is_never_taken_is_not_tried_in_a_tight_loop() {
    run(async {
        let world = World::new();
        let id = left_behind(&world).await;
        world.outside.script.fail_all("commit", Fault::Broken);
        tokio::time::sleep(Duration::from_secs(20)).await;
        world.outside.script.forget_calls();
        let running = tokio::spawn(world.resolver.clone().run(Arc::default()));
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_eq!(state(&world.outside, id), OperationState::Pending);
        let looks = world.outside.script.count("op_endpoints_of_sim");
        assert!((10..=40).contains(&looks), "{looks} looks");
        let tries = world.outside.script.count("commit");
        assert!((10..=1_200).contains(&tries), "{tries} tries");
        running.abort();
        world.outside.script.mend();
        world.resolve(60).await;
        world.outside.assert_drained();
    });
}

#[test]
fn a_settlement_that_is_never_taken_is_left_to_a_person_in_the_end() {
    // However long the look before it took.
    for latency in [Duration::ZERO, Duration::from_secs(2)] {
        let outside = Outside::new();
        let id = run(async { left_behind(&World::over(&outside, epoch())).await });
        outside.script.fail_all("commit", Fault::Broken);
        run(async {
            let late = TimeDelta::hours(24) + TimeDelta::minutes(11);
            let world = World::over(&outside, epoch() + late);
            outside.operator.state().latency = latency;
            let stop = Arc::new(Notify::new());
            let running = tokio::spawn(world.resolver.clone().run(Arc::clone(&stop)));
            tokio::time::sleep(Duration::from_mins(2)).await;
            assert_eq!(cleanup(&outside, id), Cleanup::Manual, "{latency:?}");
            assert_eq!(state(&outside, id), OperationState::Pending, "nothing is guessed");
            let tries = outside.script.count("commit");
            tokio::time::sleep(Duration::from_hours(1)).await;
            assert_eq!(outside.script.count("commit"), tries, "nobody tries again");
            outside.assert_invariant();
            stop.notify_one();
            running.await.unwrap();
        });
    }
}

/// The resolver sends it until its horizon, so that it may take effect for another horizon after
/// its refund.
#[test]
fn a_reactivation_that_takes_effect_long_after_its_refund_is_undone() {
    let (outside, link) = Saga::Reactivate.prepare();
    run(async {
        let world = World::over(&outside, epoch());
        outside.script.fail_next("op_status", Fault::Panic);
        Saga::Reactivate.perform(&world, link).await;
        outside.script.fail_all("op_status", Fault::HangLate);
        world.resolve(640).await;
        let states =
            outside.store.data().operations.values().map(|s| s.operation.state).collect::<Vec<_>>();
        assert!(states.contains(&OperationState::Refunded), "{states:?}");
        outside.script.mend();
        world.resolve(300).await;
        assert!(outside.operator.land_late() > 0);
        world.resolve(400).await;
        outside.assert_drained();
    });
}
