//! What the operator holds is paid for, what was paid for is there, and the rows agree.

use super::{Holds, operation_of};
use crate::support::operator::State;
use crate::support::store::Data;
use bappy_actors::model::{
    ActivationStatus, Cleanup, LinkId, Operation, OperationKind, OperationState, Sms, SmsStatus,
};
use std::collections::{BTreeMap, BTreeSet};

pub fn holds(data: &Data, state: &State) -> Holds {
    let mut cards = BTreeSet::new();
    for (_, link) in data.links.values() {
        ensure!(cards.insert(&link.iccid), "two Links on one card: {}", link.iccid);
    }
    for (_, sms) in data.sms.values() {
        agrees(sms, &data.operations[&sms.id].operation)?;
    }
    one_at_a_time(data)?;
    once(state)?;
    operator(data, state)
}

/// A message and its operation tell the same.
fn agrees(sms: &Sms, operation: &Operation) -> Holds {
    let handed_over = sms.operator_sms_id.is_some();
    let agree = match operation.state {
        OperationState::Pending => sms.status == SmsStatus::Queued && !handed_over,
        OperationState::Succeeded => sms.status != SmsStatus::Queued && handed_over,
        OperationState::Refunded | OperationState::Rejected => {
            sms.status == SmsStatus::Failed && !handed_over
        }
    };
    ensure!(agree, "{sms:?} of {operation:?}");
    Ok(())
}

/// A key stands for one attempt that runs or succeeded, and a Link is changed by one at a time.
fn one_at_a_time(data: &Data) -> Holds {
    let (mut keys, mut busy) = (BTreeSet::new(), BTreeSet::new());
    for stored in data.operations.values() {
        let operation = &stored.operation;
        let pending = operation.state == OperationState::Pending;
        if let Some(key) = &operation.key
            && (pending || operation.state == OperationState::Succeeded)
        {
            let first = keys.insert((operation.org_id, key.key.as_str()));
            ensure!(first, "a second attempt under the key of {operation:?}");
        }
        if pending && is_change(operation) {
            let first = busy.insert(operation.link_id);
            ensure!(first, "a second change of the Link of {operation:?}");
        }
    }
    Ok(())
}

fn is_change(operation: &Operation) -> bool {
    matches!(operation.kind, OperationKind::RemovePlan | OperationKind::UpdateLink)
}

/// Whatever is not to be sent twice took effect once at most.
fn once(state: &State) -> Holds {
    let mut landed = BTreeMap::<_, usize>::new();
    for (call, reference) in &state.journal {
        if matches!(*call, "create" | "add" | "sms") {
            *landed.entry(reference.as_str()).or_default() += 1;
        }
    }
    let twice = landed.iter().find(|(_, times)| **times > 1);
    ensure!(twice.is_none(), "took effect twice: {twice:?}");
    Ok(())
}

/// Whether the operator may hold something of an operation, or lack it, just now.
fn is_open(operation: &Operation) -> bool {
    operation.state == OperationState::Pending
        || (operation.state == OperationState::Refunded
            && matches!(operation.cleanup, Cleanup::Watching | Cleanup::Manual))
}

fn operator(data: &Data, state: &State) -> Holds {
    let standing: BTreeSet<_> = state.in_force().collect();
    let removing: BTreeSet<LinkId> = data
        .operations
        .values()
        .map(|stored| &stored.operation)
        .filter(|o| o.kind == OperationKind::RemovePlan && o.state == OperationState::Pending)
        .map(|operation| operation.link_id)
        .collect();
    let mut made = BTreeSet::new();
    for (_, activation) in data.activations.values() {
        let operation = &data.operations[&activation.operation_id].operation;
        let removing = removing.contains(&operation.link_id);
        if activation.status != ActivationStatus::Cancelled || removing {
            made.insert(operation.id);
        }
        if activation.status == ActivationStatus::Active && !removing {
            let reference = operation.id.to_string();
            ensure!(standing.contains(reference.as_str()), "paid and not there: {operation:?}");
        }
    }
    for reference in &standing {
        // References of others are none of ours.
        if let Some(operation) = operation_of(data, reference) {
            let paid = made.contains(&operation.id) || is_open(operation);
            ensure!(paid, "activated unpaid: {operation:?}");
        }
    }
    Ok(())
}
