//! One writer: takes what waits, writes it in one go, answers, starts over.
//!
//! **Invariants:** on PostgreSQL it has a connection of its own with one statement in flight; no
//! statement is cancelled; when a connection is lost in the middle of one, or gives no answer in
//! time, everybody in it is told `Unknown`, and everybody else waits for the next connection, not
//! for long; a connection that gave no answer is dropped and never spoken to again.

use super::obstacles;
use super::queue::{Connected, Job, Queue};
use crate::store::db::Engine;
use crate::store::metrics::METRICS;
use crate::store::{Database, DbError, Tx, postgres, sqlite};
use bappy_actors::fault_point;
use bappy_actors::metrics::size;
use bappy_actors::ports::{Batch, CommitOutcome, StoreError};
use bappy_actors::traced;
use sqlx::{Connection, SqlitePool};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{Instrument, Span};
use uuid::Uuid;

/// Writers on PostgreSQL. The second is there for the other wallets while a statement of the first
/// waits for a row that someone else has locked.
pub const WRITERS: usize = 2;

/// A caller waits this long for a connection before it hears that there is none.
const PATIENCE: Duration = Duration::from_millis(500);

/// The pause after the first failed connection, doubled after each up to `PAUSE_MAX`.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(400);

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a statement may go without an answer: past any wait for a row, and below the time that
/// a partner waits. A host that vanishes leaves a connection open that TCP gives up on after
/// minutes. Whoever hears `Unknown` raises the wallet's fence, so a statement that arrives at the
/// database all the same, however late, either was in time or writes nothing.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection idle for longer is tried with a ping, so that one that has died meanwhile costs
/// a reconnection and not an unknown outcome.
const IDLE_MAX: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a writer until the queue is closed, on the runtime that it is started on; starts it anew
/// after a panic.
pub async fn run(db: Database, queue: Arc<Queue>) {
    loop {
        let (own_db, own_queue) = (db.clone(), Arc::clone(&queue));
        let ended = tokio::spawn(async move { serve(&own_db, &own_queue).await }).await;
        match ended {
            Err(error) if error.is_panic() => {
                tracing::error!(%error, "a ledger writer panicked; it is started anew");
            }
            _ => return,
        }
    }
}

async fn serve(db: &Database, queue: &Queue) {
    while let Some((mut backend, connected)) = connect(db, queue).await {
        let mut used_at = Instant::now();
        loop {
            let Some((jobs, _at_work)) = queue.take().await else {
                return backend.close().await;
            };
            let is_left = backend.is_left_behind(db);
            if is_left || (used_at.elapsed() > IDLE_MAX && !backend.is_alive().await) {
                queue.give_back(jobs);
                break;
            }
            if !write_all(&mut backend, queue, jobs).await {
                break;
            }
            used_at = Instant::now();
        }
        drop(connected);
        // What this one has left over is the others' now.
        queue.wake();
        METRICS.writer_losses.increment(1);
        if let Engine::Postgres { hosts, .. } = &db.engine {
            hosts.doubt();
        }
        tracing::warn!("a ledger writer has lost its connection");
    }
}

/// What a writer writes on.
enum Backend {
    Sqlite(SqlitePool),
    /// With how often the primary had moved by then.
    Postgres(Tx, u64),
}

impl Backend {
    /// Writes the batches of different wallets; gives the wallets that have moved.
    async fn write(&mut self, batches: &[&Batch]) -> Result<HashSet<Uuid>, DbError> {
        match self {
            Self::Sqlite(pool) => sqlite::batch::write(pool, batches).await,
            Self::Postgres(tx, _) => {
                let write = postgres::batch::write(tx, batches);
                tokio::time::timeout(ANSWER_TIMEOUT, write).await.unwrap_or_else(|_| {
                    Err(StoreError::Unknown("no answer to a statement".to_owned()).into())
                })
            }
        }
    }

    async fn obstacles(&mut self, batch: &Batch) -> Result<Option<CommitOutcome>, DbError> {
        match self {
            Self::Sqlite(pool) => {
                let mut tx: Tx = pool.acquire().await?.into();
                obstacles::find(&mut tx, batch).await
            }
            Self::Postgres(tx, _) => {
                let find = obstacles::find(tx, batch);
                tokio::time::timeout(ANSWER_TIMEOUT, find).await.unwrap_or_else(|_| {
                    Err(StoreError::Unavailable("no answer to a read".to_owned()).into())
                })
            }
        }
    }

    /// Whether the primary has moved since it was connected.
    fn is_left_behind(&self, db: &Database) -> bool {
        match (self, &db.engine) {
            (Self::Postgres(_, moves), Engine::Postgres { hosts, .. }) => hosts.moves() != *moves,
            _ => false,
        }
    }

    async fn is_alive(&mut self) -> bool {
        match self {
            Self::Sqlite(_) => true,
            Self::Postgres(tx, _) => {
                let ping = async { one!(tx, (i32,), "SELECT 1") };
                matches!(tokio::time::timeout(PING_TIMEOUT, ping).await, Ok(Ok(_)))
            }
        }
    }

    async fn close(self) {
        if let Self::Postgres(tx, _) = self {
            tx.close().await;
        }
    }
}

/// Waits for a connection. While no writer has one, those who wait for a write are told so.
/// None once the queue is closed and empty.
async fn connect<'q>(db: &Database, queue: &'q Queue) -> Option<(Backend, Connected<'q>)> {
    let hosts = match &db.engine {
        Engine::Sqlite { writer, .. } => {
            return (!queue.is_over())
                .then(|| (Backend::Sqlite(writer.clone()), queue.connected()));
        }
        Engine::Postgres { hosts, .. } => hosts,
    };
    let mut pause = PAUSE_MIN;
    loop {
        let (moves, options) = (hosts.moves(), postgres::ledger_options(hosts.current()));
        let attempt = async {
            let mut conn = sqlx::PgConnection::connect_with(&options).await?;
            hosts.admit(&mut conn).await.map(|()| conn)
        };
        let attempt = tokio::time::timeout(CONNECT_TIMEOUT, attempt);
        tokio::pin!(attempt);
        let why = loop {
            tokio::select! {
                ended = &mut attempt => match ended {
                    Ok(Ok(conn)) => {
                        let backend = Backend::Postgres(conn.into(), moves);
                        return Some((backend, queue.connected()));
                    }
                    Ok(Err(error)) => break error.to_string(),
                    Err(_) => break "no answer".to_owned(),
                },
                () = tokio::time::sleep(PATIENCE / 2) => queue.refuse(PATIENCE, "no answer"),
            }
        };
        if queue.is_over() {
            return None;
        }
        // The server has refused: there is nothing to be patient for.
        queue.refuse(Duration::ZERO, &why);
        hosts.doubt();
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Writes what was taken and answers; `false` when the connection is not to be used again. What was
/// certainly not written by then goes back into the queue.
async fn write_all(backend: &mut Backend, queue: &Queue, taken: Vec<Job>) -> bool {
    let mut jobs = Vec::with_capacity(taken.len());
    for job in taken {
        let twice = obstacles::ended_twice(&job.batch);
        if twice.is_empty() {
            jobs.push(job);
        } else {
            answer(job, Ok(CommitOutcome::Guarded(twice)));
        }
    }
    // Rows are locked in one order everywhere.
    jobs.sort_unstable_by_key(|job| job.batch.org_id);
    if jobs.is_empty() {
        return true;
    }
    let batches: Vec<&Batch> = jobs.iter().map(|job| &job.batch).collect();
    let mut usable = true;
    let commands = batches.iter().map(|batch| batch.items.len()).sum();
    METRICS.write_commands.record(size(commands));
    let began = Instant::now();
    let written = backend.write(&batches).instrument(writing(&jobs)).await;
    METRICS.write_seconds.record(began.elapsed());
    match written {
        Ok(moved) => {
            fault_point!("ledger.commit");
            for job in jobs {
                if moved.contains(&job.batch.org_id.0) {
                    answer(job, Ok(CommitOutcome::Committed));
                } else if usable {
                    usable = explain(backend, job, None).await;
                } else {
                    queue.give_back(vec![job]);
                }
            }
        }
        Err(DbError::Store(lost @ StoreError::Unknown(_))) => {
            for job in jobs {
                answer(job, Err(lost.clone()));
            }
            usable = false;
        }
        Err(error) if jobs.len() == 1 => {
            let error = StoreError::from(error);
            for job in jobs {
                usable &= explain(backend, job, Some(error.clone())).await;
            }
        }
        Err(error) => {
            tracing::debug!(%error, wallets = jobs.len(), "a statement failed; each on its own");
            let mut left = jobs.into_iter();
            while usable && let Some(job) = left.next() {
                usable = Box::pin(write_all(backend, queue, vec![job])).await;
            }
            queue.give_back(left.collect());
        }
    }
    usable
}

/// A statement in the trace of its first batch; those of the others are linked to it.
fn writing(jobs: &[Job]) -> Span {
    let Some((first, others)) = jobs.split_first() else { return Span::none() };
    let span = traced!(parent: &first.span, "ledger", otel.kind = "client", batches = jobs.len());
    if !span.is_disabled() {
        for other in others {
            span.follows_from(&other.span);
        }
    }
    span
}

/// Answers a batch that was not written; `false` when the connection is not to be used again.
async fn explain(backend: &mut Backend, job: Job, error: Option<StoreError>) -> bool {
    let usable = !matches!(error, Some(StoreError::Unavailable(_)));
    if let Some(error @ StoreError::Unavailable(_)) = error {
        answer(job, Err(error));
        return false;
    }
    match (backend.obstacles(&job.batch).await, error) {
        (Ok(Some(outcome)), _) => answer(job, Ok(outcome)),
        (Ok(None), Some(error)) => answer(job, Err(error)),
        // What stood in the way has gone: as good as stale, to be decided again.
        (Ok(None), None) => answer(job, Ok(CommitOutcome::Stale)),
        (Err(error), _) => {
            // The statement had failed for certain, so nothing is written.
            answer(job, Err(StoreError::Unavailable(error.to_string())));
            return false;
        }
    }
    usable
}

/// The caller may be gone; its batch is written or not all the same.
fn answer(job: Job, answer: super::queue::Answer) {
    METRICS.written(&job.batch, &answer);
    drop(job.changed);
    let _ = job.reply.send(answer);
}
