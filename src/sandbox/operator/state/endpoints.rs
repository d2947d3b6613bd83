//! The mutations of endpoints and their read-backs.

use std::sync::Arc;

use dashmap::mapref::entry::Entry;

use super::{
    Reference, Status, World,
    cards::CardState,
    endpoint::Endpoint,
    event::{EndpointCreated, Event, PlanAdded, PlanRemoved, StatusSet},
    lock,
};
use crate::sandbox::operator::{
    cards::{Card, Iccid},
    catalogue::Plan,
    clock::Timestamp,
    ids::{EndpointId, InstanceId},
    refusal::Refusal,
};

/// What a new endpoint is made from.
pub(in super::super) struct NewEndpoint {
    pub card: Card,
    pub plan: &'static Plan,
    pub name: Option<String>,
    pub reference: Reference,
}

impl World {
    /// The endpoint with this id, live or terminated.
    pub(super) fn endpoint(&self, id: EndpointId) -> Result<Arc<Endpoint>, Refusal> {
        self.endpoints.get(&id).map(|found| Arc::clone(&found)).ok_or(Refusal::NoEndpoint)
    }

    /// Creates and activates an endpoint with its first plan; `SimInUse` where the card has a
    /// live one.
    pub fn create_endpoint(&self, new: NewEndpoint) -> Result<EndpointId, Refusal> {
        let NewEndpoint { card, plan, name, reference } = new;
        let iccid = card.iccid();
        // The entry stays locked until the endpoint is there: two callers, one endpoint.
        let entry = self.cards.entry(iccid);
        if let Entry::Occupied(card) = &entry
            && card.get().live.is_some()
        {
            return Err(Refusal::SimInUse(iccid));
        }
        let created = EndpointCreated {
            at: Timestamp::now(),
            endpoint_id: EndpointId::new(&self.ids),
            iccid,
            plan_id: plan.id.clone(),
            instance_id: InstanceId::new(&self.ids),
            name,
            reference,
        };
        self.commit(&Event::EndpointCreated(created.clone()))?;
        self.endpoint_created(&mut entry.or_default(), &created, card, plan);
        Ok(created.endpoint_id)
    }

    pub(super) fn endpoint_created(
        &self,
        state: &mut CardState,
        event: &EndpointCreated,
        card: Card,
        plan: &'static Plan,
    ) {
        state.endpoint_created(event.endpoint_id);
        let endpoint = Endpoint::created(event, card, plan, state.in_use());
        self.endpoints.insert(endpoint.id, Arc::new(endpoint));
    }

    /// Adds a plan. Called twice it adds two.
    pub fn add_plan(
        &self,
        endpoint_id: EndpointId,
        plan: &'static Plan,
        reference: Reference,
    ) -> Result<Vec<u8>, Refusal> {
        let endpoint = self.endpoint(endpoint_id)?;
        if plan.sponsor != endpoint.card.sponsor {
            return Err(Refusal::other_sponsor(endpoint.card, plan));
        }
        let mut state = lock(&endpoint.state);
        if state.status == Status::Terminated {
            return Err(Refusal::terminated(endpoint_id));
        }
        let added = PlanAdded {
            at: Timestamp::now(),
            endpoint_id,
            iccid: endpoint.iccid,
            plan_id: plan.id.clone(),
            instance_id: InstanceId::new(&self.ids),
            reference,
        };
        self.commit(&Event::PlanAdded(added.clone()))?;
        state.plan_added(&added, plan);
        let instance = state.plans.find(added.instance_id).cloned();
        drop(state);
        let view = instance.as_ref().map(|instance| instance.view(added.at));
        Ok(to_json(&view))
    }

    /// Removes a plan instance; `NoInstance` where it is gone already.
    pub fn remove_plan(&self, endpoint_id: EndpointId, id: InstanceId) -> Result<(), Refusal> {
        let endpoint = self.endpoint(endpoint_id)?;
        let mut state = lock(&endpoint.state);
        let standing = state.plans.find(id).filter(|instance| !instance.removed);
        let removed = PlanRemoved {
            at: Timestamp::now(),
            endpoint_id,
            iccid: endpoint.iccid,
            instance_id: id,
            reference: standing.ok_or(Refusal::NoInstance)?.reference.clone(),
        };
        self.commit(&Event::PlanRemoved(removed.clone()))?;
        state.plan_removed(&removed);
        Ok(())
    }

    /// Sets the status; setting the one it has does nothing. Nothing follows `terminated`.
    pub fn set_status(&self, endpoint_id: EndpointId, status: Status) -> Result<(), Refusal> {
        let endpoint = self.endpoint(endpoint_id)?;
        // Before the endpoint's lock: terminating frees the card.
        let card = self.cards.get_mut(&endpoint.iccid);
        let mut state = lock(&endpoint.state);
        if state.status == status {
            return Ok(());
        }
        if state.status == Status::Terminated {
            return Err(Refusal::terminated(endpoint_id));
        }
        let set = StatusSet {
            at: Timestamp::now(),
            endpoint_id,
            iccid: endpoint.iccid,
            status,
            reference: endpoint.reference.clone(),
        };
        self.commit(&Event::StatusSet(set.clone()))?;
        state.status_set(&set);
        if let (Status::Terminated, Some(mut card)) = (status, card) {
            card.live = None;
        }
        Ok(())
    }

    /// The endpoint as JSON.
    pub fn show_endpoint(&self, id: EndpointId) -> Result<Vec<u8>, Refusal> {
        let endpoint = self.endpoint(id)?;
        let now = Timestamp::now();
        // Copied, so that plans can be added while a hundred thousand of them are written.
        let (status, instances) = {
            let mut state = lock(&endpoint.state);
            state.plans.settle(now);
            (state.status, state.plans.all().to_vec())
        };
        Ok(to_json(&endpoint.view(status, &instances, now)))
    }

    /// The endpoints that a card has or had as JSON, newest first: a live one comes first.
    pub fn find_endpoints(&self, iccid: Iccid) -> Result<Vec<u8>, Refusal> {
        let ids = self.cards.get(&iccid).map(|card| card.endpoints.clone()).unwrap_or_default();
        let mut json = b"{\"items\":[".to_vec();
        for (at, id) in ids.into_iter().rev().enumerate() {
            if at > 0 {
                json.push(b',');
            }
            json.extend(self.show_endpoint(id)?);
        }
        json.extend(b"]}");
        Ok(json)
    }
}

/// Views hold only strings and numbers, so this does not fail.
fn to_json<T: serde::Serialize>(view: &T) -> Vec<u8> {
    serde_json::to_vec(view).unwrap_or_default()
}
