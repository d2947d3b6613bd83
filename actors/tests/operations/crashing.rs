//! A process may die at any call, before or after it took effect: another one brings what was
//! begun to its end, and a second death, or a second resolver, does no harm.

use super::saga::{ALL, CHARGED, Saga};
use crate::support::environment::epoch;
use crate::support::script::{Fault, Gate};
use crate::support::world::{Outside, World, run};
use bappy_actors::model::{LinkId, Timestamp};
use bappy_actors::ports::Clock;
use chrono::TimeDelta;
use std::time::Duration;

/// What an operation leaves to the background has been called by then.
const BACKGROUND_MAX: Duration = Duration::from_secs(30);

fn later(at: Timestamp, secs: i64) -> Timestamp {
    at + TimeDelta::seconds(secs)
}

/// Runs a saga until the call at `index` stands at its gate; then everything dies.
fn crash(saga: Saga, outside: &Outside, link: LinkId, index: usize, after: bool) {
    let gate = Gate::new();
    let fault = if after { Fault::HoldAfter(gate.clone()) } else { Fault::Hold(gate.clone()) };
    outside.script.fail_at(index, fault);
    run(async {
        let world = World::over(outside, epoch());
        let performed = async {
            let ended = saga.perform(&world, link).await;
            // A call in the background, which nobody waits for, comes behind the end.
            tokio::time::sleep(BACKGROUND_MAX).await;
            panic!("it did not stop: {ended:?}");
        };
        tokio::select! {
            () = performed => {}
            () = gate.arrived() => {}
        }
    });
    outside.script.mend();
    outside.assert_invariant();
}

fn each_crash(sagas: &[Saga], mut then: impl FnMut(Saga, &Outside)) {
    for &saga in sagas {
        for (index, method) in saga.calls().into_iter().enumerate() {
            for after in [false, true] {
                println!(
                    "{saga:?}: dies {} {method} ({index})",
                    ["before", "after"][usize::from(after)]
                );
                let (outside, link) = saga.prepare();
                crash(saga, &outside, link, index, after);
                then(saga, &outside);
            }
        }
    }
}

#[test]
fn whatever_a_crash_leaves_is_brought_to_its_end() {
    each_crash(&ALL, |_, outside| {
        run(async {
            let world = World::over(outside, later(epoch(), 5));
            world.resolve(900).await;
            outside.assert_drained();
        });
    });
}

#[test]
fn every_operation_is_final_fifteen_seconds_behind_its_horizon() {
    each_crash(&CHARGED, |_, outside| {
        run(async {
            let world = World::over(outside, later(epoch(), 5));
            world.resolve(618 + 15 - 5).await;
            let data = outside.store.data();
            for stored in data.operations.values() {
                assert!(stored.operation.settled_at.is_some(), "{:?}", stored.operation);
            }
        });
    });
}

#[test]
fn a_late_landing_after_a_crash_is_settled_or_undone() {
    for &saga in &CHARGED {
        for (index, method) in saga.calls().into_iter().enumerate() {
            if !matches!(method, "op_create" | "op_add" | "op_status") {
                continue;
            }
            for wait in [1, 300, 640] {
                let (outside, link) = saga.prepare();
                outside.script.fail_at(index, Fault::HangLate);
                run(async {
                    let world = World::over(&outside, epoch());
                    tokio::select! {
                        _ = saga.perform(&world, link) => {}
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                    }
                });
                run(async {
                    let world = World::over(&outside, later(epoch(), 1));
                    world.resolve(wait).await;
                    assert_eq!(outside.operator.land_late(), 1);
                    outside.assert_invariant();
                    world.resolve(900).await;
                    outside.assert_drained();
                });
            }
        }
    }
}

#[test]
fn a_resolver_that_dies_too_is_followed_by_another() {
    each_crash(&[Saga::Create, Saga::Add(3), Saga::Remove], |_, outside| {
        // The resolver dies at its first calls, one after the other.
        for index in 0..12 {
            let gate = Gate::new();
            let at = i64::try_from(index).unwrap() * 60 + 60;
            outside.script.forget_calls();
            outside.script.fail_at(index, Fault::HoldAfter(gate.clone()));
            run(async {
                let world = World::over(outside, later(epoch(), at));
                tokio::select! {
                    () = world.resolve(15) => {}
                    () = gate.arrived() => {}
                }
            });
            outside.script.mend();
            outside.assert_invariant();
        }
        run(async {
            let world = World::over(outside, later(epoch(), 900));
            world.resolve(900).await;
            outside.assert_drained();
        });
    });
}

#[test]
fn two_resolvers_at_once_do_no_harm() {
    each_crash(&ALL, |_, outside| {
        run(async {
            let one = World::over(outside, later(epoch(), 25));
            let two = World::over(outside, later(epoch(), 25));
            // The second one's clock is ahead: it takes over what the first one still works on.
            let ahead = World::over(outside, later(epoch(), 45));
            outside.operator.state().latency = Duration::from_millis(700);
            tokio::join!(one.resolve(900), two.resolve(900), ahead.resolve(900));
            outside.assert_drained();
        });
    });
}

#[test]
fn a_runner_whose_lease_was_taken_does_no_harm() {
    for &saga in &ALL {
        for (index, method) in saga.calls().into_iter().enumerate() {
            for after in [false, true] {
                // A call to the operator takes effect within its horizon; the database may hang.
                let longest = if method.starts_with("op_") { 500 } else { 700 };
                for wait in [25, longest] {
                    println!("{saga:?}: stands at {method} ({index}, {after}) for {wait} s");
                    let (outside, link) = saga.prepare();
                    let gate = Gate::new();
                    let held = if after { Fault::HoldAfter } else { Fault::Hold };
                    outside.script.fail_at(index, held(gate.clone()));
                    run(async {
                        let runner = World::over(&outside, epoch());
                        let other = World::over(&outside, epoch());
                        let meanwhile = async {
                            gate.arrived().await;
                            tokio::time::sleep(Duration::from_secs(22)).await;
                            other.resolve(wait).await;
                            outside.assert_invariant();
                            gate.open(1);
                        };
                        let (ended, ()) = tokio::join!(saga.perform(&runner, link), meanwhile);
                        println!("  {ended:?} after {:?}", runner.clock.elapsed());
                        other.resolve(900).await;
                        outside.assert_drained();
                    });
                }
            }
        }
    }
}
