//! Whether other processes of this platform are at work on the same PostgreSQL: then what they
//! change is not known here, and nothing of a Link is remembered for longer than half a second.
//!
//! Each process says hello once before it does anything, and then every second, with `NOTIFY`; each
//! listens to all of them, its own included. **Invariant:** a process is alone only while it hears
//! itself, has listened for longer than any silence of theirs, and has not heard another for as long.
//! Whoever cannot say hello, as a process of an older version, is not heard: what it changes shows
//! when what is remembered gets old. So does what a command changes beside a service on SQLite, whose
//! file is one process's.

use super::postgres::Hosts;
use crate::environment::SystemIds;
use bappy_actors::ports::Ids;
use sqlx::pool::CloseEvent;
use sqlx::postgres::{PgListener, PgPoolOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::watch;
use uuid::Uuid;

const CHANNEL: &str = "bappy_instances";
/// The pause between two hellos.
const HELLO_EVERY: Duration = Duration::from_secs(1);
/// Another process that was not heard for so long is not there: more than three hellos.
const SILENCE_MAX_MS: u64 = 3_500;
/// Its own hello comes back within this, or it may miss those of others.
const OWN_SILENCE_MAX_MS: u64 = 1_500;
/// How long the server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// The start does not wait longer than this to be heard.
const START_MAX: Duration = Duration::from_secs(2);

/// The other processes, as they are heard.
#[derive(Debug)]
pub struct Peers {
    me: Uuid,
    started: Instant,
    /// All in milliseconds since the start. When it began to listen on this connection.
    listening: AtomicU64,
    /// When the last hello of each was heard; 0: never.
    own: AtomicU64,
    others: AtomicU64,
}

impl Peers {
    /// Says hello and listens in the background until `closed`; returns when it has been heard, or
    /// cannot be.
    pub async fn meet(hosts: Hosts, closed: CloseEvent, runtime: &Handle) -> Arc<Self> {
        let peers = Arc::new(Self {
            me: SystemIds::default().next(),
            started: Instant::now(),
            listening: AtomicU64::new(0),
            own: AtomicU64::new(0),
            others: AtomicU64::new(0),
        });
        let (told, mut heard) = watch::channel(false);
        let run = Arc::clone(&peers).run(hosts, told);
        drop(runtime.spawn(async move {
            tokio::select! {
                () = run => {}
                () = closed => {}
            }
        }));
        let _ = tokio::time::timeout(START_MAX, heard.wait_for(|heard| *heard)).await;
        peers
    }

    /// Whether no other process is at work on the database.
    pub fn is_alone(&self) -> bool {
        let now = self.now();
        let since = |at: &AtomicU64| now.saturating_sub(at.load(Ordering::Acquire));
        let was_heard = |at: &AtomicU64| at.load(Ordering::Acquire) > 0;
        since(&self.listening) > SILENCE_MAX_MS
            && was_heard(&self.own)
            && since(&self.own) < OWN_SILENCE_MAX_MS
            && (!was_heard(&self.others) || since(&self.others) > SILENCE_MAX_MS)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    async fn run(self: Arc<Self>, hosts: Hosts, told: watch::Sender<bool>) {
        loop {
            if let Err(error) = self.listen(&hosts, &told).await {
                tracing::debug!(%error, "other instances cannot be heard now");
            }
            tokio::time::sleep(HELLO_EVERY).await;
        }
    }

    /// Until the connection is lost or the primary moves.
    async fn listen(&self, hosts: &Hosts, told: &watch::Sender<bool>) -> Result<(), sqlx::Error> {
        let moves = hosts.moves();
        let options = hosts.current().clone().application_name("bappy-instances");
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ANSWER_TIMEOUT)
            .connect_lazy_with(options);
        let mut listener = answered(PgListener::connect_with(&pool)).await?;
        listener.eager_reconnect(false);
        answered(listener.listen(CHANNEL)).await?;
        // What was said before is not heard.
        self.listening.store(self.now(), Ordering::Release);
        let me = self.me.to_string();
        while hosts.moves() == moves {
            let hello = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(&me);
            answered(hello.execute(&mut listener)).await?;
            let next = tokio::time::sleep(HELLO_EVERY);
            tokio::pin!(next);
            loop {
                let heard = tokio::select! {
                    () = &mut next => break,
                    heard = listener.try_recv() => heard?,
                };
                // None: the connection is lost.
                let Some(heard) = heard else { return Ok(()) };
                let who = if heard.payload() == me { &self.own } else { &self.others };
                who.store(self.now(), Ordering::Release);
                told.send_if_modified(|told| !std::mem::replace(told, true));
            }
        }
        Ok(())
    }
}

async fn answered<T>(
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(ANSWER_TIMEOUT, asked).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
