//! The ledger's writers: every change of a balance goes through here.
//!
//! [`Ledger::commit`] queues a wallet's batch; a writer takes all batches that wait, of different
//! wallets, and writes them in one statement (PostgreSQL) or one transaction (SQLite). Nothing waits
//! where no writer is at work; what comes while one writes is gathered, and is the next one's, or,
//! where that writing takes long, a second writer's.
//!
//! **Invariants:** a batch is written whole or not at all, whatever happens to the others of its
//! statement; a batch is in one statement at a time; a batch whose caller has gone away is
//! written all the same; an answer is sent only after the commit.

mod days;
mod obstacles;
mod queue;
pub(super) mod rows;
mod writer;

use super::{Database, DbError};
use bappy_actors::model::{LinkId, Operation, OperationKind, Timestamp};
use bappy_actors::ports::{Batch, CommitOutcome, StoreError};
use chrono::TimeDelta;
use queue::Queue;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

pub(super) use days::ALL_PLANS;
use days::{day, day_totals};
pub(super) use writer::WRITERS;

/// How long after its deadline a charged operation is the resolver's: enough for whoever runs it
/// to commit what it learned at the last moment, and short against the resolver's horizon.
const LEASE_AFTER_DEADLINE: TimeDelta = TimeDelta::seconds(2);

/// The lease an operation begins with: the first of a group carries it for all. An SMS is run by
/// nobody yet, and is due at once.
fn opening_lease(operation: &Operation) -> Option<Timestamp> {
    let lease = match operation.kind {
        OperationKind::SendSms => operation.created_at,
        _ => operation.deadline_at + LEASE_AFTER_DEADLINE,
    };
    (operation.position == 0).then_some(lease)
}

/// How many Links a batch adds.
fn links_new(batch: &Batch) -> i64 {
    let count: usize = batch.items.iter().map(|item| item.links.len()).sum();
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// How many operations a batch opens.
fn operations_new(batch: &Batch) -> i64 {
    let count: usize = batch.items.iter().map(|item| item.opened.len()).sum();
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// How many SMS a batch queues.
fn sms_new(batch: &Batch) -> i64 {
    let count: usize = batch.items.iter().map(|item| item.sms.len()).sum();
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The kilobytes that a batch adds to Links that are there already; a new Link has its volume
/// from the start, and what is over by now adds none.
fn volumes_added(batch: &Batch) -> BTreeMap<LinkId, i64> {
    let new: HashSet<LinkId> =
        batch.items.iter().flat_map(|item| &item.links).map(|link| link.id).collect();
    let mut added = BTreeMap::new();
    for activation in batch.items.iter().flat_map(|item| &item.activations) {
        if !new.contains(&activation.link_id) {
            let kb = if activation.status.is_in_force() { activation.data_total.kb() } else { 0 };
            *added.entry(activation.link_id).or_insert(0) += kb;
        }
    }
    added
}

/// The way to the writers. They end when it is closed or dropped and nothing waits any more.
pub struct Ledger {
    queue: Arc<Queue>,
    writers: TaskTracker,
}

impl Ledger {
    /// Starts the writers of a database on a runtime.
    pub fn start(db: &Database, runtime: &Handle) -> Self {
        let queue = Arc::new(Queue::new(Arc::clone(db.revisions())));
        let writers = TaskTracker::new();
        for _ in 0..db.writers() {
            drop(writers.spawn_on(writer::run(db.clone(), Arc::clone(&queue)), runtime));
        }
        writers.close();
        Self { queue, writers }
    }

    /// Takes no more batches, and waits until what was taken is answered.
    pub async fn close(&self) {
        self.queue.close();
        self.writers.wait().await;
    }

    /// Writes a batch.
    pub async fn commit(&self, batch: Batch) -> Result<CommitOutcome, DbError> {
        let answer = self.queue.push(batch);
        // Without an answer the writer has panicked, or the runtime is gone.
        answer
            .await
            .unwrap_or_else(|_| {
                Err(StoreError::Unknown("a ledger writer ended before it answered".to_owned()))
            })
            .map_err(DbError::Store)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.queue.close();
    }
}
