//! The count of changes that what was looked up is remembered under.

use crate::world::{World, id, money};
use bappy::store::Settings;
use bappy_actors::ports::Store;
use futures_util::FutureExt;

async fn revision(world: &World) -> i64 {
    // A new one has nothing remembered.
    Settings::new(world.db.clone()).revision().await.unwrap()
}

/// One statement, in a transaction of its own.
async fn run(world: &World, sql: &'static str) {
    let (org, plan) = (world.org.0, world.plan.0);
    let work = world.db.write(move |tx| {
        Box::pin(async move {
            // Both are bound in every statement, for SQLite and PostgreSQL alike.
            exec!(tx, sql, org, plan)?;
            Ok(())
        })
    });
    work.await.unwrap();
}

pub async fn every_change_of_what_requests_look_up_is_counted(world: World) {
    let mut before = revision(&world).await;
    for change in [
        "UPDATE organizations SET status = 'suspended' WHERE id = $1 AND $2 = $2",
        "INSERT INTO organization_clients (client_id, org_id, created_at)
         SELECT 'app', id, created_at FROM organizations WHERE id = $1 AND $2 = $2",
        "DELETE FROM organization_clients WHERE org_id = $1 AND $2 = $2",
        "INSERT INTO organization_plans (org_id, plan_id, price, by_hand, enabled, updated_at)
         SELECT $1, id, 5, FALSE, TRUE, created_at FROM plans WHERE id = $2",
        "UPDATE organization_plans SET price = 6 WHERE org_id = $1 AND plan_id = $2",
        "DELETE FROM organization_plans WHERE org_id = $1 AND plan_id = $2",
        "UPDATE plans SET name = 'Other' WHERE id = $2 AND $1 = $1",
        "UPDATE sponsors SET name = 'Other' WHERE $1 = $1 AND $2 = $2",
        "INSERT INTO sponsors SELECT 'beta', name, color FROM sponsors WHERE $1 = $1 AND $2 = $2",
        "DELETE FROM sponsors WHERE id = 'beta' AND $1 = $1 AND $2 = $2",
    ] {
        run(&world, change).await;
        let after = revision(&world).await;
        assert!(after > before, "{change}");
        before = after;
    }
    world.another_plan("[]", "").await;
    assert!(revision(&world).await > before);
}

pub async fn what_is_taken_back_and_what_is_paid_are_not_counted(world: World) {
    let before = revision(&world).await;
    world.has(money(5)).await;
    let org = id();
    let taken_back = world.db.write(move |tx| {
        Box::pin(async move {
            exec!(tx, "UPDATE organizations SET name = 'Other'")?;
            // Not one that is there.
            exec!(tx, "UPDATE wallets SET balance = -1 WHERE org_id <> $1", org)?;
            Ok(())
        })
    });
    assert!(taken_back.await.is_err());
    assert_eq!(revision(&world).await, before);
    assert_eq!(world.store.wallet(world.org).await.unwrap().unwrap().balance, money(5));
}

/// Whoever asked first may hang up before the count is there.
pub async fn a_read_that_nobody_waited_for_is_not_told_later(world: World) {
    let settings = Settings::new(world.db.clone());
    assert_eq!(settings.revision().now_or_never().transpose().unwrap(), None);
    until(|| settings.known_revision().is_some()).await;
    let before = settings.known_revision().unwrap();
    run(&world, "UPDATE organizations SET name = 'Other' WHERE id = $1 AND $2 = $2").await;
    until(|| settings.known_revision().is_none()).await;
    assert!(settings.revision().await.unwrap() > before);
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}
