//! Keeps those metrics up to date that are no events: how full caches, pools and queues are, and
//! what is open in the database.
//!
//! A background job of each instance. **Invariant:** the database is read at a bounded rate, and
//! not when somebody scrapes.

use super::runtime::Seen;
use crate::http::tenant::Tenants;
use crate::store::open_work::{OpenWork, open_work};
use crate::store::{CachedOffers, Database};
use bappy_actors::billing::unfinished_organizations;
use bappy_actors::labels;
use bappy_actors::metrics::{Family, Job, gauge_of, gauges_of, job_succeeded, size};
use bappy_actors::model::{OperationKind, Timestamp};
use bappy_actors::operation::Services;
use bappy_actors::ports::{FeeBook, StoreError};
use metrics::Gauge;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::Notify;

/// What is in memory is looked at this often: more often than anybody scrapes.
const PAUSE: Duration = Duration::from_secs(5);
/// The database is looked at every so many times: a few index reads four times a minute.
const TIMES_FOR_THE_DATABASE: u32 = 3;
/// An operation is overdue so long after its horizon: by horizon + 15 s every one should be final.
const GRACE: Duration = Duration::from_mins(1);

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

pub(super) fn register() {
    LazyLock::force(&METRICS);
}

/// How an operation that is not over stands.
#[derive(Clone, Copy)]
enum Open {
    Pending,
    Watched,
}
labels!(Open as "state" { Pending = "pending", Watched = "watched" });

struct Metrics {
    open: Family<(OperationKind, Open), Gauge>,
    overdue: Family<Open, Gauge>,
    oldest: Family<Open, Gauge>,
    manual: Gauge,
    sms_queue: Gauge,
    sms_oldest: Gauge,
    sms_under_way: Gauge,
    fees_unfinished: Gauge,
}

impl Metrics {
    fn new() -> Self {
        Self {
            open: gauges_of(
                "bappy_operations_open",
                "Operations that are not over, on all instances: pending, or refunded and watched \
                 for what may still land at the operator; SMS have their own",
            ),
            overdue: gauges_of(
                "bappy_operations_overdue",
                "Operations that are not over a minute after their horizon, on all instances; of those \
                 refunded after it, a minute and a horizon after that",
            ),
            oldest: gauges_of(
                "bappy_operations_oldest_age_seconds",
                "Age of the oldest operation that is not over, on all instances; 0 for none",
            ),
            manual: gauge_of(
                "bappy_operations_manual",
                "Operations that a person has to look at, on all instances",
            ),
            sms_queue: gauge_of(
                "bappy_sms_queue_messages",
                "Messages that are not handed over yet, on all instances",
            ),
            sms_oldest: gauge_of(
                "bappy_sms_queue_oldest_age_seconds",
                "Age of the oldest message that is not handed over yet; 0 for none",
            ),
            sms_under_way: gauge_of(
                "bappy_sms_under_way_messages",
                "Messages that the operator has taken and not yet delivered, on all instances",
            ),
            fees_unfinished: gauge_of(
                "bappy_fee_organizations_unfinished",
                "Organizations whose fees of this month are not all charged yet, up to 100",
            ),
        }
    }

    fn show(&self, work: &OpenWork, now: Timestamp) {
        let age = |since: Timestamp| (now - since).to_std().unwrap_or_default().as_secs_f64();
        for (state, pending) in [(Open::Pending, true), (Open::Watched, false)] {
            let of_state = || work.operations.iter().filter(|open| open.pending == pending);
            for kind in <OperationKind as bappy_actors::metrics::Labels>::all() {
                let count = of_state().filter(|open| open.kind == kind).map(|open| open.count);
                self.open.of((kind, state)).set(whole(count.sum()));
            }
            self.overdue.of(state).set(whole(of_state().map(|open| open.overdue).sum()));
            let oldest = of_state().map(|open| open.oldest).min();
            self.oldest.of(state).set(oldest.map_or(0.0, age));
        }
        self.manual.set(whole(work.manual));
        let (queued, oldest) = work.sms_queued;
        self.sms_queue.set(whole(queued));
        self.sms_oldest.set(oldest.map_or(0.0, age));
        self.sms_under_way.set(whole(work.sms_under_way));
    }
}

fn whole(count: i64) -> f64 {
    size(usize::try_from(count).unwrap_or(0))
}

/// What is looked at.
pub struct Sampler {
    /// The database.
    pub database: Database,
    /// The fees.
    pub fees: Arc<dyn FeeBook>,
    /// The actors.
    pub services: Arc<Services>,
    /// Plans.
    pub offers: Arc<CachedOffers>,
    /// Organizations and their tokens.
    pub tenants: Arc<Tenants>,
}

impl Sampler {
    /// Runs until the task is dropped or `stop` is notified.
    pub async fn run(self, stop: Arc<Notify>) {
        let mut stopped = std::pin::pin!(stop.notified());
        let runtime = tokio::runtime::Handle::current().metrics();
        let process = metrics_process::Collector::default();
        let mut seen = Seen::of(&runtime);
        for turn in 0_u32.. {
            self.look_at_memory();
            process.collect();
            seen = seen.observe(&runtime);
            if turn.is_multiple_of(TIMES_FOR_THE_DATABASE) {
                match self.look_at_database().await {
                    Ok(()) => job_succeeded(Job::Sampler, self.services.clock.now()),
                    Err(error) => tracing::warn!(%error, "open work could not be counted"),
                }
            }
            tokio::select! {
                () = &mut stopped => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    fn look_at_memory(&self) {
        self.database.observe();
        self.services.wallets.observe();
        self.services.links.observe();
        self.offers.observe();
        self.tenants.observe();
    }

    async fn look_at_database(&self) -> Result<(), StoreError> {
        let now = self.services.clock.now();
        let work = {
            let mut tx = self.database.read().await.map_err(StoreError::from)?;
            open_work(&mut tx, now - GRACE, self.services.limits.horizon)
                .await
                .map_err(StoreError::from)?
        };
        METRICS.show(&work, now);
        self.services.sims.observe(&work.sponsors).await?;
        let unfinished = unfinished_organizations(&*self.fees, now).await?;
        METRICS.fees_unfinished.set(size(unfinished));
        Ok(())
    }
}
