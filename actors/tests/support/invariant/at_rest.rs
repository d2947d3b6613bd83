//! What holds once nothing runs and all cleanups have drained: the operator has exactly what is
//! paid for, and nothing is left to be done.

use super::{Holds, operation_of};
use crate::support::operator::State;
use crate::support::store::{Data, SimState};
use bappy_actors::model::{
    Cleanup, LinkStatus, Operation, OperationId, OperationKind, OperationState,
};
use bappy_actors::ports::{Endpoint, EndpointStatus};
use std::collections::BTreeSet;

pub fn holds(data: &Data, state: &State) -> Holds {
    for stored in data.operations.values() {
        let operation = &stored.operation;
        let pending = operation.state == OperationState::Pending;
        ensure!(!pending, "still pending: {operation:?}");
        let open = matches!(operation.cleanup, Cleanup::Watching | Cleanup::Manual);
        ensure!(!open, "still watched, or left to a person: {operation:?}");
    }
    plans(data, state)?;
    messages(data, state)?;
    stock(data, state)?;
    statuses(data, state)
}

/// The plan instances under our references are our activations in force, one to one.
fn plans(data: &Data, state: &State) -> Holds {
    let mut standing = BTreeSet::new();
    for reference in state.in_force() {
        if let Some(operation) = operation_of(data, reference) {
            ensure!(standing.insert(operation.id), "twice at the operator: {operation:?}");
        }
    }
    let in_force = data.activations.values().map(|(_, activation)| activation);
    let in_force = in_force.filter(|activation| {
        let link = &data.links[&activation.link_id].1;
        activation.status.is_in_force() && link.status != LinkStatus::Inactive
    });
    let in_force: BTreeSet<OperationId> =
        in_force.map(|activation| activation.operation_id).collect();
    let differing: Vec<_> = standing.symmetric_difference(&in_force).collect();
    ensure!(differing.is_empty(), "on one side only, with us or the operator: {differing:?}");
    Ok(())
}

/// What the operator has is what was handed over, one to one: nothing refunded is there.
fn messages(data: &Data, state: &State) -> Holds {
    let told = |operation: &&Operation| {
        operation.kind == OperationKind::SendSms && operation.state == OperationState::Succeeded
    };
    let operations = data.operations.values().map(|stored| &stored.operation);
    let handed_over: BTreeSet<_> = operations.filter(told).map(|o| o.id.to_string()).collect();
    let there: BTreeSet<_> = state.messages.iter().map(|m| m.reference.clone()).collect();
    ensure!(there.len() == state.messages.len(), "a message twice: {there:?}");
    ensure!(there == handed_over, "at the operator {there:?}, handed over {handed_over:?}");
    Ok(())
}

/// A physical card is its Link's, or can be claimed anew, and then nothing of ours is on it.
fn stock(data: &Data, state: &State) -> Holds {
    for iccid in data.stock.keys() {
        let claim = &data.sims[iccid].1;
        if data.links.values().any(|(_, link)| link.iccid == *iccid) {
            ensure!(*claim == SimState::Used, "{iccid} is a Link's, and {claim:?}");
            continue;
        }
        let is_free = match claim {
            SimState::Free => true,
            SimState::Claimed(by, _) => data.operations.get(by).is_none_or(|stored| {
                stored.operation.state == OperationState::Refunded
                    && matches!(stored.operation.cleanup, Cleanup::None | Cleanup::Done)
            }),
            SimState::Used | SimState::Retired => false,
        };
        ensure!(is_free, "{iccid} is lost: {claim:?}");
        let live = |e: &Endpoint| {
            let ours = e.reference.as_ref().is_some_and(|r| operation_of(data, r).is_some());
            ours && e.iccid == *iccid && e.status != EndpointStatus::Terminated
        };
        ensure!(!state.endpoints.iter().any(live), "something is left on {iccid}");
    }
    Ok(())
}

/// A Link has at the operator the status that it has with us, and one that owes a fee is off.
fn statuses(data: &Data, state: &State) -> Holds {
    for (org, link) in data.links.values() {
        let endpoint = state.endpoints.iter().find(|e| e.endpoint_id == link.endpoint_id);
        let status = endpoint.ok_or("a Link without an endpoint")?.status;
        let expected = match link.status {
            LinkStatus::Active => EndpointStatus::Active,
            LinkStatus::Suspended => EndpointStatus::Suspended,
            LinkStatus::Inactive => EndpointStatus::Terminated,
        };
        ensure!(status == expected, "{status:?} at the operator: {link:?}");
        let owes = data.due_fee(*org, link.id);
        let off = link.status != LinkStatus::Active;
        ensure!(owes.is_none() || off, "active, and owes {owes:?}: {link:?}");
    }
    Ok(())
}
