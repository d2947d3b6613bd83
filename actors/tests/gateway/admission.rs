//! Who may call the operator, and when.

use super::{PATIENCE, admit, call, limits, ping, world};
use crate::support::script::Fault;
use crate::support::world::run;
use bappy_actors::gateway::{BreakerState, GatewayHandle, GatewayLimits, NotAdmitted, Permit};
use bappy_actors::ports::{CallError, Refusal};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

async fn in_advance(gateway: &Arc<GatewayHandle>) -> Result<Permit, NotAdmitted> {
    gateway.admit_in_advance(NonZeroU32::MIN, PATIENCE).await
}

/// So many callers at once, all of whom get on.
async fn burst(gateway: &Arc<GatewayHandle>, callers: usize) {
    let calls: Vec<_> = (0..callers)
        .map(|_| {
            let gateway = Arc::clone(gateway);
            tokio::spawn(async move { call(&gateway).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap().unwrap();
    }
}

/// Calls are reported beside them: lets the reports arrive.
async fn reported() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[test]
fn calls_leave_at_the_rate_that_is_set() {
    run(async {
        let (_, gateway) = world(GatewayLimits { rate_per_second: 10, ..limits() });
        let started = Instant::now();
        for _ in 0..30 {
            call(&gateway).await.unwrap().unwrap();
        }
        let took = started.elapsed();
        assert!(took >= Duration::from_secs(2) && took < Duration::from_millis(2_100), "{took:?}");
    });
}

#[test]
fn a_permit_for_more_calls_takes_as_much_of_the_rate() {
    run(async {
        let (_, gateway) = world(GatewayLimits { rate_per_second: 10, ..limits() });
        let ten = NonZeroU32::new(10).unwrap();
        let patience = Duration::from_secs(5);
        drop(gateway.admit(ten, patience).await.unwrap());
        let started = Instant::now();
        drop(gateway.admit(ten, patience).await.unwrap());
        assert!(started.elapsed() >= Duration::from_secs(1));
        // More than the bucket ever holds is not refused for good.
        drop(gateway.admit(NonZeroU32::new(99).unwrap(), patience).await.unwrap());
    });
}

#[test]
fn no_more_calls_run_at_once_than_there_is_room() {
    run(async {
        let (world, gateway) = world(GatewayLimits { concurrency_max: 4, ..limits() });
        world.outside.operator.state().latency = Duration::from_millis(100);
        burst(&gateway, 32).await;
        assert_eq!(world.outside.operator.state().in_flight_max, 4);
    });
}

/// Those who may be let through in advance of room are half as many as may call at once.
#[test]
fn who_has_something_to_do_first_is_let_through_in_advance_of_room() {
    run(async {
        let (world, gateway) = world(GatewayLimits { concurrency_max: 2, ..limits() });
        let mut held = vec![admit(&gateway).await.unwrap(), admit(&gateway).await.unwrap()];
        let mut early = in_advance(&gateway).await.unwrap();
        let started = Instant::now();
        // There is leave for one; and who is not in advance waits for room itself.
        assert_eq!(in_advance(&gateway).await.map(drop), Err(NotAdmitted::NoRoom));
        assert_eq!(admit(&gateway).await.map(drop), Err(NotAdmitted::NoRoom));
        assert_eq!(started.elapsed().as_secs(), 2 * PATIENCE.as_secs());
        let calling = tokio::spawn(async move { (ping(&mut early).await, early) });
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(world.outside.script.count("op_ping"), 0, "called without room");
        held.pop();
        let (called, early) = calling.await.unwrap();
        called.unwrap();
        // It has room now, and its leave is another's.
        let mut next = in_advance(&gateway).await.unwrap();
        drop(early);
        ping(&mut next).await.unwrap();
        assert_eq!(world.outside.script.count("op_ping"), 2);
    });
}

#[test]
fn who_goes_in_advance_does_not_call_once_the_breaker_is_open() {
    run(async {
        let (world, gateway) = world(GatewayLimits { concurrency_max: 2, ..limits() });
        let mut held = [admit(&gateway).await.unwrap(), admit(&gateway).await.unwrap()];
        let mut early = in_advance(&gateway).await.unwrap();
        let started = Instant::now();
        let waiting = tokio::spawn(async move { [ping(&mut early).await, ping(&mut early).await] });
        let queued = Arc::clone(&gateway);
        let queued = tokio::spawn(async move { in_advance(&queued).await.map(drop) });
        world.outside.script.fail_all("op_ping", Fault::Unreachable);
        let failing = &mut held[0];
        while gateway.breaker().await != Some(BreakerState::Open) {
            ping(failing).await.unwrap_err();
            reported().await;
        }
        let sent = world.outside.script.count("op_ping");
        let refused = || Err(CallError::Unreachable);
        assert_eq!(waiting.await.unwrap(), [refused(), refused()]);
        assert_eq!(
            queued.await.unwrap(),
            Err(NotAdmitted::NoRoom),
            "let through by an open breaker"
        );
        assert!(
            started.elapsed() < Duration::from_secs(1),
            "refused after {:?}",
            started.elapsed()
        );
        assert_eq!(world.outside.script.count("op_ping"), sent, "called past the opening");
    });
}

#[test]
fn past_the_bound_of_waiters_callers_are_refused_at_once() {
    run(async {
        let (_, gateway) = world(GatewayLimits { concurrency_max: 1, waiting_max: 2, ..limits() });
        let held = admit(&gateway).await.unwrap();
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let gateway = Arc::clone(&gateway);
                tokio::spawn(async move { admit(&gateway).await.map(drop) })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let started = Instant::now();
        assert_eq!(admit(&gateway).await.map(drop), Err(NotAdmitted::NoRoom));
        assert!(started.elapsed().is_zero());
        drop(held);
        for waiter in waiting {
            waiter.await.unwrap().unwrap();
        }
    });
}

#[test]
fn who_waits_too_long_is_refused_and_never_calls() {
    run(async {
        let (world, gateway) = world(GatewayLimits { concurrency_max: 1, ..limits() });
        let held = admit(&gateway).await.unwrap();
        let started = Instant::now();
        assert_eq!(call(&gateway).await.unwrap_err(), NotAdmitted::NoRoom);
        assert_eq!(started.elapsed().as_secs(), 2);
        // Who went away before its turn holds nothing either.
        let gone = tokio::time::timeout(Duration::from_millis(10), admit(&gateway)).await;
        assert!(gone.is_err());
        drop(held);
        call(&gateway).await.unwrap().unwrap();
        assert_eq!(world.outside.script.count("op_ping"), 1);
    });
}

#[test]
fn who_would_wait_too_long_is_refused_at_once() {
    run(async {
        let (world, gateway) = world(GatewayLimits { concurrency_max: 1, ..limits() });
        call(&gateway).await.unwrap().unwrap();
        world.outside.operator.state().latency = Duration::from_millis(100);
        let ask = || {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(async move {
                let asked = Instant::now();
                (call(&gateway).await.map(drop), asked.elapsed())
            })
        };
        // Nobody knows yet how fast it goes: all of them wait, and a third in vain.
        let first: Vec<_> = (0..30).map(|_| ask()).collect();
        tokio::time::sleep(Duration::from_millis(350)).await;
        let (refused, took) = ask().await.unwrap();
        assert_eq!((refused, took), (Err(NotAdmitted::NoRoom), Duration::ZERO));
        let mut sold = 0;
        for call in first {
            sold += usize::from(call.await.unwrap().0.is_ok());
        }
        assert!((20..=22).contains(&sold), "{sold}");
        // From now on only those wait who get on, and the others know at once.
        let second: Vec<_> = (0..30).map(|_| ask()).collect();
        let (mut sold, mut refused) = (0, 0);
        for call in second {
            match call.await.unwrap() {
                (Ok(()), took) => {
                    assert!(took < Duration::from_secs(2), "{took:?}");
                    sold += 1;
                }
                (Err(error), took) => {
                    assert_eq!((error, took), (NotAdmitted::NoRoom, Duration::ZERO));
                    refused += 1;
                }
            }
        }
        assert!((13..=17).contains(&sold) && sold + refused == 30, "{sold} {refused}");
    });
}

/// Room for many comes back at once: what one waited is not what each before it takes.
#[test]
fn a_burst_behind_some_who_waited_alone_is_not_refused() {
    run(async {
        let (world, gateway) = world(GatewayLimits { concurrency_max: 64, ..limits() });
        call(&gateway).await.unwrap().unwrap();
        world.outside.operator.state().latency = Duration::from_millis(50);
        // Of each the last waits, behind nobody.
        for _ in 0..8 {
            burst(&gateway, 65).await;
        }
        // All of them have got on after 200 ms.
        burst(&gateway, 256).await;
    });
}

#[test]
fn a_queue_that_was_slow_once_is_tried_again() {
    run(async {
        let (world, gateway) = world(GatewayLimits { concurrency_max: 1, ..limits() });
        call(&gateway).await.unwrap().unwrap();
        world.outside.operator.state().latency = Duration::from_millis(1_900);
        let slow = [(); 2].map(|()| {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(async move { call(&gateway).await.map(drop) })
        });
        for call in slow {
            call.await.unwrap().unwrap();
        }
        world.outside.operator.state().latency = Duration::from_millis(10);
        let again: Vec<_> = (0..5)
            .map(|_| {
                let gateway = Arc::clone(&gateway);
                tokio::spawn(async move { call(&gateway).await.map(drop) })
            })
            .collect();
        // One goes, one waits to see how long it takes.
        let mut sold = 0;
        for call in again {
            sold += usize::from(call.await.unwrap().is_ok());
        }
        assert!(sold >= 2, "{sold}");
        for _ in 0..20 {
            call(&gateway).await.unwrap().unwrap();
        }
    });
}

#[test]
fn an_open_breaker_lets_no_call_through_and_closes_after_a_trial() {
    run(async {
        let (world, gateway) = world(limits());
        let script = &world.outside.script;
        script.fail_all("op_ping", Fault::Error500);
        for _ in 0..20 {
            assert!(call(&gateway).await.unwrap().is_err());
        }
        reported().await;
        assert!(matches!(call(&gateway).await, Err(NotAdmitted::BreakerOpen(_))));
        assert_eq!(gateway.breaker().await, Some(BreakerState::Open));
        assert_eq!(script.count("op_ping"), 20);

        tokio::time::sleep(Duration::from_secs(5)).await;
        script.mend();
        let trials = [admit(&gateway).await, admit(&gateway).await, admit(&gateway).await];
        assert!(matches!(admit(&gateway).await.map(drop), Err(NotAdmitted::BreakerOpen(_))));
        for trial in trials {
            ping(&mut trial.unwrap()).await.unwrap();
        }
        reported().await;
        assert_eq!(gateway.breaker().await, Some(BreakerState::Closed));
    });
}

#[test]
fn a_permit_that_is_dropped_unused_leaves_its_trial_to_another() {
    run(async {
        let (world, gateway) = world(limits());
        world.outside.script.fail_all("op_ping", Fault::Unreachable);
        for _ in 0..20 {
            assert!(call(&gateway).await.unwrap().is_err());
        }
        world.outside.script.mend();
        reported().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        for _ in 0..10 {
            drop(admit(&gateway).await.unwrap());
            reported().await;
        }
        assert_eq!(gateway.breaker().await, Some(BreakerState::HalfOpen));
        for _ in 0..3 {
            call(&gateway).await.unwrap().unwrap();
        }
        reported().await;
        assert_eq!(gateway.breaker().await, Some(BreakerState::Closed));
    });
}

#[test]
fn a_definite_no_is_no_failure_of_the_operator() {
    run(async {
        let (world, gateway) = world(limits());
        world.outside.script.fail_all("op_ping", Fault::Refuse(Refusal::NotAllowed));
        for _ in 0..100 {
            assert!(call(&gateway).await.unwrap().is_err());
        }
        assert_eq!(gateway.breaker().await, Some(BreakerState::Closed));
    });
}

#[test]
fn a_gateway_whose_actor_died_is_started_again() {
    run(async {
        let (world, gateway) = world(limits());
        world.outside.script.fail_next("op_login", Fault::Panic);
        assert_eq!(admit(&gateway).await.map(drop), Err(NotAdmitted::NoRoom));
        call(&gateway).await.unwrap().unwrap();
    });
}
