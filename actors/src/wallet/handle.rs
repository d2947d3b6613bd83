//! What everybody else holds of the wallets: finds or starts an organization's actor, lets in a
//! bounded number of debits, and starts an actor again after a panic.
//!
//! **Invariants.** A debit past the bound is refused at once. Settlements and refunds are always
//! let in: they are bounded by the debits before them. A command whose actor died is looked up
//! behind a raised fence before it is decided again.

use super::actor::{Drain, Submit, Wake, WalletActor};
use super::inbox::Inbox;
use super::{Command, CommandError, METRICS, Receipt};
use crate::Arbiters;
use crate::metrics::{Present, size};
use crate::model::OrgId;
use crate::ports::{Clock, Store};
use crate::traced;
use actix::{Addr, Supervisor};
use dashmap::DashMap;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Semaphore, oneshot};

/// How often one command is given to a fresh actor before it is given up as unavailable.
const ACTOR_DEATHS_MAX: u32 = 3;

/// Bounds of the wallets.
#[derive(Clone, Copy, Debug)]
pub struct WalletLimits {
    /// Debits that may wait at one wallet: 16 full batches, some tens of milliseconds of work.
    pub debits_waiting_max: usize,
    /// An actor that was not used for so long is let go.
    pub idle: Duration,
}

impl Default for WalletLimits {
    fn default() -> Self {
        Self { debits_waiting_max: 4096, idle: Duration::from_mins(1) }
    }
}

struct Live {
    addr: Addr<WalletActor>,
    inbox: Arc<Inbox>,
    permits: Arc<Semaphore>,
    last_used: Duration,
}

impl Live {
    /// Whether its actor takes commands: its inbox closes with it.
    fn is_alive(&self) -> bool {
        !self.inbox.is_closed()
    }

    fn parts(&self) -> (Addr<WalletActor>, Arc<Inbox>, Arc<Semaphore>) {
        (self.addr.clone(), Arc::clone(&self.inbox), Arc::clone(&self.permits))
    }
}

/// The wallets of all organizations.
pub struct WalletHandle {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    arbiters: Arbiters,
    limits: WalletLimits,
    live: DashMap<OrgId, Live>,
    closing: AtomicBool,
}

impl WalletHandle {
    /// Wallet actors run where `arbiters` puts their organization.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        arbiters: Arbiters,
        limits: WalletLimits,
    ) -> Self {
        Self {
            store,
            clock,
            arbiters,
            limits,
            live: DashMap::new(),
            closing: AtomicBool::new(false),
        }
    }

    /// Has a command carried out. Call it from a spawned task: it runs to its end even if this
    /// future is dropped, but then nobody learns how it ended.
    pub async fn submit(
        &self,
        org: OrgId,
        command: impl Into<Arc<Command>>,
    ) -> Result<Receipt, CommandError> {
        let command = command.into();
        let span = traced!("wallet", command = command.word());
        let is_debit = command.is_charge();
        if is_debit && self.closing.load(Ordering::Relaxed) {
            return Err(CommandError::Overloaded);
        }
        for attempt in 0..ACTOR_DEATHS_MAX {
            let (addr, inbox, permits) = self.actor(org);
            // A command that was let in is not turned away later: it may have been carried out.
            let permit = if is_debit && attempt == 0 {
                let Ok(permit) = permits.try_acquire_owned() else {
                    METRICS.rejections.increment(1);
                    return Err(CommandError::Overloaded);
                };
                Some(permit)
            } else {
                None
            };
            let (reply, answered) = oneshot::channel();
            let submit = Submit {
                command: Arc::clone(&command),
                reply,
                permit,
                doubtful: attempt > 0,
                span: span.clone(),
                _waiting: Present::in_gauge(&METRICS.queue),
            };
            if inbox.put(submit) {
                // An actor that has died meanwhile has dropped what is in its inbox.
                let _ = addr.try_send(Wake);
            }
            if let Ok(answer) = answered.await {
                return answer;
            }
            // The actor died, most likely with the command in its hands.
            tracing::error!(%org, "a wallet actor died; starting it again");
        }
        Err(CommandError::Lost)
    }

    /// Stops letting debits in, and waits until every wallet has nothing left to do.
    pub async fn drain(&self) {
        self.closing.store(true, Ordering::Relaxed);
        let actors = self.live.iter().map(|live| (*live.key(), live.addr.clone()));
        // Ordered, so that a stop is the same each time it is simulated.
        let mut actors: Vec<_> = actors.collect();
        actors.sort_unstable_by_key(|(org, _)| *org);
        for (_, addr) in actors {
            let (told, done) = oneshot::channel();
            #[expect(clippy::disallowed_methods, reason = "this handle owns its actors")]
            if addr.send(Drain(told)).await.is_ok() {
                let _ = done.await;
            }
        }
    }

    /// Lets go of the actors that were idle for long; their supervisors end with the last address. One
    /// that has something to do, and be it to wait for the database, is not idle: the next command would
    /// start a second beside it.
    pub fn drop_idle(&self) {
        let now = self.clock.elapsed();
        self.live.retain(|_, live| {
            live.inbox.is_at_work() || now.saturating_sub(live.last_used) < self.limits.idle
        });
    }

    /// How many wallets have an actor now.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// Brings up to date what the metrics show of the actors.
    pub fn observe(&self) {
        METRICS.actors.set(size(self.live.len()));
    }

    fn actor(&self, org: OrgId) -> (Addr<WalletActor>, Arc<Inbox>, Arc<Semaphore>) {
        let now = self.clock.elapsed();
        if let Some(mut live) = self.live.get_mut(&org)
            && live.is_alive()
        {
            live.last_used = now;
            return live.parts();
        }
        let mut entry = self.live.entry(org).or_insert_with(|| {
            let (addr, inbox) = self.start(org, false);
            let permits = Arc::new(Semaphore::new(self.limits.debits_waiting_max));
            Live { addr, inbox, permits, last_used: now }
        });
        if !entry.is_alive() {
            METRICS.respawns.increment(1);
            // What the dead one had under way may still land: the new one raises the fence.
            (entry.addr, entry.inbox) = self.start(org, true);
            entry.last_used = now;
        }
        entry.parts()
    }

    fn start(&self, org: OrgId, fence_first: bool) -> (Addr<WalletActor>, Arc<Inbox>) {
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let inbox = Arc::<Inbox>::default();
        let actor = WalletActor::new(org, store, clock, Arc::clone(&inbox), fence_first);
        (Supervisor::start_in_arbiter(self.arbiters.of(org), |_| actor), inbox)
    }
}
