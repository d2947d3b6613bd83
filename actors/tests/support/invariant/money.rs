//! The ledger adds up, and every debit has the one end that its operation has.

use super::Holds;
use crate::support::store::{Data, FeeState};
use bappy_actors::model::{
    EntryId, EntryKind, LedgerEntry, Money, Operation, OperationId, OperationState, OrgId,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the entries are held against.
struct Ends {
    refunds: BTreeMap<EntryId, Vec<Money>>,
    made: BTreeMap<OperationId, usize>,
    fees: BTreeMap<EntryId, usize>,
}

pub fn holds(data: &Data) -> Holds {
    let mut ends = Ends { refunds: BTreeMap::new(), made: BTreeMap::new(), fees: BTreeMap::new() };
    for entry in data.wallets.values().flat_map(|wallet| &wallet.ledger) {
        if let Some(debit) = entry.refund_of {
            ends.refunds.entry(debit).or_default().push(entry.amount);
        }
    }
    for (_, activation) in data.activations.values() {
        *ends.made.entry(activation.operation_id).or_default() += 1;
    }
    for entry in data.fees.iter().filter_map(|row| row.entry) {
        *ends.fees.entry(entry).or_default() += 1;
    }
    let mut debits = BTreeSet::new();
    for (org, wallet) in &data.wallets {
        chain(*org, &wallet.ledger, wallet.row.balance, wallet.row.version)?;
        debits.extend(wallet.ledger.iter().filter(|e| e.refund_of.is_none()).map(|e| e.id));
        for entry in &wallet.ledger {
            ends.entry(data, entry)?;
        }
    }
    let refunded = ends.refunds.keys().find(|debit| !debits.contains(debit));
    ensure!(refunded.is_none(), "a refund of nothing: {refunded:?}");
    for stored in data.operations.values() {
        let operation = &stored.operation;
        let debited = operation.debit_id.is_none_or(|debit| debits.contains(&debit));
        ensure!(debited, "recorded without its debit: {operation:?}");
    }
    fees(data)
}

fn chain(org: OrgId, ledger: &[LedgerEntry], balance: Money, version: i64) -> Holds {
    let mut sum = Money::ZERO;
    for (entry, place) in ledger.iter().zip(1..) {
        sum = sum.checked_add(entry.amount).ok_or("a sum out of range")?;
        ensure!(entry.sequence == place, "{org}: a gap in the sequence at {place}");
        ensure!(entry.balance_after == sum, "{org}: the chain of balances at {place}");
        ensure!(!sum.is_negative(), "{org}: a balance below zero at {place}");
    }
    let entries = i64::try_from(ledger.len()).unwrap_or(i64::MAX);
    ensure!(sum == balance, "{org}: the entries' sum is {sum}, the balance {balance}");
    ensure!(entries == version, "{org}: {entries} entries and version {version}");
    Ok(())
}

impl Ends {
    fn entry(&self, data: &Data, entry: &LedgerEntry) -> Holds {
        let refunds = self.refunds.get(&entry.id).map_or(&[][..], Vec::as_slice);
        let whole = refunds.iter().all(|refund| *refund == entry.amount.negated());
        ensure!(whole, "refunds of another amount, {refunds:?}: {entry:?}");
        let of = |operation: &Operation| -> Holds {
            ensure!(
                entry.amount == operation.amount.negated(),
                "the debit {entry:?} of {operation:?}"
            );
            let refunded = usize::from(operation.state == OperationState::Refunded);
            let count = refunds.len();
            ensure!(count == refunded, "{count} refunds of {operation:?}");
            let rejected = operation.state == OperationState::Rejected;
            ensure!(!rejected, "a charged operation was rejected: {operation:?}");
            Ok(())
        };
        match entry.kind {
            EntryKind::Activation | EntryKind::Topup => {
                let operation = operation_of(data, entry)?;
                of(operation)?;
                let made = self.made.get(&operation.id).copied().unwrap_or(0);
                let succeeded = usize::from(operation.state == OperationState::Succeeded);
                ensure!(made == succeeded, "{made} activations of {operation:?}");
            }
            EntryKind::Sms => of(operation_of(data, entry)?)?,
            EntryKind::LinkFee => {
                let rows = self.fees.get(&entry.id).copied().unwrap_or(0);
                let ends = refunds.len() + rows;
                ensure!(ends == 1, "a fee is charged or refunded, not {ends} times: {entry:?}");
                if entry.operation_id.is_some() {
                    of(operation_of(data, entry)?)?;
                }
            }
            EntryKind::Refund => ensure!(refunds.is_empty(), "a refund of a refund: {entry:?}"),
            EntryKind::Credit | EntryKind::Adjustment => {
                ensure!(refunds.is_empty() && entry.refund_of.is_none(), "refunded: {entry:?}");
            }
        }
        Ok(())
    }
}

fn operation_of<'d>(data: &'d Data, entry: &LedgerEntry) -> Result<&'d Operation, String> {
    let stored = entry.operation_id.and_then(|id| data.operations.get(&id));
    Ok(&stored.ok_or_else(|| format!("a debit without its operation: {entry:?}"))?.operation)
}

/// Of a Link and a month one fee at most is decided, and what was due is paid once.
fn fees(data: &Data) -> Holds {
    let mut seen = BTreeSet::new();
    for row in &data.fees {
        let paid = row.state == FeeState::Paid;
        let first = seen.insert((row.fee.link_id, row.fee.month, paid));
        ensure!(first, "a second fee of a Link and month: {row:?}");
    }
    Ok(())
}
