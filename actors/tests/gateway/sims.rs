//! The pool of free cards.

use super::{PATIENCE, limits, world};
use crate::support::fixtures::{SPONSOR, caller, offer, org, plan};
use crate::support::operator::{physical, sim};
use crate::support::script::{Fault, Gate};
use crate::support::store::SimState;
use crate::support::world::{World, run};
use bappy_actors::gateway::SimPoolError;
use bappy_actors::model::{Failure, OperationId};
use bappy_actors::operation::{CreateLink, OperationError};
use futures_util::future::{join, join_all};
use std::collections::HashSet;
use std::time::Duration;
use uuid::Uuid;

fn operation(n: u128) -> OperationId {
    OperationId(Uuid::from_u128(n))
}

/// Neither here nor at the operator, who takes a while to say so.
fn without_cards() -> World {
    let (world, _) = world(limits());
    world.outside.store.data().sims.clear();
    let mut operator = world.outside.operator.state();
    operator.sims.clear();
    operator.latency = Duration::from_millis(300);
    drop(operator);
    world
}

#[test]
fn sixty_four_who_claim_at_once_get_different_cards() {
    run(async {
        let (world, _) = world(limits());
        world.outside.store.data().sims.clear();
        let pool = &world.services.sims;
        let claimed = join_all((0..64).map(|n| pool.claim(SPONSOR, operation(n), PATIENCE))).await;
        let iccids: HashSet<_> = claimed.into_iter().map(|sim| sim.unwrap().iccid).collect();
        assert_eq!(iccids.len(), 64);
        assert_eq!(world.outside.script.count("op_list_sims"), 1, "one refill for all");
    });
}

#[test]
fn the_pool_is_refilled_before_it_is_empty() {
    run(async {
        let (world, _) = world(limits());
        let pool = &world.services.sims;
        for n in 0..150 {
            pool.claim(SPONSOR, operation(n), PATIENCE).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(world.outside.script.count("op_list_sims") > 0);
        assert!(world.outside.store.data().sims.len() > 200);
    });
}

#[test]
fn a_busy_pool_is_kept_ahead_by_its_pace() {
    run(async {
        let (world, _) = world(limits());
        world.outside.operator.state().sims = (0..5_000).map(sim).collect();
        let pool = &world.services.sims;
        let mut free = Vec::new();
        for n in 0..2_000 {
            pool.claim(SPONSOR, operation(n), PATIENCE).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
            let data = world.outside.store.data();
            free.push(data.sims.values().filter(|(_, state)| *state == SimState::Free).count());
        }
        // Of five hundred a second.
        assert!(free[1_000..].iter().all(|free| *free > 200), "{:?}", free.iter().min());
        assert!(free.iter().any(|free| *free > 800), "{:?}", free.iter().max());
    });
}

#[test]
fn more_than_a_page_who_come_at_once_all_get_a_card() {
    run(async {
        let (world, _) = world(limits());
        world.outside.store.data().sims.clear();
        world.outside.operator.state().sims = (0..5_000).map(sim).collect();
        world.outside.operator.state().latency = Duration::from_millis(300);
        let pool = &world.services.sims;
        let claims = (0..500).map(|n| pool.claim(SPONSOR, operation(n), PATIENCE));
        let claimed = join_all(claims).await;
        let iccids: HashSet<_> = claimed.into_iter().map(|sim| sim.unwrap().iccid).collect();
        assert_eq!(iccids.len(), 500);
    });
}

#[test]
fn an_operator_without_cards_is_told_as_empty() {
    run(async {
        let world = without_cards();
        let claimed = world.services.sims.claim(SPONSOR, operation(1), PATIENCE).await;
        assert!(matches!(claimed, Err(SimPoolError::Empty)), "{claimed:?}");
    });
}

#[test]
fn many_who_find_none_ask_the_operator_once() {
    run(async {
        let world = without_cards();
        let pool = &world.services.sims;
        let claim_all = async || {
            let claims = (0..64).map(|n| pool.claim(SPONSOR, operation(n), PATIENCE));
            join_all(claims).await
        };
        let claimed = claim_all().await;
        assert!(claimed.iter().all(|sim| matches!(sim, Err(SimPoolError::Empty))), "{claimed:?}");
        assert_eq!(world.outside.script.count("op_list_sims"), 1);
        // What comes to be later is found by who comes later.
        world.outside.operator.state().sims = (0..100).map(sim).collect();
        assert!(claim_all().await.iter().all(Result::is_ok));
    });
}

#[test]
fn who_comes_while_the_operator_is_asked_asks_it_again() {
    run(async {
        let world = without_cards();
        let pool = &world.services.sims;
        let later = async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            pool.claim(SPONSOR, operation(2), PATIENCE).await
        };
        let (first, second) = join(pool.claim(SPONSOR, operation(1), PATIENCE), later).await;
        assert!(matches!(first, Err(SimPoolError::Empty)), "{first:?}");
        assert!(matches!(second, Err(SimPoolError::Empty)), "{second:?}");
        assert_eq!(world.outside.script.count("op_list_sims"), 2);
    });
}

#[test]
fn who_waits_is_served_while_the_next_page_is_still_awaited() {
    run(async {
        let (world, _) = world(limits());
        world.outside.operator.state().sims = (0..5_000).map(sim).collect();
        let pool = &world.services.sims;
        let claim = async |n| pool.claim(SPONSOR, operation(n), PATIENCE).await;
        // Five hundred a second: a refill is of more than one page.
        for n in 0..1_000 {
            claim(n).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let script = &world.outside.script;
        let [first, second] = [Gate::new(), Gate::new()];
        script.fail_nth("op_list_sims", 0, Fault::Hold(first.clone()));
        script.fail_nth("op_list_sims", 1, Fault::Hold(second.clone()));
        let listed = script.count("op_list_sims");
        let mut claimed = 1_000;
        while script.count("op_list_sims") == listed {
            claim(claimed).await.unwrap();
            claimed += 1;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // The first page is on its way for who will come, and now there is no card.
        for (_, state) in world.outside.store.data().sims.values_mut() {
            *state = SimState::Retired;
        }
        let waiting = join_all((claimed..claimed + 100).map(claim));
        let (served, ()) = join(waiting, async { first.open(1) }).await;
        assert!(served.iter().all(Result::is_ok), "{served:?}");
        tokio::time::timeout(PATIENCE, second.arrived()).await.expect("there is a second page");
        assert_eq!(script.count("op_list_sims"), listed + 2);
        second.open(1);
    });
}

#[test]
fn nobody_waits_for_a_card_longer_than_allowed() {
    run(async {
        let (world, _) = world(limits());
        world.outside.store.data().sims.clear();
        world.outside.script.fail_all("op_list_sims", Fault::HangNothing);
        let pool = &world.services.sims;
        let started = tokio::time::Instant::now();
        let claimed = join_all((0..64).map(|n| pool.claim(SPONSOR, operation(n), PATIENCE))).await;
        assert!(claimed.iter().all(Result::is_err));
        assert!(started.elapsed() < PATIENCE + Duration::from_secs(1), "{:?}", started.elapsed());
    });
}

#[test]
fn a_claim_whose_operation_was_never_recorded_comes_back() {
    run(async {
        let (world, _) = world(limits());
        world.outside.store.data().sims.clear();
        world.outside.operator.state().sims.truncate(1);
        let pool = &world.services.sims;
        let first = pool.claim(SPONSOR, operation(1), PATIENCE).await.unwrap();
        // The operator goes on listing it.
        let none = pool.claim(SPONSOR, operation(2), PATIENCE).await;
        assert!(matches!(none, Err(SimPoolError::Empty)), "{none:?}");
        assert!(world.outside.script.count("op_list_sims") < 10);
        tokio::time::sleep(Duration::from_secs(121)).await;
        assert_eq!(pool.claim(SPONSOR, operation(3), PATIENCE).await.unwrap(), first);
        pool.release(&first.iccid, operation(1)).await;
        assert!(pool.claim(SPONSOR, operation(4), PATIENCE).await.is_err(), "not its to release");
        pool.release(&first.iccid, operation(3)).await;
        assert!(pool.claim(SPONSOR, operation(5), PATIENCE).await.is_ok());
    });
}

#[test]
fn a_card_that_somebody_else_uses_is_replaced_and_never_given_out_again() {
    run(async {
        let (world, _) = world(limits());
        for n in 0..3 {
            world
                .outside
                .operator
                .state()
                .create(&sim(n).iccid, "p", &format!("other-{n}"))
                .unwrap();
        }
        world.link().await;
        world.outside.assert_drained();
        let data = world.outside.store.data();
        for n in 0..3 {
            assert_eq!(data.sims[&sim(n).iccid].1, SimState::Retired);
        }
        assert_eq!(data.links.values().next().unwrap().1.iccid, sim(3).iccid);
        assert_eq!(data.balance(org(1)).to_string(), "90.00");
    });
}

#[test]
fn a_link_that_finds_only_used_cards_is_refunded_and_leaves_them_out_of_the_pool() {
    run(async {
        let (world, _) = world(limits());
        for n in 0..5 {
            world
                .outside
                .operator
                .state()
                .create(&sim(n).iccid, "p", &format!("other-{n}"))
                .unwrap();
        }
        let create = CreateLink { plan: offer(plan(1, "10")), name: None, iccid: None };
        let ended = world.operations.create_link(caller(org(1)), create).await;
        assert!(ended.result.is_err());
        world.outside.assert_drained();
        assert_eq!(world.outside.balance(), "100.00");
        for n in 0..5 {
            assert_eq!(world.outside.store.data().sims[&sim(n).iccid].1, SimState::Retired, "{n}");
        }
        world.link().await;
    });
}

#[test]
fn a_physical_card_that_somebody_else_uses_stays_in_its_stock() {
    run(async {
        let (world, _) = world(limits());
        let card = physical(0);
        let theirs = {
            let mut operator = world.outside.operator.state();
            operator.create(&card.iccid, "p", "other").unwrap().endpoint_id
        };
        let create = || CreateLink {
            plan: offer(plan(1, "10")),
            name: None,
            iccid: Some(card.iccid.clone()),
        };
        let ended = world.operations.create_link(caller(org(1)), create()).await;
        let failure = match ended.result {
            Err(OperationError::Failed { failure, .. }) => failure,
            other => panic!("{other:?}"),
        };
        assert_eq!(failure, Failure::ProvisioningError);
        assert_eq!(world.outside.balance(), "100.00");
        assert_eq!(world.outside.store.data().sims[&card.iccid].1, SimState::Free);
        assert!(!world.outside.has_open());
        assert_eq!(world.outside.script.count("claim_sim"), 0, "no other card is taken for it");
        // Once they are done with it, it can be used.
        let mut endpoints = std::mem::take(&mut world.outside.operator.state().endpoints);
        endpoints.retain(|endpoint| endpoint.endpoint_id != theirs);
        world.outside.operator.state().endpoints = endpoints;
        world.operations.create_link(caller(org(1)), create()).await.result.unwrap();
        world.outside.assert_drained();
    });
}
