//! What must hold in a run beyond Invariant I, at each step: who is final stays so, nothing is sent
//! too early or too late, nobody is refunded too early.

use super::conditions::Conditions;
use crate::support::environment::epoch;
use crate::support::invariant;
use crate::support::operator::State;
use crate::support::store::Data;
use crate::support::wire::{About, Call};
use bappy_actors::model::{
    EntryId, Money, Operation, OperationId, OperationKind, OperationState, OrgId, Request,
    Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Nothing that is written down by one process's clock is later by another's than this.
const CLOCK_MARGIN: Duration = Duration::from_millis(10);

/// Past its horizon an operation is final within this, whatever crashed.
pub const FINAL_AFTER_HORIZON: Duration = Duration::from_secs(15);

/// What was seen so far.
pub struct Checks {
    skew: Duration,
    call_timeout: Duration,
    ends: BTreeMap<OperationId, (OperationState, i64)>,
    /// Of each wallet, its entries, and when they came.
    ledgers: BTreeMap<OrgId, Vec<(EntryId, Duration)>>,
    /// Operations of which a call's outcome was not known.
    unknown: BTreeSet<OperationId>,
    /// Claims of due operations until now.
    claims: u64,
}

/// The wall clock's time, as it would be on a machine that is neither ahead nor behind.
pub fn wall(at: Duration) -> Timestamp {
    epoch() + at
}

impl Checks {
    pub fn new(conditions: &Conditions) -> Self {
        Self {
            skew: conditions.skew + CLOCK_MARGIN,
            call_timeout: conditions.gateway.call_timeout,
            ends: BTreeMap::new(),
            ledgers: BTreeMap::new(),
            unknown: BTreeSet::new(),
            claims: 0,
        }
    }

    /// The outcome of what was sent under a reference is not known.
    pub fn unknown(&mut self, reference: &str) {
        if let Ok(id) = reference.parse() {
            self.unknown.insert(OperationId(id));
        }
    }

    pub fn is_unknown(&self, id: OperationId) -> bool {
        self.unknown.contains(&id)
    }

    /// Something has taken effect.
    pub fn step(
        &mut self,
        now: Duration,
        call: &Call,
        data: &Data,
        state: &State,
    ) -> invariant::Holds {
        if call.method == "claim_due" {
            let before = std::mem::replace(&mut self.claims, data.claims);
            if before == self.claims {
                return Ok(());
            }
        }
        if let Some(defect) = data.defects.first() {
            return Err(format!("the database had to refuse a batch, {defect}"));
        }
        invariant::at_any_time(data, state)?;
        self.entries(now, data)?;
        for stored in data.operations.values() {
            self.goes_forward(now, data, &stored.operation)?;
        }
        Ok(())
    }

    /// Entries are only ever added.
    pub fn entries(&mut self, now: Duration, data: &Data) -> invariant::Holds {
        for (org, wallet) in &data.wallets {
            let seen = self.ledgers.entry(*org).or_default();
            for (place, entry) in wallet.ledger.iter().enumerate() {
                match seen.get(place) {
                    Some((id, _)) if *id == entry.id => {}
                    Some(_) => return Err(format!("an entry was replaced by {entry:?}")),
                    None => seen.push((entry.id, now)),
                }
            }
            if seen.len() > wallet.ledger.len() {
                return Err(format!("entries of {org} have gone"));
            }
        }
        Ok(())
    }

    /// An operation ends once, and its epoch only rises.
    fn goes_forward(
        &mut self,
        now: Duration,
        data: &Data,
        operation: &Operation,
    ) -> invariant::Holds {
        let is = (operation.state, operation.epoch);
        let Some((state, held)) = self.ends.insert(operation.id, is) else { return Ok(()) };
        if held > operation.epoch {
            return Err(format!("an epoch went back: {operation:?}"));
        }
        if state == operation.state {
            return Ok(());
        }
        if state != OperationState::Pending {
            return Err(format!("ended as {state:?} before: {operation:?}"));
        }
        if operation.state == OperationState::Refunded && operation.kind != OperationKind::SendSms {
            let head = &data.operations[&operation.group_id].operation;
            let was_taken_over = head.epoch > 0;
            if was_taken_over && wall(now + self.skew) < head.horizon_at {
                return Err(format!("refunded by the resolver before its horizon: {operation:?}"));
            }
        }
        Ok(())
    }

    /// Something is about to be sent to the operator.
    pub fn sent(&self, now: Duration, call: &Call, data: &Data) -> invariant::Holds {
        let About::Sent { reference, .. } = &call.about else { return Ok(()) };
        let Some(operation) = invariant::operation_of(data, reference) else {
            return Err(format!("{} was sent before its debit was committed", call.method));
        };
        let sent_at = wall(now.saturating_sub(self.skew));
        let in_time = match &operation.request {
            Request::SendSms { attempted_at, .. } => {
                attempted_at.is_some_and(|attempted| sent_at < attempted + self.call_timeout)
            }
            _ => sent_at < operation.deadline_at,
        };
        if !in_time {
            return Err(format!("{} was sent past its time: {operation:?}", call.method));
        }
        if operation.state != OperationState::Pending {
            return Err(format!("{} was sent after its end: {operation:?}", call.method));
        }
        Ok(())
    }

    /// Whether a wallet had this balance at some time from `began` on.
    pub fn had(&self, org: OrgId, balance: Money, began: Duration, data: &Data) -> bool {
        let ledger = &data.wallets[&org].ledger;
        let seen = self.ledgers.get(&org).map_or(&[][..], Vec::as_slice);
        let earlier = seen.iter().take_while(|(_, at)| *at < began).count();
        let later = ledger.iter().skip(earlier.saturating_sub(1));
        later.map(|entry| entry.balance_after).any(|had| had == balance)
    }

    /// What is not final though it should be by now.
    pub fn late(&self, now: Duration, data: &Data) -> Option<Operation> {
        let operations = data.operations.values().map(|stored| &stored.operation);
        let late = operations.filter(|operation| {
            let by = operation.horizon_at + FINAL_AFTER_HORIZON + self.skew;
            operation.state == OperationState::Pending && wall(now) > by
        });
        late.min_by_key(|operation| operation.horizon_at).cloned()
    }
}
