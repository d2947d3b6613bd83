//! One run of the monthly fees: walks over an organization's Links, a part at a time, charges what
//! falls due through its wallet and has suspended what is not covered.
//!
//! **Invariant.** A run that is cut at any point, or runs beside others, charges nothing twice and
//! misses nothing: what is decided is read from the database, and so is what is left.

use super::METRICS;
use super::tally::{Tally, Verdict, verdict};
use crate::model::{EntryId, LinkFee, LinkId, Money, Month, OrgId, Timestamp};
use crate::operation::ResolverHandle;
use crate::operation::change::suspending;
use crate::ports::{
    Candidate, Clock, FeeBook, Guard, Ids, Payer, Store, StoreError, Suspension, SuspensionOutcome,
};
use crate::wallet::{Command, CommandError, FeeCharge, Refused, WalletHandle};
use futures_util::future::join_all;
use std::{sync::Arc, time::Duration};

/// Links looked at together: as many charges as a wallet commits in one batch.
const PART: i64 = 256;

/// Organizations read at a time.
const PAYERS: i64 = 100;

/// Suspensions recorded in one transaction: it keeps the wallet's row, and some milliseconds are
/// no wait for those who charge meanwhile.
const SUSPENSIONS_TOGETHER: usize = 32;

/// A wallet's answer is waited for so long: many batches.
const WALLET_PATIENCE: Duration = Duration::from_secs(30);

/// Suspensions of a run become due at the operator at this pace, half of what it takes a second by
/// default: partners' calls, and what the resolver has to settle, come in between.
const SUSPENSIONS_PER_SECOND: u32 = 100;

/// Why a run ended early; what it did stands, and another one goes on from there.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FeeRunError {
    /// The database could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A wallet gave no answer: something holds its row, or it is overrun.
    #[error("the wallet of the organization {0} does not answer")]
    Silent(OrgId),
}

/// Runs the monthly fees.
#[derive(Clone)]
pub struct FeeRun {
    /// What is read and remembered.
    pub book: Arc<dyn FeeBook>,
    /// The database.
    pub store: Arc<dyn Store>,
    /// The wallets.
    pub wallets: Arc<WalletHandle>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
    /// Wakes the resolver, which carries out suspensions.
    pub resolver: ResolverHandle,
    /// So long after it is due something of a suspension may still appear at the operator.
    pub horizon: Duration,
}

impl FeeRun {
    /// Organizations that pay for their Links, past `after`, by id; with `unfinished` only those
    /// whose run for that month is not complete.
    pub async fn payers(
        &self,
        unfinished: Option<Month>,
        after: Option<OrgId>,
    ) -> Result<Vec<Payer>, FeeRunError> {
        Ok(self.book.payers(unfinished, after, PAYERS).await?)
    }

    /// Charges the fees of an organization's Links for a month. `progress` is told the number of
    /// Links of each part.
    pub async fn charge(
        &self,
        payer: Payer,
        month: Month,
        progress: impl Fn(u64),
    ) -> Result<Tally, FeeRunError> {
        let (mut tally, mut after) = (Tally::default(), None);
        loop {
            let part = self.book.candidates(payer.org, month, after, PART).await?;
            let Some(last) = part.last() else { break };
            after = Some(last.link_id);
            let looked_at = part.len() as u64;
            let charged = self.charge_part(payer, month, part, tally.suspended).await?;
            METRICS.did(&charged);
            tally = tally.plus(charged);
            progress(looked_at);
        }
        Ok(tally)
    }

    /// What [`Self::charge`] would do now; changes nothing.
    pub async fn estimate(
        &self,
        payer: Payer,
        month: Month,
        progress: impl Fn(u64),
    ) -> Result<Tally, FeeRunError> {
        let wallet = self.store.wallet(payer.org).await?;
        let mut balance = wallet.map_or(Money::ZERO, |wallet| wallet.balance);
        let (mut tally, mut after, price) = (Tally::default(), None, payer.price_per_link);
        loop {
            let part = self.book.candidates(payer.org, month, after, PART).await?;
            let Some(last) = part.last() else { return Ok(tally) };
            after = Some(last.link_id);
            for candidate in &part {
                tally.links += 1;
                match verdict(candidate, month) {
                    Verdict::Free => {}
                    Verdict::Decided => tally.decided += 1,
                    Verdict::Waive => tally.waived += 1,
                    Verdict::Later => tally.left += 1,
                    Verdict::Charge if price <= balance => {
                        balance = balance.checked_sub(price).unwrap_or(Money::ZERO);
                        tally.charged += 1;
                        tally.amount = tally.amount.checked_add(price).unwrap_or(tally.amount);
                    }
                    Verdict::Charge | Verdict::Suspend => tally.suspended += 1,
                }
            }
            progress(part.len() as u64);
        }
    }

    async fn charge_part(
        &self,
        payer: Payer,
        month: Month,
        part: Vec<Candidate>,
        suspended: u64,
    ) -> Result<Tally, FeeRunError> {
        let mut tally = Tally { links: part.len() as u64, ..Tally::default() };
        let (mut charges, mut waived, mut unpaid) = (Vec::new(), Vec::new(), Vec::new());
        for candidate in part {
            match verdict(&candidate, month) {
                Verdict::Free => {}
                Verdict::Decided => tally.decided += 1,
                Verdict::Waive => waived.push(candidate.link_id),
                Verdict::Charge => charges.push(candidate),
                Verdict::Later => tally.left += 1,
                Verdict::Suspend => unpaid.push((candidate, Suspension::Owing)),
            }
        }
        // All wait at the wallet together, in the order of their Links, and are committed so.
        let ends = join_all(charges.iter().map(|c| self.charge_link(payer, month, c))).await;
        for (candidate, end) in charges.into_iter().zip(ends) {
            match end {
                Charged::Done => {
                    tally.charged += 1;
                    let amount = tally.amount.checked_add(payer.price_per_link);
                    tally.amount = amount.unwrap_or(tally.amount);
                }
                Charged::Decided => tally.decided += 1,
                Charged::Left => tally.left += 1,
                Charged::NotAnswered => return Err(FeeRunError::Silent(payer.org)),
                Charged::NotCovered(fee) => unpaid.push((candidate, Suspension::FallsDue(fee))),
            }
        }
        tally.waived += waived.len() as u64;
        if !waived.is_empty() {
            self.book.waive(payer.org, month, waived, self.clock.now()).await?;
        }
        for unpaid in unpaid.chunks(SUSPENSIONS_TOGETHER) {
            let before = suspended + tally.suspended;
            let outcomes = self.suspend(payer.org, unpaid, before).await?;
            for outcome in outcomes {
                match outcome {
                    SuspensionOutcome::Opened => tally.suspended += 1,
                    SuspensionOutcome::Unfounded => tally.decided += 1,
                    SuspensionOutcome::LinkBusy | SuspensionOutcome::Covered => tally.left += 1,
                }
            }
            self.resolver.wake();
        }
        Ok(tally)
    }

    async fn charge_link(&self, payer: Payer, month: Month, candidate: &Candidate) -> Charged {
        let link_id: LinkId = candidate.link_id;
        let fee = LinkFee { link_id, month, amount: payer.price_per_link };
        let charge =
            FeeCharge { entry_id: EntryId(self.ids.next()), fee, iccid: candidate.iccid.clone() };
        // A charge that nobody waits for any more is not made; one that is made all the same is found by
        // the next run.
        let submitted = self.wallets.submit(payer.org, Command::LinkFee(charge));
        let Ok(answer) = tokio::time::timeout(WALLET_PATIENCE, submitted).await else {
            return Charged::NotAnswered;
        };
        match answer {
            Ok(_) => Charged::Done,
            Err(CommandError::Guarded(Guard::FeeTaken)) => Charged::Decided,
            Err(CommandError::Refused(Refused::InsufficientFunds { .. })) => {
                Charged::NotCovered(fee)
            }
            Err(error) => {
                tracing::warn!(link = %link_id, %month, %error, "a Link fee is not charged yet");
                Charged::Left
            }
        }
    }

    async fn suspend(
        &self,
        org: OrgId,
        unpaid: &[(Candidate, Suspension)],
        before: u64,
    ) -> Result<Vec<SuspensionOutcome>, StoreError> {
        let now = self.clock.now();
        let suspensions = unpaid.iter().zip(before..).map(|((candidate, because), place)| {
            let (link, endpoint) = ((org, candidate.link_id), candidate.endpoint_id.as_str());
            let due = (due_at(now, place), self.horizon);
            suspending(&*self.ids, link, endpoint, *because, now, due)
        });
        self.store.open_suspensions(org, suspensions.collect()).await
    }
}

/// When the suspension at a place of a run is due.
fn due_at(now: Timestamp, place: u64) -> Timestamp {
    let places = u32::try_from(place).unwrap_or(u32::MAX);
    now + Duration::from_secs(1) / SUSPENSIONS_PER_SECOND * places
}

/// How charging one Link ended.
enum Charged {
    Done,
    Decided,
    NotCovered(LinkFee),
    Left,
    NotAnswered,
}
