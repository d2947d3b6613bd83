//! Invariant I: no money lost, nothing charged twice, nothing activated unpaid.

use super::operator::ScriptedOperator;
use super::store::{Data, MemoryStore, SimState};
use bappy_actors::model::{
    ActivationStatus, Cleanup, EntryKind, LedgerEntry, LinkStatus, Money, Operation, OperationKind,
    OperationState, OrgId, Sms, SmsStatus,
};
use bappy_actors::ports::{Endpoint, EndpointStatus};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Holds at any time, also while operations run and before cleanups have drained.
#[track_caller]
pub fn assert_invariant(store: &MemoryStore, operator: &ScriptedOperator) {
    let data = store.data();
    for (org, wallet) in &data.wallets {
        assert_chain(*org, &wallet.ledger, wallet.row.balance, wallet.row.version);
        for entry in &wallet.ledger {
            assert_entry(&data, &wallet.ledger, entry);
        }
    }
    let iccids: HashSet<_> = data.links.values().map(|(_, link)| &link.iccid).collect();
    assert_eq!(iccids.len(), data.links.len(), "two Links on one card");
    assert_operator(&data, operator);
    for (_, sms) in data.sms.values() {
        assert_sms(sms, &data.operations[&sms.id].operation);
    }
}

/// A message and its operation tell the same.
#[track_caller]
fn assert_sms(sms: &Sms, operation: &Operation) {
    let handed_over = sms.operator_sms_id.is_some();
    let agree = match operation.state {
        OperationState::Pending => sms.status == SmsStatus::Queued && !handed_over,
        OperationState::Succeeded => sms.status != SmsStatus::Queued && handed_over,
        OperationState::Refunded | OperationState::Rejected => {
            sms.status == SmsStatus::Failed && !handed_over
        }
    };
    assert!(agree, "{sms:?} of {operation:?}");
}

/// What the operator has is what was handed over, one to one: nothing refunded is there.
#[track_caller]
fn assert_sms_drained(data: &Data, operator: &ScriptedOperator) {
    let messages: Vec<_> = operator.state().messages.iter().map(|m| m.reference.clone()).collect();
    let handed_over: BTreeSet<_> = data
        .operations
        .values()
        .map(|stored| &stored.operation)
        .filter(|o| o.kind == OperationKind::SendSms && o.state == OperationState::Succeeded)
        .map(|operation| operation.id.to_string())
        .collect();
    assert_eq!(messages.len(), handed_over.len(), "{messages:?} and {handed_over:?}");
    assert_eq!(messages.into_iter().collect::<BTreeSet<_>>(), handed_over);
}

/// Holds when nothing runs and all cleanups have drained.
#[track_caller]
pub fn assert_drained(store: &MemoryStore, operator: &ScriptedOperator) {
    assert_invariant(store, operator);
    let data = store.data();
    assert_sms_drained(&data, operator);
    for stored in data.operations.values() {
        let operation = &stored.operation;
        assert_ne!(operation.state, OperationState::Pending, "still pending: {operation:?}");
        assert_ne!(operation.cleanup, Cleanup::Watching, "still watched: {operation:?}");
        assert_ne!(operation.cleanup, Cleanup::Manual, "left to a person: {operation:?}");
    }
    assert_stock(&data, operator);
    assert_statuses(&data, operator);
}

/// A Link has at the operator the status that it has with us, and one that owes a fee is off.
#[track_caller]
fn assert_statuses(data: &Data, operator: &ScriptedOperator) {
    let state = operator.state();
    for (org, link) in data.links.values() {
        let endpoint = state.endpoints.iter().find(|e| e.endpoint_id == link.endpoint_id);
        let status = endpoint.expect("a Link without an endpoint").status;
        let expected = match link.status {
            LinkStatus::Active => EndpointStatus::Active,
            LinkStatus::Suspended => EndpointStatus::Suspended,
            LinkStatus::Inactive => EndpointStatus::Terminated,
        };
        assert_eq!(status, expected, "{link:?}");
        let owes = data.due_fee(*org, link.id);
        assert!(owes.is_none() || link.status != LinkStatus::Active, "active and owes {owes:?}");
    }
}

/// A physical card is its Link's, or can be claimed anew, and then nothing of ours is on it.
#[track_caller]
fn assert_stock(data: &Data, operator: &ScriptedOperator) {
    for iccid in data.stock.keys() {
        let state = &data.sims[iccid].1;
        if data.links.values().any(|(_, link)| link.iccid == *iccid) {
            assert_eq!(*state, SimState::Used, "{iccid} is a Link's");
            continue;
        }
        let is_free = match state {
            SimState::Free => true,
            SimState::Claimed(by, _) => data.operations.get(by).is_none_or(|stored| {
                stored.operation.state == OperationState::Refunded
                    && matches!(stored.operation.cleanup, Cleanup::None | Cleanup::Done)
            }),
            SimState::Used | SimState::Retired => false,
        };
        assert!(is_free, "{iccid} is lost: {state:?}");
        let live = |e: &Endpoint| e.iccid == *iccid && e.status != EndpointStatus::Terminated;
        assert!(!operator.state().endpoints.iter().any(live), "something is left on {iccid}");
    }
}

#[track_caller]
fn assert_chain(org: OrgId, ledger: &[LedgerEntry], balance: Money, version: i64) {
    let mut sum = Money::ZERO;
    for (entry, place) in ledger.iter().zip(1..) {
        sum = sum.checked_add(entry.amount).unwrap();
        assert_eq!(entry.sequence, place, "{org}: a gap in the sequence");
        assert_eq!(entry.balance_after, sum, "{org}: the chain of balances");
        assert!(!sum.is_negative(), "{org}: a balance below zero");
    }
    assert_eq!((sum, ledger.len()), (balance, usize::try_from(version).unwrap()), "{org}");
}

#[track_caller]
fn assert_entry(data: &Data, ledger: &[LedgerEntry], entry: &LedgerEntry) {
    match entry.kind {
        EntryKind::Activation | EntryKind::Topup => {
            let id = entry.operation_id.unwrap();
            let operation = &data.operations[&id].operation;
            let refunds = ledger.iter().filter(|other| other.refund_of == Some(entry.id)).count();
            let made = data.activations.values().filter(|(_, a)| a.operation_id == id).count();
            let ends = match operation.state {
                OperationState::Pending => (0, 0),
                OperationState::Succeeded => (0, 1),
                OperationState::Refunded => (1, 0),
                OperationState::Rejected => panic!("a charged operation was rejected: {id}"),
            };
            assert_eq!((refunds, made), ends, "refunds and activations of {operation:?}");
            assert_eq!(entry.amount, operation.amount.negated());
        }
        EntryKind::Refund => {
            let debit = ledger.iter().find(|debit| Some(debit.id) == entry.refund_of);
            let debit = debit.expect("a refund of nothing");
            assert_eq!(debit.amount.negated(), entry.amount, "a refund of another amount");
        }
        EntryKind::Credit | EntryKind::Adjustment => assert_eq!(entry.refund_of, None),
        EntryKind::Sms => {
            let id = entry.operation_id.unwrap();
            let operation = &data.operations[&id].operation;
            let refunds = ledger.iter().filter(|other| other.refund_of == Some(entry.id)).count();
            let refunded = operation.state == OperationState::Refunded;
            assert_eq!(refunds, usize::from(refunded), "refunds of {operation:?}");
            assert_eq!(entry.amount, operation.amount.negated());
        }
        EntryKind::LinkFee => {
            let refunds = ledger.iter().filter(|other| other.refund_of == Some(entry.id)).count();
            let rows = data.fees.iter().filter(|row| row.entry == Some(entry.id)).count();
            assert_eq!(refunds + rows, 1, "a fee is charged or refunded: {entry:?}");
            if let Some(id) = entry.operation_id {
                let operation = &data.operations[&id].operation;
                let refunded = usize::from(operation.state == OperationState::Refunded);
                assert_eq!(refunds, refunded, "refunds of {operation:?}");
                assert_eq!(entry.amount, operation.amount.negated());
                assert_ne!(operation.state, OperationState::Rejected, "charged: {operation:?}");
            }
        }
    }
}

/// Whether the operator may hold something of an operation, or lack it, just now.
fn is_open(operation: &Operation) -> bool {
    operation.state == OperationState::Pending
        || (operation.state == OperationState::Refunded
            && matches!(operation.cleanup, Cleanup::Watching | Cleanup::Manual))
}

#[track_caller]
fn assert_operator(data: &Data, operator: &ScriptedOperator) {
    let state = operator.state();
    let mut sent = BTreeMap::<_, usize>::new();
    for (call, reference) in &state.journal {
        if matches!(*call, "create" | "add" | "sms") {
            *sent.entry(reference.clone()).or_default() += 1;
        }
    }
    let twice: Vec<_> = sent.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "took effect twice: {twice:?}");
    let standing: BTreeSet<_> = state.standing().into_iter().collect();
    let by_reference: BTreeMap<_, _> =
        data.operations.iter().map(|(id, stored)| (id.to_string(), &stored.operation)).collect();
    for reference in &standing {
        // References of others are none of ours.
        if let Some(operation) = by_reference.get(reference) {
            let removing = is_removing(data, operation);
            let made = data.activations.values().any(|(_, activation)| {
                activation.operation_id == operation.id
                    && (activation.status != ActivationStatus::Cancelled || removing)
            });
            assert!(made || is_open(operation), "activated unpaid: {operation:?}");
        }
    }
    for (_, activation) in data.activations.values() {
        let operation = &data.operations[&activation.operation_id].operation;
        if activation.status == ActivationStatus::Active && !is_removing(data, operation) {
            let reference = operation.id.to_string();
            assert!(standing.contains(&reference), "paid and not there: {operation:?}");
        }
    }
}

/// Whether plans are being taken off the operation's Link just now.
fn is_removing(data: &Data, operation: &Operation) -> bool {
    data.operations.values().map(|stored| &stored.operation).any(|other| {
        other.kind == OperationKind::RemovePlan
            && other.link_id == operation.link_id
            && other.state == OperationState::Pending
    })
}
