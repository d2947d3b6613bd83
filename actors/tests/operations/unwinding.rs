//! Any call may fail in any way: the operation ends well or its money comes back, the caller is
//! told in time, and what was told is true.

use super::saga::{ALL, ANSWER_MAX, Saga, assert_told, faults_of};
use crate::support::environment::epoch;
use crate::support::script::Fault;
use crate::support::world::{World, run};
use bappy_actors::ports::{Clock, CommitOutcome};
use std::time::Duration;

/// When what hung takes effect after all.
#[derive(Clone, Copy, Debug)]
enum Lands {
    AtOnce,
    BeforeTheHorizon,
}

fn fail(saga: Saga, index: usize, method: &str, fault: &Fault, lands: Lands) {
    let about = format!("{saga:?}: call {index} ({method}): {} {lands:?}", fault.name());
    println!("{about}");
    let (outside, link) = saga.prepare();
    let before = outside.balance();
    outside.script.fail_at(index, fault.clone());
    run(async {
        let world = World::over(&outside, epoch());
        let ended = saga.perform(&world, link).await;
        println!("  {ended:?}");
        assert!(world.clock.elapsed() < ANSWER_MAX, "answered after {:?}", world.clock.elapsed());
        outside.assert_invariant();
        if matches!(lands, Lands::BeforeTheHorizon) {
            world.resolve(500).await;
            outside.assert_invariant();
        }
        outside.operator.land_late();
        for outcome in outside.store.land_late() {
            assert_ne!(outcome, CommitOutcome::Committed, "a lost commit landed behind the fence");
        }
        world.resolve(900).await;
        outside.assert_drained();
        assert_told(saga, &outside, &before, &ended);
        let round = tokio::time::timeout(Duration::from_mins(1), world.resolver.round());
        assert_eq!(round.await.unwrap().unwrap(), 0, "nothing is left to do");
    });
}

fn sweep(saga: Saga) {
    for (index, method) in saga.calls().into_iter().enumerate() {
        for fault in faults_of(method) {
            fail(saga, index, method, &fault, Lands::AtOnce);
            if matches!(fault, Fault::HangLate) {
                fail(saga, index, method, &fault, Lands::BeforeTheHorizon);
            }
        }
    }
}

#[test]
fn creating_a_link_unwinds_from_any_failure() {
    sweep(Saga::Create);
}

#[test]
fn reactivating_a_link_that_owes_a_fee_unwinds_from_any_failure() {
    sweep(Saga::Reactivate);
}

#[test]
fn creating_a_link_on_a_physical_card_unwinds_from_any_failure() {
    sweep(Saga::CreateOnCard);
}

#[test]
fn adding_a_plan_unwinds_from_any_failure() {
    sweep(Saga::Add(1));
}

#[test]
fn adding_three_plans_unwinds_from_any_failure() {
    sweep(Saga::Add(3));
}

#[test]
fn removing_plans_comes_to_its_end_whatever_fails() {
    sweep(Saga::Remove);
}

#[test]
fn suspending_a_link_comes_to_its_end_whatever_fails() {
    sweep(Saga::Suspend);
}

#[test]
fn every_saga_makes_the_calls_that_the_sweeps_fail() {
    for saga in ALL {
        let calls = saga.calls();
        assert!(calls.iter().any(|call| call.starts_with("op_")), "{saga:?}: {calls:?}");
        println!("{saga:?}: {calls:?}");
    }
}
