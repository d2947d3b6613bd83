//! What there is before a call: made once on each database, and copied for each cell.

use crate::agreement;
use crate::load::{Call, Client, Load, Wish, links};
use crate::template::Template;
use crate::world::World;
use bappy::store::{DbError, Time, stock};
use bappy_actors::model::{Month, Timestamp};
use chrono::TimeDelta;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use uuid::Uuid;

/// The Links and the card of the organization.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    /// An active Link with three plans, of which these are the last two.
    pub active: String,
    pub topups: Vec<String>,
    /// One that its partner has suspended; before the fees, one that was suspended for another.
    pub suspended: String,
    /// One that is suspended because its fee is due; before the fees, one that will be.
    pub owing: String,
    /// A physical card in stock.
    pub card: String,
}

/// Links of each kind, and money.
pub async fn usual(world: World) -> Template<Ground> {
    let mut service = world.serve("serve").await;
    let [active, suspended, owing] = three_links(&world, service.at).await;
    world.pay_in(world.times(2)).await;
    let told = done(&world, service.at, Wish::Topup(active.clone(), 2)).await;
    let added = told["data"]["added"].as_array().unwrap();
    let topups = added.iter().map(|a| a["id"].as_str().unwrap().to_owned()).collect();
    done(&world, service.at, Wish::Status(suspended.clone(), "suspended")).await;
    make_older(&world, &[&owing]).await;
    // There is nothing left that it could be paid from.
    world.run(&["fees", "run"]).await;
    until_status(&world, &owing, "suspended").await;
    agreement::drained(&world).await;
    service.terminate().await;
    let card = add_card(&world).await;
    world.pay_in("1000".parse().unwrap()).await;
    Template::of(world, Ground { active, topups, suspended, owing, card }).await
}

/// Three Links that a run looks at: money for one, and one that owes for the month before.
pub async fn before_the_fees(world: World) -> Template<Ground> {
    let mut service = world.serve("serve").await;
    let [active, owing, suspended] = three_links(&world, service.at).await;
    make_older(&world, &[&suspended]).await;
    let before = (this_month().begins_at() - TimeDelta::days(1)).format("%Y-%m").to_string();
    world.run(&["fees", "run", "--month", &before]).await;
    until_status(&world, &suspended, "suspended").await;
    agreement::drained(&world).await;
    service.terminate().await;
    make_older(&world, &[&active, &owing]).await;
    world.pay_in("0.50".parse().unwrap()).await;
    let ground = Ground { active, suspended, owing, ..Ground::default() };
    Template::of(world, ground).await
}

/// The month whose fees are due.
pub fn this_month() -> Month {
    Month::of(std::time::SystemTime::now().into())
}

/// In the order in which they pay their fees.
async fn three_links(world: &World, service: SocketAddr) -> [String; 3] {
    let mut ids = links(world, service, 3).await;
    ids.sort_unstable();
    ids.try_into().unwrap()
}

async fn done(world: &World, service: SocketAddr, wish: Wish) -> Value {
    let load = Load::new(world, vec![service], Client::Trusting, 1);
    let key = match wish {
        Wish::Topup(..) => "topup",
        _ => "status",
    };
    let told = load.run(vec![Call { key: key.to_owned(), wish }]).await;
    assert!(told[0].is_success(), "{told:?}");
    told[0].body.clone()
}

/// So that a fee falls due of them, this month and the one before.
async fn make_older(world: &World, links: &[&str]) {
    let before = Timestamp::from(std::time::SystemTime::now()) - TimeDelta::days(93);
    let ids: Vec<Uuid> = links.iter().map(|id| id.parse().unwrap()).collect();
    let org = world.org;
    let aged = world.parts.database.write(move |tx| {
        Box::pin(async move {
            for id in ids {
                let sql = "UPDATE links SET created_at = $3 WHERE org_id = $1 AND id = $2";
                exec!(tx, sql, org.0, id, Time::from(before))?;
            }
            Ok::<_, DbError>(())
        })
    });
    aged.await.unwrap();
}

async fn until_status(world: &World, link: &str, status: &str) {
    let id: Uuid = link.parse().unwrap();
    loop {
        let mut tx = world.parts.database.read().await.unwrap();
        let sql = "SELECT status FROM links WHERE org_id = $1 AND id = $2";
        if one!(tx, (String,), sql, world.org.0, id).unwrap().0 == status {
            return;
        }
        drop(tx);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Takes a physical card of the operator's, on which the plan of these tests runs, into the stock.
async fn add_card(world: &World) -> String {
    let plan = world.plan.parse::<Uuid>().unwrap();
    let sponsor = {
        let mut tx = world.parts.database.read().await.unwrap();
        let sql = "SELECT sponsor_id FROM plans WHERE id = $1";
        one!(tx, (String,), sql, plan).unwrap().0
    };
    let cards = format!("/api/sims?state=available&kind=physical&limit=1&sponsor={sponsor}");
    let session = world.operator_session().await;
    let listed = world.client.get(format!("{}{cards}", world.operator_url)).bearer_auth(session);
    let listed: Value = listed.send().await.unwrap().json().await.unwrap();
    let card = listed["items"][0]["iccid"].as_str().unwrap().to_owned();
    let (org, at, cards) = (world.org, world.parts.clock.now(), [(card.clone(), sponsor)]);
    let added = world
        .parts
        .database
        .write(move |tx| Box::pin(async move { stock::import(tx, org, &cards, at).await }));
    added.await.unwrap().unwrap();
    card
}
