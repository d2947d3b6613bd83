//! The journal: every mutation that took effect, for audits.
//!
//! Kept by reference, so that looking one up costs the same in a journal of a million.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use dashmap::DashMap;
use serde::Serialize;

use super::{Reference, event::Event};
use crate::sandbox::operator::{
    cards::Iccid,
    clock::Timestamp,
    ids::{EndpointId, InstanceId, SmsId},
    operation::Operation,
};

/// One mutation. `remove_plan` bears the reference of the instance it removed, `set_status` that
/// of its endpoint: those calls have none of their own.
#[derive(Debug, Clone, Serialize)]
pub(in super::super) struct JournalEntry {
    #[serde(skip)]
    sequence: u64,
    at: Timestamp,
    operation: Operation,
    iccid: Iccid,
    endpoint_id: EndpointId,
    instance_id: Option<InstanceId>,
    sms_id: Option<SmsId>,
    reference: Reference,
}

#[derive(Default)]
pub(super) struct Journal {
    next: AtomicU64,
    /// Entries without a reference are under the empty one.
    by_reference: DashMap<Arc<str>, Vec<JournalEntry>>,
}

impl Journal {
    /// Adds what the event did; control calls are not mutations.
    pub fn note(&self, event: &Event) {
        let Some(mut entry) = entry(event) else { return };
        entry.sequence = self.next.fetch_add(1, Ordering::Relaxed);
        let key = entry.reference.clone().unwrap_or_default();
        // Nearly every reference has one entry.
        self.by_reference.entry(key).or_insert_with(|| Vec::with_capacity(1)).push(entry);
    }

    pub fn entries(&self, reference: Option<&str>) -> Vec<JournalEntry> {
        if let Some(reference) = reference {
            let found = self.by_reference.get(reference);
            return found.map(|entries| entries.clone()).unwrap_or_default();
        }
        let mut all: Vec<_> =
            self.by_reference.iter().flat_map(|entries| entries.value().clone()).collect();
        all.sort_unstable_by_key(|entry| entry.sequence);
        all
    }
}

fn entry(event: &Event) -> Option<JournalEntry> {
    let (at, operation, iccid, endpoint_id, instance_id, sms_id, reference) = match event {
        Event::EndpointCreated(e) => {
            let operation = Operation::CreateEndpoint;
            (e.at, operation, e.iccid, e.endpoint_id, Some(e.instance_id), None, &e.reference)
        }
        Event::PlanAdded(e) => {
            let operation = Operation::AddPlan;
            (e.at, operation, e.iccid, e.endpoint_id, Some(e.instance_id), None, &e.reference)
        }
        Event::PlanRemoved(e) => {
            let operation = Operation::RemovePlan;
            (e.at, operation, e.iccid, e.endpoint_id, Some(e.instance_id), None, &e.reference)
        }
        Event::StatusSet(e) => {
            (e.at, Operation::SetStatus, e.iccid, e.endpoint_id, None, None, &e.reference)
        }
        Event::SmsSent(e) => {
            (e.at, Operation::SendSms, e.iccid, e.endpoint_id, None, Some(e.sms_id), &e.reference)
        }
        Event::CardSet(_) | Event::CardMetered(_) => return None,
    };
    let reference = reference.clone();
    Some(JournalEntry {
        sequence: 0,
        at,
        operation,
        iccid,
        endpoint_id,
        instance_id,
        sms_id,
        reference,
    })
}
