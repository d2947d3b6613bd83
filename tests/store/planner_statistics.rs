//! Tables that PostgreSQL's planner knows nothing of yet.

use crate::world::{World, at, sim};
use bappy::store::planner_statistics::refresh;
use bappy_actors::ports::Store;
use sqlx::{Connection, PgConnection};

/// Adds cards, and waits until the statistics have all of them.
async fn with_cards(world: &World, connection: &mut PgConnection, numbers: std::ops::Range<u32>) {
    let all = i64::from(numbers.end);
    let cards = numbers.map(|n| sim(&format!("890{n:05}"))).collect();
    world.add_sims(cards, at(0)).await.unwrap();
    loop {
        // The session that added them tells of them behind another statement.
        world.count("SELECT COUNT(*) FROM (SELECT pg_stat_force_next_flush()) AS flushed").await;
        if number(connection, "pg_stat_get_live_tuples('sims'::regclass)").await == all {
            return;
        }
    }
}

async fn number(connection: &mut PgConnection, what: &'static str) -> i64 {
    let sql = format!("SELECT CAST({what} AS BIGINT)");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_young_table_is_counted_whenever_it_has_doubled() {
    let Some(world) = World::postgres().await else { return };
    let mut connection = PgConnection::connect(&world.url).await.unwrap();
    let known = "(SELECT reltuples FROM pg_class WHERE oid = 'sims'::regclass)";
    with_cards(&world, &mut connection, 0..499).await;
    assert_eq!(refresh(&world.db).await.unwrap(), [""; 0]);
    for (from, to, counted) in [(499, 500, true), (500, 999, false), (999, 1_000, true)] {
        with_cards(&world, &mut connection, from..to).await;
        let tables = refresh(&world.db).await.unwrap();
        assert_eq!(tables, if counted { &["sims"][..] } else { &[] }, "{to} cards");
        let knows = number(&mut connection, known).await;
        assert_eq!(knows == i64::from(to), counted, "{knows} of {to} cards");
        // Autovacuum looks at them all the same.
        let changed = "pg_stat_get_mod_since_analyze('sims'::regclass)";
        assert_eq!(number(&mut connection, changed).await, i64::from(to));
    }
}
