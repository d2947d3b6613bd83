//! What two sessions can do to each other; PostgreSQL only, as SQLite has one writer.

use crate::outages::{a_session_waits, admin};
use crate::world::{World, at, closing, money};
use bappy_actors::model::{LinkId, Operation, OperationKind, OperationState};
use bappy_actors::ports::{LinkChange, Store};
use sqlx::{Connection, PgConnection};
use std::sync::Arc;

fn removal(world: &World, link: LinkId) -> Operation {
    Operation {
        amount: money(0),
        plan_id: None,
        ..world.operation(OperationKind::RemovePlan, link)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_and_a_reading_of_use_do_not_wait_for_each_other() {
    let Some(world) = World::postgres().await else { return };
    let (mut admin, name) = admin(&world).await;
    let (link, first) = world.settled_link("89010").await;
    let operation = removal(&world, link.id);
    world.open_operation(operation.clone(), at(22)).await.unwrap();
    // A reading that has come as far as the Link's row.
    let mut reader = PgConnection::connect(&world.url).await.unwrap();
    let mut reading = reader.begin().await.unwrap();
    sqlx::query("UPDATE links SET usage_at = NULL").execute(&mut *reading).await.unwrap();
    let (store, org) = (Arc::clone(&world.store), world.org);
    let removing = tokio::spawn(async move {
        let change = LinkChange::Cancel(first.activation_id.unwrap());
        let end = closing(&operation, OperationState::Succeeded);
        store.close_operation(org, link.id, end, change, at(3)).await
    });
    a_session_waits(&mut admin, &name, "bappy").await;
    sqlx::query("UPDATE activations SET data_used_kb = 9").execute(&mut *reading).await.unwrap();
    reading.commit().await.unwrap();
    assert!(removing.await.unwrap().unwrap());
    assert_eq!(world.count("SELECT COUNT(*) FROM activations WHERE status = 'cancelled'").await, 1);
}
