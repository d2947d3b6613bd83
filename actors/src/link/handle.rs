//! What everybody else holds of the Links: finds or starts a Link's actor, and keeps the caches
//! of what the operator says of them.

use super::actor::{Enter, Entered, Forget, LinkActor, Look, Mode, Outside};
use super::connectivity::{Asker, LOOK_TIMEOUT, Looked};
use super::ttl_cache::TtlCache;
use super::{Freshness, Identifier, LookError, METRICS, Usage, usage};
use crate::Arbiters;
use crate::gateway::GatewayHandle;
use crate::metrics::size;
use crate::model::{Activation, ActivationStatus};
use crate::model::{ActivationId, Link, LinkId, OrgId, Timestamp, Volume};
use crate::ports::{Clock, InstanceState, Store, StoreError, UsageReading};
use crate::traced;
use actix::{Addr, Supervisor};
use dashmap::DashMap;
use moka::future::Cache;
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;
use tracing::Instrument;

/// By then it is stored of a plan that it is over, though nobody reads its Link.
const STORED_AFTER: Duration = Duration::from_mins(1);

/// Bounds of the Links' actors and caches.
#[derive(Clone, Copy, Debug)]
pub struct LinkLimits {
    /// For how long a Link's row is remembered: what another instance changes shows within a
    /// second.
    pub row_ttl: Duration,
    /// For how long at most while this process is the only one that changes Links: less than
    /// another is silent before it counts as gone.
    pub row_ttl_alone: Duration,
    /// For how long usage figures count as live.
    pub usage_ttl: Duration,
    /// For how long it counts as live where a card is.
    pub status_ttl: Duration,
    /// Links of which it is remembered what the operator said.
    pub entries_max: u64,
    /// An actor that was not used for so long is let go.
    pub idle: Duration,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self {
            row_ttl: Duration::from_millis(500),
            row_ttl_alone: Duration::from_secs(2),
            usage_ttl: Duration::from_secs(30),
            status_ttl: Duration::from_secs(15),
            entries_max: 100_000,
            idle: Duration::from_mins(1),
        }
    }
}

struct Live {
    addr: Addr<LinkActor>,
    last_used: Duration,
    /// Was told to forget its row since then.
    emptied: bool,
}

/// The Links of all organizations.
pub struct LinkHandle {
    /// Held once for all actors: each would be larger by a quarter.
    outside: Arc<Outside>,
    arbiters: Arbiters,
    limits: LinkLimits,
    live: DashMap<(OrgId, LinkId), Live>,
    /// An ICCID never changes its Link, nor a Link its organization.
    ids: Cache<(OrgId, String), LinkId>,
    usage: TtlCache<(OrgId, LinkId), Arc<Usage>>,
}

impl LinkHandle {
    /// Link actors run where `arbiters` puts their organization.
    pub fn new(
        store: Arc<dyn Store>,
        gateway: Arc<GatewayHandle>,
        clock: Arc<dyn Clock>,
        arbiters: Arbiters,
        limits: LinkLimits,
    ) -> Self {
        let entries = limits.entries_max;
        Self {
            ids: Cache::new(entries),
            usage: TtlCache::new(entries, limits.usage_ttl, Arc::clone(&clock)),
            outside: Arc::new(Outside {
                whereabouts: TtlCache::new(entries, limits.status_ttl, Arc::clone(&clock)),
                store,
                gateway,
                clock,
                row_ttl: limits.row_ttl,
                row_ttl_alone: limits.row_ttl_alone,
            }),
            arbiters,
            limits,
            live: DashMap::new(),
        }
    }

    /// The id of the Link that a caller names; by ICCID only if there is one.
    pub async fn resolve(
        &self,
        org: OrgId,
        identifier: &Identifier,
    ) -> Result<Option<LinkId>, StoreError> {
        let iccid = match identifier {
            Identifier::Id(id) => return Ok(Some(*id)),
            Identifier::Iccid(iccid) => iccid,
        };
        let key = (org, iccid.clone());
        let known = self.ids.get(&key).await;
        METRICS.ids.asked(known.is_some());
        if known.is_some() {
            return Ok(known);
        }
        let Some(link) = self.outside.store.link_by_iccid(org, iccid).await? else {
            return Ok(None);
        };
        self.ids.insert(key, link.id).await;
        Ok(Some(link.id))
    }

    /// Waits until a Link may be changed so; none if the organization has no such Link.
    pub async fn enter(
        &self,
        org: OrgId,
        id: LinkId,
        mode: Mode,
    ) -> Result<Option<Entered>, StoreError> {
        let (reply, entered) = oneshot::channel();
        let addr = self.actor(org, id);
        // A message that is lost with the actor is answered by its dropped reply channel.
        let span = traced!("link");
        let _ = addr.try_send(Enter { mode, reply, span: span.clone() });
        match entered.instrument(span).await {
            Ok(Ok(None)) => {
                // A stranger's guess must not keep an actor alive.
                self.live.remove(&(org, id));
                Ok(None)
            }
            Ok(entered) => entered,
            Err(_) => Err(StoreError::Unavailable("the Link's actor died".to_owned())),
        }
    }

    /// Makes a change that is committed visible to whoever asks next on this instance.
    pub async fn changed(&self, org: OrgId, id: LinkId) {
        let addr = self.live.get(&(org, id)).map(|live| live.addr.clone());
        if let Some(addr) = addr {
            #[expect(clippy::disallowed_methods, reason = "this handle owns its actors")]
            let _ = addr.send(Forget).await;
        }
    }

    /// Forgets what the operator said of a Link.
    pub async fn usage_changed(&self, org: OrgId, id: LinkId) {
        self.usage.invalidate(&(org, id)).await;
        self.outside.whereabouts.invalidate(&(org, id)).await;
    }

    /// Where a Link's card is, as the operator says. Read once for all who ask at the same time,
    /// and kept as last known.
    pub async fn connectivity(&self, org: OrgId, link: Arc<Link>, freshness: Freshness) -> Looked {
        let id = link.id;
        if freshness == Freshness::Cached {
            let known = self.outside.whereabouts.get(&(org, id)).await;
            METRICS.whereabouts.asked(known.is_some());
            if let Some(reading) = known {
                return Ok(reading);
            }
        }
        let (reply, looked) = oneshot::channel();
        let addr = self.actor(org, id);
        // A message that is lost with the actor is answered by its dropped reply channel.
        let span = traced!("whereabouts");
        let _ = addr.try_send(Look(Asker { link, freshness, reply, span: span.clone() }));
        let looked = looked.instrument(span);
        let looked = match freshness {
            Freshness::Cached => tokio::time::timeout(LOOK_TIMEOUT, looked).await.ok(),
            Freshness::Live => Some(looked.await),
        };
        looked.and_then(Result::ok).unwrap_or(Err(LookError::Lost))
    }

    /// What the operator said of a Link's use, if that is known and live.
    pub async fn usage_known(&self, org: OrgId, id: LinkId) -> Option<Arc<Usage>> {
        self.usage.get(&(org, id)).await
    }

    /// Whether what is stored of a Link's use is no older than what a read would answer.
    pub fn is_live(&self, link: &Link) -> bool {
        let age = |at| self.outside.clock.now().signed_duration_since(at).to_std().ok();
        link.usage_at.is_some_and(|at| age(at).is_none_or(|age| age <= self.limits.usage_ttl))
    }

    /// What the operator says of a Link's use, no older than the cache's TTL; none if that cannot
    /// be had now. Read once for all who ask at the same time, and kept as last known.
    pub async fn usage(&self, org: OrgId, link: &Link, known: &[Activation]) -> Option<Arc<Usage>> {
        let key = (org, link.id);
        let mut found = true;
        let read = async {
            found = false;
            let usage = usage::read(&self.outside.gateway, &*self.outside.clock, link).await?;
            let reading = reading(&usage, known);
            match self.outside.store.record_usage(org, link.id, reading).await {
                // It is inactive now: nobody is to be let in by the row of before.
                Ok(()) if usage.terminated => self.changed(org, link.id).await,
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, link = %link.id, "usage could not be kept");
                }
            }
            Some(Arc::new(usage))
        };
        let usage = self.usage.optionally_get_with(key, read).await;
        METRICS.usage.asked(found);
        usage
    }

    /// Lets go of the actors that were idle for long; their supervisors end with the last address.
    /// Those that were idle for less forget the row that they may not show any more: it is a
    /// quarter of what they hold.
    pub fn drop_idle(&self) {
        let now = self.outside.clock.elapsed();
        let row_ttl = self.limits.row_ttl.max(self.limits.row_ttl_alone);
        self.live.retain(|_, live| {
            let idle = now.saturating_sub(live.last_used);
            if idle >= row_ttl && !live.emptied {
                live.emptied = live.addr.try_send(Forget).is_ok();
            }
            idle < self.limits.idle
        });
    }

    /// How many Links have an actor now.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// Brings up to date what the metrics show of the actors and caches.
    pub fn observe(&self) {
        METRICS.actors.set(size(self.live.len()));
        METRICS.ids.holds(self.ids.entry_count());
        METRICS.usage.holds(self.usage.entry_count());
        METRICS.whereabouts.holds(self.outside.whereabouts.entry_count());
    }

    fn actor(&self, org: OrgId, id: LinkId) -> Addr<LinkActor> {
        let now = self.outside.clock.elapsed();
        let start = || {
            let actor = LinkActor::new(org, id, Arc::clone(&self.outside));
            Supervisor::start_in_arbiter(self.arbiters.of(org), |_| actor)
        };
        let new = || Live { addr: start(), last_used: now, emptied: false };
        let mut live = self.live.entry((org, id)).or_insert_with(new);
        if !live.addr.connected() {
            METRICS.respawns.increment(1);
            tracing::error!(link = %id, "a Link's actor died; starting it again");
            live.addr = start();
        }
        live.last_used = now;
        live.emptied = false;
        live.addr.clone()
    }
}

/// What is kept of a reading: each activation of which the operator says something new. A Link may have
/// hundreds, and whoever tops it up meanwhile waits for all that is written.
fn reading(usage: &Usage, known: &[Activation]) -> UsageReading {
    let activations = known
        .iter()
        .filter_map(|known| {
            let (status, used, first_used_at) = usage.of_activation(known)?;
            let is_new = (used, status, first_used_at)
                != (known.data_used, known.status, known.first_used_at)
                || may_be_stored_as_in_force(known, usage);
            is_new.then_some((known.id, used, status, first_used_at))
        })
        .collect::<Vec<(ActivationId, Volume, ActivationStatus, Option<Timestamp>)>>();
    UsageReading {
        terminated: usage.terminated,
        activations,
        profile: usage.profile.clone(),
        at: usage.at,
    }
}

/// Whether what is over, as what is known says by the time, may still be stored as in force.
fn may_be_stored_as_in_force(known: &Activation, usage: &Usage) -> bool {
    if !known.is_over(usage.at) {
        return false;
    }
    let ended_lately = !known.is_over(usage.at - STORED_AFTER);
    let told = usage.of_plan(&known.instance_id);
    ended_lately || told.is_some_and(|told| told.state == InstanceState::Active)
}
