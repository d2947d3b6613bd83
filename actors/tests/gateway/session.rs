//! One session for all calls.

use super::{admit, call, limits, world};
use crate::support::script::Fault;
use crate::support::world::run;
use bappy_actors::gateway::{GatewayHandle, NotAdmitted};
use bappy_actors::ports::{CallError, Refusal};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;

async fn calls(gateway: &Arc<GatewayHandle>) -> Vec<Result<Result<(), CallError>, NotAdmitted>> {
    join_all((0..64).map(|_| call(gateway))).await
}

#[test]
fn sixty_four_who_wait_share_one_login() {
    run(async {
        let (world, gateway) = world(limits());
        world.outside.operator.state().latency = Duration::from_millis(50);
        assert!(calls(&gateway).await.into_iter().all(|call| call == Ok(Ok(()))));
        assert_eq!(world.outside.script.count("op_login"), 1);
    });
}

#[test]
fn a_session_that_is_refused_is_renewed_once_for_all() {
    run(async {
        let (world, gateway) = world(limits());
        call(&gateway).await.unwrap().unwrap();
        world.outside.operator.state().latency = Duration::from_millis(50);
        world.outside.operator.expire_session();
        assert!(calls(&gateway).await.into_iter().all(|call| call == Ok(Ok(()))));
        assert_eq!(world.outside.script.count("op_login"), 2);
    });
}

#[test]
fn a_call_is_sent_again_only_once_after_a_login() {
    run(async {
        let (world, gateway) = world(limits());
        world.outside.script.fail_all("op_ping", Fault::Unauthorized);
        assert_eq!(call(&gateway).await, Ok(Err(CallError::Unauthorized)));
        assert_eq!(world.outside.script.count("op_ping"), 2);
        assert_eq!(world.outside.script.count("op_login"), 2);
    });
}

#[test]
fn refused_credentials_are_told_to_all_who_wait_and_not_tried_at_once_again() {
    run(async {
        let (world, gateway) = world(limits());
        world.outside.script.fail_all("op_login", Fault::Refuse(Refusal::Other("401".to_owned())));
        for call in calls(&gateway).await {
            assert_eq!(call, Err(NotAdmitted::CredentialsRefused));
        }
        assert_eq!(world.outside.script.count("op_login"), 1);
        world.outside.script.mend();
        tokio::time::sleep(Duration::from_secs(1)).await;
        call(&gateway).await.unwrap().unwrap();
    });
}

#[test]
fn an_operator_that_does_not_answer_the_login_keeps_nobody_longer_than_allowed() {
    run(async {
        let (world, gateway) = world(limits());
        world.outside.script.fail_all("op_login", Fault::HangNothing);
        let started = tokio::time::Instant::now();
        assert!(admit(&gateway).await.is_err());
        assert_eq!(started.elapsed().as_secs(), 2);
        world.outside.script.mend();
        tokio::time::sleep(Duration::from_secs(20)).await;
        call(&gateway).await.unwrap().unwrap();
    });
}

#[test]
fn a_session_is_renewed_before_it_ends() {
    run(async {
        let (world, gateway) = world(limits());
        call(&gateway).await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_secs(3_575)).await;
        call(&gateway).await.unwrap().unwrap();
        assert_eq!(world.outside.script.count("op_login"), 2);
        assert_eq!(world.outside.script.count("op_ping"), 2);
    });
}
