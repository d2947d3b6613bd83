//! Changes that wait because another instance has an operation on the same Link in the database.

use crate::support::fixtures::{caller, org};
use crate::support::script::{Fault, Gate};
use crate::support::world::{World, run};
use bappy_actors::gateway::{BreakerLimits, BreakerState, GatewayLimits};
use bappy_actors::model::{LinkId, LinkStatus, NameChange};
use bappy_actors::operation::{Ended, OperationError, RemovePlans, UpdateLink};
use bappy_actors::ports::Clock;
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::task::JoinHandle;

/// One call at a time, one trial.
fn narrow() -> GatewayLimits {
    GatewayLimits {
        rate_per_second: 10_000,
        concurrency_max: 1,
        breaker: BreakerLimits { half_open_calls: 1, ..BreakerLimits::default() },
        ..GatewayLimits::default()
    }
}

/// What waits, and what it waits for.
#[derive(Clone, Copy, Debug)]
enum Change {
    Status,
    Removal,
}

const CHANGES: [Change; 2] = [Change::Status, Change::Removal];

impl Change {
    fn method(self) -> &'static str {
        match self {
            Self::Status => "op_status",
            Self::Removal => "op_remove",
        }
    }

    /// Starts it in a task of its own.
    fn start(self, world: &World, link: LinkId) -> JoinHandle<Ended> {
        let operations = world.operations.clone();
        let activations = world.outside.store.data().activations.keys().copied().collect();
        tokio::spawn(async move {
            match self {
                Self::Status => {
                    let status = Some(LinkStatus::Suspended);
                    let update = UpdateLink { link, status, name: NameChange::Keep };
                    operations.update_link(caller(org(1)), update).await
                }
                Self::Removal => {
                    let remove = RemovePlans { link, activations };
                    operations.remove_plans(caller(org(1)), remove).await
                }
            }
        })
    }
}

/// Another instance makes a change that stands at the operator until the gate is opened; the same
/// change waits for it here.
struct Turn {
    world: World,
    gate: Gate,
    link: LinkId,
    first: JoinHandle<Ended>,
    second: JoinHandle<Ended>,
}

async fn turn(change: Change) -> Turn {
    let world = World::with_gateway(narrow());
    let link = world.link().await;
    let gate = Gate::new();
    world.outside.script.fail_next(change.method(), Fault::Hold(gate.clone()));
    let other = World::over(&world.outside, world.now());
    let first = change.start(&other, link);
    gate.arrived().await;
    let second = change.start(&world, link);
    // Between two looks.
    tokio::time::sleep(Duration::from_millis(1_234)).await;
    Turn { world, gate, link, first, second }
}

#[test]
fn a_change_that_waits_for_its_turn_holds_no_room_at_the_operator() {
    for change in CHANGES {
        run(async {
            let turn = turn(change).await;
            let at_once = Duration::ZERO;
            let admitted = turn.world.services.gateway.admit(NonZeroU32::MIN, at_once).await;
            assert!(admitted.is_ok(), "{change:?}: {:?}", admitted.err());
            assert!(!turn.second.is_finished(), "{change:?}");
        });
    }
}

#[test]
fn a_change_that_waits_for_its_turn_holds_no_trial() {
    for change in CHANGES {
        run(async {
            let turn = turn(change).await;
            let gateway = &turn.world.services.gateway;
            turn.world.outside.script.fail_all("op_ping", Fault::Error500);
            for _ in 0..20 {
                let mut permit = gateway.admit(NonZeroU32::MIN, Duration::ZERO).await.unwrap();
                let timeout = Duration::from_secs(1);
                let failed = permit.call(timeout, |operator, token, timeout| async move {
                    operator.ping(&token, timeout).await
                });
                failed.await.unwrap_err();
            }
            turn.second.abort();
            tokio::time::sleep(Duration::from_secs(5)).await;
            let second = change.start(&turn.world, turn.link);
            tokio::time::sleep(Duration::from_millis(1_234)).await;
            assert_eq!(gateway.breaker().await, Some(BreakerState::HalfOpen), "{change:?}");
            let trial = gateway.admit(NonZeroU32::MIN, Duration::ZERO).await;
            assert!(trial.is_ok(), "{change:?}: {:?}", trial.err());
            assert!(!second.is_finished(), "{change:?}");
        });
    }
}

#[test]
fn top_ups_pass_a_change_that_waits_for_its_turn() {
    for change in CHANGES {
        run(async {
            let turn = turn(change).await;
            let started = turn.world.clock.elapsed();
            let added = turn.world.operations.add_plans(caller(org(1)), World::add(turn.link, 1));
            added.await.result.unwrap();
            assert_eq!(turn.world.clock.elapsed(), started, "{change:?}");
        });
    }
}

#[test]
fn what_was_done_meanwhile_is_seen_when_its_turn_comes() {
    for change in CHANGES {
        run(async {
            let turn = turn(change).await;
            turn.gate.open(1);
            turn.first.await.unwrap().result.unwrap();
            let second = turn.second.await.unwrap();
            assert_eq!(second.operation_id, None);
            match change {
                Change::Status => {
                    let to = LinkStatus::Suspended;
                    let same = matches!(second.result, Err(OperationError::StatusChange { from, .. }) if from == to);
                    assert!(same, "{second:?}");
                }
                Change::Removal => {
                    assert!(matches!(second.result, Err(OperationError::ActivationOver)));
                }
            }
            assert_eq!(turn.world.outside.script.count(change.method()), 1);
            turn.world.outside.assert_drained();
        });
    }
}

#[test]
fn whose_turn_does_not_come_in_time_is_refused() {
    for change in CHANGES {
        run(async {
            let turn = turn(change).await;
            let second = turn.second.await.unwrap();
            assert!(matches!(second.result, Err(OperationError::Overloaded)), "{second:?}");
            assert_eq!(second.operation_id, None);
            let took = turn.world.clock.elapsed();
            let (soonest, latest) = (Duration::from_secs(16), Duration::from_secs(18));
            assert!(took > soonest && took <= latest, "{took:?}");
            assert_eq!(turn.world.outside.script.count(change.method()), 1);
            turn.gate.open(1);
            turn.first.await.unwrap().result.unwrap();
            turn.world.outside.assert_drained();
        });
    }
}
