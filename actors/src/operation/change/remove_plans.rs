//! Plans taken off a Link, in order; what is off stays off.

use super::drive::{Driven, Earlier, Wanted, drive};
use super::ending::{advance, leave_open, reject};
use super::{BUSY_PAUSE_MIN, LinkBusy, admit, open, wait_for_turn};
use crate::link::Mode;
use crate::model::{
    Activation, ActivationStatus, Answer, LinkStatus, Money, OperationKind, Request,
};
use crate::operation::{Caller, Ended, OperationError, RemovePlans, Services, left};
use crate::ports::LinkChange;
use std::{num::NonZeroU32, time::Duration};

pub(in crate::operation) async fn remove_plans(
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

pub(super) async fn try_remove(
    services: &Services,
    caller: &Caller,
    remove: &RemovePlans,
    until: Duration,
) -> Result<Ended, LinkBusy> {
    let patience = left(until, services.clock.elapsed());
    let mode = Mode::Exclusive;
    let entered =
        match crate::operation::enter(services, caller.org, remove.link, mode, patience).await {
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
        let driven = drive(services, &mut permit, wanted, until, Earlier::Unsent).await;
        match driven {
            // Late removals do no harm: an instance is gone for good.
            Driven::Done { .. } => {
                activation.status = ActivationStatus::Cancelled;
                gone.push(activation.id);
                let change = LinkChange::Cancel(activation.id);
                removed.push(activation);
                let answered = (place + 1 == count).then(|| answer(removed.clone()));
                let answered_now = answered.as_ref();
                let now = services.clock.now();
                let closed = advance(services, &operation, answered_now, change, None, now).await;
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
            Driven::Open(_) => {
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

/// The activations to be taken off, each once and each still in force or used up.
pub(super) async fn removable(
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
        if !activation.status.is_in_force() || activation.is_over(now) {
            return Err(OperationError::ActivationOver);
        }
        activations.push(activation);
    }
    Ok(activations)
}
