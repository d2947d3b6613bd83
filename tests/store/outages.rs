//! What a caller of a commit hears when the server goes away, or when somebody else is at its
//! rows; PostgreSQL only.

use crate::world::{World, activating, at, batch, closing, credit, debiting, id, money, sim};
use bappy::store::{Database, SqlStore};
use bappy_actors::model::{OperationId, OperationKind, OperationState, SimKind};
use bappy_actors::ports::{Batch, CommitOutcome, Guard, Planned, Store, StoreError};
use futures_util::future::join_all;
use sqlx::{Connection, PgConnection};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

/// A superuser's connection to another database of the same cluster.
pub async fn admin(world: &World) -> (PgConnection, String) {
    let (server, name) = world.url.rsplit_once('/').unwrap();
    (PgConnection::connect(&format!("{server}/postgres")).await.unwrap(), name.to_owned())
}

async fn terminate_writers(admin: &mut PgConnection, name: &str) {
    terminate(admin, name, "bappy-ledger").await;
}

/// Ends an application's sessions.
async fn terminate(admin: &mut PgConnection, name: &str, application: &str) {
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = $1 AND application_name = $2",
    )
    .bind(name)
    .bind(application)
    .execute(admin)
    .await
    .unwrap();
}

async fn allow_connections(admin: &mut PgConnection, name: &str, allowed: bool) {
    let sql = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}");
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(admin).await.unwrap();
}

/// Until a writer's statement waits for a row that someone else has locked.
async fn a_writer_waits(admin: &mut PgConnection, name: &str) {
    a_session_waits(admin, name, "bappy-ledger").await;
}

/// Until a session of this application waits for a row that someone else has locked.
pub async fn a_session_waits(admin: &mut PgConnection, name: &str, application: &str) {
    sessions_wait(admin, name, application, 1).await;
}

async fn sessions_wait(admin: &mut PgConnection, name: &str, application: &str, count: i64) {
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity
         WHERE datname = $1 AND application_name = $2 AND wait_event_type = 'Lock'";
    while sqlx::query_as::<_, (i64,)>(waiting)
        .bind(name)
        .bind(application)
        .fetch_one(&mut *admin)
        .await
        .unwrap()
        .0
        < count
    {
        tokio::task::yield_now().await;
    }
}

/// Commits `next` while someone else has changed rows by `sql` and not yet committed that.
async fn commit_behind(world: World, sql: &'static str, next: Batch) -> (World, CommitOutcome) {
    let (mut admin, name) = admin(&world).await;
    let mut holder = PgConnection::connect(&world.url).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query(sql).execute(&mut *held).await.unwrap();
    let store = Arc::clone(&world.store);
    let waiting = tokio::spawn(async move { store.commit(next).await });
    a_writer_waits(&mut admin, &name).await;
    held.commit().await.unwrap();
    (world, waiting.await.unwrap().unwrap())
}

/// A settled topup of a new Link, to be committed.
async fn settlement(world: &World) -> Batch {
    let (link, _) = world.settled_link("89010").await;
    world.has(money(5)).await;
    let topup = world.operation(OperationKind::Topup, link.id);
    world.written(vec![debiting(topup.clone())]).await;
    let settled = Planned {
        closed: vec![closing(&topup, OperationState::Succeeded)],
        activations: vec![activating(&topup, link.id)],
        ..Planned::default()
    };
    batch(world.org, world.row(world.org).await, vec![settled])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_that_waited_for_its_link_is_written_on_top() {
    let Some(world) = World::postgres().await else { return };
    let next = settlement(&world).await;
    let sql = "UPDATE links SET data_total_kb = data_total_kb + 7";
    let (world, outcome) = commit_behind(world, sql, next).await;
    assert_eq!(outcome, CommitOutcome::Committed);
    assert_eq!(world.count("SELECT data_total_kb FROM links").await, 2_000_007);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_that_waited_for_its_operation_keeps_what_was_written_there() {
    let Some(world) = World::postgres().await else { return };
    let next = settlement(&world).await;
    let sql = "UPDATE operations SET attempts = 9 WHERE state = 'pending'";
    let (world, outcome) = commit_behind(world, sql, next).await;
    assert_eq!(outcome, CommitOutcome::Committed);
    let kept = "SELECT COUNT(*) FROM operations WHERE attempts = 9 AND state = 'succeeded'";
    assert_eq!(world.count(kept).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_that_waited_behind_a_takeover_is_epoch_lost() {
    let Some(world) = World::postgres().await else { return };
    let next = settlement(&world).await;
    let sql = "UPDATE operations SET epoch = epoch + 1 WHERE state = 'pending'";
    let (world, outcome) = commit_behind(world, sql, next).await;
    assert_eq!(outcome, CommitOutcome::Guarded(vec![(0, Guard::EpochLost)]));
    assert_eq!(world.count("SELECT COUNT(*) FROM activations").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_that_waited_behind_a_fence_is_stale() {
    let Some(world) = World::postgres().await else { return };
    let next = settlement(&world).await;
    let (world, outcome) = commit_behind(world, "UPDATE wallets SET fence = fence + 1", next).await;
    assert_eq!(outcome, CommitOutcome::Stale);
    assert_eq!(world.count("SELECT COUNT(*) FROM activations").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_that_waited_behind_a_wallets_harmless_change_is_written() {
    let Some(world) = World::postgres().await else { return };
    let next = settlement(&world).await;
    let (world, outcome) =
        commit_behind(world, "UPDATE wallets SET updated_at = updated_at", next).await;
    assert_eq!(outcome, CommitOutcome::Committed);
    assert_eq!(world.count("SELECT COUNT(*) FROM activations").await, 2);
}

/// A way to the server that can swallow what goes over the connections made so far, as a host that
/// vanishes does: they stay open, and nothing comes back.
struct Wire {
    url: String,
    vanished: tokio::sync::watch::Sender<u32>,
}

impl Wire {
    async fn to(url: &str) -> Self {
        let (server, path) = url.rsplit_once('/').unwrap();
        let server = server.rsplit_once('@').unwrap().1.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = format!("postgres://bappy@{}/{path}", listener.local_addr().unwrap());
        let (vanished, hosts) = tokio::sync::watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (server, mut hosts) = (server.clone(), hosts.clone());
                hosts.mark_unchanged();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = hosts.changed() => {
                            // Both ends stay open.
                            std::future::pending::<()>().await;
                        }
                    }
                });
            }
        });
        Self { url: own, vanished }
    }
}

/// A store whose way to the database goes over a wire.
async fn far_store(world: &World) -> (Wire, Arc<SqlStore>) {
    let wire = Wire::to(&world.url).await;
    let far = Database::open(&wire.url, 2, Handle::current()).await.unwrap();
    (wire, Arc::new(SqlStore::start(far)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_without_an_answer_is_unknown_and_its_connection_is_left() {
    /// The time that a writer waits, and room for a busy machine.
    const SOON: Duration = Duration::from_secs(20);
    let Some(world) = World::postgres().await else { return };
    let (mut admin, name) = admin(&world).await;
    let (wire, far) = far_store(&world).await;
    let mut holder = PgConnection::connect(&world.url).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM wallets FOR UPDATE").execute(&mut *held).await.unwrap();
    let next = batch(world.org, world.row(world.org).await, vec![credit(money(1), None)]);
    let paying = tokio::spawn({
        let (far, next) = (Arc::clone(&far), next.clone());
        async move { far.commit(next).await }
    });
    a_writer_waits(&mut admin, &name).await;
    wire.vanished.send(1).unwrap();
    // It is written after all, and nobody hears of it.
    held.rollback().await.unwrap();
    let outcome = tokio::time::timeout(SOON, paying).await.unwrap().unwrap();
    assert!(matches!(outcome, Err(StoreError::Unknown(_))), "{outcome:?}");
    world.fence_wallet(world.org).await.unwrap();
    assert_eq!(far.commit(next).await.unwrap(), CommitOutcome::Stale);
    let next = batch(world.org, world.row(world.org).await, vec![credit(money(1), None)]);
    assert_eq!(far.commit(next).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(world.row(world.org).await.balance, money(2));
    world.balances(world.org).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_waits_for_its_wallets_row_does_not_hold_up_other_wallets() {
    let Some(world) = World::postgres().await else { return };
    let (mut admin, name) = admin(&world).await;
    let other = world.another_org(money(0)).await;
    let mut holder = PgConnection::connect(&world.url).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    let lock = sqlx::query("SELECT 1 FROM wallets WHERE org_id = $1 FOR UPDATE").bind(world.org.0);
    lock.execute(&mut *held).await.unwrap();
    let world = Arc::new(world);
    let paying = tokio::spawn({
        let world = Arc::clone(&world);
        async move { pay(&world).await }
    });
    a_writer_waits(&mut admin, &name).await;
    for _ in 0..3 {
        let next = batch(other, world.row(other).await, vec![credit(money(1), None)]);
        assert_eq!(world.store.commit(next).await.unwrap(), CommitOutcome::Committed);
    }
    assert!(!paying.is_finished());
    held.rollback().await.unwrap();
    assert_eq!(paying.await.unwrap().unwrap(), CommitOutcome::Committed);
    world.balances(world.org).await;
    world.balances(other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_vanished_host_leaves_unanswered_ends_and_takes_its_connection_along() {
    /// The time that a statement has, and room for a busy machine.
    const SOON: Duration = Duration::from_secs(20);
    let Some(world) = World::postgres().await else { return };
    let (mut admin, name) = admin(&world).await;
    let (wire, far) = far_store(&world).await;
    let mut holder = PgConnection::connect(&world.url).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query("LOCK TABLE wallets IN ACCESS EXCLUSIVE MODE").execute(&mut *held).await.unwrap();
    let (org, reader, writer) = (world.org, Arc::clone(&far), Arc::clone(&far));
    let reading = tokio::spawn(async move { reader.wallet(org).await });
    a_session_waits(&mut admin, &name, "bappy").await;
    let writing = tokio::spawn(async move { writer.fence_wallet(org).await });
    sessions_wait(&mut admin, &name, "bappy", 2).await;
    wire.vanished.send(1).unwrap();
    held.rollback().await.unwrap();
    let read = tokio::time::timeout(SOON, reading).await.unwrap().unwrap();
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    let written = tokio::time::timeout(SOON, writing).await.unwrap().unwrap();
    assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
    // There is room in the pool for others.
    for _ in 0..2 {
        let read = tokio::time::timeout(SOON, far.wallet(org)).await.unwrap();
        assert!(read.unwrap().is_some());
    }
    assert!(far.fence_wallet(org).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooled_connection_that_died_idle_does_not_hold_a_write_up() {
    /// Longer than a connection may be idle without being tried, and room for a busy machine: the
    /// pool takes it back in a task of its own.
    const IDLE: Duration = Duration::from_secs(4);
    /// The time that a ping and a new connection have, and room for a busy machine.
    const SOON: Duration = Duration::from_secs(20);
    let Some(world) = World::postgres().await else { return };
    let wire = Wire::to(&world.url).await;
    let far = Database::open(&wire.url, 1, Handle::current()).await.unwrap();
    let far = SqlStore::start(far);
    far.fence_wallet(world.org).await.unwrap();
    // What is tested is time itself: by then the connection is back in the pool, and was idle.
    tokio::time::sleep(IDLE).await;
    wire.vanished.send(1).unwrap();
    let fenced = tokio::time::timeout(SOON, far.fence_wallet(world.org)).await;
    assert_eq!(fenced.unwrap().unwrap().unwrap().fence, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_outlives_the_runtime_of_its_first_reader() {
    let Some(world) = World::postgres().await else { return };
    let db = Database::open(&world.url, 1, Handle::current()).await.unwrap();
    let reader = db.clone();
    let mut tx = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(reader.read()).unwrap()
    })
    .join()
    .unwrap();
    assert_eq!(one!(tx, (i32,), "SELECT 1").unwrap(), (1,));
}

/// A credit on the wallet as it stands.
async fn pay(world: &World) -> Result<CommitOutcome, StoreError> {
    let before = world.row(world.org).await;
    world.store.commit(batch(world.org, before, vec![credit(money(1), None)])).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_full_disk_the_next_batch_is_written() {
    let world = World::sqlite().await;
    world.has(money(1)).await;
    // The file may not grow any more, says this one connection.
    let full = world.db.write(|tx| {
        Box::pin(async move {
            exec!(tx, "PRAGMA max_page_count = 1").map_err(bappy::store::DbError::from)
        })
    });
    full.await.unwrap();
    let mut paid = 1;
    while let Ok(outcome) = pay(&world).await {
        assert!(matches!(outcome, CommitOutcome::Committed), "{outcome:?}");
        paid += 1;
        assert!(paid < 10_000, "it is never full");
    }
    let outcome = pay(&world).await;
    assert!(matches!(outcome, Ok(CommitOutcome::Committed)), "{outcome:?}");
    assert_eq!(world.row(world.org).await.balance, money(paid + 1));
    world.balances(world.org).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_in_a_statement_is_unknown_and_the_next_batch_is_written() {
    let Some(world) = World::postgres().await else { return };
    let (mut admin, name) = admin(&world).await;
    world.has(money(1)).await;
    let mut holder = PgConnection::connect(&world.url).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM wallets FOR UPDATE").execute(&mut *held).await.unwrap();
    let world = Arc::new(world);
    let paying = tokio::spawn({
        let world = Arc::clone(&world);
        async move { pay(&world).await }
    });
    a_writer_waits(&mut admin, &name).await;
    terminate_writers(&mut admin, &name).await;
    let outcome = paying.await.unwrap();
    assert!(matches!(outcome, Err(StoreError::Unknown(_))), "{outcome:?}");
    held.rollback().await.unwrap();
    world.fence_wallet(world.org).await.unwrap();
    loop {
        match pay(&world).await {
            Ok(CommitOutcome::Committed) => break,
            Err(StoreError::Unknown(_) | StoreError::Unavailable(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.row(world.org).await.balance, money(2));
    world.balances(world.org).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_a_batch_is_refused_soon_and_with_it_written_again() {
    /// Twice the patience of a writer, and room for a busy machine.
    const SOON: Duration = Duration::from_secs(3);
    let Some(world) = World::postgres().await else { return };
    let (mut admin, name) = admin(&world).await;
    world.has(money(1)).await;
    let before = world.row(world.org).await;
    let next = batch(world.org, before, vec![credit(money(1), None)]);
    allow_connections(&mut admin, &name, false).await;
    terminate_writers(&mut admin, &name).await;
    loop {
        let start = Instant::now();
        let outcome = world.store.commit(next.clone()).await;
        assert!(start.elapsed() < SOON);
        match outcome {
            Err(StoreError::Unavailable(_)) => break,
            // What was idle when it was cut.
            Err(StoreError::Unknown(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    allow_connections(&mut admin, &name, true).await;
    while !matches!(world.store.commit(next.clone()).await, Ok(CommitOutcome::Committed)) {}
    world.balances(world.org).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_no_connections_is_unavailable() {
    let Some(world) = World::postgres().await else { return };
    let (mut admin, name) = admin(&world).await;
    let unavailable = |outcome: &StoreError| matches!(outcome, StoreError::Unavailable(_));
    allow_connections(&mut admin, &name, false).await;
    terminate(&mut admin, &name, "bappy").await;
    // The first may find a connection that was cut while it was idle.
    for _ in 0..2 {
        let read = world.wallet(world.org).await.unwrap_err();
        assert!(unavailable(&read), "{read:?}");
    }
    let written = world.fence_wallet(world.org).await.unwrap_err();
    assert!(unavailable(&written), "{written:?}");
    allow_connections(&mut admin, &name, true).await;
    assert_eq!(world.fence_wallet(world.org).await.unwrap().unwrap().fence, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_claim_a_card_while_there_is_no_connection_wait_for_it_together() {
    /// Of ten transactions, each of which would wait five seconds for a connection.
    const CLAIMS: usize = 640;
    const SOON: Duration = Duration::from_secs(25);
    let Some(world) = World::postgres().await else { return };
    let cards = (0..CLAIMS).map(|n| sim(&format!("890{n:03}"))).collect();
    world.add_sims(cards, at(0)).await.unwrap();
    let db = Database::open(&world.url, 1, Handle::current()).await.unwrap();
    let the_one = db.read().await.unwrap();
    let one = Arc::new(SqlStore::start(db));
    let claim_all = async || {
        let claims = (0..CLAIMS).map(|_| {
            let (one, operation) = (Arc::clone(&one), OperationId(id()));
            let at = at(1);
            tokio::spawn(async move { one.claim_sim("alpha", SimKind::Esim, operation, at).await })
        });
        let claimed = join_all(claims).await;
        claimed.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    let start = Instant::now();
    for claimed in claim_all().await {
        assert!(matches!(claimed, Err(StoreError::Unavailable(_))), "{claimed:?}");
    }
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    drop(the_one);
    let claimed = claim_all().await.into_iter().map(|card| card.unwrap().unwrap().iccid);
    assert_eq!(claimed.collect::<HashSet<_>>().len(), CLAIMS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stands_still_in_a_transaction_is_ended_before_others_give_up() {
    let Some(world) = World::postgres().await else { return };
    let (locked, has_locked) = tokio::sync::oneshot::channel();
    let (go_on, goes_on) = tokio::sync::oneshot::channel();
    let standing = world.db.clone();
    let stands_still = tokio::spawn(async move {
        let changed = standing.write(|tx| {
            Box::pin(async move {
                exec!(tx, "UPDATE wallets SET fence = fence + 1")?;
                locked.send(()).unwrap();
                goes_on.await.unwrap();
                exec!(tx, "UPDATE wallets SET fence = fence + 1")
                    .map_err(bappy::store::DbError::from)
            })
        });
        changed.await
    });
    has_locked.await.unwrap();
    world.store.fence_wallet(world.org).await.unwrap().unwrap();
    go_on.send(()).unwrap();
    let ended = StoreError::from(stands_still.await.unwrap().unwrap_err());
    assert!(matches!(ended, StoreError::Unavailable(_)), "{ended:?}");
    assert_eq!(world.count("SELECT fence FROM wallets").await, 1);
}
