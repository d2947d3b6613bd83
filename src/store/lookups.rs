//! What requests look up again and again: organizations for their tokens, plans for their charges.
//!
//! **Invariant.** A plan and its price are remembered only while no settings have changed: what a
//! command changes shows within a second.

use super::metrics::METRICS;
use super::settings::Settings;
use super::{Database, DbError, catalogue, organizations};
use crate::http::tenant::Organizations;
use async_trait::async_trait;
use bappy_actors::model::{OrgId, Organization, Plan, PlanId};
use bappy_actors::ports::{Offers, StoreError};
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The longest that a plan is remembered, whatever the database says.
const PLAN_TTL: Duration = Duration::from_secs(10);
/// All plans, about: one with its coverage is some kilobytes, a worldwide one some hundred.
const PLANS_BYTES_MAX: u64 = 32 << 20;
/// What a plan takes, and each network that it covers.
const PLAN_BYTES: u32 = 1_024;
const NETWORK_BYTES: u32 = 160;

/// Organizations in the database.
pub struct StoredOrganizations {
    database: Database,
    settings: Arc<Settings>,
}

impl StoredOrganizations {
    /// Those of this database.
    pub fn new(database: Database, settings: Arc<Settings>) -> Self {
        Self { database, settings }
    }
}

#[async_trait]
impl Organizations for StoredOrganizations {
    fn known_revision(&self) -> Option<i64> {
        self.settings.known_revision()
    }

    async fn revision(&self) -> Result<i64, StoreError> {
        self.settings.revision().await
    }

    async fn by_claim(&self, claim: &str) -> Result<Option<Organization>, StoreError> {
        let mut tx = self.database.read().await?;
        Ok(match Uuid::try_parse(claim) {
            Ok(id) => organizations::by_id(&mut tx, OrgId(id)).await?,
            Err(_) => organizations::by_slug(&mut tx, claim).await?,
        })
    }

    async fn by_client(&self, client_id: &str) -> Result<Option<Organization>, StoreError> {
        let mut tx = self.database.read().await?;
        Ok(organizations::by_client(&mut tx, client_id).await?)
    }
}

/// What organizations may buy, read through a cache.
pub struct CachedOffers {
    database: Database,
    settings: Arc<Settings>,
    plans: Cache<Asked, Option<Arc<Plan>>>,
}

/// A plan that an organization asked for, at a revision of the settings.
type Asked = (i64, OrgId, PlanId);

fn bytes(plan: Option<&Arc<Plan>>) -> u32 {
    let networks = plan.map_or(0, |plan| plan.operators_total);
    let networks = u32::try_from(networks).unwrap_or(u32::MAX);
    PLAN_BYTES.saturating_add(NETWORK_BYTES.saturating_mul(networks))
}

impl CachedOffers {
    /// Of this database.
    pub fn new(database: Database, settings: Arc<Settings>) -> Self {
        let plans = Cache::builder()
            .max_capacity(PLANS_BYTES_MAX)
            .weigher(|_, plan: &Option<Arc<Plan>>| bytes(plan.as_ref()))
            // What an earlier revision left is not asked for again.
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(PLAN_TTL)
            .build();
        Self { database, settings, plans }
    }

    /// Brings up to date what the metrics show of the cache.
    pub fn observe(&self) {
        METRICS.plans.holds(self.plans.entry_count());
    }
}

#[async_trait]
impl Offers for CachedOffers {
    async fn plan(&self, org: OrgId, id: PlanId) -> Result<Option<Arc<Plan>>, StoreError> {
        let revision = self.settings.revision().await?;
        let mut known = true;
        let read = async {
            known = false;
            let mut tx = self.database.read_of(org).await?;
            let plan = catalogue::sold_plan(&mut tx, org, id).await?;
            Ok::<_, DbError>(plan.map(Arc::new))
        };
        // Read once for all who ask at the same time; a failure is told to each of them.
        let plan = self.plans.try_get_with((revision, org, id), read).await;
        METRICS.plans.asked(known);
        plan.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}
