//! SIGTERM under load.

use crate::load::{Client, Load, Told, links, mixed, plans};
use crate::world::World;
use crate::{agreement, figures, sizes};
use bappy::store::audit::audit;
use serde_json::json;
use std::time::Instant;

pub async fn a_stop_under_load_leaves_nothing_pending(world: World) {
    let started = Instant::now();
    let mut service = world.serve("serve").await;
    let links = links(&world, service.at, 8).await;
    let calls = mixed(&links, sizes::topups(), sizes::creates());
    let total = calls.len();
    world.pay_in(world.times(plans(&calls))).await;
    let before = world.balance().await;
    // Slow enough that calls are under way at any moment.
    world.faults(json!({ "latency_ms": { "p50": 50, "p99": 200 } })).await;
    let load = Load::new(&world, vec![service.at], Client::Patient, sizes::in_flight());
    let stopped = async {
        load.reaches(total / 3).await;
        let stopping = Instant::now();
        let status = service.terminate().await;
        let took = stopping.elapsed();
        let found = audit(&world.parts.database, None).await.unwrap();
        service.start(&world.client).await;
        (status, took, found)
    };
    let (told, (status, took, found)) = tokio::join!(load.run(calls), stopped);
    assert_eq!(status.code(), Some(0), "{}", service.process().log());
    assert_eq!(found.in_flight, 0, "{found:?}\n{}", service.process().log());
    assert!(found.is_clean(), "{found:#?}");
    assert!(took.as_secs() < 15, "it took {took:?} to stop");
    let settled = agreement::settled(&world, &told, before).await;
    let name = format!("stop under load in {took:.1?}");
    figures::print(&world, &name, started, &told, &settled);
    assert!(told.iter().all(Told::is_success));
}
