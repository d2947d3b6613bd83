//! What happens when nothing fails.

use crate::support::fixtures::{caller, keyed, org};
use crate::support::fixtures::{offer, plan};
use crate::support::world::{World, run};
use bappy_actors::model::{ActivationStatus, Answer, Volume};
use bappy_actors::operation::{CreateLink, OperationError};

#[test]
fn a_link_is_created_and_charged_once() {
    run(async {
        let world = World::new();
        world.link().await;
        world.outside.assert_drained();
        assert_eq!(world.outside.balance(), "90.00");
        println!("{:?}", world.outside.script.calls());
    });
}

#[test]
fn a_plan_that_is_over_at_once_gives_its_link_nothing() {
    run(async {
        let world = World::new();
        world.outside.operator.state().over = true;
        let create = CreateLink { plan: offer(plan(1, "10")), name: None, iccid: None };
        let ended = world.operations.create_link(caller(org(1)), create).await.result.unwrap();
        let Answer::LinkCreated { snapshot, .. } = ended else { panic!("{ended:?}") };
        let statuses: Vec<_> = snapshot.activations.iter().map(|a| a.status).collect();
        assert_eq!(statuses, [ActivationStatus::Expired]);
        assert_eq!(snapshot.link.data_total, Volume::ZERO);
        assert_eq!((snapshot.countries.len(), snapshot.operators_total), (0, 0));
        world.outside.assert_drained();
    });
}

#[test]
fn three_plans_are_added_and_charged_together() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        world.outside.script.forget_calls();
        world.operations.add_plans(caller(org(1)), World::add(link, 3)).await.result.unwrap();
        world.outside.assert_drained();
        assert_eq!(world.outside.balance(), "30.00");
        println!("{:?}", world.outside.script.calls());
    });
}

#[test]
fn of_two_calls_with_one_key_one_is_told_that_it_is_taken() {
    run(async {
        let world = World::new();
        let create = || CreateLink { plan: offer(plan(1, "10")), name: None, iccid: None };
        let one = world.operations.create_link(keyed(org(1), "k"), create());
        let two = world.operations.create_link(keyed(org(1), "k"), create());
        let (one, two) = tokio::join!(one, two);
        let told = [&one.result, &two.result];
        assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 1, "{told:?}");
        let is_taken = |told: &&&_| matches!(told, Err(OperationError::KeyTaken));
        assert_eq!(told.iter().filter(is_taken).count(), 1, "{told:?}");
        world.outside.assert_drained();
        assert_eq!(world.outside.balance(), "90.00");
    });
}
