//! Status, name and removals: recorded first, then driven to the wanted value.

use crate::support::fixtures::{caller, keyed, offer, org, plan};
use crate::support::script::{Fault, Gate};
use crate::support::world::{World, run};
use bappy_actors::model::{
    ActivationId, ActivationStatus, Answer, Failure, LinkId, LinkStatus, NameChange, OperationState,
};
use bappy_actors::operation::{AddPlans, Ended, OperationError, RemovePlans, UpdateLink};
use bappy_actors::ports::{EndpointStatus, Refusal};
use std::time::Duration;

async fn set(world: &World, link: LinkId, status: LinkStatus) -> Ended {
    let update = UpdateLink { link, status: Some(status), name: NameChange::Keep };
    world.operations.update_link(caller(org(1)), update).await
}

fn status(world: &World) -> (LinkStatus, EndpointStatus) {
    let link = world.outside.store.data().links.values().next().unwrap().1.status;
    (link, world.outside.operator.state().endpoints[0].status)
}

async fn with_three_plans() -> (World, LinkId, Vec<ActivationId>) {
    let world = World::new();
    let link = world.link().await;
    world.operations.add_plans(caller(org(1)), World::add(link, 2)).await.result.unwrap();
    let activations = world.outside.store.data().activations.keys().copied().collect();
    (world, link, activations)
}

#[test]
fn a_status_is_driven_on_after_a_lost_answer() {
    for fault in [Fault::Lost, Fault::Error500, Fault::Wrapped, Fault::HangDone] {
        run(async {
            let world = World::new();
            let link = world.link().await;
            world.outside.script.fail_next("op_status", fault.clone());
            set(&world, link, LinkStatus::Suspended).await.result.unwrap();
            assert_eq!(status(&world), (LinkStatus::Suspended, EndpointStatus::Suspended));
            world.outside.script.fail_next("op_status", fault);
            set(&world, link, LinkStatus::Active).await.result.unwrap();
            assert_eq!(status(&world), (LinkStatus::Active, EndpointStatus::Active));
            world.outside.assert_drained();
        });
    }
}

#[test]
fn a_status_in_doubt_at_the_deadline_goes_on_with_the_resolver() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        world.outside.script.fail_all("op_status", Fault::HangNothing);
        let ended = set(&world, link, LinkStatus::Suspended).await;
        assert!(matches!(ended.result, Err(OperationError::Failed { .. })), "{ended:?}");
        // The operator has too much to do, then refuses: neither says that it was not done.
        world.outside.script.fail_all("op_status", Fault::Throttled(Some(Duration::from_secs(9))));
        world.resolve(60).await;
        world.outside.script.fail_all("op_status", Fault::Refuse(Refusal::NotAllowed));
        world.resolve(60).await;
        let id = ended.operation_id.unwrap();
        let state = |world: &World| world.outside.store.data().operations[&id].operation.state;
        assert_eq!(state(&world), OperationState::Pending);
        world.outside.script.mend();
        world.resolve(60).await;
        assert_eq!(state(&world), OperationState::Succeeded);
        assert_eq!(status(&world), (LinkStatus::Suspended, EndpointStatus::Suspended));
    });
}

#[test]
fn a_status_that_is_refused_because_it_is_so_already_is_seen() {
    for lost in [Fault::Lost, Fault::HangDone] {
        run(async {
            let world = World::new();
            let link = world.link().await;
            world.outside.script.fail_next("op_status", lost);
            world.outside.script.fail_nth("op_status", 1, Fault::Refuse(Refusal::NotAllowed));
            set(&world, link, LinkStatus::Suspended).await.result.unwrap();
            assert_eq!(status(&world), (LinkStatus::Suspended, EndpointStatus::Suspended));
            world.outside.assert_drained();
        });
    }
}

/// As above, with an operator that refuses for good: until the horizon, and past it.
#[test]
fn a_status_that_is_so_already_is_not_rejected_at_its_horizon() {
    for resolved_after_s in [1, 700] {
        run(async {
            let world = World::new();
            let link = world.link().await;
            world.outside.script.fail_next("op_status", Fault::PanicAfter);
            let ended = set(&world, link, LinkStatus::Suspended).await;
            assert!(matches!(ended.result, Err(OperationError::Unsettled)), "{ended:?}");
            world.outside.script.fail_all("op_status", Fault::Refuse(Refusal::NotAllowed));
            tokio::time::sleep(Duration::from_secs(resolved_after_s)).await;
            world.resolve(60).await;
            assert_eq!(status(&world), (LinkStatus::Suspended, EndpointStatus::Suspended));
            world.outside.assert_drained();
        });
    }
}

#[test]
fn a_plan_whose_removal_is_refused_because_it_is_gone_is_removed() {
    run(async {
        let (world, link, activations) = with_three_plans().await;
        world.outside.script.fail_next("op_remove", Fault::Lost);
        world.outside.script.fail_nth("op_remove", 1, Fault::Refuse(Refusal::NotAllowed));
        let remove = RemovePlans { link, activations: activations[..1].to_vec() };
        world.operations.remove_plans(caller(org(1)), remove).await.result.unwrap();
        world.outside.assert_drained();
    });
}

#[test]
fn a_refused_status_changes_nothing() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        world.outside.script.fail_next("op_status", Fault::Refuse(Refusal::NotAllowed));
        let ended = set(&world, link, LinkStatus::Suspended).await;
        let failure = match ended.result {
            Err(OperationError::Failed { failure, .. }) => failure,
            other => panic!("{other:?}"),
        };
        assert_eq!(failure, Failure::ProviderError);
        assert_eq!(status(&world), (LinkStatus::Active, EndpointStatus::Active));
        let same = set(&world, link, LinkStatus::Active).await;
        assert!(matches!(same.result, Err(OperationError::StatusChange { .. })));
        let name = UpdateLink { link, status: None, name: NameChange::Set("van".to_owned()) };
        world.operations.update_link(caller(org(1)), name).await.result.unwrap();
        assert_eq!(world.outside.store.data().links[&link].1.name.as_deref(), Some("van"));
        world.outside.assert_drained();
    });
}

#[test]
fn a_name_that_was_left_behind_is_written_while_the_operator_is_away() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        world.outside.script.fail_next("close_operation", Fault::Panic);
        let name = UpdateLink { link, status: None, name: NameChange::Set("van".to_owned()) };
        world.operations.update_link(caller(org(1)), name).await.result.unwrap_err();
        world.outside.script.fail_all("op_login", Fault::Unreachable);
        // One that has no session with the operator.
        let other = World::over(&world.outside, world.now());
        other.resolve(60).await;
        assert_eq!(world.outside.store.data().links[&link].1.name.as_deref(), Some("van"));
        world.outside.assert_drained();
    });
}

#[test]
fn a_change_is_answered_with_the_time_that_is_stored() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let gate = Gate::new();
        world.outside.script.fail_next("link_snapshot", Fault::Hold(gate.clone()));
        let slow = async {
            gate.arrived().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            gate.open(1);
        };
        let (ended, ()) = tokio::join!(set(&world, link, LinkStatus::Suspended), slow);
        let answered = match ended.result {
            Ok(Answer::LinkUpdated { snapshot }) => snapshot.link.updated_at,
            other => panic!("{other:?}"),
        };
        assert_eq!(world.outside.store.data().links[&link].1.updated_at, answered);
    });
}

#[test]
fn what_a_key_repeats_of_a_change_that_was_left_behind_is_what_is_stored() {
    for status in [None, Some(LinkStatus::Suspended)] {
        run(async {
            let world = World::new();
            let link = world.link().await;
            world.outside.script.fail_next("close_operation", Fault::Panic);
            let update = UpdateLink { link, status, name: NameChange::Set("van".to_owned()) };
            let ended = world.operations.update_link(keyed(org(1), "k"), update).await;
            ended.result.unwrap_err();
            world.resolve(700).await;
            let data = world.outside.store.data();
            let stored = &data.operations.last_key_value().unwrap().1;
            let told = match &stored.answer {
                Some(Answer::LinkUpdated { snapshot }) => &snapshot.link,
                other => panic!("{other:?}"),
            };
            let link = &data.links[&link].1;
            let told = (&told.name, told.status, told.updated_at);
            assert_eq!(told, (&link.name, link.status, link.updated_at));
            assert_eq!(link.status, status.unwrap_or(LinkStatus::Active));
        });
    }
}

#[test]
fn a_removal_that_fails_half_way_says_what_was_removed() {
    run(async {
        let (world, link, activations) = with_three_plans().await;
        world.outside.script.fail_nth("op_remove", 2, Fault::Refuse(Refusal::NotAllowed));
        let remove = RemovePlans { link, activations: activations.clone() };
        let ended = world.operations.remove_plans(caller(org(1)), remove).await;
        match ended.result {
            Err(OperationError::Failed { failure: Failure::ProviderError, removed }) => {
                assert_eq!(removed, activations[..2]);
            }
            other => panic!("{other:?}"),
        }
        world.outside.assert_drained();
        let data = world.outside.store.data();
        let statuses: Vec<_> = activations.iter().map(|id| data.activations[id].1.status).collect();
        let (gone, there) = (ActivationStatus::Cancelled, ActivationStatus::Active);
        assert_eq!(statuses, [gone, gone, there]);
    });
}

#[test]
fn a_plan_that_is_gone_already_is_removed_and_one_named_twice_once() {
    run(async {
        let (world, link, activations) = with_three_plans().await;
        world.outside.script.fail_next("op_remove", Fault::Lost);
        let [one, two, _] = activations[..] else { panic!() };
        let remove = RemovePlans { link, activations: vec![one, two, one] };
        world.operations.remove_plans(caller(org(1)), remove).await.result.unwrap();
        world.outside.assert_drained();
        assert_eq!(world.outside.operator.state().standing().len(), 1);
        assert_eq!(world.outside.script.count("close_operation"), 2);
        let again = RemovePlans { link, activations: vec![one] };
        let ended = world.operations.remove_plans(caller(org(1)), again).await;
        assert!(matches!(ended.result, Err(OperationError::ActivationOver)));
    });
}

#[test]
fn a_change_waits_for_another_instance_on_the_same_link() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let other = World::over(&world.outside, world.now());
        let gate = Gate::new();
        world.outside.script.fail_next("op_status", Fault::Hold(gate.clone()));
        let opener = async {
            gate.arrived().await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert_eq!(world.outside.script.count("op_status"), 1, "the other one waits");
            gate.open(1);
        };
        let second = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let update = UpdateLink { link, status: None, name: NameChange::Set("van".to_owned()) };
            other.operations.update_link(caller(org(1)), update).await
        };
        let (one, (), two) = tokio::join!(set(&world, link, LinkStatus::Suspended), opener, second);
        one.result.unwrap();
        two.result.unwrap();
        world.outside.assert_drained();
    });
}

#[test]
fn plans_go_only_on_an_active_link_of_their_own_cards() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let mut other_cards = plan(1, "10");
        other_cards.sponsor.id = "S2".to_owned();
        let other_cards = AddPlans { link, plans: vec![offer(other_cards)] };
        let ended = world.operations.add_plans(caller(org(1)), other_cards).await;
        assert!(matches!(ended.result, Err(OperationError::OtherSponsor)));
        let foreign = world.operations.add_plans(caller(org(2)), World::add(link, 1)).await;
        assert!(matches!(foreign.result, Err(OperationError::NoLink)));
        set(&world, link, LinkStatus::Suspended).await.result.unwrap();
        let ended = world.operations.add_plans(caller(org(1)), World::add(link, 1)).await;
        assert!(matches!(ended.result, Err(OperationError::LinkState(LinkStatus::Suspended))));
        assert_eq!(world.outside.balance(), "90.00");
    });
}

/// What hangs is sent again and done; and then, when the Link has been changed back, it takes
/// effect.
#[test]
fn a_status_that_takes_effect_after_the_next_change_is_undone() {
    let (active, suspended) = (LinkStatus::Active, LinkStatus::Suspended);
    for [late, now] in [[suspended, active], [active, suspended]] {
        run(async {
            let world = World::new();
            let link = world.link().await;
            if late == active {
                set(&world, link, suspended).await.result.unwrap();
            }
            world.outside.script.fail_next("op_status", Fault::HangLate);
            set(&world, link, late).await.result.unwrap();
            set(&world, link, now).await.result.unwrap();
            assert_eq!(world.outside.operator.land_late(), 1);
            let (with_us, at_operator) = status(&world);
            assert_eq!(with_us, now);
            assert_eq!(at_operator == EndpointStatus::Active, late == active);
            // Nothing of it can land past its horizon.
            tokio::time::sleep(Duration::from_secs(630)).await;
            while world.resolver.round().await.unwrap() > 0 {}
            world.outside.assert_drained();
            assert_eq!(status(&world).0, now);
        });
    }
}
