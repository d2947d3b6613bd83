//! `kill -9` of the service in the middle of everything, again and again.

use crate::load::{Client, Load, links, mixed, plans};
use crate::lossy::lossy;
use crate::world::{Service, World};
use crate::{agreement, figures, sizes};
use std::time::{Duration, Instant};
use uuid::Uuid;

pub async fn kills_lose_nothing_and_charge_nothing_twice(world: World) {
    let started = Instant::now();
    let mut service = world.serve("serve").await;
    let links = links(&world, service.at, 8).await;
    let calls = mixed(&links, sizes::topups(), sizes::creates());
    world.pay_in(world.times(plans(&calls))).await;
    let before = world.balance().await;
    world.faults(lossy()).await;
    let moments = moments(sizes::kills(), calls.len());
    let load = Load::new(&world, vec![service.at], Client::Patient, sizes::in_flight());
    let killed = async {
        for (answered, pause) in &moments {
            load.reaches(*answered).await;
            tokio::time::sleep(*pause).await;
            kill_and_start(&world, &mut service).await;
        }
    };
    let (told, ()) = tokio::join!(load.run(calls), killed);
    let settled = agreement::settled(&world, &told, before).await;
    let name = format!("{} kills", moments.len());
    figures::print(&world, &name, started, &told, &settled);
    assert!(told.iter().filter(|told| told.is_success()).count() > told.len() / 2);
    assert!(told.iter().any(|told| told.cut > 0), "no kill met a call");
}

async fn kill_and_start(world: &World, service: &mut Service) {
    service.kill9();
    service.start(&world.client).await;
}

/// Random moments of a load: after so many answers and then some milliseconds more.
fn moments(count: usize, calls: usize) -> Vec<(usize, Duration)> {
    #[expect(clippy::disallowed_methods, reason = "a source of chance, not an id")]
    let chance = || usize::try_from(Uuid::new_v4().as_u128() & 0xffff_ffff).unwrap();
    let mut moments: Vec<_> = (0..count)
        .map(|_| (chance() % (calls * 9 / 10), Duration::from_millis((chance() % 50) as u64)))
        .collect();
    moments.sort_unstable();
    println!("kills after so many answers and so much time: {moments:?}");
    moments
}
