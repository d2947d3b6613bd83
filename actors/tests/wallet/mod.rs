//! Wallets: what they decide, how they commit, what they survive.

mod commits;
mod doubts;
mod gone;
mod limits;
mod state;

use crate::support::environment::{TestClock, epoch};
use crate::support::fixtures::{money, org};
use crate::support::script::Script;
use crate::support::store::MemoryStore;
use crate::support::world::arbiters;
use bappy_actors::model::OrgId;
use bappy_actors::wallet::{Command, CommandError, Receipt, WalletHandle, WalletLimits};
use std::sync::Arc;
use tokio::task::JoinHandle;

type Answer = Result<Receipt, CommandError>;

/// One wallet with 100 in it.
struct Bench {
    org: OrgId,
    store: MemoryStore,
    script: Script,
    wallets: Arc<WalletHandle>,
}

impl Bench {
    fn new() -> Self {
        Self::with(WalletLimits::default())
    }

    fn with(limits: WalletLimits) -> Self {
        let script = Script::default();
        let store = MemoryStore::new(script.clone());
        store.data().add_wallet(org(1), money("100"));
        let wallets = Self::wallets(&store, limits);
        Self { org: org(1), store, script, wallets }
    }

    fn wallets(store: &MemoryStore, limits: WalletLimits) -> Arc<WalletHandle> {
        let clock = Arc::new(TestClock::starting_at(epoch()));
        Arc::new(WalletHandle::new(Arc::new(store.clone()), clock, arbiters(), limits))
    }

    async fn submit(&self, command: Command) -> Answer {
        self.wallets.submit(self.org, command).await
    }

    /// Submits in a task of its own.
    fn send(&self, command: Command) -> JoinHandle<Answer> {
        let (wallets, org) = (Arc::clone(&self.wallets), self.org);
        tokio::spawn(async move { wallets.submit(org, command).await })
    }

    fn balance(&self) -> String {
        self.store.data().balance(self.org).to_string()
    }

    fn debits(&self) -> usize {
        self.store.data().wallets[&self.org]
            .ledger
            .iter()
            .filter(|e| e.amount.is_negative())
            .count()
    }
}

/// Lets everything that can go on do so, without time going on.
async fn settle_down() {
    // A tick polls some sixty tasks.
    for _ in 0..300 {
        tokio::task::yield_now().await;
    }
}

fn is_pending<T>(task: &JoinHandle<T>) -> bool {
    !task.is_finished()
}
