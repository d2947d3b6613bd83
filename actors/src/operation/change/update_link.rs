//! A Link's status and name.

use super::drive::{Driven, Earlier, Wanted, drive};
use super::ending::{advance, landed_by, leave_open, reject};
use super::reactivate::reactivate;
use super::{BUSY_PAUSE_MIN, LinkBusy, admit, open, wait_for_turn};
use crate::link::Mode;
use crate::model::{
    Answer, Link, LinkSnapshot, LinkStatus, NameChange, Operation, OperationKind, Request,
    Timestamp,
};
use crate::operation::{Caller, Ended, OperationError, Services, UpdateLink, left};
use crate::ports::LinkChange;
use std::{num::NonZeroU32, time::Duration};

pub(in crate::operation) async fn update_link(
    services: &Services,
    caller: Caller,
    update: UpdateLink,
) -> Ended {
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

pub(super) async fn try_update(
    services: &Services,
    caller: &Caller,
    update: &UpdateLink,
    until: Duration,
) -> Result<Ended, LinkBusy> {
    let patience = left(until, services.clock.elapsed());
    let mode = Mode::Exclusive;
    let entered =
        match crate::operation::enter(services, caller.org, update.link, mode, patience).await {
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
    if let (Some(LinkStatus::Active), Some(permit)) = (update.status, &mut permit) {
        match services.store.due_fee(caller.org, link.id).await {
            Ok(None) => {}
            Ok(Some(fee)) => {
                let ended = reactivate(services, caller, update, link, fee, permit, until).await?;
                services.links.changed(caller.org, link.id).await;
                services.links.usage_changed(caller.org, link.id).await;
                return Ok(ended);
            }
            Err(error) => return Ok(Ended::before_record(error.into())),
        }
    }
    let request = Request::UpdateLink {
        endpoint_id: link.endpoint_id.clone(),
        status: update.status,
        name: update.name.clone(),
        fee: None,
    };
    let kind = OperationKind::UpdateLink;
    let operation = match open(services, caller, link.id, kind, None, request, until).await? {
        Ok(operation) => operation,
        Err(ended) => return Ok(ended),
    };
    let driven = match (&mut permit, update.status) {
        (Some(permit), Some(status)) => {
            let wanted = Wanted::Status(&link.endpoint_id, status);
            drive(services, permit, wanted, until, Earlier::Unsent).await
        }
        _ => Driven::Done { in_doubt: false },
    };
    drop(permit);
    let result = match driven {
        Driven::Done { in_doubt } => {
            finish_update(services, caller, &operation, update, in_doubt).await
        }
        Driven::Refused(failure) => reject(services, &operation, failure, Vec::new()).await,
        Driven::Open(_) => leave_open(services, &operation, Vec::new()).await,
    };
    services.links.changed(caller.org, operation.link_id).await;
    services.links.usage_changed(caller.org, operation.link_id).await;
    drop(entered);
    Ok(Ended { operation_id: Some(operation.id), result })
}

pub(super) async fn finish_update(
    services: &Services,
    caller: &Caller,
    operation: &Operation,
    update: &UpdateLink,
    in_doubt: bool,
) -> Result<Answer, OperationError> {
    let now = services.clock.now();
    let found = services.store.link_snapshot(caller.org, operation.link_id, now).await;
    // Done at the operator: the resolver will store it.
    let Ok(Some(snapshot)) = found else { return Err(OperationError::Unsettled) };
    let answer = updated(services, snapshot, update.status, &update.name, now);
    let change = LinkChange::Update { status: update.status, name: update.name.clone() };
    let look_again_at = in_doubt.then(|| landed_by(services, operation));
    advance(services, operation, Some(&answer), change, look_again_at, now).await.map(|()| answer)
}

/// What who changed a Link is told of it: as it will be stored, at `now`.
pub(in crate::operation) fn updated(
    services: &Services,
    mut snapshot: LinkSnapshot,
    status: Option<LinkStatus>,
    name: &NameChange,
    now: Timestamp,
) -> Answer {
    snapshot.usage_live = services.links.is_live(&snapshot.link);
    let link: &mut Link = &mut snapshot.link;
    link.status = status.unwrap_or(link.status);
    link.name = name.apply(link.name.take());
    link.updated_at = now;
    Answer::LinkUpdated { snapshot: Box::new(snapshot) }
}
