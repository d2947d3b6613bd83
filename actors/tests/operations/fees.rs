//! Runs of the monthly fees beside what happens to the Links meanwhile.

use crate::support::fixtures::{PRICE_PER_LINK, caller, money, org};
use crate::support::script::{Fault, Gate};
use crate::support::world::{World, run};
use bappy_actors::billing::{FeeRun, FeeRunError, Tally};
use bappy_actors::model::{LinkId, LinkStatus, NameChange, OperationState};
use bappy_actors::operation::UpdateLink;
use bappy_actors::ports::{Clock, EndpointStatus, Payer};
use std::sync::Arc;
use std::time::Duration;

/// Two months in a row, long after any Link was made.
const FIRST: &str = "2098-11";
const SECOND: &str = "2098-12";

fn fees(world: &World) -> FeeRun {
    let services = &world.services;
    FeeRun {
        book: Arc::new(world.outside.store.clone()),
        store: Arc::clone(&services.store),
        wallets: Arc::clone(&services.wallets),
        clock: Arc::clone(&services.clock),
        ids: Arc::clone(&services.ids),
        resolver: services.resolver.clone(),
        horizon: services.limits.horizon,
    }
}

async fn charge(world: &World, month: &str) -> Result<Tally, FeeRunError> {
    let payer = Payer { org: org(1), price_per_link: PRICE_PER_LINK };
    fees(world).charge(payer, month.parse().unwrap(), |_| {}).await
}

async fn set(world: &World, link: LinkId, status: LinkStatus) -> bool {
    let update = UpdateLink { link, status: Some(status), name: NameChange::Keep };
    world.operations.update_link(caller(org(1)), update).await.result.is_ok()
}

/// While it is suspended for a fee no further one falls due; whether it still is, a reactivation that is
/// under way decides.
#[test]
fn a_link_that_is_being_reactivated_is_charged_when_it_is_known_to_be_active() {
    for refused in [true, false] {
        run(async {
            let world = World::new();
            let link = world.link().await;
            assert!(set(&world, link, LinkStatus::Suspended).await);
            world.outside.store.data().fall_due(org(1), link, FIRST, money("0.5"));
            let gate = Gate::new();
            world.outside.script.fail_next("op_status", Fault::Hold(gate.clone()));
            let meanwhile = async {
                gate.arrived().await;
                let tally = charge(&world, SECOND).await.unwrap();
                assert_eq!((tally.left, tally.charged, tally.waived), (1, 0, 0));
                if refused {
                    world.outside.operator.state().endpoints[0].status = EndpointStatus::Terminated;
                }
                gate.open(1);
            };
            let (reactivated, ()) = tokio::join!(set(&world, link, LinkStatus::Active), meanwhile);
            assert_eq!(reactivated, !refused);
            let tally = charge(&world, SECOND).await.unwrap();
            let (charged, balance) = if refused { (0, "90.00") } else { (1, "88.00") };
            assert_eq!((tally.left, tally.charged), (0, charged), "{tally:?}");
            assert_eq!(tally.waived, 1 - charged);
            assert_eq!(world.outside.balance(), balance);
        });
    }
}

#[test]
fn a_wallet_that_does_not_answer_ends_its_run_and_is_charged_once() {
    run(async {
        let world = World::new();
        world.link().await;
        let gate = Gate::new();
        world.outside.script.fail_next("commit", Fault::Hold(gate.clone()));
        let begun = world.clock.elapsed();
        let silent = charge(&world, FIRST).await;
        assert!(matches!(silent, Err(FeeRunError::Silent(of)) if of == org(1)), "{silent:?}");
        assert!(world.clock.elapsed() < begun + Duration::from_mins(1));
        gate.open(1);
        let tally = charge(&world, FIRST).await.unwrap();
        assert_eq!(tally.charged + tally.decided, 1, "{tally:?}");
        assert_eq!(world.outside.balance(), "88.50");
        let data = world.outside.store.data();
        assert!(data.operations.values().all(|o| o.operation.state == OperationState::Succeeded));
    });
}
