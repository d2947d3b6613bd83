//! The batches that wait for a writer.
//!
//! **Invariant:** what a writer takes at once has each wallet at most once.

use crate::store::metrics::METRICS;
use crate::store::revisions::{Changed, Revisions};
use bappy_actors::metrics::Present;
use bappy_actors::ports::{Batch, CommitOutcome, StoreError};
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};
use tracing::Span;

/// Commands in one statement: four full batches. More would only make the first ones wait, as
/// the cost of a statement is then all in its rows.
const COMMANDS_MAX: usize = 1_024;

/// How long a statement goes on before another writer begins one. Until then what arrives is
/// gathered: together it costs the database much less. By then the statement most likely waits for a
/// row that someone else has locked, and the other wallets need not.
const HELP_AFTER: Duration = Duration::from_millis(10);

/// What a caller of a commit is told.
pub type Answer = Result<CommitOutcome, StoreError>;

/// A batch with who waits for it.
pub struct Job {
    /// What to write.
    pub batch: Batch,
    /// Who waits. Gone if the caller is.
    pub reply: oneshot::Sender<Answer>,
    /// Raises the revisions of its Links, which has to happen before the reply.
    pub changed: Changed,
    queued_at: Instant,
    _waiting: Present,
    /// Where traces show it.
    pub span: Span,
}

/// The queue that all writers share.
pub struct Queue {
    revisions: Arc<Revisions>,
    state: Mutex<State>,
    arrived: Notify,
    connected: AtomicUsize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    /// When the writers that are at work took what they write.
    began: Vec<Instant>,
    /// No more batches are taken.
    closed: bool,
}

/// What a writer is to do.
enum Next<'q> {
    Write(Vec<Job>, AtWork<'q>),
    /// Look again then: another one is at work.
    LookAt(Instant),
    Wait,
}

impl Queue {
    /// An empty queue of writers that raise these revisions.
    pub fn new(revisions: Arc<Revisions>) -> Self {
        Self {
            revisions,
            state: Mutex::default(),
            arrived: Notify::new(),
            connected: AtomicUsize::new(0),
        }
    }

    /// Adds a batch; the answer comes by the receiver.
    pub fn push(&self, batch: Batch) -> oneshot::Receiver<Answer> {
        let (reply, answer) = oneshot::channel();
        let links = batch.items.iter().flat_map(|item| &item.activations).map(|a| a.link_id);
        let changed = Changed::topped_up(Arc::clone(&self.revisions), links.collect());
        let job = Job {
            batch,
            reply,
            changed,
            queued_at: Instant::now(),
            _waiting: Present::in_gauge(&METRICS.waiting),
            span: Span::current(),
        };
        let mut state = self.lock();
        if state.closed {
            drop(state);
            let _ = job.reply.send(Err(StoreError::Unavailable("the ledger is closed".to_owned())));
            return answer;
        }
        state.waiting.push_back(job);
        drop(state);
        self.arrived.notify_one();
        answer
    }

    /// What waits, up to a statement's worth; waits for the first. None once the queue is closed
    /// and empty.
    pub async fn take(&self) -> Option<(Vec<Job>, AtWork<'_>)> {
        loop {
            match self.next() {
                Next::Write(jobs, at_work) => return Some((jobs, at_work)),
                Next::LookAt(then) => tokio::time::sleep_until(then.into()).await,
                Next::Wait if self.is_over() => {
                    // The other writers have to learn of it too.
                    self.wake();
                    return None;
                }
                Next::Wait => self.arrived.notified().await,
            }
        }
    }

    fn next(&self) -> Next<'_> {
        let mut state = self.lock();
        if state.waiting.is_empty() {
            return Next::Wait;
        }
        let now = Instant::now();
        match state.began.iter().max() {
            Some(began) if now < *began + HELP_AFTER => Next::LookAt(*began + HELP_AFTER),
            _ => {
                state.began.push(now);
                Next::Write(self.drain(&mut state.waiting), AtWork(self, now))
            }
        }
    }

    fn drain(&self, waiting: &mut VecDeque<Job>) -> Vec<Job> {
        let mut wallets = HashSet::new();
        let mut commands = 0;
        let mut taken = Vec::new();
        let mut index = 0;
        while let Some(job) = waiting.get(index) {
            let size = job.batch.items.len();
            if !taken.is_empty() && commands + size > COMMANDS_MAX {
                self.wake();
                break;
            }
            if !wallets.insert(job.batch.org_id) {
                // Another instance of this wallet's actor: after the one before it, by the same
                // writer, as another would only wait for the row.
                index += 1;
                continue;
            }
            commands += size;
            taken.extend(waiting.remove(index));
        }
        taken
    }

    /// Puts back what could not be written, before everything else.
    pub fn give_back(&self, jobs: Vec<Job>) {
        let mut state = self.lock();
        for job in jobs.into_iter().rev() {
            state.waiting.push_front(job);
        }
        drop(state);
        self.arrived.notify_one();
    }

    /// Has a writer look at what waits.
    pub fn wake(&self) {
        self.arrived.notify_one();
    }

    /// Tells everyone who has waited for `patience` that the database is not there, unless some
    /// writer has a connection.
    pub fn refuse(&self, patience: Duration, why: &str) {
        if self.connected.load(Ordering::Acquire) > 0 {
            return;
        }
        let waiting = &mut self.lock().waiting;
        while waiting.front().is_some_and(|job| job.queued_at.elapsed() >= patience) {
            if let Some(job) = waiting.pop_front() {
                let refused = Err(StoreError::Unavailable(why.to_owned()));
                METRICS.written(&job.batch, &refused);
                let _ = job.reply.send(refused);
            }
        }
    }

    /// Counts a writer that has a connection, until the guard is dropped.
    pub fn connected(&self) -> Connected<'_> {
        self.connected.fetch_add(1, Ordering::AcqRel);
        Connected(self, Present::in_gauge(&METRICS.writers))
    }

    /// No more batches are taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Whether it is closed and empty.
    pub fn is_over(&self) -> bool {
        let state = self.lock();
        state.closed && state.waiting.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A writer that has a connection.
pub struct Connected<'a>(&'a Queue, #[expect(dead_code, reason = "counts")] Present);

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.connected.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A writer that writes what it took.
pub struct AtWork<'a>(&'a Queue, Instant);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        let began = &mut self.0.lock().began;
        if let Some(at) = began.iter().position(|began| *began == self.1) {
            began.swap_remove(at);
        }
    }
}
