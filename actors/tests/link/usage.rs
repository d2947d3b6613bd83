//! What the operator says of a Link's use.

use super::links;
use crate::support::fixtures::{caller, org};
use crate::support::script::Fault;
use crate::support::world::{World, run};
use bappy_actors::link::Usage;
use bappy_actors::model::{ActivationStatus, LinkId, Volume};
use bappy_actors::ports::InstanceState;
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
