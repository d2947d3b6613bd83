//! What requests look up again and again: organizations for their tokens, plans for their charges.
//!
//! **Invariant.** A plan and its price are remembered for at most half a second: what a command
//! changes shows within a second.

use super::metrics::METRICS;
use super::{Database, DbError, catalogue, organizations};
use crate::http::tenant::Organizations;
use async_trait::async_trait;
use bappy_actors::model::{OrgId, Organization, Plan, PlanId};
use bappy_actors::ports::{Offers, StoreError};
use moka::future::Cache;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const PLAN_TTL: Duration = Duration::from_millis(500);
/// A plan with its coverage is some kilobytes, a worldwide one some hundred.
const PLANS_MAX: u64 = 2_000;

/// Organizations in the database.
pub struct StoredOrganizations {
    database: Database,
}

impl StoredOrganizations {
    /// Those of this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl Organizations for StoredOrganizations {
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
    plans: Cache<(OrgId, PlanId), Option<Arc<Plan>>>,
}

impl CachedOffers {
    /// Of this database.
    pub fn new(database: Database) -> Self {
        let plans = Cache::builder().max_capacity(PLANS_MAX).time_to_live(PLAN_TTL).build();
        Self { database, plans }
    }

    /// Brings up to date what the metrics show of the cache.
    pub fn observe(&self) {
        METRICS.plans.holds(self.plans.entry_count());
    }
}

#[async_trait]
impl Offers for CachedOffers {
    async fn plan(&self, org: OrgId, id: PlanId) -> Result<Option<Arc<Plan>>, StoreError> {
        let mut known = true;
        let read = async {
            known = false;
            let mut tx = self.database.read_of(org).await?;
            let plan = catalogue::sold_plan(&mut tx, org, id).await?;
            Ok::<_, DbError>(plan.map(Arc::new))
        };
        // Read once for all who ask at the same time; a failure is told to each of them.
        let plan = self.plans.try_get_with((org, id), read).await;
        METRICS.plans.asked(known);
        plan.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}
