//! Watches the invariant that everything else rests on: every wallet is what its ledger says.
//!
//! A background job of each instance walks over the wallets, some at a turn. Of each it compares
//! the newest entries with each other and with the wallet, some older ones, further back at each
//! turn until it has seen all, and the daily totals. What it finds it looks at again in every turn,
//! until it is mended. `bappy audit` compares everything at once, and more than this.
//!
//! **Invariants.** It changes nothing. A turn reads a bounded number of rows, whatever the size of
//! the ledgers, and the daily totals, whose number grows with the days.

mod compare;
mod metrics;

pub use compare::Mismatch;
pub use metrics::register as register_metrics;

use crate::store::ledger_sample;
use crate::store::{Database, DbError, Tx};
use bappy_actors::metrics::{Job, job_succeeded};
use bappy_actors::model::OrgId;
use bappy_actors::ports::Clock;
use metrics::METRICS;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The pause between two turns.
const PAUSE: Duration = Duration::from_secs(10);
/// Wallets in one turn: some hundred milliseconds of one connection.
const WALLETS: i64 = 50;
/// Newest entries of each, and as many older ones: what a busy wallet writes in a turn's time may be
/// more, which is then seen among the older ones.
const LINES: i64 = 200;
/// Mismatches that are remembered. More make the matter no clearer.
const FOUND_MAX: usize = 1_000;

/// The check of one instance.
pub struct LedgerCheck {
    database: Database,
    clock: Arc<dyn Clock>,
    /// The wallet that the last turn ended with; none before the first of a round.
    after: Option<OrgId>,
    /// Down to where each ledger was looked at.
    seen_down_to: HashMap<OrgId, i64>,
    found: BTreeMap<OrgId, BTreeSet<Mismatch>>,
}

impl LedgerCheck {
    /// Of the wallets of a database.
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        let (seen_down_to, found) = (HashMap::new(), BTreeMap::new());
        Self { database, clock, after: None, seen_down_to, found }
    }

    /// Runs until the task is dropped or `stop` is notified.
    pub async fn run(mut self, stop: Arc<Notify>) {
        let mut stopped = std::pin::pin!(stop.notified());
        loop {
            match self.turn().await {
                Ok(()) => job_succeeded(Job::LedgerCheck, self.clock.now()),
                Err(error) => {
                    METRICS.failures.increment(1);
                    tracing::warn!(%error, "the ledger could not be checked");
                }
            }
            tokio::select! {
                () = &mut stopped => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Looks at the next wallets, and again at what was found before.
    pub async fn turn(&mut self) -> Result<(), DbError> {
        let began = self.clock.elapsed();
        let mut tx = self.database.read().await?;
        let suspects: Vec<OrgId> = self.found.keys().copied().collect();
        for org in suspects {
            let found = self.look_again(&mut tx, org).await?;
            self.note(org, found);
        }
        let wallets = ledger_sample::wallets(&mut tx, self.after, WALLETS).await?;
        for &org in &wallets {
            self.after = Some(org);
            if self.found.contains_key(&org) {
                continue;
            }
            let found = self.look_at(&mut tx, org).await?;
            self.note(org, found);
        }
        if i64::try_from(wallets.len()).is_ok_and(|count| count < WALLETS) {
            self.after = None;
            METRICS.round_ended(self.clock.now());
        }
        METRICS.show(self.found.values().flatten());
        METRICS.seconds.record(self.clock.elapsed().saturating_sub(began));
        Ok(())
    }

    /// What was found and not mended since, by organization.
    pub fn found(&self) -> &BTreeMap<OrgId, BTreeSet<Mismatch>> {
        &self.found
    }

    /// What is wrong with one wallet, as far as it is looked at this time.
    async fn look_at(&mut self, tx: &mut Tx, org: OrgId) -> Result<Vec<Mismatch>, DbError> {
        let Some(newest) = ledger_sample::newest(tx, org, LINES).await? else {
            return Ok(Vec::new());
        };
        let mut found = compare::newest(&newest, LINES);
        let older = newest.version - LINES + 1;
        if older > 1 {
            let to = self.next_down(org, older);
            let from = (to - LINES).max(1);
            found.extend(chain_between(tx, org, from, to).await?);
            self.seen_down_to.insert(org, from);
        }
        let totals = ledger_sample::totals(tx, org).await?;
        found.extend(totals.and_then(compare::totals));
        METRICS.looked_at(newest.lines.len());
        Ok(found)
    }

    /// Where to go on: below what was looked at last, or from the top again. After a start it is
    /// anywhere, so that ledgers are seen whole however often an instance is started.
    fn next_down(&self, org: OrgId, older: i64) -> i64 {
        match self.seen_down_to.get(&org) {
            Some(&down_to) if down_to > 1 => down_to.min(older),
            Some(_) => older,
            None => 1 + i64::from(self.clock.now().timestamp_subsec_micros()) % older,
        }
    }

    /// What is still wrong with a wallet of which something was found.
    async fn look_again(&mut self, tx: &mut Tx, org: OrgId) -> Result<Vec<Mismatch>, DbError> {
        // The wallet and its totals can be read whole.
        let mut found = self.look_at(tx, org).await?;
        for &mismatch in self.found.get(&org).into_iter().flatten() {
            let Mismatch::Chain(place) = mismatch else { continue };
            let again = chain_between(tx, org, (place - 1).max(1), place + 1).await?;
            found.extend(again.contains(&mismatch).then_some(mismatch));
        }
        Ok(found)
    }

    /// Remembers what is wrong with a wallet now, and logs what is new.
    fn note(&mut self, org: OrgId, found: Vec<Mismatch>) {
        let before = self.found.remove(&org).unwrap_or_default();
        let known: usize = self.found.values().map(BTreeSet::len).sum();
        let found: BTreeSet<_> = found.into_iter().take(FOUND_MAX.saturating_sub(known)).collect();
        for mismatch in found.difference(&before) {
            tracing::error!(%org, ?mismatch, "a wallet and its ledger disagree");
        }
        if !found.is_empty() {
            self.found.insert(org, found);
        }
    }
}

/// Compares the lines of a ledger from one place to another.
async fn chain_between(
    tx: &mut Tx,
    org: OrgId,
    from: i64,
    to: i64,
) -> Result<Vec<Mismatch>, DbError> {
    let lines = ledger_sample::lines(tx, org, from, to).await?;
    METRICS.looked_at(lines.len());
    Ok(match lines.split_first() {
        Some((first, rest)) if from > 1 && first.sequence == from => {
            compare::chain(Some(*first), from + 1, to, rest)
        }
        _ => compare::chain(None, from, to, &lines),
    })
}
