//! What two sessions can do to each other; PostgreSQL only, as SQLite has one writer.

use crate::outages::{a_session_waits, admin};
use crate::world::{World, at, closing, id, money};
use bappy_actors::model::{LinkId, Operation, OperationKind, OperationState};
use bappy_actors::ports::{LinkChange, OpenOutcome, Store, StoreError};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_whose_obstacle_has_just_ended_finds_the_link_busy() {
    let Some(world) = World::postgres().await else { return };
    let mut sessions = PgConnection::connect(&world.url).await.unwrap();
    // Refuses as the index would, and nothing is to be seen of what it collided with.
    for sql in [
        "CREATE FUNCTION collide() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE unique_violation; END; $$",
        "CREATE TRIGGER collide BEFORE INSERT ON operations
         FOR EACH ROW EXECUTE FUNCTION collide()",
    ] {
        sqlx::query(sql).execute(&mut sessions).await.unwrap();
    }
    let operation = removal(&world, LinkId(id()));
    let outcome = world.open_operation(operation.clone(), at(22)).await;
    assert_eq!(outcome.unwrap(), OpenOutcome::LinkBusy);
    sqlx::query("DROP TRIGGER collide ON operations").execute(&mut sessions).await.unwrap();
    let outcome = world.open_operation(operation.clone(), at(22)).await;
    assert_eq!(outcome.unwrap(), OpenOutcome::Opened);
    // Its own id is no obstacle that passes.
    let again = Operation { link_id: LinkId(id()), ..operation };
    let outcome = world.open_operation(again, at(22)).await;
    assert!(matches!(outcome, Err(StoreError::Broken(_))), "{outcome:?}");
}
