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
/// Mismatches that are remembered. More make the matter no clearer.
const FOUND_MAX: usize = 1_000;

/// How much a turn looks at.
#[derive(Clone, Copy, Debug)]
pub struct LedgerCheckLimits {
    /// Wallets: some hundred milliseconds of one connection.
    pub wallets: i64,
    /// Newest entries of each. A busy wallet writes more in a turn's time; those are seen as older
    /// ones.
    pub newest: i64,
    /// Older entries of all of these wallets: some ten milliseconds more, and a ledger of ten
    /// million is seen whole within two hours.
    pub older: i64,
    /// Of each wallet at least so many of these, if it has them.
    pub older_min: i64,
}

impl Default for LedgerCheckLimits {
    fn default() -> Self {
        Self { wallets: 50, newest: 200, older: 20_000, older_min: 200 }
    }
}

/// The check of one instance.
pub struct LedgerCheck {
    database: Database,
    clock: Arc<dyn Clock>,
    limits: LedgerCheckLimits,
    /// The wallet that the last turn ended with; none before the first of a round.
    after: Option<OrgId>,
    /// Down to where each ledger was looked at.
    seen_down_to: HashMap<OrgId, i64>,
    found: BTreeMap<OrgId, BTreeSet<Mismatch>>,
}

impl LedgerCheck {
    /// Of the wallets of a database.
    pub fn new(database: Database, clock: Arc<dyn Clock>, limits: LedgerCheckLimits) -> Self {
        let (seen_down_to, found) = (HashMap::new(), BTreeMap::new());
        Self { database, clock, limits, after: None, seen_down_to, found }
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
        self.look_again(&mut tx).await?;
        let wallets = ledger_sample::wallets(&mut tx, self.after, self.limits.wallets).await?;
        let (mut versions, mut entries) = (Vec::with_capacity(wallets.len()), 0);
        for &org in &wallets {
            let (version, found) = look_at(&mut tx, org, self.limits.newest).await?;
            self.note(org, found);
            versions.push((org, version));
            entries += version;
        }
        // The longer a ledger, the more of it is looked at.
        for (org, version) in versions {
            let share =
                i128::from(self.limits.older) * i128::from(version) / i128::from(entries.max(1));
            let count =
                i64::try_from(share).unwrap_or(self.limits.older).max(self.limits.older_min);
            let found = self.look_back(&mut tx, org, version, count).await?;
            self.note(org, found);
        }
        self.after = wallets.last().copied();
        if i64::try_from(wallets.len()).is_ok_and(|count| count < self.limits.wallets) {
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

    /// Compares some older entries of a ledger, further down at each turn.
    async fn look_back(
        &mut self,
        tx: &mut Tx,
        org: OrgId,
        version: i64,
        count: i64,
    ) -> Result<Vec<Mismatch>, DbError> {
        let older = version - self.limits.newest + 1;
        if older <= 1 {
            return Ok(Vec::new());
        }
        let to = self.next_down(org, older);
        let from = (to - count).max(1);
        let found = chain_between(tx, org, from, to).await?;
        self.seen_down_to.insert(org, from);
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

    /// Forgets of what was found before that which is mended.
    async fn look_again(&mut self, tx: &mut Tx) -> Result<(), DbError> {
        let places: Vec<(OrgId, Mismatch)> = self
            .found
            .iter()
            .flat_map(|(&org, found)| found.iter().map(move |&mismatch| (org, mismatch)))
            .collect();
        for (org, mismatch) in places {
            let is_mended = match mismatch {
                Mismatch::Chain(place) => {
                    let again = chain_between(tx, org, (place - 1).max(1), place + 1).await?;
                    !again.contains(&mismatch)
                }
                Mismatch::Wallet | Mismatch::Totals => {
                    !look_at(tx, org, self.limits.newest).await?.1.contains(&mismatch)
                }
            };
            if is_mended {
                self.forget(org, mismatch);
            }
        }
        Ok(())
    }

    fn forget(&mut self, org: OrgId, mismatch: Mismatch) {
        if let Some(found) = self.found.get_mut(&org) {
            tracing::info!(%org, ?mismatch, "a wallet and its ledger agree again");
            found.remove(&mismatch);
            if found.is_empty() {
                self.found.remove(&org);
            }
        }
    }

    /// Remembers and logs what is found and was not known.
    fn note(&mut self, org: OrgId, found: Vec<Mismatch>) {
        let known: usize = self.found.values().map(BTreeSet::len).sum();
        for mismatch in found.into_iter().take(FOUND_MAX.saturating_sub(known)) {
            if self.found.entry(org).or_default().insert(mismatch) {
                tracing::error!(%org, ?mismatch, "a wallet and its ledger disagree");
            }
        }
    }
}

/// Compares a wallet with its newest entries and its daily totals; gives its version with what is
/// wrong.
async fn look_at(tx: &mut Tx, org: OrgId, count: i64) -> Result<(i64, Vec<Mismatch>), DbError> {
    let Some(newest) = ledger_sample::newest(tx, org, count).await? else {
        return Ok((0, Vec::new()));
    };
    METRICS.looked_at(newest.lines.len());
    let mut found = compare::newest(&newest, count);
    let totals = ledger_sample::totals(tx, org).await?;
    found.extend(totals.and_then(compare::totals));
    Ok((newest.version, found))
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
