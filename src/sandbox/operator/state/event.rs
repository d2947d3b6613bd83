//! Everything that can happen, as it is written to the state file.
//!
//! **Invariant:** an event carries all that its application needs, so that applying the file from
//! the start gives the same state; a new field needs `#[serde(default)]`.

use serde::{Deserialize, Serialize};

use super::{ConnectivitySetting, ProfileState, Reference, Status, plans::PlansMeter};
use crate::sandbox::operator::{
    cards::Iccid,
    clock::Timestamp,
    ids::{EndpointId, InstanceId, SmsId},
};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    EndpointCreated(EndpointCreated),
    PlanAdded(PlanAdded),
    PlanRemoved(PlanRemoved),
    StatusSet(StatusSet),
    SmsSent(SmsSent),
    /// A control call. Not in the journal: it is not the caller's doing.
    CardSet(CardSet),
    /// What the `CardSet` events up to here came to; compaction writes one per card.
    CardMetered(CardMetered),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct EndpointCreated {
    pub at: Timestamp,
    pub endpoint_id: EndpointId,
    pub iccid: Iccid,
    pub plan_id: String,
    pub instance_id: InstanceId,
    pub name: Option<String>,
    pub reference: Reference,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PlanAdded {
    pub at: Timestamp,
    pub endpoint_id: EndpointId,
    pub iccid: Iccid,
    pub plan_id: String,
    pub instance_id: InstanceId,
    pub reference: Reference,
}

/// `reference` is that of the instance that goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PlanRemoved {
    pub at: Timestamp,
    pub endpoint_id: EndpointId,
    pub iccid: Iccid,
    pub instance_id: InstanceId,
    pub reference: Reference,
}

/// `reference` is that of the endpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StatusSet {
    pub at: Timestamp,
    pub endpoint_id: EndpointId,
    pub iccid: Iccid,
    pub status: Status,
    pub reference: Reference,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SmsSent {
    pub at: Timestamp,
    pub endpoint_id: EndpointId,
    pub iccid: Iccid,
    pub sms_id: SmsId,
    pub text: String,
    pub reference: Reference,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CardSet {
    pub at: Timestamp,
    pub iccid: Iccid,
    pub used_mb: Option<u64>,
    pub profile_state: Option<ProfileState>,
    pub connectivity: Option<ConnectivitySetting>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CardMetered {
    pub iccid: Iccid,
    pub profile_state: ProfileState,
    pub connectivity: Option<ConnectivitySetting>,
    pub endpoints: Vec<(EndpointId, PlansMeter)>,
}
