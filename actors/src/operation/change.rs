//! Runs an operation that charges nothing: a status, a name, plans taken off.
//!
//! It is recorded first, then sent, and sent again to the wanted value: these calls are harmless
//! to repeat. What is still open at the deadline goes on with the resolver.

use super::operator_calls;
use super::{Caller, Ended, OperationError, RemovePlans, Services, UpdateLink, left};
use crate::gateway::{NotAdmitted, Permit};
use crate::link::Mode;
use crate::model::{
    Activation, ActivationId, ActivationStatus, Answer, Cleanup, Failure, Link, LinkId,
    LinkSnapshot, LinkStatus, Money, Operation, OperationId, OperationKind, OperationState,
    Request, Timestamp,
};
use crate::ports::{CallError, Closing, EndpointStatus, LinkChange, OpenOutcome, StoreError};
use std::{num::NonZeroU32, time::Duration};

/// Pause before a call that may not have taken effect is sent again, doubled each time: a permit
/// is for a few calls, not for a storm.
const REPEAT_PAUSE_MIN: Duration = Duration::from_millis(100);
const REPEAT_PAUSE_MAX: Duration = Duration::from_secs(2);
/// Pause before an end that the database could not take is stored again.
const STORE_PAUSE: Duration = Duration::from_millis(100);
/// Pause before looking again whether another operation has finished with the Link, doubled each
/// time.
const BUSY_PAUSE_MIN: Duration = Duration::from_millis(50);
const BUSY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// How driving the operator to a wanted value ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driven {
    /// It has the value.
    Done,
    /// It says no, or was never reached: nothing has changed.
    Refused(Failure),
    /// Not known in the time there was.
    Open,
}

/// Another operation has to end before this one may begin.
struct LinkBusy;

/// Waits a while for another operation on the same Link; `false` when there is no time left.
async fn wait_for_turn(services: &Services, pause: &mut Duration, until: Duration) -> bool {
    let time = left(until, services.clock.elapsed());
    if time <= *pause {
        return false;
    }
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(BUSY_PAUSE_MAX);
    true
}

pub(super) async fn update_link(services: &Services, caller: Caller, update: UpdateLink) -> Ended {
    let until = services.clock.elapsed() + services.limits.deadline;
    let mut pause = BUSY_PAUSE_MIN;
    loop {
        match try_update(services, &caller, &update, until).await {
            Ok(ended) => return ended,
            // Nothing is held meanwhile, and everything is looked at anew.
            Err(LinkBusy) if wait_for_turn(services, &mut pause, until).await => {}
            Err(LinkBusy) => return Ended::before_record(OperationError::Overloaded),
        }
    }
}

async fn try_update(
    services: &Services,
    caller: &Caller,
    update: &UpdateLink,
    until: Duration,
) -> Result<Ended, LinkBusy> {
    let patience = left(until, services.clock.elapsed());
    let mode = Mode::Exclusive;
    let entered = match super::enter(services, caller.org, update.link, mode, patience).await {
        Ok(entered) => entered,
        Err(error) => return Ok(Ended::before_record(error)),
    };
    let link = &entered.link;
    if let Some(to) = update.status
        && (link.status == LinkStatus::Inactive || to == LinkStatus::Inactive || to == link.status)
    {
        let error = OperationError::StatusChange { from: link.status, to };
        return Ok(Ended::before_record(error));
    }
    let mut permit = None;
    if update.status.is_some() {
        match admit(services, NonZeroU32::MIN, until).await {
            Ok(admitted) => permit = Some(admitted),
            Err(error) => return Ok(Ended::before_record(error.into())),
        }
    }
    let request = Request::UpdateLink {
        endpoint_id: link.endpoint_id.clone(),
        status: update.status,
        name: update.name.clone(),
    };
    let kind = OperationKind::UpdateLink;
    let operation = match open(services, caller, link.id, kind, None, request, until).await? {
        Ok(operation) => operation,
        Err(ended) => return Ok(ended),
    };
    let driven = match (&mut permit, update.status) {
        (Some(permit), Some(status)) => {
            let wanted = Wanted::Status(&link.endpoint_id, status);
            drive(services, permit, wanted, until, false).await
        }
        _ => Driven::Done,
    };
    drop(permit);
    let result = match driven {
        Driven::Done => finish_update(services, caller, &operation, update).await,
        Driven::Refused(failure) => reject(services, &operation, failure, Vec::new()).await,
        Driven::Open => leave_open(services, &operation, Vec::new()).await,
    };
    services.links.changed(caller.org, operation.link_id).await;
    services.links.usage_changed(caller.org, operation.link_id).await;
    drop(entered);
    Ok(Ended { operation_id: Some(operation.id), result })
}

pub(super) async fn remove_plans(
    services: &Services,
    caller: Caller,
    remove: RemovePlans,
) -> Ended {
    let until = services.clock.elapsed() + services.limits.deadline;
    let mut pause = BUSY_PAUSE_MIN;
    loop {
        match try_remove(services, &caller, &remove, until).await {
            Ok(ended) => return ended,
            Err(LinkBusy) if wait_for_turn(services, &mut pause, until).await => {}
            Err(LinkBusy) => return Ended::before_record(OperationError::Overloaded),
        }
    }
}

async fn try_remove(
    services: &Services,
    caller: &Caller,
    remove: &RemovePlans,
    until: Duration,
) -> Result<Ended, LinkBusy> {
    let patience = left(until, services.clock.elapsed());
    let mode = Mode::Exclusive;
    let entered = match super::enter(services, caller.org, remove.link, mode, patience).await {
        Ok(entered) => entered,
        Err(error) => return Ok(Ended::before_record(error)),
    };
    let link = &entered.link;
    if link.status != LinkStatus::Active {
        return Ok(Ended::before_record(OperationError::LinkState(link.status)));
    }
    let activations = match removable(services, caller, remove).await {
        Ok(activations) => activations,
        Err(error) => return Ok(Ended::before_record(error)),
    };
    let calls = u32::try_from(activations.len()).ok().and_then(NonZeroU32::new);
    let calls = calls.unwrap_or(NonZeroU32::MIN);
    let mut permit = match admit(services, calls, until).await {
        Ok(permit) => permit,
        Err(error) => return Ok(Ended::before_record(error.into())),
    };
    let request = Request::RemovePlans {
        endpoint_id: link.endpoint_id.clone(),
        items: activations.iter().map(|a| (a.id, a.instance_id.clone())).collect(),
    };
    let (kind, first) = (OperationKind::RemovePlan, activations.first().map(|a| a.id));
    let operation = match open(services, caller, link.id, kind, first, request, until).await? {
        Ok(operation) => operation,
        Err(ended) => return Ok(ended),
    };
    let answer = |removed: Vec<Activation>| Answer::PlansChanged {
        link_id: link.id,
        iccid: link.iccid.clone(),
        added: Vec::new(),
        removed,
        amount: Money::ZERO,
        currency: caller.currency,
    };
    let (mut gone, mut removed) = (Vec::new(), Vec::new());
    let mut result = Err(OperationError::Unsettled);
    let count = activations.len();
    for (place, mut activation) in activations.into_iter().enumerate() {
        let instance = activation.instance_id.clone();
        let wanted = Wanted::PlanGone(&link.endpoint_id, &instance);
        let driven = drive(services, &mut permit, wanted, until, false).await;
        match driven {
            Driven::Done => {
                activation.status = ActivationStatus::Cancelled;
                gone.push(activation.id);
                let change = LinkChange::Cancel(activation.id);
                removed.push(activation);
                let answered = (place + 1 == count).then(|| answer(removed.clone()));
                let closed = advance(services, &operation, answered.as_ref(), change).await;
                match (closed, answered) {
                    (Ok(()), Some(answer)) => result = Ok(answer),
                    (Ok(()), None) => {}
                    (Err(error), _) => {
                        result = Err(error);
                        break;
                    }
                }
            }
            Driven::Refused(failure) => {
                result = reject(services, &operation, failure, gone).await;
                break;
            }
            Driven::Open => {
                result = leave_open(services, &operation, gone).await;
                break;
            }
        }
    }
    drop(permit);
    services.links.changed(caller.org, operation.link_id).await;
    services.links.usage_changed(caller.org, operation.link_id).await;
    drop(entered);
    Ok(Ended { operation_id: Some(operation.id), result })
}

/// Room at the operator, awaited no longer than there is time.
async fn admit(
    services: &Services,
    calls: NonZeroU32,
    until: Duration,
) -> Result<Permit, NotAdmitted> {
    let patience = services.limits.patience.min(left(until, services.clock.elapsed()));
    services.gateway.admit(calls, patience).await
}

/// The activations to be taken off, each once and each still in force or used up.
async fn removable(
    services: &Services,
    caller: &Caller,
    remove: &RemovePlans,
) -> Result<Vec<Activation>, OperationError> {
    let now = services.clock.now();
    let mut activations = Vec::with_capacity(remove.activations.len());
    for (place, &id) in remove.activations.iter().enumerate() {
        if remove.activations[..place].contains(&id) {
            continue;
        }
        let found = services.store.activation(caller.org, remove.link, id).await?;
        let activation = found.ok_or(OperationError::NoActivation)?;
        let over = match activation.status {
            ActivationStatus::Cancelled | ActivationStatus::Expired => true,
            ActivationStatus::Active | ActivationStatus::Depleted => {
                activation.expires_at.is_some_and(|end| end <= now)
            }
        };
        if over {
            return Err(OperationError::ActivationOver);
        }
        activations.push(activation);
    }
    Ok(activations)
}

/// Records the operation, unless another one changes the same Link.
async fn open(
    services: &Services,
    caller: &Caller,
    link_id: LinkId,
    kind: OperationKind,
    activation_id: Option<ActivationId>,
    request: Request,
    until: Duration,
) -> Result<Result<Operation, Ended>, LinkBusy> {
    let now = services.clock.now();
    let id = OperationId(services.ids.next());
    let deadline_at = now + left(until, services.clock.elapsed());
    let operation = Operation {
        id,
        org_id: caller.org,
        group_id: id,
        position: 0,
        kind,
        state: OperationState::Pending,
        link_id,
        activation_id,
        plan_id: None,
        amount: Money::ZERO,
        debit_id: None,
        key: caller.key.clone(),
        request,
        failure: None,
        cleanup: Cleanup::None,
        epoch: 0,
        attempts: 0,
        deadline_at,
        horizon_at: deadline_at + services.limits.horizon,
        created_at: now,
        settled_at: None,
    };
    let lease_until = deadline_at + services.limits.commit_margin;
    match services.store.open_operation(operation.clone(), lease_until).await {
        Ok(OpenOutcome::Opened) => Ok(Ok(operation)),
        Ok(OpenOutcome::KeyTaken) => Ok(Err(Ended::before_record(OperationError::KeyTaken))),
        Ok(OpenOutcome::LinkBusy) => Err(LinkBusy),
        // Perhaps it is recorded: then the resolver carries it out.
        Err(StoreError::Unknown(why)) => {
            tracing::error!(operation = %id, why, "the record of an operation is in doubt");
            let result = Err(OperationError::Unsettled);
            Ok(Err(Ended { operation_id: Some(id), result }))
        }
        Err(error) => Ok(Err(Ended::before_record(error.into()))),
    }
}

/// A value that the operator is driven to. Sending it twice does no harm.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted<'a> {
    /// The endpoint has a status.
    Status(&'a str, LinkStatus),
    /// The endpoint has lost a plan instance.
    PlanGone(&'a str, &'a str),
}

impl Wanted<'_> {
    async fn send(self, permit: &mut Permit, left: Duration) -> Result<(), CallError> {
        match self {
            Self::Status(endpoint, status) => {
                let wanted = match status {
                    LinkStatus::Active => EndpointStatus::Active,
                    LinkStatus::Suspended => EndpointStatus::Suspended,
                    LinkStatus::Inactive => EndpointStatus::Terminated,
                };
                let call = permit.call(left, |operator, token, timeout| async move {
                    operator.set_status(&token, endpoint, wanted, timeout).await
                });
                call.await
            }
            Self::PlanGone(endpoint, instance) => {
                operator_calls::remove_plan(permit, endpoint, instance, left).await
            }
        }
    }
}

/// Sends what is wanted until it is so, cannot be, or the time is over. `in_doubt`: whether what
/// was sent before may still take effect; then a no is not the end, for it may yet turn out so.
pub(super) async fn drive(
    services: &Services,
    permit: &mut Permit,
    wanted: Wanted<'_>,
    until: Duration,
    mut in_doubt: bool,
) -> Driven {
    let mut pause = REPEAT_PAUSE_MIN;
    loop {
        let time = left(until, services.clock.elapsed());
        let mut wait = pause;
        pause = (pause * 2).min(REPEAT_PAUSE_MAX);
        match wanted.send(permit, time).await {
            Ok(()) => return Driven::Done,
            Err(CallError::Refused(refusal)) => {
                tracing::warn!(?refusal, in_doubt, "the operator refuses a change");
                let refused = Driven::Refused(Failure::ProviderError);
                return if in_doubt { Driven::Open } else { refused };
            }
            // Nothing was sent, unless an earlier attempt was.
            Err(CallError::Unreachable) if !in_doubt => {
                return Driven::Refused(Failure::ProviderUnavailable);
            }
            Err(CallError::Unauthorized) if !in_doubt => {
                return Driven::Refused(Failure::ConfigError);
            }
            Err(CallError::Unreachable | CallError::Unauthorized) => {}
            Err(CallError::Throttled(pause)) => wait = pause.unwrap_or(wait),
            Err(CallError::Unknown(cause)) => {
                tracing::warn!(?cause, "a change at the operator is in doubt");
                in_doubt = true;
            }
        }
        if left(until, services.clock.elapsed()) <= wait {
            let nothing_sent = Driven::Refused(Failure::ProviderUnavailable);
            return if in_doubt { Driven::Open } else { nothing_sent };
        }
        tokio::time::sleep(wait).await;
    }
}

async fn finish_update(
    services: &Services,
    caller: &Caller,
    operation: &Operation,
    update: &UpdateLink,
) -> Result<Answer, OperationError> {
    let found = services.store.link_snapshot(caller.org, operation.link_id).await;
    // Done at the operator: the resolver will store it.
    let Ok(Some(mut snapshot)) = found else { return Err(OperationError::Unsettled) };
    let now = services.clock.now();
    apply(&mut snapshot, update, now);
    let answer = Answer::LinkUpdated { snapshot: Box::new(snapshot) };
    let change = LinkChange::Update { status: update.status, name: update.name.clone() };
    advance(services, operation, Some(&answer), change).await.map(|()| answer)
}

fn apply(snapshot: &mut LinkSnapshot, update: &UpdateLink, now: Timestamp) {
    let link: &mut Link = &mut snapshot.link;
    if let Some(status) = update.status {
        link.status = status;
    }
    if let Some(name) = &update.name {
        link.name = Some(name.clone());
    }
    link.updated_at = now;
}

/// Stores a change that the operator has made. The last one brings the answer and ends the
/// operation; it stays pending behind the others.
async fn advance(
    services: &Services,
    operation: &Operation,
    answer: Option<&Answer>,
    change: LinkChange,
) -> Result<(), OperationError> {
    let state = match answer {
        Some(_) => OperationState::Succeeded,
        None => OperationState::Pending,
    };
    let answer = answer.filter(|_| operation.key.is_some()).cloned().map(Box::new);
    close(services, operation, state, None, answer, change).await
}

/// Writes a change and, with a final state, the end of an operation, under its epoch.
pub(super) async fn close(
    services: &Services,
    operation: &Operation,
    state: OperationState,
    failure: Option<Failure>,
    answer: Option<Box<Answer>>,
    change: LinkChange,
) -> Result<(), OperationError> {
    let pending = state == OperationState::Pending;
    // The runner's lease; or the resolver's, which begins when that one is over.
    let lease = (operation.deadline_at + services.limits.commit_margin)
        .max(services.clock.now() + services.limits.lease);
    let closing = Closing {
        operation_id: operation.id,
        epoch: operation.epoch,
        state,
        failure,
        cleanup: Cleanup::None,
        lease_until: pending.then_some(lease),
        answer,
    };
    let (org, link, now) = (operation.org_id, operation.link_id, services.clock.now());
    let (mut lost, until) = (false, services.clock.elapsed() + services.limits.commit_margin);
    loop {
        let (closing, change) = (closing.clone(), change.clone());
        match services.store.close_operation(org, link, closing, change, now).await {
            Ok(true) => return Ok(()),
            // By ourselves, in a commit whose answer was lost.
            Ok(false) if lost && !pending && is_in_state(services, operation, state).await => {
                return Ok(());
            }
            // Taken over: who did so brings it to its end.
            Ok(false) => return Err(OperationError::Unsettled),
            Err(error) => {
                tracing::error!(operation = %operation.id, %error, "an end is not stored yet");
                lost |= matches!(error, StoreError::Unknown(_));
                let is_hopeless = matches!(error, StoreError::Broken(_));
                if is_hopeless || left(until, services.clock.elapsed()) <= STORE_PAUSE {
                    return Err(OperationError::Unsettled);
                }
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
    }
}

async fn is_in_state(services: &Services, operation: &Operation, state: OperationState) -> bool {
    let stored = services.store.operation(operation.org_id, operation.id).await;
    matches!(stored, Ok(Some(stored)) if stored.state == state)
}

async fn reject(
    services: &Services,
    operation: &Operation,
    failure: Failure,
    removed: Vec<ActivationId>,
) -> Result<Answer, OperationError> {
    let (state, change) = (OperationState::Rejected, LinkChange::None);
    close(services, operation, state, Some(failure), None, change).await?;
    Err(OperationError::Failed { failure, removed })
}

/// What is still open goes on with the resolver, at once; the caller is told that it is not done.
async fn leave_open(
    services: &Services,
    operation: &Operation,
    removed: Vec<ActivationId>,
) -> Result<Answer, OperationError> {
    let (org, id, epoch) = (operation.org_id, operation.id, operation.epoch);
    let now = Some(services.clock.now());
    // If that fails, the resolver comes by itself when the lease is over.
    if services.store.reschedule(org, id, epoch, Cleanup::None, now).await.is_ok() {
        services.resolver.wake();
    }
    Err(OperationError::Failed { failure: Failure::ProviderError, removed })
}
