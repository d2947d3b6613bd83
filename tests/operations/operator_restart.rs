//! `kill -9` of the operator under load; it comes back with what it had done.

use crate::load::{Client, Load, links, mixed, plans};
use crate::world::{ANSWERED_IN, World};
use crate::{agreement, figures, sizes};
use std::time::Instant;

pub async fn a_restart_of_the_operator_costs_nobody_anything(mut world: World) {
    let started = Instant::now();
    let service = world.serve("serve").await;
    let links = links(&world, service.at, 8).await;
    let calls = mixed(&links, sizes::topups(), sizes::creates());
    let total = calls.len();
    world.pay_in(world.times(plans(&calls))).await;
    let before = world.balance().await;
    let restarts = sizes::size("OPERATOR_KILLS", 1, 5);
    let mut operator = world.take_operator();
    let load = Load::new(&world, vec![service.at], Client::Trusting, sizes::in_flight());
    let killed = async {
        for nth in 1..=restarts {
            load.reaches(total * nth / (restarts + 1)).await;
            operator = world.restart_operator(operator).await;
        }
        operator
    };
    let (told, operator) = tokio::join!(load.run(calls), killed);
    for told in &told {
        let is_final = matches!(
            &*told.code,
            "OK" | "PROVISIONING_ERROR" | "PROVISIONING_FAILED" | "PROVIDER_UNAVAILABLE"
        );
        assert!(is_final, "{told:?}");
        assert!(told.took < ANSWERED_IN, "{told:?}");
    }
    let settled = agreement::settled(&world, &told, before).await;
    drop(operator);
    let name = format!("{restarts} restarts of the operator");
    figures::print(&world, &name, started, &told, &settled);
}
