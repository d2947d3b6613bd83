//! Activations end with their time.

use super::links;
use crate::support::fixtures::{caller, org};
use crate::support::script::Fault;
use crate::support::world::{World, run};
use bappy_actors::link::Expiry;
use bappy_actors::model::{ActivationStatus, LinkId, Timestamp, Volume};
use bappy_actors::operation::{OperationError, RemovePlans};
use bappy_actors::ports::{Clock, InstanceState};
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

fn expiry(world: &World) -> Expiry {
    let clock: Arc<dyn Clock> = Arc::clone(&world.clock) as _;
    Expiry::new(Arc::clone(&world.services.store), clock)
}

/// Lets a Link's activations end at different times: the first after as many seconds as it is said.
fn ending_after(world: &World, link: LinkId, seconds: &[i64]) -> Vec<Timestamp> {
    let mut data = world.outside.store.data();
    let of_link = data.activations.values_mut().map(|(_, a)| a).filter(|a| a.link_id == link);
    let ends = of_link.zip(seconds).map(|(activation, seconds)| {
        let end = world.now() + TimeDelta::seconds(*seconds);
        activation.expires_at = Some(end);
        end
    });
    ends.collect()
}

fn statuses(world: &World) -> Vec<ActivationStatus> {
    world.outside.store.data().activations.values().map(|(_, a)| a.status).collect()
}

async fn until(world: &World, at: Timestamp) {
    tokio::time::sleep((at - world.now()).to_std().unwrap()).await;
}

#[test]
fn an_activation_is_expired_within_a_second_of_its_end_and_not_before() {
    use ActivationStatus::{Active, Expired};
    run(async {
        let world = World::new();
        let link = world.link().await;
        world.operations.add_plans(caller(org(1)), World::add(link, 1)).await.result.unwrap();
        let ends = ending_after(&world, link, &[100, 200]);
        let stop = Arc::new(Notify::new());
        let running = tokio::spawn(expiry(&world).run(Arc::clone(&stop)));
        until(&world, ends[0] - TimeDelta::milliseconds(1)).await;
        assert_eq!(statuses(&world), [Active, Active]);
        until(&world, ends[0] + TimeDelta::milliseconds(1_001)).await;
        assert_eq!(statuses(&world), [Expired, Active]);
        let volume = || world.outside.store.data().links[&link].1.data_total;
        assert_eq!(volume(), Volume::from_kb(1_000_000));
        until(&world, ends[1] + TimeDelta::milliseconds(1_001)).await;
        assert_eq!(statuses(&world), [Expired, Expired]);
        assert_eq!(volume(), Volume::ZERO);
        stop.notify_waiters();
        running.await.unwrap();
    });
}

#[test]
fn a_round_expires_all_that_is_over_however_many_they_are() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        for _ in 0..2 {
            world.operations.add_plans(caller(org(1)), World::add(link, 2)).await.result.unwrap();
        }
        // More than one transaction takes.
        let mut more = world.outside.store.data().activations.values().next().unwrap().clone();
        for _ in 0..100 {
            more.1.id.0 = world.services.ids.next();
            world.outside.store.data().activations.insert(more.1.id, more.clone());
        }
        let end = *ending_after(&world, link, &[60; 105]).last().unwrap();
        assert_eq!(expiry(&world).round().await.unwrap(), 0);
        until(&world, end).await;
        assert_eq!(expiry(&world).round().await.unwrap(), 105);
        assert_eq!(expiry(&world).round().await.unwrap(), 0);
    });
}

#[test]
fn a_database_that_comes_back_finds_what_was_over_meanwhile() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let end = ending_after(&world, link, &[10])[0];
        world.outside.script.fail_all("expire_activations", Fault::Unavailable);
        let running = tokio::spawn(expiry(&world).run(Arc::default()));
        until(&world, end + TimeDelta::seconds(60)).await;
        assert_eq!(statuses(&world), [ActivationStatus::Active]);
        world.outside.script.mend();
        tokio::time::sleep(Duration::from_millis(1_001)).await;
        assert_eq!(statuses(&world), [ActivationStatus::Expired]);
        running.abort();
    });
}

#[test]
fn a_reader_sees_the_end_before_it_is_stored() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let end = ending_after(&world, link, &[10])[0];
        let snapshot =
            async |at| world.services.store.link_snapshot(org(1), link, at).await.unwrap().unwrap();
        let before = snapshot(end - TimeDelta::microseconds(1)).await;
        assert_eq!(
            (before.activations[0].status, before.in_force().count()),
            (ActivationStatus::Active, 1)
        );
        let after = snapshot(end).await;
        assert_eq!(after.activations[0].status, ActivationStatus::Expired);
        assert_eq!((after.in_force().count(), after.link.data_total), (0, Volume::ZERO));
        assert_eq!(statuses(&world), [ActivationStatus::Active]);
        // Nor can it be taken off any more.
        until(&world, end).await;
        let remove = RemovePlans { link, activations: vec![after.activations[0].id] };
        let removed = world.operations.remove_plans(caller(org(1)), remove).await;
        assert!(matches!(removed.result, Err(OperationError::ActivationOver)), "{removed:?}");
    });
}

#[test]
fn an_operator_whose_clock_is_behind_brings_nothing_back() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let end = ending_after(&world, link, &[10])[0];
        until(&world, end).await;
        expiry(&world).round().await.unwrap();
        assert_eq!(
            world.outside.operator.state().endpoints[0].plans[0].state,
            InstanceState::Active
        );
        let snapshot = world.outside.store.data().snapshot(org(1), link).unwrap();
        links(&world).usage(org(1), &snapshot.link, &snapshot.activations).await.unwrap();
        assert_eq!(world.outside.store.data().readings.len(), 1);
        assert_eq!(statuses(&world), [ActivationStatus::Expired]);
    });
}
