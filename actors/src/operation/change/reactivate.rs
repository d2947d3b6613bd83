//! Reactivates a Link whose monthly fee is due: the one change of a Link that charges.
//!
//! The order is that of all charged calls: room at the operator, debit, call, end, answer. The
//! operator is driven to `active`; where that fails the fee is given back and due again, and what
//! may have been reactivated all the same the resolver suspends.

use super::drive::{Driven, Earlier, Wanted, drive};
use super::update_link::finish_update;
use super::{LinkBusy, uncharged};
use crate::gateway::Permit;
use crate::model::{
    Cleanup, EntryId, Failure, Link, LinkFee, LinkStatus, Operation, OperationKind, Request,
};
use crate::operation::finish::{self, CALL_TIME_MIN};
use crate::operation::{Caller, Ended, OperationError, Services, UpdateLink, left};
use crate::ports::Guard;
use crate::wallet::{Command, CommandError, Debit};
use std::time::Duration;

pub(super) async fn reactivate(
    services: &Services,
    caller: &Caller,
    update: &UpdateLink,
    link: &Link,
    fee: LinkFee,
    permit: &mut Permit,
    until: Duration,
) -> Result<Ended, LinkBusy> {
    // No time left to call: nothing is charged that could only be given back.
    if left(until, services.clock.elapsed()) < CALL_TIME_MIN {
        return Ok(Ended::before_record(OperationError::Overloaded));
    }
    let debit = debit(services, caller, update, link, fee, until);
    let operation = debit.operation.clone();
    let recorded = Some(operation.id);
    let charge = Command::Debit(vec![debit.clone()]);
    let commit_until = until + services.limits.commit_margin;
    match finish::submit(services, caller.org, charge, commit_until).await {
        // Recorded already: by ourselves, in a commit whose answer was lost.
        Some(Ok(_) | Err(CommandError::Guarded(Guard::AlreadyOpen))) => {}
        // Another operation runs on the Link, or has paid the fee: everything is looked at anew.
        Some(Err(CommandError::Guarded(Guard::LinkBusy | Guard::FeeTaken))) => {
            return Err(LinkBusy);
        }
        None | Some(Err(CommandError::Lost)) => {
            let result = Err(OperationError::Unsettled);
            return Ok(Ended { operation_id: recorded, result });
        }
        Some(Err(error)) => return Ok(Ended::before_record(finish::not_debited(error))),
    }
    let result = match send(services, &operation, link, permit, until).await {
        Driven::Done { in_doubt } => {
            finish_update(services, caller, &operation, update, in_doubt).await
        }
        Driven::Refused(failure) => {
            let failure = match failure {
                Failure::ProviderError => Failure::ProvisioningError,
                other => other,
            };
            Err(give_back(services, debit, failure, Cleanup::None, commit_until).await)
        }
        Driven::Open(failure) => {
            Err(give_back(services, debit, failure, Cleanup::Watching, commit_until).await)
        }
    };
    Ok(Ended { operation_id: recorded, result })
}

async fn send(
    services: &Services,
    operation: &Operation,
    link: &Link,
    permit: &mut Permit,
    until: Duration,
) -> Driven {
    // Both clocks: the process's own stands still while a machine sleeps.
    if left(until, services.clock.elapsed()) < CALL_TIME_MIN
        || services.clock.now() >= operation.deadline_at
    {
        return Driven::Refused(Failure::ProvisioningFailed);
    }
    let wanted = Wanted::Status(&link.endpoint_id, LinkStatus::Active);
    drive(services, permit, wanted, until, Earlier::Unsent).await
}

async fn give_back(
    services: &Services,
    debit: Debit,
    failure: Failure,
    cleanup: Cleanup,
    until: Duration,
) -> OperationError {
    let operation = debit.operation.clone();
    let order = finish::refund(services, debit, failure, cleanup, services.clock.now());
    finish::give_back(services, &operation, vec![order], failure, until).await
}

fn debit(
    services: &Services,
    caller: &Caller,
    update: &UpdateLink,
    link: &Link,
    fee: LinkFee,
    until: Duration,
) -> Debit {
    let now = services.clock.now();
    let entry_id = EntryId(services.ids.next());
    let deadline_at = now + left(until, services.clock.elapsed());
    let request = Request::UpdateLink {
        endpoint_id: link.endpoint_id.clone(),
        status: Some(LinkStatus::Active),
        name: update.name.clone(),
        fee: Some(fee.month),
    };
    let horizon_at = deadline_at + services.limits.horizon;
    let (whose, kind) = ((caller.org, link.id), OperationKind::UpdateLink);
    let operation = Operation {
        amount: fee.amount,
        debit_id: Some(entry_id),
        key: caller.key.clone(),
        deadline_at,
        ..uncharged(&*services.ids, whose, kind, request, now, horizon_at)
    };
    let (iccid, description) = (Some(link.iccid.clone()), fee.description());
    Debit { operation, entry_id, iccid, plan_name: None, description, sms: None }
}
