//! The actor of one wallet: commits together what came into its inbox while a commit was under way.
//!
//! All its state changes happen in synchronous code; what waits is spawned on its context and
//! comes back as a call of one of its methods. It runs under actix's supervisor: `restarting`
//! throws its memory away.

use super::inbox::Inbox;
use super::state::{self, Command, Decided, FeeCharge};
use super::{CommandError, METRICS, Receipt};
use crate::metrics::{Present, size};
use crate::model::{OperationState, OrgId};
use crate::ports::{Clock, CommitOutcome, Store, StoreError, WalletRow};
use crate::traced;
use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, Supervised, WrapFuture,
};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::{Instrument, Span};

/// Commands that go down in one commit: past this a larger batch gains nothing measurable, and
/// one that is lost costs more to look up again.
const BATCH_COMMANDS_MAX: usize = 256;

/// Pauses between attempts to reach the database when a commit's outcome must be looked up.
const RELOAD_PAUSE_MIN: Duration = Duration::from_millis(20);
const RELOAD_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Where a command's answer goes.
pub(super) type Reply = oneshot::Sender<Result<Receipt, CommandError>>;

/// A command, with the room it takes and where its answer goes.
pub(super) struct Submit {
    pub command: Arc<Command>,
    pub reply: Reply,
    /// Frees its place in the queue when the answer is given.
    pub permit: Option<OwnedSemaphorePermit>,
    /// Whether it may already be in the database: it is looked up before it is decided.
    pub doubtful: bool,
    /// Where traces show it.
    pub span: Span,
    /// Counts it while it waits.
    pub _waiting: Present,
}

impl Submit {
    fn is_abandoned_debit(&self) -> bool {
        self.reply.is_closed() && self.command.is_charge()
    }
}

/// Says that something has come into the inbox.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Wake;

/// Asks to be told when nothing waits any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Drain(pub oneshot::Sender<()>);

pub(super) struct WalletActor {
    org: OrgId,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    row: Option<WalletRow>,
    /// Whether an earlier commit may still take effect: the next load raises the fence.
    fence_first: bool,
    reload_pause: Duration,
    inbox: Arc<Inbox>,
    queue: VecDeque<Submit>,
    busy: bool,
    /// How many of the next commands are committed one by one, to find one that is refused.
    singly: usize,
    draining: Vec<oneshot::Sender<()>>,
}

impl WalletActor {
    pub(super) fn new(
        org: OrgId,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        inbox: Arc<Inbox>,
        fence_first: bool,
    ) -> Self {
        Self {
            org,
            store,
            clock,
            row: None,
            fence_first,
            reload_pause: RELOAD_PAUSE_MIN,
            inbox,
            queue: VecDeque::new(),
            busy: false,
            singly: 0,
            draining: Vec::new(),
        }
    }

    fn take_in(&mut self) {
        self.fence_first |= self.inbox.take(&mut self.queue);
    }

    /// Does the next thing there is to do, if nothing is under way.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        if self.busy {
            return;
        }
        self.take_in();
        if self.queue.is_empty() {
            for waiting in self.draining.drain(..) {
                let _ = waiting.send(());
            }
            return;
        }
        self.busy = true;
        match self.row {
            None => self.load(ctx),
            Some(_) if self.fence_first => self.load(ctx),
            Some(_) if self.queue.iter().any(|s| s.doubtful) => self.look_up_doubtful(ctx),
            Some(row) => self.commit(row, ctx),
        }
    }

    fn load(&mut self, ctx: &mut Context<Self>) {
        let (store, org, fence) = (Arc::clone(&self.store), self.org, self.fence_first);
        let read = async move {
            if fence { store.fence_wallet(org).await } else { store.wallet(org).await }
        };
        ctx.spawn(read.into_actor(self).map(move |read, actor, ctx| {
            actor.busy = false;
            if !matches!(read, Ok(Some(_))) {
                // What came meanwhile is answered with the others.
                actor.take_in();
            }
            match read {
                Ok(Some(row)) => {
                    actor.row = Some(row);
                    actor.fence_first &= !fence;
                    actor.reload_pause = RELOAD_PAUSE_MIN;
                }
                Ok(None) => actor.fail_all(&CommandError::NoWallet),
                Err(error) if actor.fence_first => return actor.load_later(&error, ctx),
                Err(error) => actor.fail_all(&CommandError::Unavailable(error.to_string())),
            }
            actor.pump(ctx);
        }));
    }

    /// What may have been committed cannot be answered before the database is back.
    fn load_later(&mut self, error: &StoreError, ctx: &mut Context<Self>) {
        tracing::warn!(org = %self.org, %error, "wallet waits for the database");
        self.busy = true;
        ctx.run_later(self.reload_pause, |actor, ctx| {
            actor.busy = false;
            actor.pump(ctx);
        });
        self.reload_pause = (self.reload_pause * 2).min(RELOAD_PAUSE_MAX);
    }

    /// Answers those doubtful commands that are in the database after all; the fence has shut the
    /// others out, so they can be decided again.
    fn look_up_doubtful(&mut self, ctx: &mut Context<Self>) {
        let (store, org) = (Arc::clone(&self.store), self.org);
        let doubtful: Vec<_> =
            self.queue.iter().map(|s| s.doubtful.then(|| Arc::clone(&s.command))).collect();
        let looked_up = async move {
            let mut found = Vec::with_capacity(doubtful.len());
            for command in doubtful {
                found.push(match command {
                    Some(command) => is_applied(&*store, org, &command).await?,
                    None => false,
                });
            }
            Ok::<_, StoreError>(found)
        };
        ctx.spawn(looked_up.into_actor(self).map(|found, actor, ctx| {
            actor.busy = false;
            match found {
                Ok(found) => actor.settle_doubtful(&found),
                Err(error) => {
                    actor.forget(true);
                    return actor.load_later(&error, ctx);
                }
            }
            actor.pump(ctx);
        }));
    }

    /// `found` speaks of the commands in the queue, in order: what came meanwhile is in the inbox.
    fn settle_doubtful(&mut self, found: &[bool]) {
        let Some(row) = self.row else { return };
        let looked_up = std::mem::take(&mut self.queue);
        let doubtful = looked_up.iter().filter(|submit| submit.doubtful).count();
        let applied = found.iter().filter(|found| **found).count();
        tracing::info!(org = %self.org, doubtful, applied, "lost commits were looked up");
        for (mut submit, &found) in looked_up.into_iter().zip(found).rev() {
            if found {
                answer(submit, Ok(Receipt { balance: row.balance }));
            } else {
                submit.doubtful = false;
                self.queue.push_front(submit);
            }
        }
    }

    fn commit(&mut self, row: WalletRow, ctx: &mut Context<Self>) {
        let limit = if self.singly > 0 { 1 } else { BATCH_COMMANDS_MAX };
        self.singly = self.singly.saturating_sub(1);
        // A debit that nobody waits for any more has no runner either: it must not be charged.
        self.queue.retain(|submit| submit.doubtful || !submit.is_abandoned_debit());
        let flight: Vec<Submit> = self.queue.drain(..self.queue.len().min(limit)).collect();
        if flight.is_empty() {
            self.busy = false;
            return self.pump(ctx);
        }
        let commands = flight.iter().map(|s| &*s.command);
        let Decided { batch, verdicts } = state::decide(self.org, row, commands, self.clock.now());
        let after = WalletRow { balance: batch.balance, version: batch.version, ..row };
        let (store, org) = (Arc::clone(&self.store), self.org);
        METRICS.batch.record(size(flight.len()));
        let decided_at = self.clock.elapsed();
        let committed = async move {
            if !batch.items.is_empty() {
                return store.commit(batch).await;
            }
            // Only refusals: they stand if the wallet has not changed elsewhere.
            Ok(match store.wallet(org).await? {
                Some(now) if now == row => CommitOutcome::Committed,
                _ => CommitOutcome::Stale,
            })
        };
        let span = committing(&flight);
        ctx.spawn(committed.instrument(span).into_actor(self).map(move |outcome, actor, ctx| {
            actor.busy = false;
            let took = actor.clock.elapsed().saturating_sub(decided_at);
            METRICS.commit_seconds.record(took);
            match outcome {
                Ok(outcome) => actor.ended(outcome, flight, &verdicts, after),
                Err(StoreError::Unknown(why)) => {
                    tracing::warn!(org = %actor.org, why, "the outcome of a commit was lost");
                    actor.forget(true);
                    actor.requeue(flight.into_iter().map(|s| Submit { doubtful: true, ..s }));
                }
                Err(StoreError::Unavailable(why)) => {
                    actor.forget(false);
                    for submit in flight {
                        answer(submit, Err(CommandError::Unavailable(why.clone())));
                    }
                }
                Err(error @ StoreError::Broken(_)) => {
                    tracing::error!(org = %actor.org, %error, "a batch was refused");
                    actor.broken(flight, &error);
                }
            }
            actor.pump(ctx);
        }));
    }

    fn ended(
        &mut self,
        outcome: CommitOutcome,
        flight: Vec<Submit>,
        verdicts: &[Result<usize, super::Refused>],
        after: WalletRow,
    ) {
        match outcome {
            CommitOutcome::Committed => {
                self.row = Some(after);
                let receipt = Receipt { balance: after.balance };
                for (submit, verdict) in flight.into_iter().zip(verdicts) {
                    answer(submit, verdict.map(|_| receipt).map_err(CommandError::Refused));
                }
            }
            CommitOutcome::Stale => {
                METRICS.conflicts.increment(1);
                self.forget(false);
                self.requeue(flight);
            }
            CommitOutcome::Guarded(guarded) => {
                let guard_of = |verdict: &Result<usize, _>| {
                    let item = *verdict.as_ref().ok()?;
                    guarded.iter().find(|(index, _)| *index == item).map(|(_, guard)| *guard)
                };
                let mut again = Vec::with_capacity(flight.len());
                for (submit, verdict) in flight.into_iter().zip(verdicts) {
                    match guard_of(verdict) {
                        Some(guard) => answer(submit, Err(CommandError::Guarded(guard))),
                        None => again.push(submit),
                    }
                }
                self.requeue(again);
            }
        }
    }

    /// A batch that the database refuses as such: one command at a time finds the one to blame.
    fn broken(&mut self, flight: Vec<Submit>, error: &StoreError) {
        self.forget(false);
        if flight.len() > 1 {
            self.singly = flight.len();
            return self.requeue(flight);
        }
        for submit in flight {
            answer(submit, Err(CommandError::Unavailable(error.to_string())));
        }
    }

    fn forget(&mut self, fence_first: bool) {
        self.row = None;
        self.fence_first |= fence_first;
    }

    fn requeue(&mut self, flight: impl IntoIterator<Item = Submit, IntoIter: DoubleEndedIterator>) {
        for submit in flight.into_iter().rev() {
            self.queue.push_front(submit);
        }
    }

    fn fail_all(&mut self, error: &CommandError) {
        for submit in self.queue.drain(..) {
            answer(submit, Err(error.clone()));
        }
    }
}

/// A commit in the trace of its first command; those of the others are linked to it.
fn committing(flight: &[Submit]) -> Span {
    let Some((first, others)) = flight.split_first() else { return Span::none() };
    let span = traced!(parent: &first.span, "commit", commands = flight.len());
    if !span.is_disabled() {
        for other in others {
            span.follows_from(&other.span);
        }
    }
    span
}

fn answer(submit: Submit, answer: Result<Receipt, CommandError>) {
    drop(submit.permit);
    METRICS.answered(&submit.command, &answer);
    // Nobody listens any more when the caller's task was dropped at shutdown: the resolver will
    // find the operation.
    let _ = submit.reply.send(answer);
}

/// Whether a command's effect is in the database. Call it only behind a raised fence.
async fn is_applied(store: &dyn Store, org: OrgId, command: &Command) -> Result<bool, StoreError> {
    let (id, ended_as) = match command {
        Command::Debit(debits) => (debits.first().map(|d| d.operation.id), None),
        Command::Settle(ends) => {
            (ends.first().map(|s| s.operation_id), Some(OperationState::Succeeded))
        }
        Command::Refund(ends) => {
            (ends.first().map(|r| r.debit.operation.id), Some(OperationState::Refunded))
        }
        Command::LinkFee(FeeCharge { entry_id, fee, .. }) => {
            return store.is_fee_charged(org, fee.link_id, fee.month, *entry_id).await;
        }
        // Sent by one-shot commands, which look for themselves.
        Command::Credit(_) => (None, None),
    };
    let Some(id) = id else { return Ok(false) };
    // The rest of a record, which might be unreadable, keeps no wallet waiting.
    let found = store.operation_state(org, id).await?;
    Ok(found.is_some_and(|state| ended_as.is_none_or(|ended_as| state == ended_as)))
}

impl Actor for WalletActor {
    type Context = Context<Self>;
}

impl Supervised for WalletActor {
    fn restarting(&mut self, ctx: &mut Context<Self>) {
        self.forget(true);
        self.busy = false;
        ctx.notify(Wake);
    }
}

impl Drop for WalletActor {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

impl Handler<Wake> for WalletActor {
    type Result = ();

    fn handle(&mut self, _: Wake, ctx: &mut Context<Self>) {
        self.pump(ctx);
    }
}

impl Handler<Drain> for WalletActor {
    type Result = ();

    fn handle(&mut self, drain: Drain, ctx: &mut Context<Self>) {
        self.draining.push(drain.0);
        self.pump(ctx);
    }
}
