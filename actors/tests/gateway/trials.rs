//! The trials of a half-open breaker: who makes them, and what counts.

use super::{PATIENCE, admit, call, limits, ping, world};
use crate::support::script::Fault;
use crate::support::world::{World, run};
use bappy_actors::gateway::{BreakerState, GatewayHandle, NotAdmitted, Permit};
use futures_util::FutureExt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// Calls are reported beside them: lets the reports arrive.
async fn reported() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A breaker that has opened and lets calls try from now on; with permits from before.
async fn half_open(before: usize) -> (World, Arc<GatewayHandle>, Vec<Permit>) {
    let (world, gateway) = world(limits());
    let mut held = Vec::new();
    for _ in 0..before {
        held.push(admit(&gateway).await.unwrap());
    }
    world.outside.script.fail_all("op_ping", Fault::Error500);
    for _ in 0..20 {
        assert!(call(&gateway).await.unwrap().is_err());
    }
    world.outside.script.mend();
    reported().await;
    assert_eq!(gateway.breaker().await, Some(BreakerState::Open));
    tokio::time::sleep(Duration::from_secs(5)).await;
    (world, gateway, held)
}

async fn state(gateway: &GatewayHandle) -> BreakerState {
    reported().await;
    gateway.breaker().await.unwrap()
}

#[test]
fn an_admission_that_nobody_comes_for_leaves_its_trial_to_another() {
    run(async {
        let (_, gateway, _) = half_open(0).await;
        for _ in 0..10 {
            let mut admission = Box::pin(admit(&gateway));
            assert!((&mut admission).now_or_never().is_none());
            // The answer lies there by now.
            reported().await;
            drop(admission);
            reported().await;
        }
        for _ in 0..3 {
            assert_eq!(state(&gateway).await, BreakerState::HalfOpen);
            call(&gateway).await.unwrap().unwrap();
        }
        assert_eq!(state(&gateway).await, BreakerState::Closed);
    });
}

#[test]
fn who_waits_in_vain_for_room_leaves_its_trial_to_another() {
    run(async {
        let (world, gateway, _) = half_open(0).await;
        world.outside.operator.expire_session();
        // All that is let through waits for a login that does not come.
        world.outside.script.fail_all("op_login", Fault::HangNothing);
        let hours = Duration::from_hours(2);
        tokio::time::sleep(hours).await;
        for _ in 0..3 {
            assert_eq!(admit(&gateway).await.map(drop), Err(NotAdmitted::NoRoom));
        }
        world.outside.script.mend();
        tokio::time::sleep(Duration::from_secs(10)).await;
        for _ in 0..3 {
            call(&gateway).await.unwrap().unwrap();
        }
        assert_eq!(state(&gateway).await, BreakerState::Closed);
    });
}

#[test]
fn what_was_let_through_before_the_opening_does_not_count_in_half_open() {
    run(async {
        let (world, gateway, before) = half_open(6).await;
        let trial = admit(&gateway).await.unwrap();
        for (place, mut old) in before.into_iter().enumerate() {
            if place % 2 == 0 {
                world.outside.script.fail_next("op_ping", Fault::Error500);
            }
            assert_eq!(ping(&mut old).await.is_err(), place % 2 == 0);
            drop(old);
            assert_eq!(state(&gateway).await, BreakerState::HalfOpen, "{place}");
        }
        drop(trial);
        for _ in 0..3 {
            assert_eq!(state(&gateway).await, BreakerState::HalfOpen);
            call(&gateway).await.unwrap().unwrap();
        }
        assert_eq!(state(&gateway).await, BreakerState::Closed);
    });
}

#[test]
fn a_permit_for_several_calls_is_one_trial() {
    run(async {
        let (_, gateway, _) = half_open(0).await;
        let five = NonZeroU32::new(5).unwrap();
        for _ in 0..3 {
            let mut trial = gateway.admit(five, PATIENCE).await.unwrap();
            for _ in 0..5 {
                ping(&mut trial).await.unwrap();
                assert_eq!(state(&gateway).await, BreakerState::HalfOpen);
            }
            drop(trial);
            reported().await;
        }
        assert_eq!(state(&gateway).await, BreakerState::Closed);
    });
}
