//! Tables that PostgreSQL's planner knows nothing of yet.

use crate::world::World;
use bappy::store::planner_statistics::refresh;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::time::Duration;

/// Adds cards up to a number, and waits until the statistics have all of them.
async fn with_cards(world: &World, looking: &mut PgConnection, numbers: std::ops::Range<i64>) {
    let mut adding = PgConnection::connect(&world.url).await.unwrap();
    let insert = format!(
        "INSERT INTO sims (iccid, kind, sponsor_id, state, created_at)
         SELECT CAST(890000 + n AS TEXT), 'esim', 'alpha', 'free', now()
         FROM GENERATE_SERIES({}, {}) n",
        numbers.start,
        numbers.end - 1
    );
    adding.execute(AssertSqlSafe(insert)).await.unwrap();
    // A session tells of what it did at its end at the latest.
    adding.close().await.unwrap();
    let all = async {
        while number(looking, "pg_stat_get_live_tuples('sims'::regclass)").await < numbers.end {}
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.unwrap();
}

async fn number(connection: &mut PgConnection, what: &str) -> i64 {
    let sql = format!("SELECT CAST({what} AS BIGINT)");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_young_table_is_counted_whenever_it_has_doubled() {
    let Some(world) = World::postgres().await else { return };
    let mut connection = PgConnection::connect(&world.url).await.unwrap();
    connection.execute("ALTER TABLE sims SET (autovacuum_enabled = off)").await.unwrap();
    with_cards(&world, &mut connection, 0..499).await;
    assert_eq!(refresh(&world.db).await.unwrap(), [""; 0]);
    for (from, to, counted) in [(499, 500, true), (500, 999, false), (999, 1_000, true)] {
        with_cards(&world, &mut connection, from..to).await;
        let tables = refresh(&world.db).await.unwrap();
        assert_eq!(tables, if counted { &["sims"][..] } else { &[] }, "{to} cards");
        let known = "(SELECT reltuples FROM pg_class WHERE oid = 'sims'::regclass)";
        let known = number(&mut connection, known).await;
        assert_eq!(known == to, counted, "{known} of {to} cards");
        // Autovacuum will look at them all the same.
        let changed = "pg_stat_get_mod_since_analyze('sims'::regclass)";
        let changed = number(&mut connection, changed).await;
        assert_eq!(changed, to);
    }
}
