//! An endpoint: a card that was activated, its plans and its messages.

use std::{collections::HashMap, sync::Arc, sync::Mutex};

use serde::{Deserialize, Serialize};

use super::{
    Reference,
    event::{EndpointCreated, PlanAdded, PlanRemoved, SmsSent, StatusSet},
    instance::{Instance, InstanceView},
    plans::Plans,
};
use crate::sandbox::operator::{
    cards::{Card, Iccid},
    catalogue::Plan,
    clock::Timestamp,
    ids::{EndpointId, InstanceId, SmsId},
    sponsor::Sponsor,
};

/// Where an endpoint stands. `terminated` is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Status {
    /// In service.
    Active,
    /// Refuses nothing, but uses no data.
    Suspended,
    /// Gone; its card is free again.
    Terminated,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub id: EndpointId,
    pub card: Card,
    pub iccid: Iccid,
    pub name: Option<String>,
    pub reference: Reference,
    pub state: Mutex<EndpointState>,
}

#[derive(Debug)]
pub(super) struct EndpointState {
    pub status: Status,
    /// The card is in use (its profile is installed, or it is online).
    card_in_use: bool,
    pub plans: Plans,
    /// In the order in which they were sent.
    pub messages: Vec<SmsId>,
    pub messages_by_reference: HashMap<Arc<str>, Vec<SmsId>>,
}

impl Endpoint {
    pub fn created(event: &EndpointCreated, card: Card, plan: &'static Plan, in_use: bool) -> Self {
        let mut state = EndpointState {
            status: Status::Active,
            card_in_use: in_use,
            plans: Plans::new(event.iccid, event.at),
            messages: Vec::new(),
            messages_by_reference: HashMap::new(),
        };
        state.add(event.instance_id, plan, event.reference.clone(), event.at);
        state.plans.set_in_use(in_use, event.at);
        Self {
            id: event.endpoint_id,
            card,
            iccid: event.iccid,
            name: event.name.clone(),
            reference: event.reference.clone(),
            state: Mutex::new(state),
        }
    }

    /// The endpoint with a copy of its state; `instances` are settled at `now`.
    pub fn view<'a>(
        &'a self,
        status: Status,
        instances: &'a [Instance],
        now: Timestamp,
    ) -> EndpointView<'a> {
        EndpointView {
            endpoint_id: self.id,
            iccid: self.iccid,
            msisdn: self.card.msisdn(),
            name: self.name.as_deref(),
            status,
            sponsor: self.card.sponsor,
            reference: self.reference.as_deref(),
            plans: instances.iter().map(|instance| instance.view(now)).collect(),
        }
    }
}

impl EndpointState {
    fn add(&mut self, id: InstanceId, plan: &'static Plan, reference: Reference, at: Timestamp) {
        self.plans.add(Instance {
            id,
            plan,
            reference,
            activated_at: at,
            used_mb: 0.0,
            first_used_at: None,
            removed: false,
        });
    }

    pub fn plan_added(&mut self, event: &PlanAdded, plan: &'static Plan) {
        self.add(event.instance_id, plan, event.reference.clone(), event.at);
    }

    pub fn plan_removed(&mut self, event: &PlanRemoved) {
        self.plans.remove(event.instance_id, event.at);
    }

    pub fn status_set(&mut self, event: &StatusSet) {
        self.status = event.status;
        self.meter_runs(event.at);
    }

    pub fn card_in_use(&mut self, in_use: bool, at: Timestamp) {
        self.card_in_use = in_use;
        self.meter_runs(at);
    }

    fn meter_runs(&mut self, at: Timestamp) {
        self.plans.set_in_use(self.card_in_use && self.status == Status::Active, at);
    }

    pub fn sms_sent(&mut self, event: &SmsSent) {
        self.messages.push(event.sms_id);
        if let Some(reference) = event.reference.clone() {
            self.messages_by_reference.entry(reference).or_default().push(event.sms_id);
        }
    }
}

/// An endpoint as the operator shows it. Removed plans are shown too.
#[derive(Serialize)]
pub(super) struct EndpointView<'a> {
    endpoint_id: EndpointId,
    iccid: Iccid,
    msisdn: String,
    name: Option<&'a str>,
    status: Status,
    sponsor: &'static Sponsor,
    reference: Option<&'a str>,
    plans: Vec<InstanceView<'a>>,
}
