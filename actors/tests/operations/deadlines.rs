//! No answer waits longer than it may; what was refunded is watched, undone, or left to a person.

use crate::support::fixtures::{caller, keyed, offer, org, plan};
use crate::support::script::Fault;
use crate::support::world::{World, run};
use bappy_actors::model::{Cleanup, Failure, OperationState};
use bappy_actors::operation::{CreateLink, Ended, OperationError};
use bappy_actors::ports::{Clock, Refusal};
use std::time::Duration;

fn create() -> CreateLink {
    CreateLink { plan: offer(plan(1, "10")), name: None, iccid: None }
}

fn failure(ended: &Ended) -> Failure {
    match &ended.result {
        Err(OperationError::Failed { failure, .. }) => *failure,
        other => panic!("{other:?}"),
    }
}

fn cleanup(world: &World) -> Cleanup {
    let data = world.outside.store.data();
    data.operations.values().next().unwrap().operation.cleanup
}

#[test]
fn an_operator_that_hangs_is_refunded_and_answered_in_eighteen_seconds() {
    run(async {
        let world = World::new();
        world.outside.script.fail_all("op_create", Fault::HangLate);
        world.outside.script.fail_all("op_endpoints_of_sim", Fault::HangNothing);
        let ended = world.operations.create_link(caller(org(1)), create()).await;
        assert_eq!(failure(&ended), Failure::ProvisioningFailed);
        let took = world.clock.elapsed();
        assert!(took <= Duration::from_millis(18_010), "{took:?}");
        assert_eq!(world.outside.balance(), "100.00");
        world.outside.script.mend();
        world.resolve(400).await;
        assert_eq!(world.outside.operator.land_late(), 1);
        world.resolve(400).await;
        world.outside.assert_drained();
        assert!(world.outside.operator.state().standing().is_empty(), "it was undone");
    });
}

#[test]
fn what_cannot_be_sent_again_in_time_is_refunded_at_once() {
    run(async {
        let world = World::new();
        let throttled = Fault::Throttled(Some(Duration::from_mins(1)));
        world.outside.script.fail_next("op_create", throttled);
        let ended = world.operations.create_link(caller(org(1)), create()).await;
        assert_eq!(failure(&ended), Failure::ProvisioningFailed);
        let took = world.clock.elapsed();
        assert!(took < Duration::from_secs(1), "{took:?}");
        world.outside.assert_drained();
    });
}

#[test]
fn absence_is_believed_only_past_the_horizon() {
    run(async {
        let world = World::new();
        world.outside.script.fail_next("op_create", Fault::HangNothing);
        world.operations.create_link(caller(org(1)), create()).await.result.unwrap_err();
        world.resolve(600).await;
        assert_eq!(cleanup(&world), Cleanup::Watching);
        world.resolve(30).await;
        assert_eq!(cleanup(&world), Cleanup::Done);
        let looks = world.outside.script.count("op_endpoints_of_sim");
        world.resolve(600).await;
        assert_eq!(world.outside.script.count("op_endpoints_of_sim"), looks, "nobody looks again");
    });
}

#[test]
fn an_undo_that_is_refused_goes_on_and_is_left_to_a_person_in_the_end() {
    run(async {
        let world = World::new();
        world.outside.script.fail_next("op_create", Fault::HangDone);
        world.outside.script.fail_nth("op_endpoints_of_sim", 0, Fault::HangNothing);
        world.outside.script.fail_all("op_status", Fault::Refuse(Refusal::NotAllowed));
        world.operations.create_link(caller(org(1)), create()).await.result.unwrap_err();
        world.resolve(2_000).await;
        assert!(world.outside.script.count("op_status") > 20);
        assert_eq!(cleanup(&world), Cleanup::Watching);
        world.resolve(24 * 3600 + 600).await;
        assert_eq!(cleanup(&world), Cleanup::Manual);
        world.outside.assert_invariant();
        assert_eq!(world.outside.balance(), "100.00", "refunded once");
    });
}

#[test]
fn a_key_is_free_again_after_a_refund_and_taken_after_a_success() {
    run(async {
        let world = World::new();
        world.outside.script.fail_next("op_create", Fault::Refuse(Refusal::NoPlan));
        let first = world.operations.create_link(keyed(org(1), "k"), create()).await;
        assert_eq!(failure(&first), Failure::ProvisioningError);
        world.operations.create_link(keyed(org(1), "k"), create()).await.result.unwrap();
        let third = world.operations.create_link(keyed(org(1), "k"), create()).await;
        assert!(matches!(third.result, Err(OperationError::KeyTaken)));
        world.operations.create_link(keyed(org(2), "k"), create()).await.result.unwrap();
        world.outside.assert_drained();
    });
}

#[test]
fn a_key_stands_for_an_operation_that_was_left_by_a_crash_until_it_has_ended() {
    run(async {
        let world = World::new();
        world.outside.script.fail_next("op_create", Fault::PanicAfter);
        let lost = world.operations.create_link(keyed(org(1), "k"), create()).await;
        assert!(matches!(lost.result, Err(OperationError::Unsettled)));
        let again = world.operations.create_link(keyed(org(1), "k"), create()).await;
        assert!(matches!(again.result, Err(OperationError::KeyTaken)));
        let id = *world.outside.store.data().operations.keys().next().unwrap();
        let ended = world.resolver.resolve_now(org(1), id).await.unwrap().unwrap();
        assert_eq!(ended.state, OperationState::Succeeded);
        assert!(world.outside.store.data().operations[&id].answer.is_some());
        world.outside.assert_drained();
    });
}

#[test]
fn without_funds_nothing_is_sent_and_the_card_goes_back() {
    run(async {
        let world = World::new();
        let dear = CreateLink { plan: offer(plan(1, "100.01")), name: None, iccid: None };
        let ended = world.operations.create_link(caller(org(1)), dear).await;
        assert!(matches!(ended.result, Err(OperationError::Refused(_))));
        assert_eq!(world.outside.script.count("op_create"), 0);
        let all = CreateLink { plan: offer(plan(1, "100")), name: None, iccid: None };
        world.operations.create_link(caller(org(1)), all).await.result.unwrap();
        let data = world.outside.store.data();
        assert_eq!(data.links.values().next().unwrap().1.iccid, "8900000000000000000");
    });
}

#[test]
fn a_closed_way_to_the_operator_charges_nothing() {
    run(async {
        let world = World::new();
        world.outside.script.fail_all("op_login", Fault::Unreachable);
        let ended = world.operations.create_link(caller(org(1)), create()).await;
        assert!(matches!(ended.result, Err(OperationError::NotAdmitted(_))), "{ended:?}");
        assert_eq!(world.outside.store.data().wallets[&org(1)].ledger.len(), 1);
    });
}

#[test]
fn draining_waits_for_what_runs_and_lets_nothing_new_in() {
    run(async {
        let world = World::new();
        world.outside.operator.state().latency = Duration::from_millis(1_500);
        let runs = world.operations.clone();
        let running = tokio::spawn(async move { runs.create_link(caller(org(1)), create()).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(world.operations.running(), 1);
        world.operations.drain().await;
        running.await.unwrap().result.unwrap();
        let late = world.operations.create_link(caller(org(1)), create()).await;
        assert!(matches!(late.result, Err(OperationError::Overloaded)));
    });
}

#[test]
fn the_running_resolver_is_woken_and_survives_a_panic() {
    run(async {
        let world = World::new();
        let stop = std::sync::Arc::new(tokio::sync::Notify::new());
        let running = tokio::spawn(world.resolver.clone().run(std::sync::Arc::clone(&stop)));
        world.outside.script.fail_next("claim_due", Fault::Panic);
        world.outside.script.fail_next("op_create", Fault::HangDone);
        world.outside.script.fail_next("op_endpoints_of_sim", Fault::HangNothing);
        world.operations.create_link(caller(org(1)), create()).await.result.unwrap_err();
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.outside.assert_drained();
        stop.notify_one();
        tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap();
    });
}
