//! What a partner was told must hold: at the moment it is told, and for ever.

use super::checks::Checks;
use super::history::Who;
use super::sim::Sim;
use crate::support::invariant::Holds;
use crate::support::store::Data;
use crate::support::wire::About;
use bappy_actors::model::{Answer, OperationId, OperationKind, OperationState, OrgId, RequestKey};
use bappy_actors::operation::{Ended, OperationError};
use bappy_actors::wallet::Refused;
use std::collections::BTreeMap;
use std::time::Duration;

/// One call of a partner.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub number: u64,
    pub partner: u8,
    pub org: OrgId,
    pub key: Option<String>,
    began: Duration,
}

/// How a call ended for the partner.
pub enum Answered {
    Ended(Ended),
    /// A read: there is nothing to hold anybody to.
    Nothing,
    /// The connection was cut, by one side or the other.
    Cut,
}

impl Answered {
    /// Whether a partner calls again after such an answer.
    pub fn is_open(&self) -> bool {
        let Self::Ended(ended) = self else { return false };
        !matches!(ended.result, Ok(_) | Err(OperationError::LinkState(_) | OperationError::NoLink))
    }
}

impl Attempt {
    pub fn new(sim: &Sim, partner: u8, org: OrgId, key: Option<String>) -> Self {
        let began = sim.elapsed();
        let mut inner = sim.inner();
        inner.told.attempts += 1;
        if let Some(key) = &key {
            *inner.told.calls_under.entry((org, key.clone())).or_default() += 1;
        }
        Self { number: inner.told.attempts, partner, org, key, began }
    }

    /// What marks the operations of this attempt: it stands where the hash of its input does.
    pub fn tag(&self) -> [u8; 32] {
        let mut tag = [0; 32];
        tag[..8].copy_from_slice(&self.number.to_be_bytes());
        tag
    }
}

/// What was told so far.
#[derive(Default)]
pub struct Told {
    attempts: u64,
    /// Attempts under a key of which nothing may ever be recorded.
    nothing: Vec<[u8; 32]>,
    /// Calls under a key until now.
    calls_under: BTreeMap<(OrgId, String), usize>,
    /// What a key was answered for good.
    by_key: BTreeMap<(OrgId, String), OperationId>,
    /// The operations that calls without a key were told.
    without_key: Vec<OperationId>,
    /// Calls without a key that were cut.
    cut_without_key: usize,
}

impl Sim {
    /// A partner has its answer.
    pub fn answered(&self, attempt: &Attempt, answered: Answered) {
        let who = Who::Partner(attempt.partner);
        self.note(who, "is told", || match &answered {
            Answered::Ended(ended) => format!("call {}: {}", attempt.number, brief(ended)),
            Answered::Nothing => format!("call {}: read", attempt.number),
            Answered::Cut => format!("call {}: cut", attempt.number),
        });
        let data = self.store.data();
        let mut guard = self.inner();
        let inner = &mut *guard;
        let holds = match answered {
            Answered::Nothing => Ok(()),
            Answered::Cut => {
                inner.figures.cut += 1;
                inner.told.cut_without_key += usize::from(attempt.key.is_none());
                Ok(())
            }
            Answered::Ended(ended) => inner.told.ended(attempt, ended, &data, &inner.checks),
        };
        drop((guard, data));
        if let Err(broken) = holds {
            let number = attempt.number;
            self.fail(format!("what was told in answer to call {number}: {broken}"));
        }
    }
}

fn brief(ended: &Ended) -> String {
    let id = ended.operation_id.map(|id| About::Operation(id).to_string()).unwrap_or_default();
    let result = match &ended.result {
        Ok(Answer::LinkCreated { .. }) => "created".to_owned(),
        Ok(Answer::LinkUpdated { .. }) => "updated".to_owned(),
        Ok(Answer::PlansChanged { added, removed, .. }) => {
            format!("{} added, {} removed", added.len(), removed.len())
        }
        Ok(Answer::SmsQueued { .. }) => "queued".to_owned(),
        Err(error) => format!("{error:?}"),
    };
    format!("{result} {id}")
}

impl Told {
    fn ended(&mut self, attempt: &Attempt, ended: Ended, data: &Data, checks: &Checks) -> Holds {
        if let (None, Some(id)) = (&attempt.key, ended.operation_id) {
            self.without_key.push(id);
        }
        match (ended.result, ended.operation_id) {
            (Ok(answer), Some(id)) => self.done(attempt, id, &answer, data),
            (Ok(answer), None) => Err(format!("done by no operation: {answer:?}")),
            (Err(OperationError::Unsettled), id) => {
                let unnamed = attempt.key.is_none() && id.is_none();
                self.cut_without_key += usize::from(unnamed);
                Ok(())
            }
            (Err(OperationError::Failed { .. }), Some(id)) => failed(id, data),
            (Err(OperationError::KeyTaken), id) => self.key_taken(attempt, id),
            (Err(error), None) => {
                if attempt.key.is_some() {
                    self.nothing.push(attempt.tag());
                }
                self.nothing_recorded(data)?;
                refused(attempt, &error, data, checks)
            }
            (Err(error), Some(id)) => Err(format!("{error:?} of the recorded {id}")),
        }
    }

    /// What was told to be done is done, once, and will be told so again.
    fn done(&mut self, attempt: &Attempt, id: OperationId, answer: &Answer, data: &Data) -> Holds {
        let group = data.group(attempt.org, id);
        ensure!(!group.is_empty(), "{id} is not recorded");
        for operation in &group {
            let queued = operation.kind == OperationKind::SendSms;
            let succeeded = operation.state == OperationState::Succeeded;
            ensure!(queued || succeeded, "told that it is done: {operation:?}");
        }
        let Some(key) = &attempt.key else { return Ok(()) };
        let before = self.by_key.insert((attempt.org, key.clone()), id);
        let twice = before.filter(|before| *before != id && stands(*before, data));
        ensure!(twice.is_none(), "{key} done twice: {twice:?}, {id}");
        let stored = data.operations[&id].answer.as_ref();
        let repeats = matches!(answer, Answer::SmsQueued { .. }) || stored == Some(answer);
        ensure!(repeats, "told {answer:?}, and would repeat {stored:?}");
        Ok(())
    }

    /// Another call under the key came first. It need not be recorded yet: both may be in one batch.
    fn key_taken(&self, attempt: &Attempt, id: Option<OperationId>) -> Holds {
        let Some(key) = &attempt.key else { return Err("a key, where there was none".to_owned()) };
        let calls = self.calls_under[&(attempt.org, key.clone())];
        ensure!(calls > 1 || id.is_some(), "{key} stands for no other call");
        Ok(())
    }

    /// Of what was told not to have begun nothing is recorded.
    fn nothing_recorded(&self, data: &Data) -> Holds {
        for stored in data.operations.values() {
            let operation = &stored.operation;
            let told = |key: &RequestKey| self.nothing.contains(&key.request_hash);
            let told = operation.key.as_ref().is_some_and(told);
            ensure!(!told, "told that nothing was done: {operation:?}");
        }
        Ok(())
    }

    /// Holds at the end of a run.
    pub fn at_rest(&self, data: &Data) -> Holds {
        self.nothing_recorded(data)?;
        for ((org, key), id) in self.by_key.iter().filter(|(_, id)| stands(**id, data)) {
            let of_key = |key_held: &RequestKey| key_held.key == *key;
            let operations = data.operations.values().map(|stored| &stored.operation);
            let others = operations
                .filter(|o| o.org_id == *org && o.key.as_ref().is_some_and(of_key))
                .filter(|o| o.state == OperationState::Succeeded && o.id != *id);
            ensure!(others.count() == 0, "{key} was answered by {id}, and done again");
        }
        let operations = data.operations.values().map(|stored| &stored.operation);
        let untold = operations
            .filter(|o| o.position == 0 && o.key.is_none())
            // The platform's own changes have no key either.
            .filter(|o| o.kind != OperationKind::UpdateLink)
            .filter(|o| !self.without_key.contains(&o.id));
        let (untold, cut) = (untold.collect::<Vec<_>>(), self.cut_without_key);
        ensure!(untold.len() <= cut, "{cut} calls were cut, and nobody was told of {untold:?}");
        Ok(())
    }
}

/// Whether what was told to be done is so still: an SMS that was queued may have been refunded.
fn stands(id: OperationId, data: &Data) -> bool {
    let state = data.operations[&id].operation.state;
    matches!(state, OperationState::Pending | OperationState::Succeeded)
}

/// What was charged is back when the answer is read.
fn failed(id: OperationId, data: &Data) -> Holds {
    let org = data.operations.get(&id).ok_or_else(|| format!("{id} is not recorded"))?;
    for operation in data.group(org.operation.org_id, id) {
        let charged = operation.debit_id.is_some();
        let back = operation.state == OperationState::Refunded;
        ensure!(!charged || back, "told that it failed: {operation:?}");
    }
    Ok(())
}

/// Who is refused for lack of funds lacked them while it was asked.
fn refused(attempt: &Attempt, error: &OperationError, data: &Data, checks: &Checks) -> Holds {
    let OperationError::Refused(Refused::InsufficientFunds { balance, needed }) = error else {
        return Ok(());
    };
    let had = checks.had(attempt.org, *balance, attempt.began, data);
    ensure!(needed > balance && had, "refused on a balance that never was: {error:?}");
    Ok(())
}
