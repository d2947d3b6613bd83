//! An operator that loses answers, fails, wraps failures in successes and hangs.

use crate::load::{Client, Load, links, mixed, plans};
use crate::world::{ANSWERED_IN, World};
use crate::{agreement, figures, sizes};
use serde_json::{Value, json};
use std::time::Instant;

/// A fifth of all calls goes wrong, in each of the ways there are.
pub fn lossy() -> Value {
    json!({
        "lost_response_rate": 0.10, "error_rate": 0.05, "wrapped_error_rate": 0.05,
        "hang_rate": 0.02,
    })
}

pub async fn a_lossy_operator_costs_nobody_anything(world: World) {
    let started = Instant::now();
    let service = world.serve("serve").await;
    let links = links(&world, service.at, 8).await;
    let calls = mixed(&links, sizes::topups(), sizes::creates());
    world.pay_in(world.times(plans(&calls))).await;
    let before = world.balance().await;
    world.faults(lossy()).await;
    let load = Load::new(&world, vec![service.at], Client::Trusting, sizes::in_flight());
    let told = load.run(calls).await;
    for told in &told {
        let is_final = matches!(
            &*told.code,
            "OK" | "PROVISIONING_ERROR" | "PROVISIONING_FAILED" | "PROVIDER_UNAVAILABLE"
        );
        assert!(is_final, "{told:?}");
        assert!(told.took < ANSWERED_IN, "{told:?}");
    }
    let settled = agreement::settled(&world, &told, before).await;
    figures::print(&world, "lossy operator", started, &told, &settled);
    assert!(told.iter().filter(|told| told.is_success()).count() > told.len() / 2);
}
