//! The pool of free cards, and the stocks of physical ones: claims a card for an operation, and
//! for no other of any instance.
//!
//! The pool is a table; what is claimed is decided by the database. This fills it ahead of need
//! from the operator's list, which reserves nothing.
//!
//! **Invariant.** A card that was given to an operation is given to no other until it was
//! released; one that an unknown outcome may have touched is never released.

use super::metrics::{Refilled, SponsorMetrics};
use super::{GatewayHandle, METRICS, NotAdmitted};
use crate::model::{OperationId, OrgId, SimKind};
use crate::ports::{CallError, Clock, SimCard, StockClaim, Store, StoreError};
use dashmap::DashMap;
use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Mutex, Notify};

/// The low-water mark, below which a refill starts in the background: as many as this instance lately claimed in a
/// second, within these bounds.
const LOW_WATER_MIN: i64 = 100;
const LOW_WATER_MAX: i64 = 2_000;
/// Claims are counted over this long at least.
const PACE_MIN: Duration = Duration::from_millis(50);
/// Free cards are counted up to so many: enough to see a trend, and a look at as many rows.
const SHOWN_MAX: i64 = 1_000;
/// Cards asked for at a time, at least and at most: some milliseconds of a write.
const REFILL_CARDS_MIN: u32 = 200;
const REFILL_CARDS_MAX: u32 = 500;
/// Pages of known cards that a refill walks past before it gives up.
const REFILL_PAGES_MAX: usize = 50;
/// A claim whose operation was never recorded is freed after this; a claim is followed by its
/// debit within the time of an admission, some seconds.
const STALE_CLAIM: Duration = Duration::from_mins(2);

/// Why no card could be had. Nothing was charged.
#[derive(Debug, thiserror::Error)]
pub enum SimPoolError {
    /// The database could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operator could not be asked.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The operator's list could not be read.
    #[error("the list of free cards could not be read: {0:?}")]
    Operator(CallError),
    /// The operator has none left.
    #[error("there is no free card")]
    Empty,
}

/// What only the one refill at a time touches; times are on the process's own clock.
#[derive(Default)]
struct Refilling {
    /// When claims were last counted.
    counted: Duration,
    /// When the last refill began that found no card.
    found_none: Option<Duration>,
}

/// The cards of one sponsor.
struct Sponsor {
    metrics: SponsorMetrics,
    refilling: Mutex<Refilling>,
    /// Tells who waits that there are more.
    more: Notify,
    /// About how many are free; other instances claim too.
    free: AtomicI64,
    /// Claims since they were last counted.
    claims: AtomicI64,
    low_water: AtomicI64,
}

impl Sponsor {
    /// Sets the low-water mark by what was claimed since `counted`.
    fn set_low_water(&self, counted: &mut Duration, now: Duration) {
        let since = now.saturating_sub(*counted);
        if since < PACE_MIN {
            return;
        }
        *counted = now;
        let claims = self.claims.swap(0, Ordering::Relaxed);
        let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let in_a_second = claims.saturating_mul(1_000) / millis;
        let low_water = in_a_second.clamp(LOW_WATER_MIN, LOW_WATER_MAX);
        self.low_water.store(low_water, Ordering::Relaxed);
    }

    /// How many free cards end a refill: nearly twice the low-water mark, or what one page brings at least.
    fn enough(&self) -> i64 {
        2 * self.low_water.load(Ordering::Relaxed) - LOW_WATER_MIN
    }
}

/// Who a refill is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    /// Who waits for a card: it ends with the first.
    Now,
    /// Who will come.
    Later,
}

/// The pool.
pub struct SimPool {
    store: Arc<dyn Store>,
    gateway: Arc<GatewayHandle>,
    clock: Arc<dyn Clock>,
    sponsors: DashMap<String, Arc<Sponsor>>,
}

impl SimPool {
    /// A pool over the database's table.
    pub fn new(
        store: Arc<dyn Store>,
        gateway: Arc<GatewayHandle>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self { store, gateway, clock, sponsors: DashMap::new() })
    }

    /// Claims a free eSIM of a sponsor for an operation; waits for the operator's list no longer
    /// than `patience`.
    pub async fn claim(
        self: &Arc<Self>,
        sponsor_id: &str,
        operation: OperationId,
        patience: Duration,
    ) -> Result<SimCard, SimPoolError> {
        let sponsor = self.sponsor(sponsor_id);
        let claimed = self.claim_of(&sponsor, sponsor_id, operation, patience).await;
        let metrics = &sponsor.metrics;
        sponsor.claims.fetch_add(1, Ordering::Relaxed);
        let counter = match &claimed {
            Ok(_) => &metrics.claimed,
            Err(SimPoolError::Empty) => &metrics.empty,
            Err(_) => &metrics.failed,
        };
        counter.increment(1);
        claimed
    }

    /// Brings up to date what the metrics show of the free cards of sponsors.
    pub async fn observe(&self, sponsor_ids: &[String]) -> Result<(), StoreError> {
        for sponsor_id in sponsor_ids {
            let free = self.store.free_sims(sponsor_id, SimKind::Esim, SHOWN_MAX).await?;
            self.sponsor(sponsor_id).metrics.shows_free(free);
        }
        Ok(())
    }

    fn sponsor(&self, sponsor_id: &str) -> Arc<Sponsor> {
        let others = self.sponsors.len();
        let new = || {
            Arc::new(Sponsor {
                metrics: SponsorMetrics::of(sponsor_id, others),
                refilling: Mutex::default(),
                more: Notify::new(),
                free: AtomicI64::default(),
                claims: AtomicI64::default(),
                low_water: AtomicI64::new(LOW_WATER_MIN),
            })
        };
        Arc::clone(&self.sponsors.entry(sponsor_id.to_owned()).or_insert_with(new))
    }

    async fn claim_of(
        self: &Arc<Self>,
        sponsor: &Arc<Sponsor>,
        sponsor_id: &str,
        operation: OperationId,
        patience: Duration,
    ) -> Result<SimCard, SimPoolError> {
        let until = self.clock.elapsed() + patience;
        loop {
            // It hears from here on, so also what comes between the look and the wait.
            let more = sponsor.more.notified();
            if let Some(sim) = self.take(sponsor_id, operation).await? {
                let free = sponsor.free.fetch_sub(1, Ordering::Relaxed);
                if free <= sponsor.low_water.load(Ordering::Relaxed) {
                    self.refill_ahead(sponsor_id.to_owned(), Arc::clone(sponsor));
                }
                return Ok(sim);
            }
            let looked = self.clock.elapsed();
            let left = until.saturating_sub(looked);
            if left.is_zero() {
                return Err(NotAdmitted::NoRoom.into());
            }
            let mut refilling = tokio::select! {
                biased;
                () = more => continue,
                refilling = sponsor.refilling.lock() => refilling,
                () = tokio::time::sleep(left) => return Err(NotAdmitted::NoRoom.into()),
            };
            // What a refill that began since has found need not be asked again.
            if refilling.found_none.is_some_and(|began| began >= looked) {
                return Err(SimPoolError::Empty);
            }
            let refilled =
                self.refill(sponsor_id, sponsor, &mut refilling, For::Now, until).await?;
            if refilled == Refilled::Empty {
                return Err(SimPoolError::Empty);
            }
        }
    }

    /// Claims the card of an organization's stock that its partner names, if plans of the sponsor
    /// run on it.
    pub async fn claim_stock(
        &self,
        org: OrgId,
        iccid: &str,
        sponsor_id: &str,
        operation: OperationId,
    ) -> Result<StockClaim, StoreError> {
        let now = self.clock.now();
        let stale = now - STALE_CLAIM;
        self.store.claim_stock_sim(org, iccid, sponsor_id, operation, now, stale).await
    }

    /// Gives back a card that was certainly not used.
    pub async fn release(&self, iccid: &str, operation: OperationId) {
        if let Err(error) = self.store.release_sim(iccid, operation).await {
            tracing::warn!(%error, %operation, "a claimed card stays claimed for a while");
        }
    }

    async fn take(
        &self,
        sponsor_id: &str,
        operation: OperationId,
    ) -> Result<Option<SimCard>, StoreError> {
        self.store.claim_sim(sponsor_id, SimKind::Esim, operation, self.clock.now()).await
    }

    fn refill_ahead(self: &Arc<Self>, sponsor_id: String, sponsor: Arc<Sponsor>) {
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            let Ok(mut refilling) = sponsor.refilling.try_lock() else { return };
            let until = pool.clock.elapsed() + pool.gateway.call_timeout();
            let refilled =
                pool.refill(&sponsor_id, &sponsor, &mut refilling, For::Later, until).await;
            if let Err(error) = refilled {
                tracing::warn!(%error, "the pool of free cards could not be refilled");
            }
        });
    }

    /// Brings the free cards of a sponsor to where they are enough, if the operator has as many and tells them
    /// until `until`, on the process's own clock; says whether there are any.
    async fn refill(
        &self,
        sponsor_id: &str,
        sponsor: &Sponsor,
        refilling: &mut Refilling,
        whom: For,
        until: Duration,
    ) -> Result<Refilled, SimPoolError> {
        let began = self.clock.elapsed();
        sponsor.set_low_water(&mut refilling.counted, began);
        let refilled = self.fill(sponsor_id, sponsor, whom, until).await;
        let outcome = match &refilled {
            Ok(outcome) => *outcome,
            Err(_) => Refilled::Failed,
        };
        if outcome == Refilled::Empty {
            refilling.found_none = Some(began);
        }
        METRICS.refills.of(outcome).increment(1);
        refilled
    }

    async fn fill(
        &self,
        sponsor_id: &str,
        sponsor: &Sponsor,
        whom: For,
        until: Duration,
    ) -> Result<Refilled, SimPoolError> {
        let enough = sponsor.enough();
        let left = || until.saturating_sub(self.clock.elapsed());
        let stale = self.clock.now() - STALE_CLAIM;
        self.store.free_stale_claims(stale).await?;
        self.count(sponsor_id, sponsor).await?;
        let mut after = self.store.last_sim(sponsor_id, SimKind::Esim).await?;
        let mut is_from_the_start = after.is_none();
        for _ in 0..REFILL_PAGES_MAX {
            // Claims are taken off it meanwhile.
            let free = sponsor.free.load(Ordering::Relaxed);
            let is_done = if whom == For::Now { free > 0 } else { free > enough };
            if is_done || left().is_zero() {
                break;
            }
            let cards = u32::try_from(enough - free).unwrap_or(REFILL_CARDS_MIN);
            let cards = cards.clamp(REFILL_CARDS_MIN, REFILL_CARDS_MAX);
            let mut permit = self.gateway.admit(NonZeroU32::MIN, left()).await?;
            let page = permit
                .call(left(), |operator, token, timeout| {
                    let (kind, after) = (SimKind::Esim, after.as_deref());
                    async move {
                        operator.list_sims(&token, sponsor_id, kind, cards, after, timeout).await
                    }
                })
                .await
                .map_err(SimPoolError::Operator)?;
            drop(permit);
            if let Some(last) = page.last() {
                after = Some(last.iccid.clone());
                self.add(sponsor_id, sponsor, page).await?;
                continue;
            }
            if is_from_the_start || sponsor.free.load(Ordering::Relaxed) > 0 {
                // What others gave back or added meanwhile is not the operator's.
                let free = self.count(sponsor_id, sponsor).await?;
                return Ok(if free > 0 { Refilled::Done } else { Refilled::Empty });
            }
            // Past the end: cards below what we know may have been added since.
            (after, is_from_the_start) = (None, true);
        }
        let free = sponsor.free.load(Ordering::Relaxed);
        if free > 0 { Ok(Refilled::Done) } else { Err(NotAdmitted::NoRoom.into()) }
    }

    /// Adds a page of the operator's list to the free cards.
    async fn add(
        &self,
        sponsor_id: &str,
        sponsor: &Sponsor,
        page: Vec<SimCard>,
    ) -> Result<(), SimPoolError> {
        // An ICCID belongs to one sponsor and one kind, whatever the list was asked for.
        let sims: Vec<_> = page
            .into_iter()
            .filter(|sim| sim.sponsor_id == sponsor_id && sim.kind == SimKind::Esim)
            .collect();
        let added = self.store.add_sims(sims, self.clock.now()).await?;
        if added == 0 {
            // Another instance may have added them.
            self.count(sponsor_id, sponsor).await?;
            return Ok(());
        }
        let added = i64::try_from(added).unwrap_or(0);
        let free = sponsor.free.fetch_add(added, Ordering::Relaxed) + added;
        sponsor.metrics.shows_free(free.clamp(0, SHOWN_MAX));
        sponsor.more.notify_waiters();
        Ok(())
    }

    /// Counts the free cards, and tells who waits if there are any.
    async fn count(&self, sponsor_id: &str, sponsor: &Sponsor) -> Result<i64, StoreError> {
        let upto = 2 * sponsor.enough();
        let free = self.store.free_sims(sponsor_id, SimKind::Esim, upto).await?;
        sponsor.free.store(free, Ordering::Relaxed);
        sponsor.metrics.shows_free(free.min(SHOWN_MAX));
        if free > 0 {
            sponsor.more.notify_waiters();
        }
        Ok(free)
    }
}
