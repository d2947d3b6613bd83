//! The group commit: swap on version and fence, guards, all or nothing.

use super::{Data, SimState, StoredOperation};
use bappy_actors::model::{
    ChargedFee, Money, Operation, OperationKind, OperationState, OrgId, SmsStatus,
};
use bappy_actors::ports::{Batch, Closing, CommitOutcome, Guard, Planned, StoreError};
use chrono::TimeDelta;
use std::collections::HashSet;

fn broken(why: &str) -> StoreError {
    StoreError::Broken(why.to_owned())
}

impl Data {
    pub fn commit(&mut self, batch: Batch) -> Result<CommitOutcome, StoreError> {
        self.batch_sizes.push(batch.items.len());
        let Some(wallet) = self.wallets.get(&batch.org_id) else {
            return Ok(CommitOutcome::Stale);
        };
        if wallet.row != batch.before {
            self.conflicts += 1;
            return Ok(CommitOutcome::Stale);
        }
        // A command that is taken out does not stand in the way of a later one.
        let (mut guarded, mut kept) = (Vec::new(), Vec::new());
        for (index, item) in batch.items.iter().enumerate() {
            match self.guard(batch.org_id, &kept, item) {
                Some(guard) => guarded.push((index, guard)),
                None => kept.push(item),
            }
        }
        if !guarded.is_empty() {
            self.conflicts +=
                u64::from(guarded.iter().any(|(_, guard)| *guard == Guard::EpochLost));
            return Ok(CommitOutcome::Guarded(guarded));
        }
        if let Err(error) = self.check(&batch) {
            self.defects.push(format!("{error}: {batch:?}"));
            return Err(error);
        }
        self.write(batch);
        Ok(CommitOutcome::Committed)
    }

    fn guard(&self, org: OrgId, earlier: &[&Planned], item: &Planned) -> Option<Guard> {
        for opened in &item.opened {
            let repeated =
                earlier.iter().flat_map(|item| &item.opened).any(|other| other.id == opened.id);
            if repeated || self.operations.contains_key(&opened.id) {
                return Some(Guard::AlreadyOpen);
            }
            let same_key = |other: &Operation| opened.key.is_some() && has_key(other, opened);
            if earlier.iter().flat_map(|item| &item.opened).any(same_key)
                || self.key_holder(org, opened)
            {
                return Some(Guard::KeyTaken);
            }
            let same_link = |other: &Operation| {
                other.link_id == opened.link_id && super::operations::is_exclusive(other)
            };
            let pending = self.operations.values().map(|stored| &stored.operation);
            let mut before = pending
                .filter(|other| other.state == OperationState::Pending)
                .chain(earlier.iter().flat_map(|item| &item.opened));
            if super::operations::is_exclusive(opened) && before.any(same_link) {
                return Some(Guard::LinkBusy);
            }
        }
        for charged in &item.fees {
            let same = |other: &ChargedFee| {
                (other.fee.link_id, other.fee.month) == (charged.fee.link_id, charged.fee.month)
            };
            if earlier.iter().flat_map(|item| &item.fees).any(same)
                || self.is_fee_taken(org, charged)
            {
                return Some(Guard::FeeTaken);
            }
        }
        for closed in &item.closed {
            let ended = earlier
                .iter()
                .flat_map(|item| &item.closed)
                .any(|other| other.operation_id == closed.operation_id);
            if ended || !self.is_held(org, closed) {
                return Some(Guard::EpochLost);
            }
        }
        let references = |item: &Planned| {
            item.entries.iter().filter_map(|entry| entry.reference.clone()).collect::<Vec<_>>()
        };
        let mut used: HashSet<_> = earlier.iter().flat_map(|item| references(item)).collect();
        used.extend(self.wallets[&org].ledger.iter().filter_map(|entry| entry.reference.clone()));
        if references(item).iter().any(|reference| used.contains(reference)) {
            return Some(Guard::ReferenceTaken);
        }
        let taken = |iccid: &str| self.links.values().any(|(_, link)| link.iccid == iccid);
        item.links.iter().any(|link| taken(&link.iccid)).then_some(Guard::SimTaken)
    }

    pub fn key_holder(&self, org: OrgId, opened: &Operation) -> bool {
        opened.key.is_some()
            && self.operations.values().map(|stored| &stored.operation).any(|other| {
                other.org_id == org
                    && has_key(other, opened)
                    && matches!(other.state, OperationState::Pending | OperationState::Succeeded)
            })
    }

    pub fn is_held(&self, org: OrgId, closing: &Closing) -> bool {
        self.operations.get(&closing.operation_id).is_some_and(|stored| {
            let operation = &stored.operation;
            operation.org_id == org
                && operation.state == OperationState::Pending
                && operation.epoch == closing.epoch
        })
    }

    /// What a database's constraints would refuse.
    fn check(&self, batch: &Batch) -> Result<(), StoreError> {
        let ledger = &self.wallets[&batch.org_id].ledger;
        let (mut balance, mut version) = (batch.before.balance, batch.before.version);
        let mut ids: HashSet<_> = ledger.iter().map(|entry| entry.id).collect();
        let mut of_operation: HashSet<_> =
            ledger.iter().map(|entry| (entry.operation_id, entry.refund_of.is_some())).collect();
        for entry in batch.items.iter().flat_map(|item| &item.entries) {
            balance = balance.checked_add(entry.amount).ok_or_else(|| broken("range"))?;
            version += 1;
            if entry.sequence != version || entry.balance_after != balance {
                return Err(broken("the chain of the ledger"));
            }
            if balance.is_negative() {
                return Err(broken("a balance below zero"));
            }
            if !ids.insert(entry.id) {
                return Err(broken("an entry's id"));
            }
            if entry.operation_id.is_some()
                && !of_operation.insert((entry.operation_id, entry.refund_of.is_some()))
            {
                return Err(broken("two debits or refunds of one operation"));
            }
        }
        if (balance, version) != (batch.balance, batch.version) {
            return Err(broken("the sum of the batch"));
        }
        Ok(())
    }

    fn write(&mut self, batch: Batch) {
        for item in batch.items {
            let wallet = self.wallets.get_mut(&batch.org_id).unwrap();
            wallet.ledger.extend(item.entries);
            for operation in item.opened {
                let begins = match operation.kind {
                    OperationKind::SendSms => operation.created_at,
                    _ => operation.deadline_at + TimeDelta::seconds(2),
                };
                let lease_until = (operation.position == 0).then_some(begins);
                let stored = StoredOperation { operation, lease_until, answer: None };
                self.operations.insert(stored.operation.id, stored);
            }
            for closing in item.closed {
                self.close(closing, batch.at);
            }
            for link in item.links {
                if let Some((_, state)) = self.sims.get_mut(&link.iccid) {
                    *state = SimState::Used;
                }
                self.links.insert(link.id, (batch.org_id, link));
            }
            for sms in item.sms {
                self.sms.insert(sms.id, (batch.org_id, sms));
            }
            for id in item.sms_failed {
                let (_, sms) = self.sms.get_mut(&id).unwrap();
                (sms.status, sms.updated_at) = (SmsStatus::Failed, batch.at);
            }
            for (link, entry) in item.fees_returned {
                self.return_fee(batch.org_id, link, entry);
            }
            for charged in &item.fees {
                self.charge_fee(batch.org_id, charged);
            }
            for activation in item.activations {
                let link_id = activation.link_id;
                self.activations.insert(activation.id, (batch.org_id, activation));
                self.sum_up(link_id);
            }
        }
        let wallet = self.wallets.get_mut(&batch.org_id).unwrap();
        wallet.row.balance = batch.balance;
        wallet.row.version = batch.version;
    }

    pub fn close(&mut self, closing: Closing, at: bappy_actors::model::Timestamp) {
        let stored = self.operations.get_mut(&closing.operation_id).unwrap();
        stored.operation.state = closing.state;
        stored.operation.failure = closing.failure;
        stored.operation.cleanup = closing.cleanup;
        stored.lease_until = closing.lease_until;
        stored.answer = closing.answer.map(|answer| *answer);
        if closing.state != OperationState::Pending {
            stored.operation.settled_at = Some(at);
        }
    }

    /// Money comes in from elsewhere: another instance, a command line.
    pub fn credit_elsewhere(&mut self, org: OrgId, amount: Money) {
        let wallet = self.wallets.get_mut(&org).unwrap();
        let sequence = wallet.row.version + 1;
        let balance = wallet.row.balance.checked_add(amount).unwrap();
        wallet.ledger.push(super::links::credit_entry(sequence, amount, balance));
        wallet.row.version = sequence;
        wallet.row.balance = balance;
    }
}

fn has_key(other: &Operation, opened: &Operation) -> bool {
    other.key.as_ref().map(|key| &key.key) == opened.key.as_ref().map(|key| &key.key)
}
