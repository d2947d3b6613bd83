//! What the operator says of a Link's use, cached for a while and read once for all who ask.

use crate::gateway::GatewayHandle;
use crate::model::{Activation, ActivationStatus, EsimProfile, Link, SimKind, Timestamp, Volume};
use crate::ports::{Clock, Endpoint, EndpointStatus, InstanceState, PlanInstance};
use std::{num::NonZeroU32, sync::Arc, time::Duration};

/// How long a reader waits for room at the operator before it takes the last known figures.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a reader waits for one answer before it takes the last known figures.
const READ_TIMEOUT: Duration = Duration::from_secs(4);

/// What the operator said of a Link's use. One is remembered of each Link that was read lately, so
/// it holds what is asked for and not the whole answer, which is five times as large.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// The plans on its endpoint, in the order of the operator's ids of them, each once.
    pub plans: Box<[PlanUsage]>,
    /// Whether the endpoint is gone for good.
    pub terminated: bool,
    /// The eSIM profile's state, if it could be read.
    pub profile: Option<EsimProfile>,
    /// When it was read.
    pub at: Timestamp,
}

/// What the operator said of a plan's use.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanUsage {
    /// The operator's id of it.
    pub instance_id: Box<str>,
    /// Whether it can be used.
    pub state: InstanceState,
    /// What was used of it.
    pub data_used: Volume,
    /// When it was first used.
    pub first_used_at: Option<Timestamp>,
}

impl From<PlanInstance> for PlanUsage {
    fn from(plan: PlanInstance) -> Self {
        Self {
            instance_id: plan.instance_id.into_boxed_str(),
            state: plan.state,
            data_used: plan.data_used,
            first_used_at: plan.first_used_at,
        }
    }
}

impl Usage {
    fn new(endpoint: Endpoint, profile: Option<EsimProfile>, at: Timestamp) -> Self {
        // Into a box of their number: a vector would keep the room of the whole answer.
        let mut plans = Vec::with_capacity(endpoint.plans.len());
        plans.extend(endpoint.plans.into_iter().map(PlanUsage::from));
        plans.sort_by(|one: &PlanUsage, other| one.instance_id.cmp(&other.instance_id));
        // Of what is told twice the first is believed.
        plans.dedup_by(|other, one| other.instance_id == one.instance_id);
        Self {
            plans: plans.into_boxed_slice(),
            terminated: endpoint.status == EndpointStatus::Terminated,
            profile,
            at,
        }
    }

    /// What was said of the plan with this id of the operator's.
    pub fn of_plan(&self, instance_id: &str) -> Option<&PlanUsage> {
        let place = self.plans.binary_search_by(|plan| (*plan.instance_id).cmp(instance_id));
        place.ok().map(|place| &self.plans[place])
    }

    /// What this makes of an activation, stored and shown alike: its status, what was used of it
    /// and when it was first used. None where it was cancelled, or nothing was said of it.
    pub fn of_activation(
        &self,
        known: &Activation,
    ) -> Option<(ActivationStatus, Volume, Option<Timestamp>)> {
        if known.status == ActivationStatus::Cancelled {
            return None;
        }
        let told = self.of_plan(&known.instance_id)?;
        let used = told.data_used.min(known.data_total);
        let (mut status, used) = match told.state {
            InstanceState::Active => (ActivationStatus::Active, used),
            InstanceState::Depleted => (ActivationStatus::Depleted, known.data_total),
            InstanceState::Expired => (ActivationStatus::Expired, used),
            InstanceState::Removed => (ActivationStatus::Cancelled, used),
        };
        // An operator whose clock is behind ours does not bring back what is over, and what it
        // forgets afterwards was over before.
        if known.is_over(self.at) {
            status = ActivationStatus::Expired;
        }
        Some((status, used, told.first_used_at.or(known.first_used_at)))
    }
}

/// Reads a Link's use from the operator; none if that cannot be had now.
pub(super) async fn read(
    gateway: &Arc<GatewayHandle>,
    clock: &dyn Clock,
    link: &Link,
) -> Option<Usage> {
    let calls = NonZeroU32::new(if link.kind == SimKind::Esim { 2 } else { 1 })?;
    let mut permit = gateway
        .admit(calls, PATIENCE)
        .await
        .inspect_err(|error| tracing::debug!(%error, "usage is not read now"))
        .ok()?;
    let endpoint_id = link.endpoint_id.as_str();
    let endpoint = permit
        .call(READ_TIMEOUT, |operator, token, timeout| async move {
            operator.endpoint(&token, endpoint_id, timeout).await
        })
        .await
        .inspect_err(|error| tracing::warn!(?error, link = %link.id, "usage could not be read"))
        .ok()??;
    // An answer about another card is no answer about this one.
    if endpoint.iccid != link.iccid {
        tracing::error!(link = %link.id, "the operator answered with another card's endpoint");
        return None;
    }
    let at = clock.now();
    let mut profile = None;
    if link.kind == SimKind::Esim {
        let iccid = link.iccid.as_str();
        let state = permit
            .call(READ_TIMEOUT, |operator, token, timeout| async move {
                operator.profile_state(&token, iccid, timeout).await
            })
            .await;
        profile = state.ok().map(|state| EsimProfile { state, updated_at: Some(at) });
    }
    Some(Usage::new(endpoint, profile, at))
}
