//! A service that is stopped in the middle of its calls, long enough that another one takes over
//! what it held, and then goes on as if nothing had been.

use crate::load::{Client, Load, links, mixed, plans};
use crate::world::{DEADLINE, World};
use crate::{agreement, figures, sizes};
use serde_json::json;
use std::time::{Duration, Instant};

/// Past the deadline and the margin of a lease behind it.
const PAUSE: Duration = DEADLINE.saturating_add(Duration::from_secs(4));

pub async fn a_paused_service_does_no_harm_when_it_goes_on(world: World) {
    let started = Instant::now();
    let (paused, other) = (world.serve("serve-1").await, world.serve("serve-2").await);
    let links = links(&world, paused.at, 8).await;
    let calls = mixed(&links, sizes::topups(), sizes::creates());
    let total = calls.len();
    world.pay_in(world.times(plans(&calls))).await;
    let before = world.balance().await;
    // Slow enough that calls are under way at any moment.
    world.faults(json!({ "latency_ms": { "p50": 30, "p99": 300 } })).await;
    let load = Load::new(&world, vec![paused.at, other.at], Client::Patient, sizes::in_flight());
    let pause = async {
        load.reaches(total / 3).await;
        let before = taken_over(&world).await;
        paused.process().pause();
        tokio::time::sleep(PAUSE).await;
        more_is_taken_over(&world, before).await;
        paused.process().go_on();
    };
    let (told, ()) = tokio::join!(load.run(calls), pause);
    let settled = agreement::settled(&world, &told, before).await;
    figures::print(&world, "a paused service", started, &told, &settled);
}

async fn taken_over(world: &World) -> usize {
    agreement::operations(world).await.iter().filter(|operation| operation.epoch > 0).count()
}

/// Waits until the other service has taken something over; fails after 20 s.
async fn more_is_taken_over(world: &World, before: usize) {
    let started = Instant::now();
    while taken_over(world).await == before {
        assert!(started.elapsed() < Duration::from_secs(20), "nothing is taken over");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
