//! What the operator says of a Link's use.

use super::{enter, links};
use crate::support::fixtures::{caller, org};
use crate::support::script::Fault;
use crate::support::world::{World, run};
use bappy_actors::link::{Mode, Usage};
use bappy_actors::model::{ActivationStatus, LinkId, LinkStatus, Volume};
use bappy_actors::ports::{EndpointStatus, InstanceState};
use chrono::TimeDelta;
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;

async fn usage(world: &World, link: LinkId) -> Option<Arc<Usage>> {
    let snapshot = world.outside.store.data().snapshot(org(1), link).unwrap();
    links(world).usage(org(1), &snapshot.link, &snapshot.activations).await
}

#[test]
fn sixty_four_readers_share_one_call() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        world.outside.operator.state().latency = Duration::from_millis(100);
        let read = join_all((0..64).map(|_| usage(&world, link))).await;
        assert!(read.iter().all(Option::is_some));
        assert_eq!(world.outside.script.count("op_endpoint"), 1);
        assert_eq!(world.outside.script.count("op_profile"), 1);
        links(&world).usage_changed(org(1), link).await;
        usage(&world, link).await.unwrap();
        assert_eq!(world.outside.script.count("op_endpoint"), 2);
    });
}

#[test]
fn what_was_read_is_kept_as_last_known() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        world.outside.operator.state().endpoints[0].plans[0].data_used = Volume::from_kb(5);
        usage(&world, link).await.unwrap();
        let data = world.outside.store.data();
        assert_eq!(data.links[&link].1.data_used, Volume::from_kb(5));
        assert_eq!(data.readings.len(), 1);
    });
}

#[test]
fn of_many_plans_only_what_is_new_is_kept() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let add = World::add(link, 3);
        world.operations.add_plans(caller(org(1)), add).await.result.unwrap();
        let say = |told: &[i64]| {
            let told = told.iter().map(|kb| Volume::from_kb(*kb));
            let plans = &mut world.outside.operator.state().endpoints[0].plans;
            plans.iter_mut().zip(told).for_each(|(plan, used)| plan.data_used = used);
        };
        for (told, is_new) in [([0; 4], 0), ([0, 7, 0, 9], 2), ([0, 7, 0, 9], 0), ([1, 7, 0, 9], 1)]
        {
            say(&told);
            links(&world).usage_changed(org(1), link).await;
            let usage = usage(&world, link).await.unwrap();
            let data = world.outside.store.data();
            assert_eq!(data.readings.last().unwrap().1.activations.len(), is_new, "{told:?}");
            for (_, activation) in data.activations.values() {
                let told = usage.of_plan(&activation.instance_id).unwrap();
                assert_eq!(activation.data_used, told.data_used);
            }
            assert_eq!(data.links[&link].1.data_used, Volume::from_kb(told.iter().sum()));
        }
    });
}

#[test]
fn what_has_just_ended_is_kept_as_over() {
    for told in [InstanceState::Active, InstanceState::Expired] {
        run(async move {
            let world = World::new();
            let link = world.link().await;
            let now = world.now();
            world.outside.operator.state().endpoints[0].plans[0].state = told;
            let mut snapshot = {
                let mut data = world.outside.store.data();
                for (_, activation) in data.activations.values_mut() {
                    activation.expires_at = Some(now - TimeDelta::seconds(1));
                }
                data.snapshot(org(1), link).unwrap()
            };
            snapshot.age(now);
            let links = links(&world);
            links.usage(org(1), &snapshot.link, &snapshot.activations).await.unwrap();
            let data = world.outside.store.data();
            let mut stored = data.activations.values().map(|(_, activation)| activation.status);
            assert!(stored.all(|status| status == ActivationStatus::Expired), "{told:?}");
        });
    }
}

#[test]
fn what_is_stored_of_an_activation_is_what_a_reading_makes_of_it() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let total = world.outside.store.data().activations.values().next().unwrap().1.data_total;
        let used = Volume::from_kb(5);
        // Depleted is used up, whatever figure comes with it; and may be active again.
        for (told, status, stored) in [
            (InstanceState::Depleted, ActivationStatus::Depleted, total),
            (InstanceState::Active, ActivationStatus::Active, used),
            (InstanceState::Expired, ActivationStatus::Expired, used),
            (InstanceState::Active, ActivationStatus::Active, used),
            (InstanceState::Removed, ActivationStatus::Cancelled, used),
        ] {
            {
                let plan = &mut world.outside.operator.state().endpoints[0].plans[0];
                (plan.state, plan.data_used) = (told, used);
            }
            let known = world.outside.store.data().activations.values().next().unwrap().1.clone();
            links(&world).usage_changed(org(1), link).await;
            let usage = usage(&world, link).await.unwrap();
            let data = world.outside.store.data();
            let (_, activation) = data.activations.values().next().unwrap();
            assert_eq!((activation.status, activation.data_used), (status, stored), "{told:?}");
            let made = usage.of_activation(&known).unwrap();
            assert_eq!(made, (status, stored, activation.first_used_at), "{told:?}");
            let is_final = status == ActivationStatus::Cancelled;
            assert_eq!(usage.of_activation(activation).is_none(), is_final);
        }
    });
}

#[test]
fn what_a_reading_finds_terminated_is_inactive_for_the_next_who_enters() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        drop(enter(&world, link, Mode::Shared).await.unwrap());
        world.outside.operator.state().endpoints[0].status = EndpointStatus::Terminated;
        assert!(usage(&world, link).await.unwrap().terminated);
        let entered = enter(&world, link, Mode::Shared).await.unwrap();
        assert_eq!(entered.link.status, LinkStatus::Inactive);
    });
}

#[test]
fn of_a_plan_that_is_told_twice_the_first_is_believed() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        {
            let plans = &mut world.outside.operator.state().endpoints[0].plans;
            let mut again = plans[0].clone();
            plans[0].data_used = Volume::from_kb(5);
            again.data_used = Volume::from_kb(7);
            plans.extend([again.clone(), again]);
        }
        let usage = usage(&world, link).await.unwrap();
        assert_eq!(usage.plans.len(), 1);
        assert_eq!(usage.plans[0].data_used, Volume::from_kb(5));
    });
}

#[test]
fn without_an_answer_there_are_only_the_last_known_figures() {
    for fault in [Fault::Unreachable, Fault::Error500, Fault::HangNothing] {
        run(async {
            let world = World::new();
            let link = world.link().await;
            world.outside.script.fail_all("op_endpoint", fault);
            let started = tokio::time::Instant::now();
            let read = join_all((0..64).map(|_| usage(&world, link))).await;
            assert!(read.iter().all(Option::is_none));
            assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
            assert!(world.outside.store.data().readings.is_empty());
        });
    }
}

#[test]
fn a_profile_that_cannot_be_read_does_not_hide_the_use() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        world.outside.script.fail_all("op_profile", Fault::Error500);
        assert_eq!(usage(&world, link).await.unwrap().profile, None);
    });
}

#[test]
fn the_endpoint_of_another_card_is_not_believed() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        world.outside.operator.state().endpoints[0].iccid = "8911".to_owned();
        assert!(usage(&world, link).await.is_none());
        assert!(world.outside.store.data().readings.is_empty());
    });
}

#[test]
fn plans_that_were_added_are_read_at_once() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        assert_eq!(usage(&world, link).await.unwrap().plans.len(), 1);
        world.operations.add_plans(caller(org(1)), World::add(link, 1)).await.result.unwrap();
        assert_eq!(usage(&world, link).await.unwrap().plans.len(), 2);
    });
}
