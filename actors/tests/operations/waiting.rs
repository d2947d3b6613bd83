//! No time spent waiting, for a Link or for room, is spent past the deadline; and who has none
//! left is not charged.

use crate::support::fixtures::{caller, offer, org, plan};
use crate::support::world::{World, run};
use bappy_actors::gateway::GatewayLimits;
use bappy_actors::link::{Entered, Mode};
use bappy_actors::model::{LinkId, LinkStatus, NameChange};
use bappy_actors::operation::{
    CreateLink, Ended, OperationError, OperationLimits, RemovePlans, UpdateLink,
};
use bappy_actors::ports::Clock;
use std::num::NonZeroU32;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(18);

/// What is done to a Link.
#[derive(Clone, Copy, Debug)]
enum Call {
    Add,
    Remove,
    Update,
}

const CALLS: [Call; 3] = [Call::Add, Call::Remove, Call::Update];

impl Call {
    async fn make(self, world: &World, link: LinkId) -> Ended {
        let (operations, caller) = (&world.operations, caller(org(1)));
        match self {
            Self::Add => operations.add_plans(caller, World::add(link, 1)).await,
            Self::Remove => {
                let activations = world.outside.store.data().activations.keys().copied().collect();
                operations.remove_plans(caller, RemovePlans { link, activations }).await
            }
            Self::Update => {
                let status = Some(LinkStatus::Suspended);
                operations
                    .update_link(caller, UpdateLink { link, status, name: NameChange::Keep })
                    .await
            }
        }
    }
}

async fn alone(world: &World, link: LinkId) -> Entered {
    world.services.links.enter(org(1), link, Mode::Exclusive).await.unwrap().unwrap()
}

/// Lets go of a Link after a while.
async fn leave(inside: Entered, after: Duration) {
    tokio::time::sleep(after).await;
    drop(inside);
}

#[test]
fn nobody_waits_for_a_link_past_the_deadline() {
    for call in CALLS {
        run(async {
            let world = World::new();
            let link = world.link().await;
            let _inside = alone(&world, link).await;
            let before = world.outside.script.count("commit");
            let ended = call.make(&world, link).await;
            assert!(matches!(ended.result, Err(OperationError::Overloaded)), "{call:?}: {ended:?}");
            let took = world.clock.elapsed();
            assert!(took >= DEADLINE && took < DEADLINE + Duration::from_millis(10), "{took:?}");
            assert_eq!(world.outside.script.count("commit"), before);
            assert_eq!(world.outside.script.count("open_operation"), 0);
        });
    }
}

#[test]
fn nobody_waits_for_room_past_the_deadline() {
    for call in CALLS {
        run(async {
            let limits = GatewayLimits { concurrency_max: 1, ..GatewayLimits::default() };
            let world = World::with_gateway(limits);
            let link = world.link().await;
            let gateway = &world.services.gateway;
            let _held = gateway.admit(NonZeroU32::MIN, Duration::ZERO).await.unwrap();
            let inside = alone(&world, link).await;
            let late = leave(inside, Duration::from_secs(17));
            let (ended, ()) = tokio::join!(call.make(&world, link), late);
            assert!(ended.result.is_err(), "{call:?}: {ended:?}");
            let took = world.clock.elapsed();
            assert!(took < DEADLINE + Duration::from_millis(10), "{call:?}: {took:?}");
            assert_eq!(world.outside.balance(), "90.00");
        });
    }
}

#[test]
fn a_charge_with_no_time_left_for_a_call_is_refused_before_its_debit() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let before = world.outside.script.count("commit");
        let inside = alone(&world, link).await;
        let late = leave(inside, Duration::from_millis(17_980));
        let (ended, ()) = tokio::join!(Call::Add.make(&world, link), late);
        assert!(matches!(ended.result, Err(OperationError::Overloaded)), "{ended:?}");
        assert_eq!(ended.operation_id, None);
        assert_eq!(world.outside.script.count("commit"), before, "nothing was debited");
        assert_eq!(world.outside.balance(), "90.00");
        // With a little more it is done.
        let inside = alone(&world, link).await;
        let late = leave(inside, Duration::from_millis(17_940));
        let (ended, ()) = tokio::join!(Call::Add.make(&world, link), late);
        ended.result.unwrap();
        world.outside.assert_drained();
    });
}

#[test]
fn past_the_bound_of_running_operations_callers_are_refused_at_once() {
    run(async {
        let limits = OperationLimits { running_max: 2, ..OperationLimits::default() };
        let world = World::with_limits(limits);
        world.outside.operator.state().latency = Duration::from_secs(1);
        let create = || {
            let create = CreateLink { plan: offer(plan(1, "10")), name: None, iccid: None };
            world.operations.create_link(caller(org(1)), create)
        };
        let third = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let started = world.clock.elapsed();
            let refused = create().await;
            assert!(matches!(refused.result, Err(OperationError::Overloaded)), "{refused:?}");
            assert_eq!(world.clock.elapsed(), started);
        };
        let (one, two, ()) = tokio::join!(create(), create(), third);
        one.result.unwrap();
        two.result.unwrap();
        create().await.result.unwrap();
        assert_eq!(world.outside.balance(), "70.00");
        world.outside.assert_drained();
    });
}
