//! Two services on one database, and one wallet that both want.

use crate::load::{Call, Client, Load, Wish, links};
use crate::world::World;
use crate::{agreement, figures, sizes};
use bappy_actors::model::Money;
use std::time::Instant;

/// Clients at a time.
const CLIENTS: usize = 64;

pub async fn two_services_spend_a_wallet_to_exactly_nothing(world: World) {
    let started = Instant::now();
    let (one, other) = (world.serve("serve-1").await, world.serve("serve-2").await);
    let links = links(&world, one.at, 16).await;
    let wanted = sizes::size("CONTENDED_TOPUPS", 200, 1_000);
    let paid = wanted / 2;
    world.pay_in(world.times(paid)).await;
    let before = world.balance().await;
    let call = |n: usize| {
        let link = links[n % links.len()].clone();
        Call { key: format!("call-{n}"), wish: Wish::Topup(link, 1) }
    };
    let load = Load::new(&world, vec![one.at, other.at], Client::Trusting, CLIENTS);
    let told = load.run((0..wanted).map(call).collect()).await;
    let settled = agreement::settled(&world, &told, before).await;
    figures::print(&world, "two services", started, &told, &settled);
    assert_eq!(told.iter().filter(|told| told.is_success()).count(), paid);
    let refused = told.iter().filter(|told| told.status == 402).count();
    assert_eq!(refused, wanted - paid);
    assert_eq!(settled.balance, Money::ZERO);
}
