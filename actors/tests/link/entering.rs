//! Exclusive and shared leave to change a Link.

use super::{enter, links};
use crate::support::fixtures::{caller, org};
use crate::support::script::Fault;
use crate::support::world::{World, run};
use bappy_actors::link::{Identifier, Mode};
use bappy_actors::model::{LinkId, LinkStatus};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[test]
fn exclusive_waits_for_shared_and_shared_for_exclusive() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let (one, two) = (enter(&world, link, Mode::Shared), enter(&world, link, Mode::Shared));
        let (one, two) = (one.await.unwrap(), two.await.unwrap());
        let alone = enter(&world, link, Mode::Exclusive);
        a_moment().await;
        let behind = enter(&world, link, Mode::Shared);
        drop(one);
        a_moment().await;
        assert!(!alone.is_finished(), "one is still inside");
        drop(two);
        let alone = alone.await.unwrap();
        a_moment().await;
        assert!(!behind.is_finished(), "somebody is alone inside");
        drop(alone);
        behind.await.unwrap();
    });
}

#[test]
fn who_went_away_while_waiting_holds_nobody_up() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let inside = enter(&world, link, Mode::Exclusive).await.unwrap();
        let gone = enter(&world, link, Mode::Exclusive);
        a_moment().await;
        gone.abort();
        let next = enter(&world, link, Mode::Exclusive);
        a_moment().await;
        drop(inside);
        next.await.unwrap();
    });
}

#[test]
fn top_ups_of_one_link_run_side_by_side() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        world.outside.operator.state().latency = Duration::from_millis(500);
        let started = tokio::time::Instant::now();
        let add = || world.operations.add_plans(caller(org(1)), World::add(link, 1));
        let (one, two, three) = tokio::join!(add(), add(), add());
        for ended in [one, two, three] {
            ended.result.unwrap();
        }
        assert!(started.elapsed() < Duration::from_secs(1));
        assert_eq!(world.outside.operator.state().in_flight_max, 3);
        world.outside.assert_drained();
    });
}

#[test]
fn what_was_changed_is_seen_by_the_next() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        drop(enter(&world, link, Mode::Shared).await.unwrap());
        world.outside.store.data().links.get_mut(&link).unwrap().1.status = LinkStatus::Suspended;
        let remembered = enter(&world, link, Mode::Shared).await.unwrap();
        assert_eq!(remembered.link.status, LinkStatus::Active, "remembered for half a second");
        drop(remembered);
        let alone = enter(&world, link, Mode::Exclusive).await.unwrap();
        assert_eq!(alone.link.status, LinkStatus::Suspended, "who is alone reads it anew");
        drop(alone);
        world.outside.store.data().links.get_mut(&link).unwrap().1.status = LinkStatus::Inactive;
        links(&world).changed(org(1), link).await;
        let next = enter(&world, link, Mode::Shared).await.unwrap();
        assert_eq!(next.link.status, LinkStatus::Inactive);
        drop(next);
        world.outside.store.data().links.get_mut(&link).unwrap().1.status = LinkStatus::Active;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let later = enter(&world, link, Mode::Shared).await.unwrap();
        assert_eq!(later.link.status, LinkStatus::Active, "changed on another instance");
    });
}

#[test]
fn while_nobody_else_changes_links_a_row_stands_until_it_is_changed_here() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let status = |status| {
            world.outside.store.data().links.get_mut(&link).unwrap().1.status = status;
        };
        let revision = |revision| world.outside.store.data().row_revision = revision;
        let seen = async || enter(&world, link, Mode::Shared).await.unwrap().link.status;
        let later = || tokio::time::sleep(Duration::from_millis(1_500));
        revision(Some(1));
        assert_eq!(seen().await, LinkStatus::Active);
        status(LinkStatus::Suspended);
        later().await;
        assert_eq!(seen().await, LinkStatus::Active, "nobody can have changed it");
        revision(Some(2));
        assert_eq!(seen().await, LinkStatus::Suspended, "changed here");
        status(LinkStatus::Active);
        later().await;
        revision(None);
        assert_eq!(seen().await, LinkStatus::Active, "another process is there");
        status(LinkStatus::Suspended);
        later().await;
        assert_eq!(seen().await, LinkStatus::Suspended, "and may have changed it");
        revision(Some(2));
        status(LinkStatus::Active);
        later().await;
        assert_eq!(
            seen().await,
            LinkStatus::Active,
            "it was read while others may have changed it"
        );
        status(LinkStatus::Inactive);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(seen().await, LinkStatus::Inactive, "never for longer");
    });
}

#[test]
fn a_foreign_or_unknown_link_is_none_and_leaves_no_actor_behind() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let links = links(&world);
        let unknown = LinkId(Uuid::from_u128(77));
        for mode in [Mode::Shared, Mode::Exclusive] {
            assert!(links.enter(org(2), link, mode).await.unwrap().is_none());
            assert!(links.enter(org(1), unknown, mode).await.unwrap().is_none());
        }
        assert_eq!(links.live(), 0);
        let iccid = world.outside.store.data().links[&link].1.iccid.clone();
        let by_iccid = Identifier::Iccid(iccid);
        assert_eq!(links.resolve(org(1), &by_iccid).await.unwrap(), Some(link));
        assert_eq!(links.resolve(org(2), &by_iccid).await.unwrap(), None);
    });
}

#[test]
fn a_panic_or_an_absent_database_is_told_and_the_next_is_served() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        for fault in [Fault::Panic, Fault::Unavailable] {
            world.outside.script.fail_next("link", fault);
            assert!(links(&world).enter(org(1), link, Mode::Exclusive).await.is_err());
            enter(&world, link, Mode::Exclusive).await.unwrap();
        }
    });
}

#[test]
fn links_that_were_idle_for_long_are_let_go() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        drop(enter(&world, link, Mode::Shared).await.unwrap());
        links(&world).drop_idle();
        assert_eq!(links(&world).live(), 1);
        tokio::time::sleep(Duration::from_secs(61)).await;
        links(&world).drop_idle();
        assert_eq!(links(&world).live(), 0);
        enter(&world, link, Mode::Shared).await.unwrap();
    });
}

#[test]
fn a_row_that_is_too_old_to_be_shown_is_not_held() {
    run(async {
        let world = World::new();
        let link = world.link().await;
        let row = Arc::downgrade(&enter(&world, link, Mode::Shared).await.unwrap().link);
        links(&world).drop_idle();
        a_moment().await;
        assert!(row.upgrade().is_some(), "it may be shown again");
        tokio::time::sleep(Duration::from_secs(3)).await;
        links(&world).drop_idle();
        a_moment().await;
        assert!(row.upgrade().is_none());
        assert_eq!(links(&world).live(), 1);
        let again = Arc::downgrade(&enter(&world, link, Mode::Shared).await.unwrap().link);
        tokio::time::sleep(Duration::from_secs(3)).await;
        links(&world).drop_idle();
        a_moment().await;
        assert!(again.upgrade().is_none(), "each time that it was idle");
    });
}
