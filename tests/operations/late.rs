//! An operator so slow that what it was asked for appears after the partner was told that it
//! failed and has the money back.

use crate::load::{Client, Load, links, mixed, plans};
use crate::world::{ANSWERED_IN, World};
use crate::{agreement, figures, sizes};
use serde_json::json;
use std::time::Instant;

pub async fn what_lands_after_its_refund_is_undone(world: World) {
    let started = Instant::now();
    let service = world.serve("serve").await;
    let links = links(&world, service.at, 8).await;
    let calls = mixed(&links, sizes::size("LATE_TOPUPS", 40, 400), sizes::creates() / 4);
    world.pay_in(world.times(plans(&calls))).await;
    let before = world.balance().await;
    // Half of it passes before the work: some calls land in time, some after their time-out and
    // before their read-back, some after their refund; all within the horizon. Few enough fail
    // that the circuit breaker stays closed.
    let slow = json!({ "p50": 800, "p99": 5_000 });
    world.faults(json!({ "latency_ms": slow, "only": ["create_endpoint", "add_plan"] })).await;
    let load = Load::new(&world, vec![service.at], Client::Trusting, sizes::in_flight());
    let told = load.run(calls).await;
    let slow = told.iter().find(|told| told.took > ANSWERED_IN);
    assert!(slow.is_none(), "{slow:?}");
    let settled = agreement::settled(&world, &told, before).await;
    figures::print(&world, "late operator", started, &told, &settled);
    assert!(world.logs().contains("what landed after a refund is undone"));
}
