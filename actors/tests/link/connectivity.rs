//! Where a Link's card is, as the operator says.

use super::links;
use crate::support::fixtures::{caller, org};
use crate::support::script::{Fault, Gate};
use crate::support::world::{World, run};
use bappy_actors::gateway::NotAdmitted;
use bappy_actors::link::{Freshness, LookError};
use bappy_actors::model::{LinkId, LinkStatus, NameChange};
use bappy_actors::operation::UpdateLink;
use bappy_actors::ports::{CallError, ConnectivityReading, UnknownCause};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

type Looked = Result<Arc<ConnectivityReading>, LookError>;

async fn look(world: &World, link: LinkId, freshness: Freshness) -> Looked {
    let link = Arc::new(world.outside.store.data().links[&link].1.clone());
    links(world).connectivity(org(1), link, freshness).await
}

/// Which of the operator's answers it is, from 1.
fn number(looked: Looked) -> String {
    let address = looked.unwrap().connectivity.ip_address.clone().unwrap();
    address.rsplit('.').next().unwrap().to_owned()
}

#[test]
fn sixty_four_readers_share_one_call() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        world.outside.operator.state().latency = Duration::from_millis(100);
        let looked = join_all((0..64).map(|_| look(&world, link, Freshness::Cached))).await;
        assert!(looked.into_iter().all(|looked| number(looked) == "1"));
        assert_eq!(number(look(&world, link, Freshness::Cached).await), "1");
    });
}

#[test]
fn who_asks_live_gets_an_answer_of_a_call_that_began_later() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let gate = Gate::new();
        world.outside.script.fail_next("op_connectivity", Fault::Hold(gate.clone()));
        let old = async { number(look(&world, link, Freshness::Cached).await) };
        let live = async {
            gate.arrived().await;
            let live = join_all((0..64).map(|_| look(&world, link, Freshness::Live)));
            let opened = async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                gate.open(1);
            };
            tokio::join!(live, opened).0
        };
        let (old, live) = tokio::join!(old, live);
        assert_eq!(old, "1");
        assert!(live.into_iter().all(|looked| number(looked) == "2"), "all share the next call");
        assert_eq!(number(look(&world, link, Freshness::Live).await), "3", "nothing is remembered");
        assert_eq!(number(look(&world, link, Freshness::Cached).await), "3", "but for the others");
    });
}

#[test]
fn a_failure_is_told_to_all_who_wait_and_to_nobody_else() {
    for fault in [Fault::Unreachable, Fault::Error500, Fault::HangNothing] {
        run(async {
            let world = World::new();
            let link = world.link().await;
            world.outside.script.fail_next("op_connectivity", fault);
            let started = Instant::now();
            let looked = join_all((0..64).map(|_| look(&world, link, Freshness::Live))).await;
            assert_eq!(looked.iter().filter(|looked| looked.is_err()).count(), 1, "who came first");
            assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
            assert_eq!(number(look(&world, link, Freshness::Cached).await), "1");
        });
    }
}

#[test]
fn the_reason_is_told() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let script = &world.outside.script;
        script.fail_next("op_connectivity", Fault::HangNothing);
        let hung = look(&world, link, Freshness::Live).await.unwrap_err();
        assert_eq!(hung, LookError::Call(CallError::Unknown(UnknownCause::TimedOut)));
        script.fail_next("op_connectivity", Fault::Panic);
        assert_eq!(look(&world, link, Freshness::Live).await.unwrap_err(), LookError::Lost);
        world.outside.operator.expire_session();
        script.fail_all("op_login", Fault::Unauthorized);
        let refused = look(&world, link, Freshness::Live).await.unwrap_err();
        assert_eq!(refused, LookError::Call(CallError::Unauthorized));
        let refused = look(&world, link, Freshness::Live).await.unwrap_err();
        assert_eq!(refused, LookError::NotAdmitted(NotAdmitted::CredentialsRefused));
    });
}

#[test]
fn who_is_content_with_the_last_known_waits_for_nobody_s_long_look() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let gate = Gate::new();
        world.outside.script.fail_next("op_connectivity", Fault::Hold(gate.clone()));
        let live = look(&world, link, Freshness::Live);
        let cached = async {
            gate.arrived().await;
            let started = Instant::now();
            let looked = look(&world, link, Freshness::Cached).await;
            gate.open(1);
            (looked, started.elapsed())
        };
        let (live, (cached, took)) = tokio::join!(live, cached);
        assert_eq!(cached.unwrap_err(), LookError::Lost);
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert!(live.is_ok(), "{live:?}");
    });
}

#[test]
fn what_was_read_is_kept_and_a_database_that_is_away_hides_nothing() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let looked = look(&world, link, Freshness::Live).await.unwrap();
        assert_eq!(world.outside.store.data().whereabouts[&link], *looked);
        world.outside.script.fail_next("record_connectivity", Fault::Unavailable);
        assert_eq!(number(look(&world, link, Freshness::Live).await), "2");
    });
}

#[test]
fn a_change_of_the_link_makes_the_next_look_anew() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        assert_eq!(number(look(&world, link, Freshness::Cached).await), "1");
        let (status, name) = (Some(LinkStatus::Suspended), NameChange::Keep);
        let update = UpdateLink { link, status, name };
        world.operations.update_link(caller(org(1)), update).await.result.unwrap();
        assert_eq!(number(look(&world, link, Freshness::Cached).await), "2");
    });
}
