//! PostgreSQL drops all connections of the service under load: a commit whose answer is lost may
//! or may not have taken effect.

use crate::load::{Client, Load, links, mixed, plans};
use crate::lossy::lossy;
use crate::world::World;
use crate::{agreement, figures, sizes};
use sqlx::{Connection, PgConnection};
use std::time::Instant;

pub async fn lost_connections_to_the_database_cost_nobody_anything(world: World) {
    let started = Instant::now();
    // Uses all connections that this process needs, so that they are known.
    world.pay_in(world.times(1)).await;
    world.balance().await;
    let mut admin = PgConnection::connect(&world.database_url).await.unwrap();
    let ours: Vec<i32> = backends(&mut admin).await;
    let service = world.serve("serve").await;
    let links = links(&world, service.at, 8).await;
    let calls = mixed(&links, sizes::topups(), sizes::creates());
    let total = calls.len();
    world.pay_in(world.times(plans(&calls))).await;
    let before = world.balance().await;
    world.faults(lossy()).await;
    let load = Load::new(&world, vec![service.at], Client::Patient, sizes::in_flight());
    let cuts = sizes::size("CUTS", 6, 40);
    let cut = async {
        let mut dropped = 0;
        for nth in 1..=cuts {
            load.reaches(total * nth / (cuts + 1)).await;
            dropped += drop_others(&mut admin, &ours).await;
        }
        dropped
    };
    let (told, dropped) = tokio::join!(load.run(calls), cut);
    let settled = agreement::settled(&world, &told, before).await;
    let lost = world.logs().matches("the outcome of a commit was lost").count();
    let name = format!("{cuts} cuts, {dropped} connections dropped, {lost} commits in doubt");
    figures::print(&world, &name, started, &told, &settled);
    let strange = told.iter().find(|told| told.status == 500);
    assert!(strange.is_none(), "{strange:?}");
    assert!(dropped > 0);
}

async fn backends(admin: &mut PgConnection) -> Vec<i32> {
    let sql = "SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend'";
    sqlx::query_scalar(sql).fetch_all(admin).await.unwrap()
}

/// Drops every connection to this database but ours; says how many.
async fn drop_others(admin: &mut PgConnection, ours: &[i32]) -> usize {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend'
            AND pid <> ALL($1)";
    let dropped: Vec<bool> = sqlx::query_scalar(sql).bind(ours).fetch_all(admin).await.unwrap();
    dropped.into_iter().filter(|dropped| *dropped).count()
}
