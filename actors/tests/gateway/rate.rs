//! The rate holds for all that is sent, also for what comes behind the first call of a permit.

use super::{admit, call, limits, ping, world};
use crate::support::fixtures::{caller, offer, org, plan};
use crate::support::script::Fault;
use crate::support::world::run;
use bappy_actors::gateway::GatewayLimits;
use bappy_actors::model::{LinkStatus, NameChange};
use bappy_actors::operation::{CreateLink, UpdateLink};
use bappy_actors::ports::CallError;
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::time::Instant;

/// One call a second, and no more at once.
fn slow() -> GatewayLimits {
    GatewayLimits { rate_per_second: 1, ..limits() }
}

#[test]
fn a_call_that_its_permit_has_not_paid_for_waits_for_the_rate() {
    run(async {
        let (_, gateway) = world(slow());
        let mut permit = admit(&gateway).await.unwrap();
        let started = Instant::now();
        ping(&mut permit).await.unwrap();
        assert!(started.elapsed().is_zero(), "the first one is paid for");
        ping(&mut permit).await.unwrap();
        ping(&mut permit).await.unwrap();
        assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    });
}

#[test]
fn calls_that_a_permit_has_paid_for_do_not_wait_again() {
    run(async {
        let (_, gateway) = world(GatewayLimits { rate_per_second: 3, ..limits() });
        let three = NonZeroU32::new(3).unwrap();
        let mut permit = gateway.admit(three, Duration::from_secs(2)).await.unwrap();
        let started = Instant::now();
        for _ in 0..3 {
            ping(&mut permit).await.unwrap();
        }
        assert!(started.elapsed().is_zero());
    });
}

#[test]
fn of_more_calls_than_a_second_has_the_rest_waits_for_the_rate() {
    run(async {
        let (_, gateway) = world(GatewayLimits { rate_per_second: 3, ..limits() });
        let nine = NonZeroU32::new(9).unwrap();
        let mut permit = gateway.admit(nine, Duration::from_secs(2)).await.unwrap();
        let started = Instant::now();
        for _ in 0..9 {
            ping(&mut permit).await.unwrap();
        }
        assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    });
}

#[test]
fn a_call_for_which_the_rate_has_no_room_in_time_is_not_sent() {
    run(async {
        let (world, gateway) = world(slow());
        let mut permit = admit(&gateway).await.unwrap();
        ping(&mut permit).await.unwrap();
        let late = permit.call(Duration::from_millis(500), |operator, token, timeout| async move {
            operator.ping(&token, timeout).await
        });
        assert_eq!(late.await, Err(CallError::Unreachable));
        assert_eq!(world.outside.script.count("op_ping"), 1);
    });
}

#[test]
fn a_call_sent_again_with_a_new_session_waits_for_the_rate() {
    run(async {
        let (world, gateway) = world(slow());
        call(&gateway).await.unwrap().unwrap();
        world.outside.operator.expire_session();
        let mut permit = admit(&gateway).await.unwrap();
        let started = Instant::now();
        ping(&mut permit).await.unwrap();
        assert_eq!(world.outside.script.count("op_ping"), 3);
        assert!(started.elapsed() >= Duration::from_millis(999), "{:?}", started.elapsed());
    });
}

#[test]
fn a_read_back_waits_for_the_rate() {
    run(async {
        let (world, _) = world(slow());
        world.outside.script.fail_next("op_create", Fault::Lost);
        let create = CreateLink { plan: offer(plan(1, "10")), name: None, iccid: None };
        let started = Instant::now();
        world.operations.create_link(caller(org(1)), create).await.result.unwrap();
        assert_eq!(world.outside.script.count("op_endpoints_of_sim"), 1);
        assert!(started.elapsed() >= Duration::from_millis(999), "{:?}", started.elapsed());
        world.outside.assert_drained();
    });
}

#[test]
fn a_change_that_is_sent_again_waits_for_the_rate() {
    run(async {
        let (world, _) = world(slow());
        let link = world.link().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        for _ in 0..3 {
            world.outside.script.fail_next("op_status", Fault::Error500);
        }
        let update =
            UpdateLink { link, status: Some(LinkStatus::Suspended), name: NameChange::Keep };
        let started = Instant::now();
        world.operations.update_link(caller(org(1)), update).await.result.unwrap();
        assert_eq!(world.outside.script.count("op_status"), 4);
        assert!(started.elapsed() >= Duration::from_millis(2_999), "{:?}", started.elapsed());
    });
}
